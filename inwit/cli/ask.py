"""`inwit ask`: a question in plain words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from inwit.cli.frame import Command

LEVELS = ("platform", "app", "live", "network")


def question(name: str, example: str) -> Callable[[Callable[..., Any]], click.Command]:
    """Make the command that asks, under this name; `introspect ask` is the same one."""

    def make(function: Callable[..., Any]) -> click.Command:
        for option in (
            click.argument("question", nargs=-1, required=True),
            click.option("--execution", "execution_id", help="Ask about this execution."),
            click.option("--graph", help="Ask about this graph; the last compiled by default."),
            click.option("--level", type=click.Choice(LEVELS), help="Answer on this level only."),
        ):
            function = option(function)
        return click.command(name, cls=Command, example=example)(function)

    return make


def put(
    question: tuple[str, ...], *, level: Any, graph: str | None, execution_id: str | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Ask the project of the working directory and print the answer."""
    from inwit import answers
    from inwit.cli import render
    from inwit.introspection import Introspector
    from inwit.runtime.project import Project

    found = Introspector.of(Project.find(), graph=graph).ask(
        " ".join(question), level=level, graph=graph, execution_id=execution_id
    )
    if as_json:
        render.json(answers.to_json(found))
    else:
        render.answer(found)


@question("ask", 'inwit ask "Why did search run 3 times?"')
def command(**asked: Any) -> None:
    """Ask anything about your graphs, their executions, inwit itself or its packages."""
    put(**asked)
