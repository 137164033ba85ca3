"""Group commit: what is put while a write is under way is written together by the next one."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple

from inwit.errors import (
    StoreError,
    StoreFullError,
    StoreLockedError,
    StoreReadOnlyError,
    StoreUnreachableError,
)
from inwit.runtime.checkpoints.base import Row
from inwit.runtime.checkpoints.room import Room

BATCH = 500
"""How many puts are written together at most."""
EXIT_S = 10.0
Log = tuple[str, str]
"""A thread's id and a namespace."""


class Put(NamedTuple):
    """Rows that were put by one call, and who waits for them."""

    rows: Sequence[Row]
    done: Future[None]

    @property
    def log(self) -> Log:
        """The log that the rows belong to."""
        return self.rows[0].thread_id, self.rows[0].ns


Outcome = StoreError | None
Commit = Callable[[Sequence[Put]], Sequence[Outcome]]
_OF_THE_STORAGE = (StoreUnreachableError, StoreFullError, StoreLockedError, StoreReadOnlyError)
"""What befalls whatever is put, so that to try its parts would take their time for nothing."""


class GroupWriter:
    """Threads that hand waiting puts to `commit`, which says of each what became of it.

    With one thread, everything that waits is one group. With several, a group is of one log, and
    never are two threads at work on the same log, so that its puts keep their order.
    """

    def __init__(self, name: str, commit: Commit, *, threads: int = 1) -> None:
        self._name = name
        self._commit = commit
        self._count = threads
        self._room = Room()
        self._reset()

    def _reset(self) -> None:
        self._process = os.getpid()
        self._changed = threading.Condition()
        self._waiting: dict[Log, list[Put]] = {}
        self._busy: set[Log] = set()
        self._threads: list[threading.Thread] = []
        self._closed = 0
        """How often it was closed, which ends the threads that were begun before."""

    def put(self, rows: Sequence[Row]) -> Future[None]:
        """Let rows join the next group; the future is done when they are written."""
        if self._process != os.getpid():
            self._reset()
        put = Put(rows, Future())
        with self._changed:
            self._waiting.setdefault(put.log, []).append(put)
            self._changed.notify()
            if len(self._threads) < self._count and len(self._waiting) > len(self._threads):
                self._start()
        self._room.enter(put.done)
        return put.done

    def drain(self, timeout_s: float | None = None) -> None:
        """Wait until everything that was put has been written, or refused.

        Raises:
            StoreLockedError: It takes longer than `timeout_s`.
        """
        if self._process != os.getpid():
            return
        with self._changed:
            if not self._changed.wait_for(lambda: not (self._waiting or self._busy), timeout_s):
                raise StoreLockedError(self._name, timeout_s)

    def close(self) -> None:
        """Wait as `drain` does, and end the threads; the next put begins others."""
        self.drain()
        atexit.unregister(self._drain_at_exit)
        with self._changed:
            self._closed += 1
            self._threads = []
            self._changed.notify_all()

    def _start(self) -> None:
        name = f"inwit-{self._name}-{len(self._threads)}"
        thread = threading.Thread(target=self._serve, args=(self._closed,), name=name, daemon=True)
        if not self._threads:
            atexit.register(self._drain_at_exit)
        self._threads.append(thread)
        thread.start()

    def _drain_at_exit(self) -> None:
        try:
            self.drain(EXIT_S)
        except StoreLockedError as exc:
            import logging

            logging.getLogger("inwit").warning("inwit: warning: checkpoints may be lost: %s", exc)

    def _serve(self, closed: int) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._has_work() or self._closed != closed)
                if self._closed != closed:
                    return
                logs, puts = self._take()
            outcomes = self._outcomes(puts)
            with self._changed:
                self._busy -= logs
                self._changed.notify_all()
            for put, outcome in zip(puts, outcomes, strict=True):
                if not put.done.set_running_or_notify_cancel():
                    continue  # Nobody waits any more; it is written all the same.
                if outcome is None:
                    put.done.set_result(None)
                else:
                    put.done.set_exception(outcome)

    def _has_work(self) -> bool:
        return any(log not in self._busy for log in self._waiting)

    def _take(self) -> tuple[set[Log], list[Put]]:
        puts: list[Put] = []
        logs: set[Log] = set()
        for log in [log for log in self._waiting if log not in self._busy]:
            waiting = self._waiting[log]
            room = BATCH - len(puts)
            puts += waiting[:room]
            logs.add(log)
            if len(waiting) <= room:
                del self._waiting[log]
            else:
                del waiting[:room]
            if self._count > 1 or len(puts) >= BATCH:
                break
        self._busy |= logs
        return logs, puts

    def _outcomes(self, puts: Sequence[Put]) -> Sequence[Outcome]:
        """Write a group; where a row of it cannot be written, each log by itself."""
        logs = {put.log for put in puts}
        try:
            return self._commit(puts)
        except Exception as exc:  # noqa: BLE001 - the thread's border: whoever waits is told
            failure: Any = exc
        if len(logs) == 1 or isinstance(failure, _OF_THE_STORAGE):
            return [failure] * len(puts)
        found: dict[int, Outcome] = {}
        for log in logs:
            own = [put for put in puts if put.log == log]
            found.update(zip(map(id, own), self._outcomes(own), strict=True))
        return [found[id(put)] for put in puts]
