"""An SQLite file of its own, of which each call is one transaction."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeVar

import apsw

from inwit.errors import StoreReadOnlyError
from inwit.runtime.project import Project
from inwit.runtime.store.connection import open_writer, store_errors
from inwit.runtime.store.database import Database

T = TypeVar("T")
Work = Callable[[apsw.Connection], T]


class File(Protocol):
    """Where tables are. Thread-safe."""

    def write(self, work: Work[T]) -> T:
        """Run `work` in one transaction; it is on disk when this returns."""

    def read(self, work: Work[T]) -> T:
        """Run work that writes nothing."""


class ProjectFile:
    """Tables in the record of the working directory's project."""

    def __init__(self, room: str, schema: str) -> None:
        self._database = Database.of(Project.find())
        self._database.declare(room, (schema,))

    def write(self, work: Work[T]) -> T:
        """Run `work` in one transaction."""
        return self._database.write(work)

    def read(self, work: Work[T]) -> T:
        """Run work that writes nothing."""
        return self._database.read(work)


class OwnFile:
    """Tables in a file that may be shared with other processes, and with other tables.

    Without `durable` a commit survives the process but not a loss of power.
    """

    def __init__(self, path: str | os.PathLike[str], schema: str, *, durable: bool = True) -> None:
        self._path = Path(path)
        self._schema = schema
        self._durable = durable
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._connection: apsw.Connection | None = None
        self._left_behind: list[object] = []

    def write(self, work: Work[T]) -> T:
        """Run `work` in one transaction."""
        with self._transaction("BEGIN IMMEDIATE") as connection:
            return work(connection)

    def read(self, work: Work[T]) -> T:
        """Run work that writes nothing."""
        with self._transaction("BEGIN") as connection:
            return work(connection)

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        with self._lock:
            if self._connection is not None and self._process == os.getpid():
                self._connection.close()
            self._connection = None

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[apsw.Connection]:
        if self._process != os.getpid():
            # A forked child; to close its parent's connection would harm the parent.
            self._left_behind.append(self._connection)
            self._lock, self._connection, self._process = threading.Lock(), None, os.getpid()
        with self._lock, store_errors(self._path):
            connection = self._open()
            connection.execute(begin)
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def _open(self) -> apsw.Connection:
        if self._connection is None:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as exc:
                raise StoreReadOnlyError(self._path, exc.strerror or str(exc)) from exc
            connection = open_writer(self._path)
            try:
                level = "FULL" if self._durable else "NORMAL"
                connection.execute(f"PRAGMA synchronous = {level}; {self._schema}")
            except BaseException:
                connection.close(True)
                raise
            self._connection = connection
        return self._connection
