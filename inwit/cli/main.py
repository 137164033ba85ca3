"""The `inwit` command. Nothing is imported before it is needed, so that help is instant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import click

from inwit.cli.frame import LazyGroup, answer


class Inwit(LazyGroup):
    """All commands of this version, each in a module of its own."""

    modules: ClassVar[Mapping[str, str]] = {
        "demo": "demo",
        "init": "init",
        "new": "new",
        "run": "run",
        "serve": "serve",
        "mcp": "mcp",
        "ask": "ask",
        "introspect": "introspect",
        "executions": "executions",
        "resolve": "resolve",
        "visualize": "visualize",
        "replay": "replay",
        "diff": "diff",
        "pkg": "pkg",
        "registry": "registry",
        "network": "network",
        "self-improve": "self_improve",
        "audit": "audit",
        "doctor": "doctor",
        "backup": "backup",
        "explain": "explain",
        "completion": "completion",
    }


_HELP = """Graphs that can look into themselves, and a host that answers for them.

\b
  inwit run app.py:app --input '{"question": "…"}'
  inwit ask "Why did the last execution fail?"
  inwit serve
"""


@click.command(
    "inwit", cls=Inwit, help=_HELP, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(package_name="inwit", message="%(prog)s %(version)s")
def inwit() -> None:
    """Show what the commands are for."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and give its exit code."""
    args = None if argv is None else list(argv)
    return answer(lambda: inwit.main(args=args, prog_name="inwit", standalone_mode=False))
