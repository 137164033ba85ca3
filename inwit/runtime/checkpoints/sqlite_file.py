"""The two places of SQLite checkpoints, each with one thread that commits for all who wait."""

from __future__ import annotations

import atexit
import os
import threading
import weakref
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, Protocol, TypeVar
from weakref import WeakSet

import apsw

from inwit.errors import InwitError, StoreReadOnlyError, StoreVersionError
from inwit.runtime.project import Project
from inwit.runtime.store.connection import open_writer, store_errors
from inwit.runtime.store.database import Database
from inwit.runtime.store.journal import Journal

T = TypeVar("T")
Work = Callable[[apsw.Connection], Any]
_BATCH = 1000


class File(Protocol):
    """Where checkpoints are kept."""

    def submit(self, work: Work) -> Future[Any]:
        """Let `work` join the next commit. It raises before it writes anything, or not at all."""

    def read(self, work: Callable[[apsw.Connection], T], *, is_settled: bool = False) -> T:
        """Run work that writes nothing, after all that was submitted before.

        `is_settled` says that nothing which it reads waits to be written.
        """

    def close(self) -> None:
        """Write what waits and close the file; the next use opens it again."""


class ProjectFile:
    """The project's record: checkpoints join the journal's group commits."""

    def __init__(self, migrations: Sequence[str]) -> None:
        project = Project.find()
        self._journal = Journal.of(project)
        self._database = Database.of(project)
        self._database.declare("checkpoints", migrations)

    def submit(self, work: Work) -> Future[Any]:
        """Let `work` join the next commit."""
        return self._journal.submit(work)

    def read(self, work: Callable[[apsw.Connection], T], *, is_settled: bool = False) -> T:
        """Run work that writes nothing."""
        if not is_settled:
            self._journal.flush()
        return self._database.read(work)

    def close(self) -> None:
        """Write what waits; the record itself is closed by its owner."""
        self._journal.flush()


class _Job(NamedTuple):
    file: OwnFile
    """Who does it; nobody else need hold the file until it is done."""
    work: Work
    done: Future[Any]
    is_read: bool


_Queue = SimpleQueue[_Job | None]
"""What is to be done; None when the file is not held by anybody any more."""
_files: WeakSet[OwnFile] = WeakSet()


class OwnFile:
    """A file of its own, with one thread that commits whatever has come in meanwhile.

    When nobody holds it any more, what was submitted is written, and the file and the thread end.
    """

    def __init__(self, path: Path, tables: str, migrations: Sequence[str]) -> None:
        self._path = path
        self._tables = tables
        self._migrations = migrations
        self._queue = _Queue()
        self._lock = threading.Lock()
        self._connection: apsw.Connection | None = None
        self._thread: threading.Thread | None = None
        self._process = os.getpid()
        self._left_behind: list[object] = []
        self._is_closing = False

    def submit(self, work: Work) -> Future[Any]:
        """Let `work` join the next commit."""
        return self._enqueue(work, is_read=False)

    def read(
        self,
        work: Callable[[apsw.Connection], T],
        *,
        is_settled: bool = False,  # noqa: ARG002 - the writer reads in its turn anyway
    ) -> T:
        """Run work that writes nothing: by the writer, so that it sees what was put before."""
        found: T = self._enqueue(work, is_read=True).result()
        return found

    def close(self) -> None:
        """Write what waits and close the file; the next use opens it again."""
        if self._thread is not None and self._process == os.getpid():
            self._enqueue(self._close, is_read=True).result()

    def _close(self, _: apsw.Connection) -> None:
        self._is_closing = True

    def _enqueue(self, work: Work, *, is_read: bool) -> Future[Any]:
        done: Future[Any] = Future()
        if self._thread is None or self._process != os.getpid():
            self._start()
        self._queue.put(_Job(self, work, done, is_read))
        return done

    def _start(self) -> None:
        if self._process != os.getpid():
            # A forked child; to close its parent's connection would harm the parent.
            self._left_behind += [self._connection, self._queue]
            self._lock, self._queue = threading.Lock(), _Queue()
            self._connection = self._thread = None
            self._process = os.getpid()
        with self._lock:
            if self._thread is None:
                name = f"inwit-checkpoints-{self._path.name}"
                thread = threading.Thread(
                    target=_serve, args=(self._queue,), name=name, daemon=True
                )
                thread.start()
                weakref.finalize(self, self._queue.put, None).atexit = False
                _files.add(self)
                self._thread = thread

    def drain(self) -> None:
        """Wait until what was put is committed."""
        if self._connection is not None or not self._queue.empty():
            self._enqueue(lambda _: None, is_read=True).exception(timeout=10)

    def commit(self, batch: list[_Job]) -> None:
        """Do jobs in one transaction, and tell those who wait; called by the thread alone."""
        try:
            with store_errors(self._path):
                outcomes = self._transact(self._open(), batch)
        except Exception as exc:  # noqa: BLE001 - whoever waits for one of the futures is told
            for job in batch:
                if job.done.set_running_or_notify_cancel():
                    job.done.set_exception(exc)
            return
        if self._is_closing and self._connection is not None:
            self._connection.close(True)
            self._connection, self._is_closing = None, False
        for job, (result, error) in zip(batch, outcomes, strict=True):
            if not job.done.set_running_or_notify_cancel():
                continue  # Nobody waits any more; it is written all the same.
            if error is None:
                job.done.set_result(result)
            else:
                job.done.set_exception(error)

    def _transact(
        self, connection: apsw.Connection, batch: list[_Job]
    ) -> list[tuple[Any, InwitError | None]]:
        is_read = all(job.is_read for job in batch)
        with _transaction(connection, "BEGIN" if is_read else "BEGIN IMMEDIATE"):
            return [_run(job.work, connection) for job in batch]

    def _open(self) -> apsw.Connection:
        if self._connection is None:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
            except OSError as exc:
                raise StoreReadOnlyError(self._path, exc.strerror or str(exc)) from exc
            connection = open_writer(self._path)
            try:
                connection.execute("PRAGMA synchronous = FULL")
                self._migrate(connection)
            except BaseException:
                connection.close(True)
                raise
            self._connection = connection
        return self._connection

    def _migrate(self, connection: apsw.Connection) -> None:
        known = len(self._migrations)
        with _transaction(connection, "BEGIN IMMEDIATE"):
            version = connection.pragma("user_version")
            # A file of another library may hold tables of the same names as our first ones.
            for migration in self._migrations[version:] if version else (self._tables,):
                connection.execute(migration)
            if version < known:
                connection.execute(f"PRAGMA user_version = {known}")
        if version > known:
            raise StoreVersionError(self._path, version, known)


def _serve(queue: _Queue) -> None:
    while (job := queue.get()) is not None:
        batch = [job]
        with suppress(Empty):
            while len(batch) < _BATCH and (other := queue.get_nowait()) is not None:
                batch.append(other)
        job.file.commit(batch)
        del job, batch
        other = None  # Nothing here may hold the file while nothing is to be done.


@atexit.register
def _drain_all() -> None:
    for file in list(_files):
        file.drain()


@contextmanager
def _transaction(connection: apsw.Connection, begin: str) -> Iterator[None]:
    connection.execute(begin)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _run(work: Work, connection: apsw.Connection) -> tuple[Any, InwitError | None]:
    """Run one job. What it refuses is told to its caller alone; a fault of the file to all."""
    try:
        return work(connection), None
    except InwitError as exc:
        return None, exc
