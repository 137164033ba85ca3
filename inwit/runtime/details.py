"""The stream modes that tell how a graph runs: ``tasks``, ``checkpoints`` and ``debug``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from inwit.runtime.commands import Interrupt

if TYPE_CHECKING:
    from inwit.runtime.branches import Branch
    from inwit.runtime.engine import Execution
    from inwit.runtime.streaming import Sink


def _put(sink: Sink, step: int, mode: str, type_name: str, payload: dict[str, Any]) -> None:
    if sink.wants(mode):
        sink.put(sink.within, mode, payload)
    if sink.wants("debug"):
        now = datetime.now(UTC).isoformat()
        told = {"step": step, "timestamp": now, "type": type_name, "payload": payload}
        sink.put(sink.within, "debug", told)


def tell_task(sink: Sink, execution: Execution, branch: Branch) -> None:
    """Tell that a task begins, and with what input."""
    payload = {
        "id": branch.task_id,
        "name": branch.at.name,
        "input": branch.given_state(),
        "triggers": ("__pregel_push",) if branch.packet else (f"branch:to:{branch.at.name}",),
    }
    _put(sink, execution.base + execution.steps, "tasks", "task", payload)


def tell_result(sink: Sink, execution: Execution, branch: Branch) -> None:
    """Tell what a task returned, or what it asks."""
    asked = [one.interrupt() for one in branch.waiting or ()]
    shown = None if branch.waiting is not None else sink.shown_update(execution, branch.update)
    payload = {
        "id": branch.task_id,
        "name": branch.at.name,
        "error": None,
        "result": shown or {},
        "interrupts": [plain_interrupt(one) for one in asked],
    }
    _put(sink, execution.base + execution.steps, "tasks", "task_result", payload)


def plain_interrupt(one: Interrupt) -> dict[str, Any]:
    """An interrupt as plain data."""
    return {"value": one.value, "id": one.id, "response_schema": one.response_schema}


def tell_input(sink: Sink, execution: Execution) -> None:
    """Tell the checkpoint that an execution goes on from."""
    if execution.resumed is not None:
        tell_checkpoint(sink, execution)


def tell_checkpoint(sink: Sink, execution: Execution) -> None:
    """Tell the checkpoint that a step ended with."""
    if not (sink.wants("checkpoints") or sink.wants("debug")) or execution.saving is None:
        return
    snapshot = _snapshot(execution)
    payload = {
        "config": snapshot.config,
        "parent_config": snapshot.parent_config,
        "values": snapshot.values,
        "metadata": snapshot.metadata,
        "next": list(snapshot.next),
        "tasks": [
            {
                "id": task.id,
                "name": task.name,
                "interrupts": tuple(map(plain_interrupt, task.interrupts)),
                "state": task.state,
            }
            for task in snapshot.tasks
        ],
    }
    _put(sink, snapshot.metadata["step"], "checkpoints", "checkpoint", payload)


def _snapshot(execution: Execution) -> Any:
    from inwit.runtime.resume import Place
    from inwit.runtime.time_travel import snapshot_of

    saving, saver = execution.saving, execution.saver
    assert saving is not None
    assert saver is not None
    place = Place(thread_id=saving.thread_id, ns=saving.ns)
    rows = saver.load(place.thread_id, saving.last_id, ns=place.ns)
    return snapshot_of(execution.graph, saver, place, rows)
