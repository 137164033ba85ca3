"""How much may wait to be written."""

from __future__ import annotations

import os
import threading
from concurrent.futures import Future
from typing import Any, Final

PUTS: Final = 1000
"""How many puts may wait before whoever puts is held up."""
HELD_S: Final = 0.05
"""How long, for each put: a storage that stands still slows a program down, and does not stop it."""


class Room:
    """Holds up who puts faster than a storage writes, so that little waits and little can be lost."""

    __slots__ = ("_free", "_process")

    def __init__(self) -> None:
        self._reset()

    def _reset(self) -> None:
        self._process = os.getpid()
        self._free = threading.Semaphore(PUTS)

    def enter(self, done: Future[Any]) -> None:
        """Let a put in that is done when `done` is; wait for a place, but not for ever."""
        if self._process != os.getpid():
            self._reset()  # What a parent waits for is not written by its forked child.
        if self._free.acquire(timeout=HELD_S):
            free = self._free
            done.add_done_callback(lambda _: free.release())
