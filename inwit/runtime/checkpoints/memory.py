"""Checkpoints in the memory of this process."""

from __future__ import annotations

from collections.abc import Sequence

from inwit.runtime.checkpoints.base import Checkpoint


class InMemoryCheckpointer:
    """Keeps checkpoints in this process; they are gone when it ends."""

    def __init__(self) -> None:
        self._threads: dict[str, list[Checkpoint]] = {}

    def put(self, checkpoint: Checkpoint) -> None:
        """Keep one checkpoint."""
        self._threads.setdefault(checkpoint.thread_id, []).append(checkpoint)

    def load(self, thread_id: str, checkpoint_id: str | None = None) -> Sequence[Checkpoint]:
        """Give the checkpoints that build one state."""
        kept = self._threads.get(thread_id, [])
        end = len(kept)
        if checkpoint_id is not None:
            end = next((i + 1 for i, c in enumerate(kept) if c.checkpoint_id == checkpoint_id), 0)
        start = next((i for i in range(end - 1, -1, -1) if kept[i].state is not None), end)
        return kept[start:end]

    def history(self, thread_id: str, limit: int | None = None) -> Sequence[Checkpoint]:
        """Give a thread's checkpoints, newest first."""
        newest = self._threads.get(thread_id, [])[::-1]
        return newest if limit is None else newest[:limit]

    def delete_thread(self, thread_id: str) -> None:
        """Forget a thread."""
        self._threads.pop(thread_id, None)
