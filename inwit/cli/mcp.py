"""`inwit mcp`: MCP over standard input and output, and how clients are told of it."""

from __future__ import annotations

import os
from pathlib import Path

import click

from inwit.cli.frame import Group
from inwit.cli.mcp_clients import config, install, uninstall
from inwit.cli.serve import offers, writing


@click.group("mcp", cls=Group, example="inwit mcp config claude-code")
def command() -> None:
    """Answer Claude, Cursor and other clients of the Model Context Protocol."""


@command.command("serve", example="inwit mcp serve --project ~/my-project")
@click.option(
    "--project", "root", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The project's folder; the working directory by default.",
)  # fmt: skip
@click.option("--graph", help="The graph that questions are about; the last compiled by default.")
@writing
def serve(
    root: Path | None, graph: str | None, allow_write: bool, tools: str | None, no_confirm: bool,
    as_json: bool,
) -> None:  # fmt: skip
    """Speak MCP over standard input and output, for a client that starts this command.

    With --json nothing changes: MCP is JSON.
    """
    from inwit.runtime.project import Project
    from inwit.server import stdio

    if root is not None:  # clients start it anywhere; graphs are compiled and run in their project
        os.chdir(root)
    stdio.serve(Project.find(), offers((), graph, allow_write, tools, no_confirm))


for _one in (config, install, uninstall):
    command.add_command(_one)
