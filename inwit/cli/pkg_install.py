"""`inwit pkg install` and what follows it: update, outdated, uninstall, verify, audit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inwit.cli.frame import FAILED, Command

if TYPE_CHECKING:
    from inwit.registry.install.installer import Consent, Installer, Outcome
    from inwit.registry.install.lock import Locked
    from inwit.registry.sources.local import PathSource

_PACKAGE = re.compile(r"([a-z0-9-]+/[a-z0-9-]+)(?:\[([a-z0-9,\s-]*)\])?\s*(.*)")
_accept = click.option(
    "--accept-permissions", is_flag=True, help="Updates may ask for more than before."
)
_lookalike = click.option(
    "--allow-lookalike", multiple=True, metavar="ID", help="This name is meant, near as it is."
)
_dry = click.option("--dry-run", is_flag=True, help="Only show what would be done.")


@click.command(
    "install",
    cls=Command,
    example='inwit pkg install acme/retriever "acme/tools[pdf]>=1.2,<2"\n'
    "inwit pkg install ./acme.retriever-1.0.0.tar.gz --dry-run\n"
    "inwit pkg install --frozen",
)
@click.argument("packages", nargs=-1)
@click.option("--frozen", is_flag=True, help="Install exactly what inwit.lock names.")
@_dry
@_accept
@_lookalike
@click.option(
    "--allow-source-change", multiple=True, metavar="NAMESPACE",
    help="This namespace may come from another source than inwit.lock says.",
)  # fmt: skip
@click.option(
    "--allow-unsandboxed", is_flag=True,
    help="Here, code of unverified packages may run without a sandbox where bubblewrap is absent.",
)  # fmt: skip
def install(
    packages: tuple[str, ...],
    frozen: bool,
    dry_run: bool,
    accept_permissions: bool,
    allow_lookalike: tuple[str, ...],
    allow_source_change: tuple[str, ...],
    allow_unsandboxed: bool,
    as_json: bool,
) -> None:
    """Install packages with what they stand on: by id, by folder or by archive.

    Nothing of a package runs while it is installed.
    """
    from inwit.registry.install.installer import Consent

    if frozen and packages:
        raise click.UsageError("--frozen installs what inwit.lock names, and nothing else.")
    wanted, named = _wanted(packages)
    consent = Consent(
        permissions=accept_permissions,
        lookalikes=allow_lookalike,
        other_source=allow_source_change,
        unsandboxed=allow_unsandboxed,
    )
    with _installer(named) as installer:
        if frozen or not packages:
            outcome = installer.restore(consent=consent, dry_run=dry_run)
        else:
            outcome = _consented(
                lambda consent: installer.install(wanted, consent=consent, dry_run=dry_run), consent
            )
    _show(outcome, as_json)


@click.command("update", cls=Command, example="inwit pkg update acme/retriever")
@click.argument("packages", nargs=-1)
@_dry
@_accept
def update(
    packages: tuple[str, ...], dry_run: bool, accept_permissions: bool, as_json: bool
) -> None:
    """Take the newest versions that fit, of these packages or of all."""
    from inwit.registry.install.installer import Consent

    with _installer() as installer:
        outcome = _consented(
            lambda consent: installer.update(packages, consent=consent, dry_run=dry_run),
            Consent(permissions=accept_permissions),
        )
    _show(outcome, as_json)


@click.command("uninstall", cls=Command, example="inwit pkg uninstall acme/retriever")
@click.argument("packages", nargs=-1, required=True)
@_dry
def uninstall(packages: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Remove packages, and what came with them alone; say which graphs use them."""
    from inwit.cli import render

    with _installer() as installer:
        outcome = installer.uninstall(packages, dry_run=dry_run)
        users = {one.id: installer.users(one) for one in outcome.removed}
    _show(outcome, as_json)
    for package_id, names in users.items():
        if names:
            told = f"note: {package_id} is used by {', '.join(names)}, which fails without it."
            click.echo(render.plain(told), err=True)


@click.command("outdated", cls=Command, example="inwit pkg outdated --json")
def outdated(as_json: bool) -> None:
    """Show installed packages of which there is a newer version."""
    from inwit.cli import render

    with _installer() as installer:
        found = installer.outdated()
    if as_json:
        told = [{"id": a.id, "version": a.version, "newest": b.version, "source": b.source}
                for a, b in found]  # fmt: skip
        render.json({"packages": told, "total_count": len(told)})
        return
    rows = [(a.id, a.version, b.version, b.source) for a, b in found]
    render.table(("PACKAGE", "INSTALLED", "NEWEST", "SOURCE"), rows, nothing="All are the newest.")


@click.command("verify", cls=Command, example="inwit pkg verify acme/retriever")
@click.argument("packages", nargs=-1)
def verify(packages: tuple[str, ...], as_json: bool) -> int:
    """Compare installed files with what was unpacked; exit code 1 where any differs."""
    from inwit.cli import render

    with _installer() as installer:
        found = installer.verify(packages)
    if as_json:
        told = [{"id": one, "ok": not faults, "faults": faults} for one, faults in found.items()]
        render.json({"packages": told, "total_count": len(told)})
    else:
        rows = [(one, "; ".join(faults) or "as it was unpacked") for one, faults in found.items()]
        render.table(("PACKAGE", "STATE"), rows, nothing="Nothing is installed.")
    return FAILED if any(found.values()) else 0


