"""An event loop whose clock goes on to whatever is due next, a wall clock that jumps, and a disk."""

from __future__ import annotations

import asyncio
import random
import selectors
import time
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from inwit.errors import InwitError, StoreFullError
from inwit.runtime.checkpoints import Checkpoint, Checkpointer, Row
from inwit.runtime.checkpoints.codec import decode, encode

T = TypeVar("T")
MOST_ROUNDS = 100_000
"""Rounds of a loop in which no time goes by, after which it turns for nothing."""
LAST_S = 2_000.0
"""Virtual seconds after which a loop turns for nothing."""
LONG_S, THREADS_S = 1_000.0, 0.01
"""After so many virtual seconds each round waits that long for threads, which know no virtual time."""


class DeadlockError(Exception):
    """Something still waits, and nothing comes of it."""


class _Selector(selectors.DefaultSelector):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self._still = 0

    def select(self, timeout: float | None = None) -> Any:
        if ready := super().select(THREADS_S if timeout and self.now > LONG_S else 0):
            return ready
        self._still = 0 if timeout else self._still + 1
        if timeout is None or self._still > MOST_ROUNDS or self.now > LAST_S:
            raise DeadlockError
        self.now += max(timeout, 0.0)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop in which sleeping takes no time."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._virtual.now

    def jump(self, seconds: float) -> None:
        """Let time go by at once, as when a machine sleeps: whatever was due is due together."""
        self._virtual.now += seconds


class WildClock:
    """A wall clock that is set, forwards and backwards, while it is read."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw
        self._now_ns = time.time_ns()

    def __call__(self) -> int:
        """The time in nanoseconds since 1970, as far as one can tell."""
        self._now_ns += 1000
        if self._draw.random() < 0.05:
            self._now_ns += self._draw.randrange(-86_400, 86_400) * 1_000_000_000
        return self._now_ns


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end in a virtual loop."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(work)


class _Written(Future[None]):
    """What is done when its rows are on the disk; to wait for it without a loop writes them."""

    def __init__(self, flush: Callable[[], None]) -> None:
        super().__init__()
        self._flush = flush

    def result(self, timeout: float | None = None) -> None:
        if not self.done():
            self._flush()
        return super().result(timeout)


class Disk:
    """A checkpointer whose writes take virtual time, fail, and are lost in a crash until they are done."""

    def __init__(self, kept: Checkpointer, draw: random.Random, *, failures: float = 0.0) -> None:
        self._kept = kept
        self._draw = draw
        self._failures = failures
        self._queue: list[tuple[Sequence[Row], _Written]] = []
        self.failed = 0
        """Writes that failed."""
        self.is_cut = False
        self.on_put: Callable[[], None] = lambda: None
        self.on_written: Callable[[Sequence[Row]], None] = lambda rows: None

    def put(self, rows: Sequence[Row]) -> Future[None] | None:
        """Write soon."""
        if not self.is_cut:
            self.on_put()
        if self.is_cut:
            return None
        done = _Written(self.flush)
        self._queue.append(([decode(encode(row)) for row in rows], done))
        delay = self._draw.choice((0.0, 0.001, self._draw.uniform(0.0, 0.2)))
        asyncio.get_running_loop().call_later(delay, self.flush)
        return done

    def flush(self) -> None:
        """Write everything that waits, as one group."""
        queue, self._queue = self._queue, []
        is_full = bool(queue) and not self.is_cut and self._draw.random() < self._failures
        for rows, done in queue:
            if self.is_cut or done.done():
                continue
            try:
                if is_full:
                    raise StoreFullError("/virtual/disk")
                self._write(rows)
            except InwitError as exc:
                self.failed += 1
                done.set_exception(exc)
            else:
                done.set_result(None)

    def _write(self, rows: Sequence[Row]) -> None:
        done = self._kept.put(rows)
        if done is not None:
            done.result()
        self.on_written(rows)

    def crash(self) -> None:
        """Lose what is not written, but for a part that just was."""
        for rows, _ in self._queue[: self._draw.randrange(len(self._queue) + 1)]:
            try:
                self._write(rows)
            except InwitError:
                break
        self.is_cut = True
        self._queue.clear()

    def load(
        self, thread_id: str, checkpoint_id: str | None = None, *, ns: str = ""
    ) -> Sequence[Row]:
        self.flush()
        return self._kept.load(thread_id, checkpoint_id, ns=ns)

    def history(
        self, thread_id: str, limit: int | None = None, *, ns: str = ""
    ) -> Sequence[Checkpoint]:
        self.flush()
        return self._kept.history(thread_id, limit, ns=ns)

    def last_seq(self, thread_id: str, *, ns: str = "") -> int:
        self.flush()
        return self._kept.last_seq(thread_id, ns=ns)

    def delete_thread(self, thread_id: str) -> None:
        self._kept.delete_thread(thread_id)

    def prune(self, thread_id: str, *, keep: int) -> None:
        self._kept.prune(thread_id, keep=keep)

    def threads(self) -> Sequence[str]:
        return self._kept.threads()
