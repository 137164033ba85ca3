"""Reading saved states back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from inwit.errors import UnknownCheckpointError
from inwit.events import timestamp
from inwit.runtime.checkpoints.base import Checkpoint, Checkpointer, StateSnapshot, fold


def resume_point(saved: Sequence[Checkpoint]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The state after the last of `saved`, and the nodes that follow."""
    return fold(saved), saved[-1].next


def snapshot_of(saver: Checkpointer, thread_id: str, checkpoint_id: str | None) -> StateSnapshot:
    """The state of a thread after its last, or the named, checkpoint.

    Raises:
        UnknownCheckpointError: The thread has no checkpoint of that id.
    """
    saved = saver.load(thread_id, checkpoint_id)
    if not saved:
        if checkpoint_id is not None:
            raise UnknownCheckpointError(thread_id, checkpoint_id)
        return StateSnapshot(
            values={},
            next=(),
            config={"configurable": {"thread_id": thread_id}},
            metadata={},
            created_at="",
        )
    last = saved[-1]
    config = {"configurable": {"thread_id": thread_id, "checkpoint_id": last.checkpoint_id}}
    metadata = {"step": last.step, "execution_id": last.execution_id}
    return StateSnapshot(
        values=fold(saved),
        next=last.next,
        config=config,
        metadata=metadata,
        created_at=timestamp(last.ts_ns),
    )


def history_of(saver: Checkpointer, thread_id: str, limit: int | None) -> Iterator[StateSnapshot]:
    """The states of a thread, newest first."""
    for checkpoint in saver.history(thread_id, limit):
        yield snapshot_of(saver, thread_id, checkpoint.checkpoint_id)
