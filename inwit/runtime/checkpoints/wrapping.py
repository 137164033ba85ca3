"""What every wrapper around a checkpointer begins with: it hands everything on."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future

from inwit.runtime.checkpoints.base import Checkpoint, Checkpointer, Row
from inwit.runtime.checkpoints.opening import Opened


class Wrapping(Opened):
    """A checkpointer that keeps everything in another one."""

    def __init__(self, inner: Checkpointer) -> None:
        self.inner = inner

    def _set_up(self) -> None:
        if isinstance(self.inner, Opened):
            self.inner.setup()

    def close(self) -> None:
        """Close the inner checkpointer, if that can be closed."""
        if isinstance(self.inner, Opened):
            self.inner.close()

    def put(self, rows: Sequence[Row]) -> Future[None] | None:
        """Append rows of one thread and namespace."""
        return self.inner.put(rows)

    def load(
        self, thread_id: str, checkpoint_id: str | None = None, *, ns: str = ""
    ) -> Sequence[Row]:
        """Give the rows that build one state."""
        return self.inner.load(thread_id, checkpoint_id, ns=ns)

    def history(
        self, thread_id: str, limit: int | None = None, *, ns: str = ""
    ) -> Sequence[Checkpoint]:
        """Give the checkpoints of a thread, newest first."""
        return self.inner.history(thread_id, limit, ns=ns)

    def last_seq(self, thread_id: str, *, ns: str = "") -> int:
        """The `seq` of the newest row; 0 where there is none."""
        return self.inner.last_seq(thread_id, ns=ns)

    def delete_thread(self, thread_id: str) -> None:
        """Forget a thread in all its namespaces."""
        self.inner.delete_thread(thread_id)

    def prune(self, thread_id: str, *, keep: int) -> None:
        """Forget what none of the newest `keep` checkpoints of a namespace needs, in each."""
        self.inner.prune(thread_id, keep=keep)

    def threads(self) -> Sequence[str]:
        """The ids of all threads, sorted."""
        return self.inner.threads()
