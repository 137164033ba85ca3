"""`inwit mcp config`, `install` and `uninstall`: how clients are told of a project."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from inwit.cli import clients
from inwit.cli.frame import Command

if TYPE_CHECKING:
    from pathlib import Path

    from inwit.runtime.project import Project

_CLIENT = click.argument("client", type=click.Choice(tuple(clients.CLIENTS)))
_HTTP = click.option(
    "--http", is_flag=True, help="Connect to the running host instead of starting one."
)
_USER = click.option(
    "--user", "is_user", is_flag=True, help="The user's file of the client, not the project's."
)
_DRY = click.option("--dry-run", "is_dry", is_flag=True, help="Say what would change, no more.")
_WRITE = click.option(
    "--allow-write", is_flag=True,
    help="Let the client run and steer graphs and decide on plans, each time confirmed.",
)  # fmt: skip
_TOOLS = click.option(
    "--tools", type=click.Choice(["run"]),
    help="run: offer each graph as a tool too; goes with --allow-write.",
)  # fmt: skip


@click.command("config", cls=Command, example="inwit mcp config cursor > .cursor/mcp.json")
@_CLIENT
@_HTTP
@_WRITE
@_TOOLS
def config(client: str, http: bool, allow_write: bool, tools: str | None, as_json: bool) -> None:
    """Print the configuration that lets a client use this project. It is JSON in any case."""
    from inwit.cli import render

    project = _project()
    entry = _entry(project, client, http, allow_write, tools)
    render.json(clients.configuration(client, entry))
    if not as_json:
        file = clients.file_of(client, project.root, is_user=False)
        given = [*(["--http"] if http else []), *_options(allow_write, tools)]
        command = " ".join(["inwit mcp install", client, *given])
        click.echo(f"This belongs into {file}: {command}", err=True)


@click.command("install", cls=Command, example="inwit mcp install claude-code")
@_CLIENT
@_HTTP
@_WRITE
@_TOOLS
@_USER
@click.option("--name", help="The server's name in the client; inwit by default.")
@_DRY
def install(
    client: str, http: bool, allow_write: bool, tools: str | None, is_user: bool, name: str | None,
    is_dry: bool, as_json: bool,
) -> None:  # fmt: skip
    """Add this project to a client's file; other entries stay, and the old file is kept beside it."""
    project = _project()
    file = clients.file_of(client, project.root, is_user=is_user)
    entry = _entry(project, client, http, allow_write, tools)
    name = name or clients.free_name(client, file, entry, project.root)
    change = clients.install(client, file, entry, name, is_dry=is_dry)
    _tell(client, change, is_dry=is_dry, as_json=as_json)
    if "headers" in entry and change.action != "unchanged" and not as_json:
        click.echo("The entry holds the host's token: keep the file out of repositories.", err=True)


@click.command("uninstall", cls=Command, example="inwit mcp uninstall claude-desktop")
@_CLIENT
@_USER
@click.option("--name", default=clients.NAME, show_default=True, help="The server's name.")
@_DRY
def uninstall(client: str, is_user: bool, name: str, is_dry: bool, as_json: bool) -> None:
    """Take a server out of a client's file."""
    file = clients.file_of(client, _project().root, is_user=is_user)
    change = clients.uninstall(client, file, name, is_dry=is_dry)
    _tell(client, change, is_dry=is_dry, as_json=as_json)


def _project() -> Project:
    from inwit.runtime.project import Project

    return Project.find()


def _entry(
    project: Project, client: str, http: bool, allow_write: bool, tools: str | None
) -> dict[str, Any]:
    if tools and not allow_write:
        raise click.UsageError("--tools run lets clients run graphs: add --allow-write.")
    if not http:
        return clients.over_stdio(project.root, client, _options(allow_write, tools))
    if tools:
        raise click.UsageError("What the host offers is said to it: inwit serve --tools run.")
    return clients.over_http(project, client, may_write=allow_write)


def _options(allow_write: bool, tools: str | None) -> list[str]:
    return [*(["--allow-write"] if allow_write else []), *(["--tools", tools] if tools else [])]


def _tell(client: str, change: clients.Change, *, is_dry: bool, as_json: bool) -> None:
    from inwit.cli import render

    if as_json:
        render.json({
            "client": client, "file": str(change.file), "name": change.name,
            "action": change.action, "backup": _path(change.backup), "dry_run": is_dry,
        })  # fmt: skip
        return
    would = "would be " if is_dry and change.action not in ("unchanged", "absent") else ""
    click.echo(f"{change.name}: {would}{change.action} in {change.file}")
    if change.backup is not None:
        click.echo(f"The file as it was: {change.backup}")
    if change.action in ("added", "replaced") and not is_dry:
        click.echo(f"{_NEXT[client]}")


def _path(file: Path | None) -> str | None:
    return None if file is None else str(file)


_NEXT = {
    "claude-code": "Start Claude Code in this folder; /mcp shows the server.",
    "claude-desktop": "Restart Claude Desktop.",
    "cursor": "Cursor asks once whether the server may be used: Settings, MCP.",
    "vscode": "In VS Code run “MCP: List Servers” and start it.",
}
