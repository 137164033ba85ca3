"""`inwit new`: a project that starts from a graph template."""

from __future__ import annotations

from pathlib import Path

import click

from inwit.cli.frame import Command

PLAIN = "graph"


@click.command(
    "new", cls=Command, example="inwit new graph helper\ncd helper\n"
    "inwit run app.py:app --input '{\"question\": \"why\"}'",
)  # fmt: skip
@click.argument("template")
@click.argument("name")
def command(template: str, name: str, as_json: bool) -> None:
    """Start the folder NAME from a TEMPLATE: `graph`, or a package of kind graph-template.

    `inwit pkg list --kind graph-template` names the templates.
    """
    from inwit.cli import render
    from inwit.registry.packages import PackageIndex
    from inwit.registry.templates import start_from, start_project
    from inwit.runtime.project import Project

    folder = Path(name)
    if template == PLAIN:
        files = start_project(folder, folder.name)
    else:
        package = PackageIndex.of(Project.find()).get(template)
        if package.kind != "graph-template":
            kinds = "`inwit pkg list --kind graph-template` names those that are."
            raise click.UsageError(f"{package.id} is a {package.kind}, no graph template. {kinds}")
        files = start_from(folder, Path(package.folder), package.id, folder.name)
    (folder / ".inwit").mkdir(mode=0o700, exist_ok=True)
    if as_json:
        render.json({"folder": str(folder), "files": [str(one) for one in files]})
    else:
        for one in files:
            click.echo(one)
