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


def _control(
    execution_id: str, action: str, expected_seq: int | None, as_json: bool, **more: Any
) -> None:
    import getpass

    from inwit.cli import render
    from inwit.plans import Principal
    from inwit.runtime.project import Project
    from inwit.runtime.store.control import request

    result = request(
        Project.find(), execution_id, action, expected_seq=expected_seq,
        actor=str(Principal("person", getpass.getuser())), find=_found, **more,
    )  # fmt: skip
    if result.status == "running" and action == "resume":
        _stay_with(result.execution_id)
    if as_json:
        render.json(result)
    else:
        click.echo(f"{result.execution_id} {result.status}: {result.message}")


def _found(execution: Any) -> Any:
    """The graph of an execution whose process is gone, run from the file that makes it."""
    from inwit.errors import GraphNotHereError
    from inwit.runtime import loading

    store = _store()
    source = store.graph(execution.graph_name).manifest.source
    try:
        return loading.find_graph(
            store.database.project, execution.graph_name, None if source is None else source.file
        )
    except GraphNotHereError as exc:
        click.echo(str(exc), err=True)
        return None


def _stay_with(execution_id: str) -> None:
    """Do not end before what goes on in a thread of this process has ended or waits again."""
    import threading

    for thread in threading.enumerate():
        if thread.name == f"inwit-resume-{execution_id[:8]}":
            click.echo(f"{execution_id} goes on here.", err=True)
            thread.join()


_EXPECTED = click.option(
    "--expected-seq", type=click.IntRange(1),
    help="Refuse where the execution is at another event by now.",
)  # fmt: skip


@command.command("pause", example="inwit executions pause 3f2a")
@click.argument("execution_id")
@_EXPECTED
def pause(execution_id: str, expected_seq: int | None, as_json: bool) -> None:
    """Let an execution wait at its next step, in whichever process it runs."""
    _control(execution_id, "pause", expected_seq, as_json)


@command.command("resume", example="inwit executions resume 3f2a --value true")
@click.argument("execution_id")
@click.option("--value", help="The answer that it waits for: JSON, or a plain text.")
@_EXPECTED
def resume(execution_id: str, value: str | None, expected_seq: int | None, as_json: bool) -> None:
    """Let a paused execution go on, or answer one that waits.

    The answer is checked against the schema of what it asks. Where the process that ran it is gone,
    it goes on in this one, from its checkpoints.
    """
    import json

    more: dict[str, Any] = {}
    if value is not None:
        try:
            more["value"] = json.loads(value)
        except ValueError:
            more["value"] = value
    _control(execution_id, "resume", expected_seq, as_json, **more)


@command.command("cancel", example="inwit executions cancel 3f2a")
@click.argument("execution_id")
@_EXPECTED
def cancel(execution_id: str, expected_seq: int | None, as_json: bool) -> None:
    """End an execution: at once in async nodes, else when its running node returns."""
    _control(execution_id, "cancel", expected_seq, as_json)
