"""Noticing that another connection has committed, by `PRAGMA data_version`."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Final

import apsw

from inwit.errors import StoreCorruptError
from inwit.runtime.store.connection import open_reader, store_errors

LOOK_S: Final = 0.02


class Watcher:
    """Gives a number that is another one after every commit of any process. Thread-safe."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: apsw.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._file_number = 0

    def version(self) -> int:
        """The number now; it only tells whether something has changed."""
        with self._lock, store_errors(self._path):
            file = self._look_up()
            if file != self._file:
                self._close()
                self._file_number += 1
                self._file = file
            if file is None:
                return self._file_number << 32
            if self._connection is None:
                try:
                    self._connection = open_reader(self._path)
                except StoreCorruptError:  # who reads or writes moves it aside: then it is another
                    return self._file_number << 32
            return self._file_number << 32 | int(self._connection.pragma("data_version"))

    def wait(self, since: int, timeout_s: float) -> int:
        """Wait until the number is another one than `since`, and give it."""
        deadline = time.monotonic() + timeout_s
        while True:
            found = self.version()
            left = deadline - time.monotonic()
            if found != since or left <= 0:
                return found
            time.sleep(min(LOOK_S, left))

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._close()
            self._file = None

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close(True)
            self._connection = None

    def _look_up(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino
