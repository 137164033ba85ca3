"""A fast place for checkpoints in front of a durable one."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import TypeVar

from inwit.errors import StoreError
from inwit.runtime.checkpoints.base import Checkpoint, Checkpointer, Row
from inwit.runtime.checkpoints.opening import Opened
from inwit.runtime.checkpoints.retained import RetainedCheckpointer
from inwit.runtime.checkpoints.wrapping import Wrapping

T = TypeVar("T")
_logger = logging.getLogger("inwit")


class TieredCheckpointer(Wrapping):
    """Writes to a durable checkpointer, and reads what it can from a fast one.

    A put is done when the durable tier has it; the fast one gets it then. A thread is read from the
    fast tier if its newest row and checkpoint are those of the durable one, so that another process
    is never missed; else it is read from the durable tier and promoted. A fast tier that fails is
    done without. Tiers may be nested.

    Args:
        fast: Such as `InMemoryCheckpointer` or `RedisCheckpointer`.
        durable: Where everything is.
        fast_ttl_s: How long the fast tier keeps a thread that is not used here.
        durable_ttl_s: How long the durable tier keeps a thread after its newest checkpoint.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        fast: Checkpointer,
        durable: Checkpointer,
        *,
        fast_ttl_s: float | None = None,
        durable_ttl_s: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if durable_ttl_s is not None:
            durable = RetainedCheckpointer(durable, ttl_s=durable_ttl_s)
        super().__init__(durable)
        self.fast = fast
        self._ttl_s = fast_ttl_s
        self._clock = clock
        self._used: dict[str, float] = {}
        """When each thread was used, the longest ago first."""
        self._lock = threading.Lock()
        self._has_warned = False

    def _set_up(self) -> None:
        super()._set_up()
        if isinstance(self.fast, Opened):
            self.fast.setup()

    def close(self) -> None:
        """Close both tiers, where they can be."""
        super().close()
        if isinstance(self.fast, Opened):
            self.fast.close()

    def put(self, rows: Sequence[Row]) -> Future[None] | None:
        """Append rows; a future is done when the durable tier has them."""
        self._use(rows[0].thread_id)
        done = self.inner.put(rows)
        if done is None:
            self._follow(rows)
        else:
            done.add_done_callback(partial(self._follow_done, rows))
        return done

    def load(
        self, thread_id: str, checkpoint_id: str | None = None, *, ns: str = ""
    ) -> Sequence[Row]:
        """Give the rows that build one state."""
        self._use(thread_id)
        newest = self.inner.history(thread_id, 1, ns=ns)
        if not newest:
            self._try(lambda: self.fast.delete_thread(thread_id), None)
            return []
        wanted = self.inner.last_seq(thread_id, ns=ns), newest[0].checkpoint_id
        nothing: Sequence[Row] = ()
        found = self._try(lambda: self._load_fast(thread_id, checkpoint_id, ns, wanted), nothing)
        if found:
            return found
        rows = self.inner.load(thread_id, checkpoint_id, ns=ns)
        if checkpoint_id is None and rows:
            self._try(lambda: self._promote(rows), None)
        return rows

    def delete_thread(self, thread_id: str) -> None:
        """Forget a thread in all its namespaces."""
        self.inner.delete_thread(thread_id)
        self._try(lambda: self.fast.delete_thread(thread_id), None)

    def prune(self, thread_id: str, *, keep: int) -> None:
        """Forget what none of the newest `keep` checkpoints of a namespace needs, in each."""
        self.inner.prune(thread_id, keep=keep)
        self._try(lambda: self.fast.prune(thread_id, keep=keep), None)

    def _load_fast(
        self, thread_id: str, checkpoint_id: str | None, ns: str, wanted: tuple[int, str]
    ) -> Sequence[Row]:
        newest: Sequence[Checkpoint] = self.fast.history(thread_id, 1, ns=ns)
        if not newest:
            return ()
        if (self.fast.last_seq(thread_id, ns=ns), newest[0].checkpoint_id) != wanted:
            return ()
        return self.fast.load(thread_id, checkpoint_id, ns=ns)

    def _promote(self, rows: Sequence[Row]) -> None:
        self.fast.delete_thread(rows[0].thread_id)
        done = self.fast.put(rows)
        if done is not None:
            done.result()

    def _follow_done(self, rows: Sequence[Row], done: Future[None]) -> None:
        if not done.cancelled() and done.exception() is None:
            self._follow(rows)

    def _follow(self, rows: Sequence[Row]) -> None:
        """Let the fast tier have what the durable one has, if it holds what comes before."""
        self._try(lambda: self.fast.put(rows), None, is_quiet=True)

    def _use(self, thread_id: str) -> None:
        """Note that a thread is used; forget those that have not been for their lifetime."""
        if self._ttl_s is None:
            return
        now, old = self._clock(), []
        with self._lock:
            self._used.pop(thread_id, None)
            self._used[thread_id] = now
            for name, used in self._used.items():
                if used + self._ttl_s > now:
                    break
                old.append(name)
            for name in old:
                del self._used[name]
        for name in old:
            self._try(partial(self.fast.delete_thread, name), None)

    def _try(self, work: Callable[[], T], otherwise: T, *, is_quiet: bool = False) -> T:
        """Use the fast tier, and do without it where it fails."""
        try:
            return work()
        except StoreError as exc:
            if not (is_quiet or self._has_warned):
                self._has_warned = True
                _logger.warning("inwit: warning: the fast tier of checkpoints fails: %s", exc)
            return otherwise
