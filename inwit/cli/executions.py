"""`inwit executions`: what ran, and what happened in it."""

from __future__ import annotations

from typing import Any

import click

from inwit.cli.frame import Group

STATUSES = ("running", "paused", "waiting_for_input", "completed", "failed", "cancelled")


@click.group("executions", cls=Group, example="inwit executions list --status failed")
def command() -> None:
    """List executions and look into one of them."""


def _store() -> Any:
    from inwit.runtime.project import Project
    from inwit.runtime.store import Store

    return Store.of(Project.find())


@command.command("list", example="inwit executions list --status failed --limit 5")
@click.option("--graph", help="Only executions of this graph.")
@click.option("--status", type=click.Choice(STATUSES), help="Only executions of this status.")
@click.option("--thread", "thread_id", help="Only executions of this thread.")
@click.option("--since", help="Only executions that began at or after this time (RFC 3339).")
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True)
@click.option("--cursor", help="Go on where the last list ended.")
def list_(
    graph: str | None, status: Any, thread_id: str | None, since: str | None, limit: int,
    cursor: str | None, as_json: bool,
) -> None:  # fmt: skip
    """List executions, newest first."""
    from inwit.cli import render

    store = _store()
    if graph is not None:
        graph = store.graph(graph).name  # or a word about the nearest there is
    page = store.executions(
        graph=graph, status=status, thread_id=thread_id, since_ns=_time(since), limit=limit,
        cursor=cursor,
    )  # fmt: skip
    if as_json:
        render.json(
            {"executions": page.items, "total_count": page.total_count, "cursor": page.cursor}
        )
        return
    rows = [
        (
            one.execution_id, one.graph_name, one.status, one.started_at,
            render.milliseconds(one.duration_ms), one.iteration,
            one.current_node or one.error_node or "",
        )
        for one in page.items
    ]  # fmt: skip
    columns = ("ID", "GRAPH", "STATUS", "STARTED", "TOOK", "VISITS", "AT")
    render.table(columns, rows, nothing="No execution fits; `inwit run FILE:GRAPH` records one.")
    if page.cursor:
        click.echo(f"{page.total_count:,} in all; go on with --cursor {page.cursor}", err=True)


def _time(text: str | None) -> int | None:
    from inwit.events import epoch_ns

    if text is None:
        return None
    try:
        return epoch_ns(text)
    except ValueError as exc:
        raise click.BadParameter(f"{text!r} is no time like 2026-01-31T09:00:00Z.") from exc


@command.command("show", example="inwit executions show 3f2a")
@click.argument("execution_id")
def show(execution_id: str, as_json: bool) -> None:
    """Show one execution and its nodes' visits; the first 4 digits of an id are enough."""
    from inwit.cli import render
    from inwit.introspection import live

    store = _store()
    found, steps = live.execution(store, execution_id), live.history(store, execution_id)["steps"]
    if as_json:
        render.json({**found, "steps": steps})
        return
    render.facts({name: value for name, value in found.items() if value not in (None, "")})
    rows = [
        (
            step["step_number"], step["node_name"], step["visit"], step["outcome"],
            render.milliseconds(step["duration_ms"]), step["attempts"],
        )
        for step in steps
    ]  # fmt: skip
    click.echo()
    render.table(("STEP", "NODE", "VISIT", "OUTCOME", "TOOK", "ATTEMPTS"), rows)


@command.command("events", example="inwit executions events 3f2a --type node_failed --json")
@click.argument("execution_id")
@click.option("--type", "types", multiple=True, help="Only events of this type; may be repeated.")
@click.option("--node", help="Only events of this node.")
@click.option("--after", type=click.IntRange(min=0), default=0, help="Only events after this seq.")
@click.option("--limit", type=click.IntRange(1), help="At most so many.")
def events(
    execution_id: str, types: tuple[str, ...], node: str | None, after: int, limit: int | None,
    as_json: bool,
) -> None:  # fmt: skip
    """List the events of an execution in their order."""
    from inwit import events as records
    from inwit.cli import render
    from inwit.errors import nearest
    from inwit.introspection import quotes

    for name in types:
        if name not in records.Types.by_name:
            raise click.BadParameter(
                f"No event has the type {name!r}. {nearest(name, records.Types.by_name)}"
            )
    store = _store()
    found = store.events(
        store.execution(execution_id).execution_id, after=after, types=types or None, node=node,
        limit=limit,
    )  # fmt: skip
    if as_json:
        render.json([records.to_json(event) for event in found])
    else:
        rows = [(event.seq, event.ts, event.type, quotes.event(event)) for event in found]
        render.table(("SEQ", "TIME", "TYPE", "WHAT"), rows)
