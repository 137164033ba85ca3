"""`inwit resolve`: what a uri names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from inwit.cli.frame import Command

if TYPE_CHECKING:
    from inwit.introspection.resolve import Resolved


def look_up(uri: str, view: str) -> Resolved:
    """Give what `uri` names in the project of the working directory.

    Raises:
        UnknownUriError: It names nothing.
    """
    from inwit.introspection import Introspector
    from inwit.runtime.project import Project

    return Introspector.of(Project.find()).resolve(uri, view=view)


@click.command(
    "resolve", cls=Command, example="inwit resolve graph://librarian/architecture --json"
)
@click.argument("uri")
@click.option(
    "--view", type=click.Choice(("summary", "skeleton", "full")), default="full", show_default=True
)
def command(uri: str, view: str, as_json: bool) -> None:
    """Show what the uri of an answer's evidence names: an event, a node, a plan, a package."""
    from inwit.cli import render

    found = look_up(uri, view)
    if as_json:
        render.json(
            {"uri": found.uri, "title": found.title, "text": found.text, "data": found.data}
        )
    else:
        render.heading(found.title)
        render.facts(found.data)
