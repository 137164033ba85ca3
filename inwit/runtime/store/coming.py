"""Graphs that this process has compiled and that are not in the record yet.

Compiling waits for nothing: the journal's thread registers a graph some 20 ms later, and on a busy
machine later still. Who looks for graphs in the same process meanwhile waits for that.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future, wait
from contextlib import suppress
from typing import Final

WAIT_S: Final = 5.0
"""Longest wait for a thread that does not get its turn, or for another process's transaction."""


class Coming:
    """The registrations under way in this process, of one project."""

    def __init__(self) -> None:
        self._futures: list[Future[str]] = []
        self.worker: int | None = None
        """The thread that registers, which never waits for itself."""

    def add(self, done: Future[str]) -> None:
        """Let `done` be waited for until it is."""
        self._futures.append(done)
        done.add_done_callback(self.give_up)

    def give_up(self, done: Future[str]) -> None:
        """Wait for `done` no more, as when the record takes nothing and it is tried again later."""
        with suppress(ValueError):  # it was given up before
            self._futures.remove(done)

    def settle(self, timeout_s: float = WAIT_S) -> None:
        """Return when what is under way now is in the record, or `timeout_s` seconds are over."""
        if self._futures and threading.get_ident() != self.worker:
            wait(self._futures.copy(), timeout_s)
