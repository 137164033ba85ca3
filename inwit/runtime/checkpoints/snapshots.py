"""Reading saved states back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from inwit.errors import UnknownCheckpointError
from inwit.events import timestamp
from inwit.runtime.checkpoints.base import Checkpoint, Checkpointer, Pending, Row, Task
from inwit.runtime.serial import Delta, freeze, freeze_delta, thaw


class StateSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a thread after one step."""

    values: dict[str, Any]
    next: tuple[str, ...]
    config: dict[str, Any]
    metadata: dict[str, Any]
    created_at: str
    parent_config: dict[str, Any] | None = None
    tasks: tuple[Any, ...] = ()


def fold(rows: Sequence[Row]) -> dict[str, Any]:
    """Build the state after the last checkpoint among rows that begin with a whole one."""
    if not rows:
        return {}
    first = rows[0]
    assert isinstance(first, Checkpoint)
    state = {key: thaw(value) for key, value in (first.state or {}).items()}
    for row in rows[1:]:
        if isinstance(row, Checkpoint):
            _apply(state, row.update)
    return state


def _apply(state: dict[str, Any], update: dict[str, Any]) -> None:
    for key, frozen in update.items():
        value = thaw(frozen)
        state[key] = state.get(key, []) + value.items if isinstance(value, Delta) else value


def join_updates(updates: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Make one update of those of a step's branches, in their order."""
    joined: dict[str, Any] = {}
    for update in updates:
        for key, frozen in update.items():
            both = key in joined and isinstance(frozen, msgspec.msgpack.Ext)
            joined[key] = _join_deltas(joined[key], frozen) if both else frozen
    return joined


def _join_deltas(first: Any, second: Any) -> Any:
    one, two = thaw(first), thaw(second)
    if not isinstance(one, Delta):  # an earlier branch replaced the whole list
        return freeze([*one, *two.items])
    return freeze_delta([*one.items, *two.items])


def split(rows: Sequence[Row]) -> tuple[Checkpoint, list[Pending]]:
    """The last checkpoint of what `load` gave, and what is pending after it."""
    pending: list[Pending] = []
    for row in reversed(rows):
        if isinstance(row, Checkpoint):
            return row, pending[::-1]
        pending.append(row)
    raise ValueError("There is no checkpoint among the rows.")


def resume_point(rows: Sequence[Row]) -> tuple[dict[str, Any], tuple[Task, ...]]:
    """The state after the last checkpoint of `rows`, and what follows it."""
    return fold(rows), split(rows)[0].next


def snapshot_of(saver: Checkpointer, thread_id: str, checkpoint_id: str | None) -> StateSnapshot:
    """The state of a thread after its last, or the named, checkpoint.

    Raises:
        UnknownCheckpointError: The thread has no checkpoint of that id.
    """
    rows = saver.load(thread_id, checkpoint_id)
    if not rows:
        if checkpoint_id is not None:
            raise UnknownCheckpointError(thread_id, checkpoint_id)
        return StateSnapshot(
            values={},
            next=(),
            config={"configurable": {"thread_id": thread_id}},
            metadata={},
            created_at="",
        )
    last, _ = split(rows)
    config = {"configurable": {"thread_id": thread_id, "checkpoint_id": last.checkpoint_id}}
    metadata = {"step": last.step, "execution_id": last.execution_id}
    return StateSnapshot(
        values=fold(rows),
        next=tuple(task.name for task in last.next),
        config=config,
        metadata=metadata,
        created_at=timestamp(last.ts_ns),
    )


def history_of(saver: Checkpointer, thread_id: str, limit: int | None) -> Iterator[StateSnapshot]:
    """The states of a thread, newest first."""
    for checkpoint in saver.history(thread_id, limit):
        yield snapshot_of(saver, thread_id, checkpoint.checkpoint_id)
