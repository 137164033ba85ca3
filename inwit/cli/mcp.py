"""`inwit mcp`: MCP over standard input and output, and how clients are told of it."""

from __future__ import annotations

from pathlib import Path

import click

from inwit.cli.frame import Group
from inwit.cli.mcp_clients import config, install, uninstall


@click.group("mcp", cls=Group, example="inwit mcp config claude-code")
def command() -> None:
    """Answer Claude, Cursor and other clients of the Model Context Protocol."""


@command.command("serve", example="inwit mcp serve --project ~/my-project")
@click.option(
    "--project", "root", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The project's folder; the working directory by default.",
)  # fmt: skip
@click.option("--graph", help="The graph that questions are about; the last compiled by default.")
def serve(root: Path | None, graph: str | None, as_json: bool) -> None:
    """Speak MCP over standard input and output, for a client that starts this command.

    With --json nothing changes: MCP is JSON.
    """
    from inwit.runtime.project import Project
    from inwit.server import stdio
    from inwit.server.offers import Offers

    stdio.serve(Project.find(root), Offers(graph=graph))


for _one in (config, install, uninstall):
    command.add_command(_one)
