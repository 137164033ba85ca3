"""Keeping an execution with its thread: a checkpoint after each step, and what it waits for."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, NamedTuple

from inwit.errors import CheckpointingOffError, ExecutionCancelledError
from inwit.runtime.checkpoints import Checkpoint, InMemoryCheckpointer, Task
from inwit.runtime.checkpoints.base import WRITERS
from inwit.runtime.checkpoints.saving import Note, Saving
from inwit.runtime.configs import metadata_of
from inwit.runtime.failures import node_of
from inwit.runtime.interrupts import Waiting
from inwit.runtime.progress import in_step, node_of_key
from inwit.runtime.serial import freeze, freeze_all
from inwit.runtime.updates import Packet, Ready, pairs_written, writes_of
from inwit.runtime.waits import durable, is_acknowledged_by_step

if TYPE_CHECKING:
    from inwit.runtime.engine import Execution
    from inwit.runtime.program import Program


_FLOW = "flow"
"""Stands in the place of a join's number."""


class FlowNames(NamedTuple):
    """By what tasks are named where steps overlap; a checkpoint keeps it beside arrivals."""

    root: str
    """The checkpoint at which steps began to overlap."""
    first: int
    """The step that followed it."""
    sent: Sequence[str]
    """The names, within its step, of what is sent to the step that follows."""


def joins_kept(execution: Execution) -> Any:
    """Arrivals at joins, as a checkpoint keeps them."""
    nodes, arrived = execution.program.nodes, execution.arrived or {}
    kept: list[Any] = [
        [number, sorted(nodes[i].name for i in seen)] for number, seen in arrived.items()
    ]
    if execution.flow is not None:
        kept.append([_FLOW, list(execution.flow)])
    return kept or None


def arrived_at(program: Program, last: Checkpoint | None) -> dict[int, set[int]] | None:
    """Which nodes' arrivals the joins had counted at a checkpoint."""
    return {
        number: {program.by_name[name] for name in names if name in program.by_name}
        for number, names in ((last.joins if last is not None else None) or ())
        if number not in (_FLOW, WRITERS)
    } or None


def writers_at(last: Checkpoint) -> set[str] | None:
    """The nodes that led to a checkpoint, where it keeps them itself."""
    return next((set(names) for number, names in last.joins or () if number == WRITERS), None)


def flow_at(last: Checkpoint) -> FlowNames | None:
    """By what tasks were named after a checkpoint, where steps overlapped."""
    kept = [one for number, one in last.joins or () if number == _FLOW]
    return FlowNames(*kept[0]) if kept else None


def plain_keys(last: Checkpoint) -> dict[str, str]:
    """The names of the tasks that follow a checkpoint as steps know them, by their names in a flow."""
    flow, step = flow_at(last), last.step + 1
    stems = iter(() if flow is None else flow.sent)
    found = {}
    for number, task in enumerate(last.next):
        plain = f"{task.name}#{number}" if task.is_sent else task.name
        found[in_step(next(stems, plain) if task.is_sent else plain, step)] = plain
    return found


def tasks_of_ready(execution: Execution, following: int | Sequence[Ready]) -> tuple[Task, ...]:
    """What follows, as a checkpoint keeps it."""
    nodes = execution.program.nodes
    if type(following) is int:
        return (nodes[following].task,) if following >= 0 else ()
    found = []
    for one in following:  # type: ignore[union-attr]
        if isinstance(one, Packet):
            arg = freeze(one.arg, strict=True)
            limits = None if one.timeout is None else one.timeout.seconds
            found.append(Task(nodes[one.index].name, arg, True, limits))
        elif one >= 0:
            found.append(nodes[one].task)
    found += [nodes[index].task for index in sorted(execution.deferred)]
    return tuple(found)


async def save(
    execution: Execution,
    recorded: dict[str, Any],
    following: int | Sequence[Ready],
    source: Any = "loop",
    *,
    parts: Any = None,
    notes: Sequence[Note] = (),
) -> tuple[str, int]:
    """Save the step that ended, with notes of those that follow; give its checkpoint's id and number."""
    saving, step = execution.saving, execution.base + execution.steps
    assert saving is not None
    checkpoint_id = f"{execution.execution_id}:{step}"
    joins = joins_kept(execution)
    done = saving.save(
        checkpoint_id,
        step,
        recorded,
        tasks_of_ready(execution, following),
        execution.state,
        source,
        joins,
        parts,
        notes,
    )
    if done is not None:
        execution.last_save = done
        if saving.is_sync and not (source == "loop" and is_acknowledged_by_step(execution)):
            await durable(execution, done)
    return checkpoint_id, step


