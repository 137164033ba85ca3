"""`inwit pkg publish`, and what a publisher does besides: keys, yanks, advisories."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from inwit.cli import pkg_contrib
from inwit.cli.frame import Command

_KEYS = click.option(
    "--key", "keys", multiple=True, type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Sign by this key instead of your own; repeated, by each.",
)  # fmt: skip


@click.command("publish", cls=Command, example="inwit pkg publish ./my-package")
@click.argument("folder", type=click.Path(path_type=Path, exists=True), default=Path())
@click.option("--owner", help="The name under which the key is listed; by default the user's.")
@_KEYS
@click.option(
    "--envelope", type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Publish under these signatures, which `inwit pkg sign` made, instead of signing now.",
)  # fmt: skip
def publish(
    folder: Path, owner: str | None, keys: tuple[Path, ...], envelope: Path | None, as_json: bool
) -> None:
    """Build a package, sign it by your key, and publish it at INWIT_REGISTRY_URL.

    The first to publish in a namespace claims it.
    """
    from inwit.cli import render

    archive, signers = _archive(folder), _signers(keys)
    signed = envelope.read_bytes() if envelope else None
    found = _client().publish(archive, owner=owner or user_name(), signers=signers, envelope=signed)
    if as_json:
        render.json(found)
        return
    made = found["package"]
    done = "published" if found["is_new"] else "was published already"
    click.echo(f"{render.plain(made['id'])} {render.plain(made['version'])} {done}.")
    click.echo(f"  sha256 {render.plain(made['hash'])}, level {render.plain(made['level'])}")
    for warning in found["warnings"]:
        click.echo(f"warning: {render.plain(warning)}", err=True)


@click.command("sign", cls=Command, example="inwit pkg sign acme.rag-1.0.0.tar.gz")
@click.argument("archive", type=click.Path(path_type=Path, exists=True))
@_KEYS
@click.option(
    "--envelope", type=click.Path(path_type=Path, dir_okay=False),
    help="The file of signatures; by default beside the archive. What is in it stays.",
)  # fmt: skip
def sign(archive: Path, keys: tuple[Path, ...], envelope: Path | None, as_json: bool) -> None:
    """Sign a package without publishing it: one of several people whose signatures it needs.

    Each signs the same archive in turn; who is last publishes it with --envelope.
    """
    from inwit.cli import render
    from inwit.registry.serve_client import signed_by

    built = _archive(archive)
    about = built.manifest.package
    name = f"{about.namespace}.{about.name}-{about.version}.dsse.json"
    place = envelope or (archive if archive.is_dir() else archive.parent) / name
    before = place.read_bytes() if place.exists() else None
    place.write_bytes(signed_by(built, user_name(), _signers(keys), before))
    if as_json:
        render.json({"envelope": str(place), "id": built.manifest.id, "sha256": built.sha256})
    else:
        click.echo(str(place))


def _archive(place: Path) -> Any:
    from inwit.registry.archive import build_archive, read_archive

    return build_archive(place) if place.is_dir() else read_archive(place.read_bytes())


def _signers(keys: tuple[Path, ...]) -> list[Any]:
    from inwit.registry.trust_keys import own_key, read_key

    return [read_key(path) for path in keys] or [own_key()]


@click.command("yank", cls=Command, example='inwit pkg yank acme/rag 1.2.0 --why "loses answers"')
@click.argument("package_id")
@click.argument("version")
@click.option("--why", required=True, help="The reason; it is shown to who has the version.")
def yank(package_id: str, version: str, why: str, as_json: bool) -> None:
    """Say that nobody should take a version anew. Who has it keeps it, and `pkg audit` tells."""
    from inwit.cli import render
    from inwit.cli.frame import NotFound

    client = _client()
    listed = client.get(f"/simple/{package_id}/")["files"]
    name = f"{package_id.partition('/')[2]}-{version.replace('!', '~')}.tar.gz"
    found = next((one for one in listed if one["filename"] == name), None)
    if found is None:
        raise NotFound(f"{package_id} {version} is not published.")
    yanked = client.yank(found["hashes"]["sha256"], why)
    if as_json:
        render.json(yanked)
    else:
        click.echo(f"{package_id} {version} is yanked.", err=True)


@click.command(
    "advise", cls=Command,
    example='inwit pkg advise acme/rag "<1.3" --severity high --summary "leaks its prompt"',
)  # fmt: skip
@click.argument("package_id")
@click.argument("affected")
@click.option(
    "--severity", type=click.Choice(["low", "moderate", "high", "critical"]), required=True,
    help="How much harm it does.",
)  # fmt: skip
@click.option("--summary", required=True, help="What is wrong, in one line.")
def advise(package_id: str, affected: str, severity: str, summary: str, as_json: bool) -> None:
    """Warn of versions of a package (a range as PEP 440 writes it); `pkg audit` tells who has them."""
    from inwit.cli import render

    found = _client().post(
        "/advisories",
        {"package": package_id, "affected": affected, "severity": severity, "summary": summary},
    )
    if as_json:
        render.json(found)
    else:
        click.echo(render.plain(found["id"]))


@click.command("key", cls=Command, example="inwit pkg key")
@click.option("--name", default="publisher", show_default=True, help="Which of your keys.")
def key(name: str, as_json: bool) -> None:
    """Show the public half of your key; it is made when it is first needed."""
    from inwit.cli import render
    from inwit.registry.trust_keys import own_key
    from inwit.runtime.project import user_folder

    public = own_key(name).public_key
    place = user_folder() / "keys" / f"{name}.pem"
    if as_json:
        shown = {"id": public.keyid, "public": public.keyval["public"], "file": str(place)}
        render.json(shown)
    else:
        click.echo(public.keyval["public"])


def user_name() -> str:
    """The name of whoever is at the terminal."""
    import getpass
    import os

    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return str(os.getuid())


def _client() -> Any:
    from inwit.registry.serve_client import RegistryClient
    from inwit.runtime.project import Project

    return RegistryClient.of(Project.find())


COMMANDS = (publish, sign, yank, advise, key, pkg_contrib.command)
