"""`inwit pkg`: the packages that this project can see."""

from __future__ import annotations

from typing import Any

import click

from inwit.cli import pkg_build, pkg_install, pkg_publish
from inwit.cli.frame import Group


@click.group("pkg", cls=Group, example='inwit pkg search "answer questions over documents"')
def command() -> None:
    """Find, install and make packages: graph templates, nodes, tools, prompts, checkpointers."""


_PLACES = "packages are read from .inwit/packages/ and ~/.inwit/packages/ (NAMESPACE/NAME/)."


def _index() -> Any:
    from inwit.registry.packages import PackageIndex
    from inwit.runtime.project import Project

    return PackageIndex.of(Project.find())


@command.command(
    "search",
    example='inwit pkg search "answer questions over documents"\n'
    "inwit pkg search redis --registry ./lists --limit 5 --json",
)
@click.argument("query", required=False)
@click.option(
    "--registry", help="A folder that `inwit registry import` filled, or a registry's URL."
)
@click.option("--kind", help="Only packages of this kind.")
@click.option("--capability", help="Only packages that provide this capability.")
@click.option("--trust", help="Only packages of at least this level of trust.")
@click.option("--licence", help="Only packages under this licence.")
@click.option("--version", help='Only versions in this range, as ">=1,<2".')
@click.option("--similar-to", metavar="ID", help="What is near to a package, instead of a query.")
@click.option("--for-plan", metavar="ID", help="What may close the gap that a plan tells of.")
@click.option("--limit", type=click.IntRange(1, 100), default=10, show_default=True)
def search(
    query: str | None,
    registry: str | None,
    similar_to: str | None,
    for_plan: str | None,
    limit: int,
    as_json: bool,
    **filters: str | None,
) -> None:
    """Find packages by name, words and meaning; each result says why it was found."""
    from inwit.cli import pkg_search, render

    if sum(one is not None for one in (query, similar_to, for_plan)) != 1:
        raise click.UsageError("Give a query, --similar-to ID or --for-plan ID.")
    asked = pkg_search.Asked(query, similar_to, for_plan, limit, filters)
    found = pkg_search.find(asked, registry)
    if as_json:
        render.json(found)
        return
    rows = [
        (one["id"], one["version"], one["kind"], f"{one['score']:.2f}", one["description"],
         one["why"])
        for one in found["results"]
    ]  # fmt: skip
    nothing = f"No package fits {query!r}. `inwit pkg list` shows all {len(_index())}; {_PLACES}"
    columns = ("PACKAGE", "VERSION", "KIND", "SCORE", "DESCRIPTION", "WHY")
    render.table(columns, rows, nothing=render.plain(nothing))


@command.command("info", example="inwit pkg info inwit/rag --json")
@click.argument("package_id")
def info(package_id: str, as_json: bool) -> None:
    """Show everything that a package's manifest says, and where it is or could be had."""
    import msgspec

    from inwit.cli import render
    from inwit.errors import UnknownPackageError

    try:
        found = msgspec.to_builtins(_index().get(package_id))
    except UnknownPackageError:
        found = _offered(package_id)
    (render.json if as_json else render.facts)(found)


def _offered(package_id: str) -> dict[str, Any]:
    """The newest version of a package that is not here, as its source tells of it."""
    import msgspec
    from packaging.version import Version

    from inwit.errors import UnknownPackageError
    from inwit.registry.sources.configured import Sources
    from inwit.runtime.project import Project

    sources = Sources.of(Project.find())
    releases = sorted(sources.releases(package_id), key=lambda one: Version(one.version))
    if not releases:
        raise UnknownPackageError(package_id, sources.ids)
    newest = next((one for one in reversed(releases) if one.yanked is None), releases[-1])
    manifest = msgspec.to_builtins(newest.manifest)
    return {
        "id": newest.id, **manifest["package"], "versions": [one.version for one in releases],
        "source": newest.source, "level": newest.level, "sha256": newest.sha256,
        "permissions": list(newest.manifest.permissions.lines()),
        **{name: manifest[name] for name in ("provides", "dependencies", "entry_points")},
    }  # fmt: skip


@command.command("list", example="inwit pkg list --kind node-library")
@click.option("--kind", help="Only packages of this kind.")
def list_(kind: str | None, as_json: bool) -> None:
    """List all packages."""
    from inwit.cli import render

    found = _index().list(kind=kind)
    if as_json:
        render.json({"packages": found, "total_count": len(found)})
    else:
        rows = [(one.id, one.version, one.kind, one.description) for one in found]
        of_kind = f" of kind {kind}" if kind else ""
        nothing = f"No package{of_kind} is here; {_PLACES}"
        render.table(("PACKAGE", "VERSION", "KIND", "DESCRIPTION"), rows, nothing=nothing)


for _more in (*pkg_build.COMMANDS, *pkg_install.COMMANDS, *pkg_publish.COMMANDS):
    command.add_command(_more)
