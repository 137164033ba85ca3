"""`inwit mcp`: MCP over standard input and output, and how clients are told of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from inwit.cli.frame import Group, Unreachable

if TYPE_CHECKING:
    from inwit.runtime.project import Project

CLIENTS = {
    "claude-code": (".mcp.json", "mcpServers"),
    "claude-desktop": ("claude_desktop_config.json", "mcpServers"),
    "cursor": (".cursor/mcp.json", "mcpServers"),
    "vscode": (".vscode/mcp.json", "servers"),
}
"""The file in which each client keeps its servers, and the key that they stand under."""


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

    stdio.serve(Project.find(root), graph=graph)


@command.command("config", example="inwit mcp config cursor > .cursor/mcp.json")
@click.argument("client", type=click.Choice(tuple(CLIENTS)))
@click.option("--http", is_flag=True, help="Connect to the running host instead of starting one.")
def config(client: str, http: bool, as_json: bool) -> None:
    """Print the configuration that lets a client use this project. It is JSON in any case."""
    from inwit.cli import render
    from inwit.runtime.project import Project

    project = Project.find()
    entry = over_http(project, client) if http else over_stdio(project.root, client)
    render.json(configuration(client, entry))
    if not as_json:
        click.echo(f"This belongs into {CLIENTS[client][0]}.", err=True)


def configuration(client: str, entry: dict[str, Any]) -> dict[str, Any]:
    """The whole content of a client's file with one server in it."""
    return {CLIENTS[client][1]: {"inwit": entry}}


def over_stdio(root: Path, client: str) -> dict[str, Any]:
    """A client's entry for a server that it starts itself."""
    started = {
        "command": sys.executable,
        "args": ["-m", "inwit", "mcp", "serve", "--project", str(root)],
    }
    return started if client in ("claude-desktop", "cursor") else {"type": "stdio", **started}


def over_http(project: Project, client: str) -> dict[str, Any]:
    """A client's entry for the host that runs.

    Raises:
        Unreachable: None runs.
    """
    from inwit.server import hostfile

    if client == "claude-desktop":
        raise click.UsageError("Claude Desktop starts its servers itself; leave --http away.")
    host = hostfile.read(project)
    if host is None:
        raise Unreachable("No host runs for this project. Start one: inwit serve.")
    entry: dict[str, Any] = {"url": f"{host.address}/mcp"}
    if host.token:
        entry["headers"] = {"Authorization": f"Bearer {host.token}"}
    return entry if client == "cursor" else {"type": "http", **entry}
