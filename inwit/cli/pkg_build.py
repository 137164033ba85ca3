"""`inwit pkg init`, `build` and `check`: packages of one's own."""

from __future__ import annotations

from pathlib import Path

import click

from inwit.cli.frame import Command

_folder = click.argument(
    "folder", type=click.Path(path_type=Path, file_okay=False, exists=True), default="."
)


@click.command(
    "init", cls=Command, example="inwit pkg init acme/retriever --kind node-library\ncd retriever"
)
@click.argument("package_id", metavar="NAMESPACE/NAME")
@click.option("--kind", default="node-library", show_default=True, help="What kind of package.")
@click.option(
    "--folder", type=click.Path(path_type=Path, file_okay=False), help="Where; by default ./NAME."
)
def init(package_id: str, kind: str, folder: Path | None, as_json: bool) -> None:
    """Start a package: manifest, code, README and a test, ready to build."""
    from inwit.cli import render
    from inwit.cli.pkg_publish import user_name
    from inwit.registry.templates import start_package

    place = folder or Path(package_id.rpartition("/")[2])
    files = start_package(place, package_id, kind, author=user_name())
    if as_json:
        render.json({"folder": str(place), "files": [str(one) for one in files]})
    else:
        for one in files:
            click.echo(one)


@click.command("build", cls=Command, example="inwit pkg build ./retriever --out ./dist")
@_folder
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), help="Where the archive goes."
)
def build(folder: Path, out: Path | None, as_json: bool) -> None:
    """Pack a package; the same files always give the same bytes."""
    from inwit.cli import render
    from inwit.registry.archive import build_archive

    made = build_archive(folder)
    place = out or Path()
    place.mkdir(parents=True, exist_ok=True)
    path = place / made.file_name
    path.write_bytes(made.content)
    facts = {
        "id": made.manifest.id, "version": made.manifest.package.version, "archive": str(path),
        "sha256": made.sha256, "size_bytes": len(made.content), "files": len(made.files),
    }  # fmt: skip
    (render.json if as_json else render.facts)(facts)


@click.command("check", cls=Command, example="inwit pkg check ./retriever")
@_folder
def check(folder: Path, as_json: bool) -> None:
    """Say whether a package can be built, what it may reach, and what could be better."""
    from inwit.cli import render
    from inwit.registry.templates import check_package

    made, advice = check_package(folder)
    facts = {
        "id": made.manifest.id, "version": made.manifest.package.version, "sha256": made.sha256,
        "files": [one.path for one in made.files],
        "permissions": list(made.manifest.permissions.lines()), "advice": advice,
    }  # fmt: skip
    (render.json if as_json else render.facts)(facts)


COMMANDS = (init, build, check)
