"""Facts of the live level: executions, running and past, read from the record alone.

Every function gives a plain dict with the fields of the HTTP route of the same name.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import msgspec

from inwit.errors import UnknownGraphError
from inwit.events import OPEN_STATUSES, CheckpointCreated, Status, timestamp
from inwit.runtime.store import Store
from inwit.runtime.views import Execution, Visit


def executions(
    store: Store,
    *,
    graph: str | None = None,
    status: Status | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> dict[str, Any]:
    """List executions, newest first, and count those that are not over."""
    page = store.executions(graph=graph, status=status, limit=limit, cursor=cursor)
    return {
        "executions": [_listed(execution) for execution in page.items],
        "active_count": active_count(store, graph),
        "total_count": page.total_count,
        "cursor": page.cursor,
    }


def active_count(store: Store, graph: str | None = None) -> int:
    """Count the executions that run, pause or wait for input."""
    return sum(
        store.executions(graph=graph, status=status, limit=1).total_count
        for status in OPEN_STATUSES
    )


def execution(store: Store, execution_id: str) -> dict[str, Any]:
    """Describe one execution.

    Raises:
        UnknownExecutionError: No execution has that id, or several begin with it.
    """
    found = store.execution(execution_id)
    return {
        **_listed(found),
        "graph_version": found.graph_version,
        "thread_id": found.thread_id,
        "parent_execution_id": found.parent_execution_id,
        "ended_at": found.ended_at,
        "duration_ms": found.duration_ms,
        "reason": found.reason,
        "metrics": _metrics(found),
        "checkpoint": _checkpoint(store, found),
        "state": _state(store, found),
        "error": msgspec.to_builtins(found.error) if found.error else None,
        "error_node": found.error_node,
    }


def node(store: Store, execution_id: str) -> dict[str, Any]:
    """Say which node an execution is at, and which it left last."""
    found = store.execution(execution_id)
    finished = [visit for visit in store.visits(found.execution_id) if visit.status != "running"]
    finished.sort(key=lambda visit: visit.exit_seq or 0)
    return {
        "execution_id": found.execution_id,
        "current_node": found.current_node,
        "previous_node": finished[-1].node if finished else None,
    }


def _state(store: Store, found: Execution, seq: int | None = None) -> dict[str, Any]:
    """The state after an event, its keys in the order of the graph's schema."""
    values = store.state_at(found.execution_id, seq)
    with suppress(UnknownGraphError):
        fields = store.graph(found.graph_name, found.graph_version).manifest.fields
        order = [field.name for field in fields if field.name in values]
        return {key: values[key] for key in (*order, *values)}
    return values


def state(store: Store, execution_id: str, seq: int | None = None) -> dict[str, Any]:
    """Give the state of an execution now, or as it was after event `seq`."""
    found = store.execution(execution_id)
    return {
        "execution_id": found.execution_id,
        "state": _state(store, found, seq),
        "at_seq": found.last_seq if seq is None else seq,
    }


def history(store: Store, execution_id: str) -> dict[str, Any]:
    """List the visits of an execution in the order in which they began."""
    found = store.execution(execution_id)
    visits = sorted(store.visits(found.execution_id), key=lambda visit: visit.entry_seq)
    return {
        "execution_id": found.execution_id,
        "steps": [_step(number, visit) for number, visit in enumerate(visits, start=1)],
        "total_count": len(visits),
    }


def metrics(store: Store, execution_id: str) -> dict[str, Any]:
    """Give the figures of an execution. A cost that is not known is null."""
    found = store.execution(execution_id)
    return {"execution_id": found.execution_id, **_metrics(found)}


def checkpoint(store: Store, execution_id: str) -> dict[str, Any]:
    """Name an execution's last checkpoint and count them; its content stays with the runtime."""
    found = store.execution(execution_id)
    return {"execution_id": found.execution_id, **_checkpoint(store, found)}


def overview(store: Store, graph: str | None = None, limit: int = 20) -> dict[str, Any]:
    """What runs and what ran last, in one dict."""
    return executions(store, graph=graph, limit=limit)


def _listed(found: Execution) -> dict[str, Any]:
    return {
        "execution_id": found.execution_id,
        "graph_name": found.graph_name,
        "started_at": found.started_at,
        "current_node": found.current_node,
        "iteration": found.iteration,
        "status": found.status,
    }


def _metrics(found: Execution) -> dict[str, Any]:
    return {
        "duration_ms": found.duration_ms,
        "node_visits": found.iteration,
        "retries": found.retries,
        "llm_calls": found.llm_calls,
        "tool_calls": found.tool_calls,
        "input_tokens": found.input_tokens,
        "output_tokens": found.output_tokens,
        "cost_usd": found.cost_usd,
        "unpriced_calls": found.unpriced_calls,
    }


def _checkpoint(store: Store, found: Execution) -> dict[str, Any]:
    events = store.events(found.execution_id, types=("checkpoint_created",))
    saved = [event for event in events if isinstance(event, CheckpointCreated)]
    if not saved:
        return {"checkpoint_id": None, "total_count": 0}
    last = saved[-1]
    return {
        "checkpoint_id": last.checkpoint_id,
        "step": last.step,
        "created_at": last.ts,
        "seq": last.seq,
        "total_count": len(saved),
    }


def _step(number: int, visit: Visit) -> dict[str, Any]:
    completed = None
    if visit.duration_ms is not None:
        completed = timestamp(visit.started_ns + int(visit.duration_ms * 1e6))
    return {
        "step_number": number,
        "node_name": visit.node,
        "visit": visit.visit,
        "started_at": timestamp(visit.started_ns),
        "completed_at": completed,
        "duration_ms": visit.duration_ms,
        "outcome": visit.status,
        "attempts": visit.attempts,
    }
