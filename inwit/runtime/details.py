"""The stream modes that tell how a graph runs: ``tasks``, ``checkpoints`` and ``debug``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from inwit.runtime.checkpoints import Checkpointer, Row, split
from inwit.runtime.commands import Interrupt
from inwit.runtime.updates import pairs_written, writes_of

if TYPE_CHECKING:
    from inwit.runtime.branches import Branch
    from inwit.runtime.context import Context
    from inwit.runtime.engine import Execution
    from inwit.runtime.resume import Place
    from inwit.runtime.sink import Sink
    from inwit.runtime.snapshot import StateSnapshot


def _put(sink: Sink, step: int, mode: str, type_name: str, payload: dict[str, Any]) -> None:
    sink.put(mode, payload)
    if sink.wants("debug"):
        now = datetime.now(UTC).isoformat()
        told = {"step": step, "timestamp": now, "type": type_name, "payload": payload}
        sink.put("debug", told)


def tell_task(sink: Sink, branch: Branch) -> None:
    """Tell that a task begins, and with what input."""
    tell_begin(sink, branch, branch.given_state())


def tell_begin(sink: Sink, ctx: Context, given: Any) -> None:
    """Tell that what runs in a context begins."""
    execution = ctx.execution
    payload = {"id": ctx.task_id, "name": ctx.node, "input": given, "triggers": ctx.triggers}
    _put(sink, execution.base + execution.steps, "tasks", "task", payload)


def tell_result(
    sink: Sink, execution: Execution, branch: Branch, error: BaseException | None = None
) -> None:
    """Tell what a task returned, what it asks, or why it failed."""
    asked = [one.interrupt() for one in branch.waiting or ()]
    is_done = error is None and branch.waiting is None
    tell_end(sink, branch, result_of(execution, branch.update) if is_done else {}, asked, error)


def tell_end(
    sink: Sink, ctx: Context, result: dict[str, Any], asked: list[Interrupt],
    error: BaseException | None,
) -> None:  # fmt: skip
    """Tell how what ran in a context ended."""
    payload = {
        "id": ctx.task_id,
        "name": ctx.node,
        "error": error,
        "result": result,
        "interrupts": [plain_interrupt(one) for one in asked],
    }
    _put(sink, ctx.execution.base + ctx.execution.steps, "tasks", "task_result", payload)


def result_of(execution: Execution, returned: Any) -> dict[str, Any]:
    """What a task wrote, by key; what it wrote to one key several times in a list."""
    graph = execution.graph
    return writes_of(
        (graph.told_key or key, value)
        for key, value in pairs_written(graph.schema, returned)
        if graph.shown_key is None or key == graph.shown_key
    )


def plain_interrupt(one: Interrupt) -> dict[str, Any]:
    """An interrupt as plain data."""
    return {"value": one.value, "id": one.id, "response_schema": one.response_schema}


def tell_input(sink: Sink, execution: Execution) -> None:
    """Tell the checkpoints that an execution begins with: that of its input, or where it goes on."""
    if not _are_told(sink, execution):
        return
    snapshot = _snapshot(execution)
    if execution.source == "input" and not execution.graph.first_step:
        _tell(sink, _before_input(execution))
    _tell(sink, snapshot)


def tell_checkpoint(sink: Sink, execution: Execution) -> None:
    """Tell the checkpoint that a step ended with."""
    if _are_told(sink, execution):
        _tell(sink, _snapshot(execution))


def _are_told(sink: Sink, execution: Execution) -> bool:
    """Whether checkpoints are read of, and written as the execution goes."""
    is_read = sink.wants("checkpoints") or sink.wants("debug")
    return is_read and execution.saving is not None and not execution.saving.is_at_exit


def _tell(sink: Sink, snapshot: StateSnapshot) -> None:
    metadata = dict(snapshot.metadata or {})
    metadata.pop("execution_id", None)
    payload = {
        "config": snapshot.config,
        "parent_config": snapshot.parent_config,
        "values": snapshot.values,
        "metadata": metadata,
        "next": list(snapshot.next),
        "tasks": [_shown_task(task) for task in snapshot.tasks],
    }
    _put(sink, metadata["step"], "checkpoints", "checkpoint", payload)


def _shown_task(task: Any) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": task.id, "name": task.name}
    if task.error:
        return {**shown, "error": task.error, "state": task.state}
    if task.result:
        shown["result"] = task.result
    return {
        **shown,
        "interrupts": tuple(map(plain_interrupt, task.interrupts)),
        "state": task.state,
    }


def _before_input(execution: Execution) -> StateSnapshot:
    """The checkpoint that takes the input, as LangGraph tells it: the state without it."""
    from inwit.runtime.snapshot import before_input

    saver, place, rows = _saved(execution)
    found = before_input(execution.graph, saver, place, split(rows)[0])
    return found._replace(tasks=tuple(one._replace(result=None) for one in found.tasks))


def _saved(execution: Execution) -> tuple[Checkpointer, Place, Sequence[Row]]:
    from inwit.runtime.resume import Place

    saving, saver = execution.saving, execution.saver
    assert saving is not None
    assert saver is not None
    place = Place(thread_id=saving.thread_id, ns=saving.ns)
    return saver, place, saver.load(place.thread_id, saving.last_id, ns=place.ns)


def _snapshot(execution: Execution) -> StateSnapshot:
    from inwit.runtime.snapshot import snapshot_of

    saver, place, rows = _saved(execution)
    return snapshot_of(execution.graph, saver, place, rows)
