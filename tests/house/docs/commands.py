"""docs/reference/cli.md: what `--help` of each command prints."""

from __future__ import annotations

from collections.abc import Iterator

import click

from inwit.cli import frame
from inwit.cli.main import inwit
from tests.house.docs import MADE_BY

WIDTH = 92
HEAD = f"""# Commands

{MADE_BY}
Every command says this with `--help`, and takes `--json` for programs. stdout carries data only; what is for
people alone goes to stderr. Commands that read a project read that of the working directory.

| exit code | means |
|---|---|
| {frame.FINE} | fine |
| {frame.FAILED} | failed |
| {frame.USAGE} | used wrongly |
| {frame.NOT_FOUND} | not found |
| {frame.UNREACHABLE} | a host, peer or registry does not answer |
| {frame.EXECUTION_FAILED} | the execution failed |
| {frame.INTERRUPTED} | interrupted |
"""


def pages() -> dict[str, str]:
    """The page, with a section for each command."""
    told = list(_commands(click.Context(inwit, info_name="inwit")))
    contents = "\n".join(f"- [{name}](#{name.replace(' ', '-')}): {line}" for name, line, _ in told)
    sections = "\n".join(f"## {name}\n\n```text\n{text}\n```\n" for name, _, text in told)
    return {"docs/reference/cli.md": f"{HEAD}\n{contents}\n\n{sections}"}


def _commands(context: click.Context) -> Iterator[tuple[str, str, str]]:
    """Each command's name with its groups, its first line and its help."""
    group = context.command
    assert isinstance(group, click.Group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        inner = click.Context(
            command, info_name=name, parent=context, help_option_names=["-h", "--help"],
            terminal_width=WIDTH, max_content_width=WIDTH,
        )  # fmt: skip
        if isinstance(command, click.Group):
            yield from _commands(inner)
        else:
            yield inner.command_path, command.get_short_help_str(110), command.get_help(inner)
