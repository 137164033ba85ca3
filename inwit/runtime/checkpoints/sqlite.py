"""Checkpoints in SQLite: in the project's record, or in a file of their own."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Protocol, TypeVar

import apsw

from inwit.runtime.checkpoints.base import Checkpoint
from inwit.runtime.checkpoints.codec import decode, encode
from inwit.runtime.project import Project
from inwit.runtime.store.connection import open_writer, query, store_errors
from inwit.runtime.store.database import Database
from inwit.runtime.store.journal import Journal

T = TypeVar("T")
Work = Callable[[apsw.Connection], Any]
_MIGRATIONS = (
    """
    CREATE TABLE checkpoints (
        position INTEGER PRIMARY KEY AUTOINCREMENT,
        thread_id TEXT NOT NULL,
        checkpoint_id TEXT NOT NULL,
        has_state INTEGER NOT NULL,
        data BLOB NOT NULL
    );
    CREATE INDEX checkpoints_by_thread ON checkpoints (thread_id, position);
    CREATE UNIQUE INDEX checkpoints_by_id ON checkpoints (thread_id, checkpoint_id)
    """,
)


class _File(Protocol):
    def submit(self, work: Work) -> Future[Any]: ...

    def read(self, work: Callable[[apsw.Connection], T]) -> T: ...


class SqliteCheckpointer:
    """Keeps checkpoints in a file; several processes may share it.

    Args:
        path: The file. Without one, the record of the working directory's project.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self._file: _File = _ProjectFile() if path is None else _OwnFile(Path(path))

    def put(self, checkpoint: Checkpoint) -> Future[None]:
        """Keep one checkpoint; the future is done when its commit has reached the disk."""
        data = encode(checkpoint)
        row = (
            checkpoint.thread_id,
            checkpoint.checkpoint_id,
            int(checkpoint.state is not None),
            data,
        )
        return self._file.submit(lambda connection: _insert(connection, row))

    def load(self, thread_id: str, checkpoint_id: str | None = None) -> Sequence[Checkpoint]:
        """Give the checkpoints that build one state."""
        return self._file.read(lambda connection: _load(connection, thread_id, checkpoint_id))

    def history(self, thread_id: str, limit: int | None = None) -> Sequence[Checkpoint]:
        """Give a thread's checkpoints, newest first."""
        sql = "SELECT data FROM checkpoints WHERE thread_id = ? ORDER BY position DESC LIMIT ?"
        given = (thread_id, -1 if limit is None else limit)
        rows = self._file.read(lambda connection: query(connection, sql, given))
        return [decode(data) for (data,) in rows]

    def delete_thread(self, thread_id: str) -> None:
        """Forget a thread."""
        sql = "DELETE FROM checkpoints WHERE thread_id = ?"
        self._file.submit(lambda connection: connection.execute(sql, (thread_id,))).result()


def _insert(connection: apsw.Connection, row: tuple[Any, ...]) -> None:
    connection.execute(
        "INSERT INTO checkpoints (thread_id, checkpoint_id, has_state, data) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (thread_id, checkpoint_id) DO UPDATE SET has_state = 1, data = excluded.data"
        " WHERE excluded.has_state",
        row,
    )


def _load(
    connection: apsw.Connection, thread_id: str, checkpoint_id: str | None
) -> list[Checkpoint]:
    [(end,)] = query(
        connection,
        "SELECT max(position) FROM checkpoints WHERE thread_id = ?1"
        " AND (?2 IS NULL OR checkpoint_id = ?2)",
        (thread_id, checkpoint_id),
    )
    if end is None:
        return []
    rows = query(
        connection,
        "SELECT data FROM checkpoints WHERE thread_id = ?1 AND position <= ?2 AND position >= ("
        " SELECT max(position) FROM checkpoints"
        " WHERE thread_id = ?1 AND position <= ?2 AND has_state) ORDER BY position",
        (thread_id, end),
    )
    return [decode(data) for (data,) in rows]


class _ProjectFile:
    """The project's record: checkpoints join the journal's group commits."""

    def __init__(self) -> None:
        project = Project.find()
        self._journal = Journal.of(project)
        self._database = Database.of(project)
        self._database.declare("checkpoints", _MIGRATIONS)

    def submit(self, work: Work) -> Future[Any]:
        return self._journal.submit(work)

    def read(self, work: Callable[[apsw.Connection], T]) -> T:
        self._journal.flush()
        return self._database.read(work)


class _OwnFile:
    """A file of its own, with one thread that commits whatever has come in meanwhile."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._queue: SimpleQueue[tuple[Work, Future[Any]]] = SimpleQueue()
        self._lock = threading.Lock()
        self._connection: apsw.Connection | None = None
        self._thread: threading.Thread | None = None
        self._process = os.getpid()

    def submit(self, work: Work) -> Future[Any]:
        done: Future[Any] = Future()
        if self._thread is None or self._process != os.getpid():
            self._start()
        self._queue.put((work, done))
        return done

    def read(self, work: Callable[[apsw.Connection], T]) -> T:
        # Through the writer, so that a reader sees every checkpoint that was put before.
        found: T = self.submit(work).result()
        return found

    def _start(self) -> None:
        with self._lock:
            if self._process != os.getpid():
                self._queue, self._connection, self._process = SimpleQueue(), None, os.getpid()
                self._thread = None
            if self._thread is None:
                name = f"inwit-checkpoints-{self._path.name}"
                self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
                atexit.register(self._drain)
                self._thread.start()

    def _drain(self) -> None:
        """Wait until what was put is committed; called when the interpreter ends."""
        self.submit(lambda _: None).result(timeout=10)

    def _serve(self) -> None:
        while True:
            batch = [self._queue.get()]
            try:
                while len(batch) < 1000:
                    batch.append(self._queue.get_nowait())
            except Empty:
                pass
            self._commit(batch)

    def _commit(self, batch: list[tuple[Work, Future[Any]]]) -> None:
        results: list[Any] = []
        try:
            with store_errors(self._path):
                connection = self._open()
                connection.execute("BEGIN IMMEDIATE")
                try:
                    results = [work(connection) for work, _ in batch]
                    connection.execute("COMMIT")
                except BaseException:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                    raise
        except Exception as exc:  # noqa: BLE001 - whoever waits for one of the futures is told
            for _, done in batch:
                done.set_exception(exc)
            return
        for (_, done), result in zip(batch, results, strict=True):
            done.set_result(result)

    def _open(self) -> apsw.Connection:
        if self._connection is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            connection = open_writer(self._path)
            connection.execute("PRAGMA synchronous = FULL")
            version = connection.pragma("user_version")
            for number, migration in enumerate(_MIGRATIONS[version:], version + 1):
                connection.execute(
                    f"BEGIN IMMEDIATE; {migration}; PRAGMA user_version = {number}; COMMIT"
                )
            self._connection = connection
        return self._connection