def wrote(execution: Execution, update: Any) -> dict[str, Any] | None:
    """What a node wrote, frozen, where what its step changed does not tell."""
    schema = execution.graph.schema
    if not schema.folded:
        return None
    found = writes_of(pairs_written(schema, update))
    return None if schema.folded.isdisjoint(found) else freeze_all(found)


def save_plain(execution: Execution, recorded: dict[str, Any], following: int) -> tuple[str, int]:
    """Save a step that one node took and at most one follows, where nobody waits for the disk."""
    saving, step = execution.saving, execution.base + execution.steps
    assert saving is not None
    checkpoint_id = f"{execution.execution_id}:{step}"
    if execution.deferred:
        after = tasks_of_ready(execution, following)
    else:
        after = execution.program.nodes[following].alone if following >= 0 else ()
    done = saving.save(checkpoint_id, step, recorded, after, execution.state)
    if done is not None:
        execution.last_save = done
    return checkpoint_id, step


def note(execution: Execution, kind: Any, task: str, key: str, frozen: Any) -> Future[None] | None:
    """Keep one pending fact with the thread; without checkpoints, only when it waits."""
    if execution.tasks is not None:
        with execution.tasks.lock:
            return _note(execution, (kind, task, key, frozen))
    return _note(execution, (kind, task, key, frozen))


def _note(execution: Execution, one: Note) -> Future[None] | None:
    if execution.saving is None:
        is_new = execution.noted_step != execution.steps  # What earlier steps noted is of no use.
        execution.notes = [one] if is_new else [*execution.notes, one]
        execution.noted_step = execution.steps
        return None
    return execution.saving.note([one], execution.state)


def begin_saving(execution: Execution, following: Sequence[Ready]) -> None:
    """Save what was not to be saved, since the execution is about to wait.

    Raises:
        CheckpointingOffError: The graph was compiled without a checkpointer.
    """
    saver = execution.saver
    if saver is None and execution.graph.options.is_langgraph:
        saver = InMemoryCheckpointer()  # What it waits for is told, and then forgotten.
    if saver is None:
        raise CheckpointingOffError(execution.thread_id)
    rows = saver.load(execution.thread_id, ns=execution.ns)
    seq = saver.last_seq(execution.thread_id, ns=execution.ns)
    here = execution.here
    execution.saving = Saving(
        saver, execution.thread_id, execution.ns, execution.execution_id, "async", rows, seq
    )
    execution.saving.metadata = metadata_of(execution.config, execution.parents)
    step = execution.base + max(execution.steps, 1) - 1
    execution.saving.save(
        here,
        step,
        {},
        tasks_of_ready(execution, following),
        execution.state,
        "loop",
        joins_kept(execution),
    )


async def pause(
    execution: Execution,
    asked: Sequence[tuple[str, int, Sequence[Waiting]]],
    ready: Sequence[Ready],
    notes: Sequence[Note],
) -> None:
    """Keep what waits and what is done, and end this invocation.

    `asked` is (task's key, visit, questions); `notes` is what else to keep.
    """
    if execution.saving is None:
        begin_saving(execution, ready)
    saving = execution.saving
    assert saving is not None
    is_current = execution.noted_step == execution.steps
    kept = [*(execution.notes if is_current else ()), *notes]
    for key, visit, waiting in asked:
        name = node_of_key(key)
        for one in waiting:
            kept.append(("interrupt", key, one.id, one.frozen()))
            shown = {"interrupt_id": one.id, "value": freeze(one.value)}
            if one.schema is not None:
                shown["schema"] = freeze(one.schema)
            execution.recording.add_event("interrupt_raised", name, visit, 1, shown)
    execution.waiting = tuple(one for _, _, waiting in asked for one in waiting)
    execution.is_paused = True
    execution.notes = ()
    closing = {
        "seq": execution.seq + 1,
        "visits": {
            node.name: count
            for node, count in zip(execution.program.nodes, execution.visits, strict=True)
            if count
        },
        "steps": execution.steps,
    }
    status = "waiting_for_input" if execution.waiting else "paused"
    kept.append(("closed", "", status, freeze(closing)))
    done = saving.note(kept, execution.state)
    if done is not None:
        execution.last_save = done
        if execution.parent is not None:  # The outermost waits for it together with its record.
            await durable(execution, done)


def note_failure(execution: Execution, error: BaseException) -> None:
    assert execution.saving is not None
    shown = freeze({"type": type(error).__name__, "message": str(error)})
    is_failure = isinstance(error, Exception) and not isinstance(error, ExecutionCancelledError)
    status = "failed" if is_failure else "cancelled"
    key = "" if node_of(error) is None else execution.failed_key or execution.at.task.name
    notes: list[Note] = [*execution.notes, ("failed", key, type(error).__name__, shown)]
    execution.notes = ()
    execution.last_save = execution.saving.note(
        [*notes, ("closed", "", status, None)], execution.state
    )
