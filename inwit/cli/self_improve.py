"""`inwit self-improve`: what the traces say should change."""

from __future__ import annotations

from typing import Any, get_args

import click

from inwit.cli.frame import Group
from inwit.plans import PlanStatus


@click.group("self-improve", cls=Group, example="inwit self-improve analyze")
def command() -> None:
    """Read the traces, find what is wrong, propose plans with evidence."""


def _print(report: Any, *, as_json: bool) -> None:
    from inwit.cli import render
    from inwit.self_improve.report import to_json, to_markdown

    if as_json:
        render.json(to_json(report))
    else:
        click.echo(render.block(to_markdown(report)))


def _builtins(value: Any) -> Any:
    import msgspec

    return msgspec.to_builtins(value)


@command.command("analyze", example="inwit self-improve analyze --graph librarian")
@click.option("--graph", help="Only this graph.")
def analyze(graph: str | None, as_json: bool) -> None:
    """Look for regressions, retry storms and repeated calls, and propose plans."""
    from inwit.runtime.project import Project
    from inwit.runtime.store import Store
    from inwit.self_improve import analyze as look

    store = Store.of(Project.find())
    name = store.graph(graph).name if graph else None
    _print(look(store, graph=name), as_json=as_json)


@command.command("plans", example="inwit self-improve plans --status proposed")
@click.option(
    "--status", type=click.Choice(get_args(PlanStatus)), help="Only plans of this status."
)
def plans(status: Any, as_json: bool) -> None:
    """List plans."""
    from inwit.cli import render

    found = _book().list(status=status)
    if as_json:
        render.json({"plans": found, "total_count": len(found)})
    else:
        rows = [
            (one.id, one.status, one.graph_name, f"{one.confidence:.2f}", one.title)
            for one in found
        ]
        nothing = "No plan is on record; `inwit self-improve analyze` looks for some."
        render.table(("PLAN", "STATUS", "GRAPH", "CONFIDENCE", "TITLE"), rows, nothing=nothing)


def _book() -> Any:
    from inwit.runtime.project import Project
    from inwit.runtime.store import Store
    from inwit.self_improve.plans import PlanBook

    return PlanBook.of(Store.of(Project.find()))


@command.command("show", example="inwit self-improve show PLAN --json")
@click.argument("plan_id", metavar="PLAN")
def show(plan_id: str, as_json: bool) -> None:
    """Show a plan with its evidence, expected gain, validation and rollback."""
    from inwit.cli import render

    found = _builtins(_book().get(plan_id))
    (render.json if as_json else render.facts)(found)


@command.command("daemon", example="inwit self-improve daemon --once")
@click.option("--once", is_flag=True, help="Look once and end.")
def daemon(once: bool, as_json: bool) -> None:
    """Read the traces and propose plans."""
    from inwit.runtime.project import Project
    from inwit.self_improve.daemon import run_once

    if not once:
        raise click.UsageError("This version looks once: inwit self-improve daemon --once.")
    _print(run_once(Project.find()), as_json=as_json)