@click.command("audit", cls=Command, example="inwit pkg audit --json")
def audit(as_json: bool) -> int:
    """Show installed packages with advisories, and those withdrawn; exit code 1 where there are."""
    from inwit.cli import render

    with _installer() as installer:
        found = installer.advisories()
    if as_json:
        render.json({"advisories": found, "total_count": len(found)})
    else:
        rows = [(one["package"], one["version"], one["id"], one["severity"], one["summary"],
                 ", ".join(one["used_by"])) for one in found]  # fmt: skip
        columns = ("PACKAGE", "VERSION", "ADVISORY", "SEVERITY", "WHAT", "USED BY")
        render.table(columns, rows, nothing="Nothing is known against what is installed.")
    if found and not as_json:
        way_out = "note: `inwit pkg update` takes what is mended; `inwit pkg uninstall` removes."
        click.echo(way_out, err=True)
    return FAILED if found else 0


COMMANDS = (install, uninstall, update, outdated, audit, verify)


def _wanted(packages: Iterable[str]) -> tuple[dict[str, Any], list[PathSource]]:
    """What is asked for by id, and the packages that are named by path."""
    from inwit.registry.install.lock import Wanted
    from inwit.registry.sources.local import PathSource

    wanted: dict[str, Wanted] = {}
    named = []
    for text in packages:
        if text.startswith((".", "/", "~")) or text.endswith(".tar.gz"):
            source = PathSource(Path(text).expanduser())
            named.append(source)
            wanted[source.id] = Wanted()
            continue
        match = _PACKAGE.fullmatch(text)
        if match is None or not _is_range(match[3]):
            hint = "Give NAMESPACE/NAME, with [EXTRAS] and versions as in acme/tools[pdf]>=1,<2."
            raise click.UsageError(f"No package {text!r}. {hint}")
        extras = tuple(one.strip() for one in (match[2] or "").split(",") if one.strip())
        wanted[match[1]] = Wanted(version=match[3].strip(), extras=extras)
    return wanted, named


def _is_range(text: str) -> bool:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        SpecifierSet(text)
    except InvalidSpecifier:
        return False
    return True


@contextmanager
def _installer(named: Iterable[PathSource] = ()) -> Iterator[Installer]:
    """An installer of this project, its progress shown on stderr."""
    import inwit
    from inwit.cli.pkg_publish import user_name
    from inwit.cli.progress import progress
    from inwit.registry.install.installer import Installer
    from inwit.registry.sources.configured import Sources
    from inwit.runtime.project import Project

    project = Project.find()
    with progress() as tell:
        yield Installer(
            project,
            Sources.of(project, named=tuple(named)),
            inwit_version=inwit.__version__,
            actor=f"person:{user_name()}",
            progress=tell,
        )


def _consented(do: Any, consent: Consent) -> Outcome:
    """Do it; where it needs more permissions and a person watches, ask."""
    import sys

    import msgspec

    from inwit.errors import ConsentError

    try:
        done: Outcome = do(consent)
    except ConsentError as exc:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise
        click.echo(exc.message, err=True)
        click.confirm("Agree?", abort=True, err=True)
        done = do(msgspec.structs.replace(consent, permissions=True))
    return done


def _show(outcome: Outcome, as_json: bool) -> None:
    from inwit.cli import render

    if as_json:
        render.json(_told(outcome))
        return
    would = "would be " if outcome.is_dry else ""
    for one in outcome.added:
        click.echo(render.plain(f"{would}installed {_named(one)}"))
        _show_permissions(one)
    for old, new in outcome.changed:
        click.echo(render.plain(f"{would}changed {old.id} {old.version} -> {new.version}"))
        _show_permissions(new)
    for one in outcome.removed:
        click.echo(render.plain(f"{would}removed {one.id} {one.version}"))
    if not (outcome.added or outcome.changed or outcome.removed):
        click.echo("Nothing to do.", err=True)
    if outcome.missing_python:
        wanted = " ".join(f"'{one}'" for one in outcome.missing_python)
        click.echo(
            render.plain(f"note: Python packages are missing: pip install {wanted}"), err=True
        )


def _named(one: Locked) -> str:
    proof = f", commit {one.proof['commit'][:12]}" if "commit" in one.proof else ""
    return f"{one.id} {one.version} ({one.origin}, {one.level}{proof}) from {one.source}"


def _show_permissions(one: Locked) -> None:
    from inwit.cli import render

    for line in one.permissions.lines() or ("nothing beyond its own folder",):
        click.echo(render.plain(f"  may reach: {line}"))


def _told(outcome: Outcome) -> dict[str, Any]:
    def told(one: Locked) -> dict[str, Any]:
        return {
            "id": one.id, "version": one.version, "sha256": one.sha256, "source": one.source,
            "origin": one.origin, "level": one.level, "proof": one.proof,
            "permissions": list(one.permissions.lines()), "dependencies": list(one.dependencies),
        }  # fmt: skip

    return {
        "dry_run": outcome.is_dry,
        "installed": [told(one) for one in outcome.added],
        "changed": [{**told(new), "from": old.version} for old, new in outcome.changed],
        "removed": [told(one) for one in outcome.removed],
        "kept": [one.id for one in outcome.kept],
        "missing_python": list(outcome.missing_python),
    }
