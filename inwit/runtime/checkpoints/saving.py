"""How the engine writes to a checkpointer."""

from __future__ import annotations

import time
from concurrent.futures import Future
from typing import Any

from inwit.runtime.checkpoints.base import Checkpoint, Checkpointer, Durability, Task
from inwit.runtime.serial import freeze

SNAPSHOT_EVERY = 32
"""Steps between two checkpoints that hold the whole state."""


class Saving:
    """One execution's way to its checkpointer."""

    def __init__(
        self, checkpointer: Checkpointer, thread_id: str, execution_id: str, durability: Durability
    ) -> None:
        self._checkpointer = checkpointer
        self._thread_id = thread_id
        self._execution_id = execution_id
        self.is_sync = durability == "sync"
        self._at_exit = durability == "exit"
        self._since_snapshot = SNAPSHOT_EVERY
        self._seq = checkpointer.last_seq(thread_id)
        self._last: tuple[int, tuple[str, ...]] | None = None

    def checkpoint_id(self, step: int) -> str:
        """The id of the checkpoint after a step."""
        return f"{self._execution_id}:{step}"

    def save(
        self,
        step: int,
        update: dict[str, Any] | None,
        following: tuple[str, ...],
        state: dict[str, Any],
    ) -> Future[None] | None:
        """Save a step. The future, if any, is done when the checkpoint is durable."""
        self._last = (step, following)
        if self._at_exit:
            return None
        whole = self._since_snapshot >= SNAPSHOT_EVERY
        self._since_snapshot = 0 if whole else self._since_snapshot + 1
        return self._put(step, update or {}, following, state if whole else None)

    def _put(
        self,
        step: int,
        update: dict[str, Any],
        following: tuple[str, ...],
        state: dict[str, Any] | None,
    ) -> Future[None] | None:
        frozen = None if state is None else {k: freeze(v, strict=True) for k, v in state.items()}
        self._seq += 1
        row = Checkpoint(
            thread_id=self._thread_id,
            seq=self._seq,
            checkpoint_id=self.checkpoint_id(step),
            execution_id=self._execution_id,
            step=step,
            ts_ns=time.time_ns(),
            next=tuple(Task(name) for name in following),
            update=update,
            state=frozen,
        )
        return self._checkpointer.put((row,))

    def close(self, state: dict[str, Any]) -> Future[None] | None:
        """Write what `exit` kept back; its future is done when that is durable."""
        if not self._at_exit or self._last is None:
            return None
        step, following = self._last
        return self._put(step, {}, following, state)
