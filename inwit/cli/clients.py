"""The files in which MCP clients keep their servers, and how an entry gets into one and out again.

Other entries stay as they are, a file that is changed is first copied beside itself, and what takes
its place is put there by one rename.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from inwit.cli.frame import Failure, Unreachable

if TYPE_CHECKING:
    from inwit.runtime.project import Project

NAME: Final = "inwit"
"""The name that a server is known by where nothing else is asked for."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One client: the key that servers stand under, and its files for a project and for a user."""

    key: str
    project: str | None
    user: Mapping[str, str]
    """By operating system as `sys.platform` has it; "" is any other."""


_DESKTOP: Final = "Claude/claude_desktop_config.json"
CLIENTS: Final[Mapping[str, Kind]] = {
    "claude-code": Kind("mcpServers", ".mcp.json", {"": "~/.claude.json"}),
    "claude-desktop": Kind(
        "mcpServers",
        None,
        {
            "darwin": f"~/Library/Application Support/{_DESKTOP}",
            "win32": f"%APPDATA%/{_DESKTOP}",
            "": f"~/.config/{_DESKTOP}",
        },
    ),
    "cursor": Kind("mcpServers", ".cursor/mcp.json", {"": "~/.cursor/mcp.json"}),
    "vscode": Kind(
        "servers",
        ".vscode/mcp.json",
        {
            "darwin": "~/Library/Application Support/Code/User/mcp.json",
            "win32": "%APPDATA%/Code/User/mcp.json",
            "": "~/.config/Code/User/mcp.json",
        },
    ),
}
"""The clients that can be told of a project."""


@dataclass(frozen=True, slots=True)
class Change:
    """What was, or would be, done to a client's file."""

    file: Path
    name: str
    action: Literal["added", "replaced", "unchanged", "removed", "absent"]
    backup: Path | None = None


def file_of(client: str, root: Path, *, is_user: bool) -> Path:
    """A client's file for a project, or with `is_user` (and where it has no other) for a user."""
    kind = CLIENTS[client]
    if kind.project is not None and not is_user:
        return root / kind.project
    named = kind.user.get(sys.platform, kind.user[""])
    return Path(os.path.expandvars(named)).expanduser()


def configuration(client: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """The whole content of a client's file with one server in it."""
    return {CLIENTS[client].key: {NAME: dict(entry)}}


def over_stdio(root: Path, client: str, options: Sequence[str] = ()) -> dict[str, Any]:
    """A client's entry for a server that it starts itself, with further `options`."""
    started = {
        "command": sys.executable,
        "args": ["-m", "inwit", "mcp", "serve", *options, "--project", str(root)],
    }
    return started if client in ("claude-desktop", "cursor") else {"type": "stdio", **started}


def over_http(project: Project, client: str, *, may_write: bool = False) -> dict[str, Any]:
    """A client's entry for the host that runs; with its token where the client needs or wants it.

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
    if host.token and (host.asks_everyone or may_write):
        entry["headers"] = {"Authorization": f"Bearer {host.token}"}
    return entry if client == "cursor" else {"type": "http", **entry}


def install(
    client: str, file: Path, entry: Mapping[str, Any], name: str, *, is_dry: bool = False
) -> Change:
    """Put an entry under a name into a client's file, which may not be there yet.

    Raises:
        Failure: The file is not what the client would read, or cannot be written.
    """
    text, content = _read(file)
    servers = _servers(file, content, CLIENTS[client].key)
    before = servers.get(name)
    if before == entry:
        return Change(file, name, "unchanged")
    servers[name] = dict(entry)
    backup = None if is_dry else _replace(file, text, content)
    return Change(file, name, "added" if before is None else "replaced", backup)


def uninstall(client: str, file: Path, name: str, *, is_dry: bool = False) -> Change:
    """Take the entry of a name out of a client's file.

    Raises:
        Failure: The file is not what the client would read, or cannot be written.
    """
    text, content = _read(file)
    servers = _servers(file, content, CLIENTS[client].key)
    if name not in servers:
        return Change(file, name, "absent")
    del servers[name]
    return Change(file, name, "removed", None if is_dry else _replace(file, text, content))


def entries_of(client: str, file: Path, root: Path) -> Iterator[tuple[str, str]]:
    """The entries in a client's file for a project, and what is wrong with each, if anything is."""
    try:
        _, content = _read(file)
        servers = _servers(file, content, CLIENTS[client].key)
    except Failure as exc:
        yield NAME, exc.message
        return
    import shutil

    wanted = _place(over_stdio(root, client))
    for name, entry in servers.items():
        if isinstance(entry, dict) and _place(entry) == wanted:
            program = str(entry.get("command", ""))
            is_there = shutil.which(program) is not None
            yield name, "" if is_there else f"its program {program!r} is not there"


def free_name(client: str, file: Path, entry: Mapping[str, Any], root: Path) -> str:
    """`NAME`, or one with the project's folder in it where another project has taken that."""
    _, content = _read(file)
    taken = _servers(file, content, CLIENTS[client].key).get(NAME)
    own = CLIENTS[client].project
    is_projects = own is not None and file == root / own  # it is this project's, however reached
    if taken is None or is_projects or _place(taken) == _place(entry):
        return NAME
    folder = re.sub(r"[^a-z0-9]+", "-", root.name.lower()).strip("-")
    return f"{NAME}-{folder or 'project'}"


def _place(entry: Any) -> Any:
    """What tells entries of one project from those of others."""
    if not isinstance(entry, dict):
        return entry
    args = entry.get("args")
    return args[-1] if isinstance(args, list) and args else entry.get("url")


def _read(file: Path) -> tuple[str, dict[str, Any]]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        return "", {}
    except (OSError, UnicodeDecodeError) as exc:
        raise Failure(f"{file} cannot be read: {exc}.") from exc
    if not text.strip():
        return text, {}
    try:
        content = json.loads(text)
    except json.JSONDecodeError as exc:
        raise Failure(
            f"{file} is no plain JSON (line {exc.lineno}: {exc.msg}), and to write it anew would lose"
            " its comments. Add by hand what `inwit mcp config` prints."
        ) from exc
    if not isinstance(content, dict):
        raise Failure(f"{file} holds no JSON object.")
    return text, content


def _servers(file: Path, content: dict[str, Any], key: str) -> dict[str, Any]:
    servers = content.setdefault(key, {})
    if not isinstance(servers, dict):
        raise Failure(f"In {file} {key!r} is no JSON object.")
    return servers


def _replace(file: Path, before: str, content: dict[str, Any]) -> Path | None:
    """Write a file anew in its own indentation; give the copy of what it was."""
    from inwit.cli import files

    return files.replace(
        file, json.dumps(content, indent=_indent(before), ensure_ascii=False) + "\n"
    )


def _indent(text: str) -> int | str:
    found = re.search(r"^([ \t]+)\S", text, re.MULTILINE)
    if found is None:
        return 2
    return "\t" if found[1].startswith("\t") else len(found[1])
