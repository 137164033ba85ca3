"""Checkpoints that are kept for a while, or in a certain number."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from inwit.errors import InwitError, MalformedInputError
from inwit.runtime.checkpoints.base import Checkpoint, Checkpointer, Row, is_whole
from inwit.runtime.checkpoints.wrapping import Wrapping

_logger = logging.getLogger("inwit")
_SWEEPS = 4
"""How often in a lifetime all threads are looked through."""


class RetainedCheckpointer(Wrapping):
    """Forgets checkpoints of another checkpointer by number and by age.

    Args:
        inner: Where they are kept.
        keep: How many of the newest checkpoints of a thread have to stay; older ones go whenever a
            whole state is put, in the background.
        ttl_s: How long a thread stays after its newest checkpoint. One that is older reads as empty
            and is deleted; from time to time, and by `sweep`, those that nobody reads are as well.
        clock: The time in nanoseconds since 1970.

    Raises:
        MalformedInputError: A number is below one, or a lifetime is none.
    """

    def __init__(
        self,
        inner: Checkpointer,
        *,
        keep: int | None = None,
        ttl_s: float | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        if (keep is not None and keep < 1) or (ttl_s is not None and ttl_s <= 0):
            raise MalformedInputError(
                f"keep={keep!r} and ttl_s={ttl_s!r} would keep nothing.",
                hint="Give at least 1, a time above 0, or None.",
            )
        super().__init__(inner)
        self._keep = keep
        self._ttl_ns = None if ttl_s is None else int(ttl_s * 1e9)
        self._clock = clock
        self._swept_ns = clock()
        self._lock = threading.Lock()
        self._due: set[str] = set()
        self._background: ThreadPoolExecutor | None = None

    def close(self) -> None:
        """Finish what goes on in the background, and close the inner checkpointer."""
        if self._background is not None:
            self._background.shutdown()
            self._background = None
        super().close()

    def put(self, rows: Sequence[Row]) -> Future[None] | None:
        """Append rows of one thread and namespace."""
        done = self.inner.put(rows)
        if self._keep is not None and any(map(is_whole, rows)):
            self._prune_later(rows[0].thread_id, done)
        if self._ttl_ns is not None and self._clock() - self._swept_ns > self._ttl_ns // _SWEEPS:
            self._swept_ns = self._clock()
            self._later(self.sweep)
        return done

    def load(
        self, thread_id: str, checkpoint_id: str | None = None, *, ns: str = ""
    ) -> Sequence[Row]:
        """Give the rows that build one state."""
        self._expire(thread_id)
        return self.inner.load(thread_id, checkpoint_id, ns=ns)

    def history(
        self, thread_id: str, limit: int | None = None, *, ns: str = ""
    ) -> Sequence[Checkpoint]:
        """Give the checkpoints of a thread, newest first."""
        self._expire(thread_id)
        return self.inner.history(thread_id, limit, ns=ns)

    def last_seq(self, thread_id: str, *, ns: str = "") -> int:
        """The `seq` of the newest row; 0 where there is none."""
        self._expire(thread_id)
        return self.inner.last_seq(thread_id, ns=ns)

    def threads(self) -> Sequence[str]:
        """The ids of all threads, sorted."""
        if self._ttl_ns is not None:
            self.sweep()
        return self.inner.threads()

    def sweep(self) -> int:
        """Delete all threads whose time is over; how many there were."""
        return sum(self._expire(thread_id) for thread_id in self.inner.threads())

    def _expire(self, thread_id: str) -> bool:
        if self._ttl_ns is None:
            return False
        newest = self.inner.history(thread_id, 1)
        if not newest or newest[0].ts_ns + self._ttl_ns > self._clock():
            return False
        self.inner.delete_thread(thread_id)
        return True

    def _prune_later(self, thread_id: str, done: Future[None] | None) -> None:
        if done is None:
            self._prune(thread_id)
            return
        with self._lock:
            if thread_id in self._due:
                return
            self._due.add(thread_id)
        self._later(lambda: self._prune_after(thread_id, done))

    def _prune_after(self, thread_id: str, done: Future[None]) -> None:
        wait([done])  # whatever became of it, and whoever has given it up
        self._prune(thread_id)

    def _prune(self, thread_id: str) -> None:
        with self._lock:
            self._due.discard(thread_id)
        assert self._keep is not None
        self.inner.prune(thread_id, keep=self._keep)

    def _later(self, work: Callable[[], object]) -> None:
        with self._lock:
            if self._background is None:
                self._background = ThreadPoolExecutor(1, "inwit-retention")
        self._background.submit(_guarded, work)


def _guarded(work: Callable[[], object]) -> None:
    try:
        work()
    except InwitError as exc:  # nobody waits for it; the next whole checkpoint tries again
        _logger.warning("inwit: warning: old checkpoints could not be forgotten: %s", exc)
