"""Checkpoints in SQLite: in the project's record, or in a file of their own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import apsw

from inwit.errors import MalformedInputError, ThreadGapError, ThreadTakenError
from inwit.runtime.checkpoints.base import Checkpoint, Row
from inwit.runtime.checkpoints.codec import decode, encode
from inwit.runtime.checkpoints.opening import Opened
from inwit.runtime.checkpoints.room import Room
from inwit.runtime.checkpoints.sqlite_file import File, OwnFile, ProjectFile
from inwit.runtime.store.connection import query

if TYPE_CHECKING:
    from sqlite3 import Connection

_TABLE = """
    CREATE TABLE checkpoint_rows (
        thread_id TEXT NOT NULL,
        ns TEXT NOT NULL,
        seq INTEGER NOT NULL,
        checkpoint_id TEXT, -- NULL for what is pending
        is_whole INTEGER NOT NULL,
        data BLOB NOT NULL,
        UNIQUE (thread_id, ns, seq)
    );
    CREATE INDEX checkpoint_rows_by_id ON checkpoint_rows (thread_id, ns, checkpoint_id)
        WHERE checkpoint_id IS NOT NULL"""
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
    # What happens inside a step became rows as well, and each row has its place in its thread.
    f"""
    {_TABLE};
    INSERT INTO checkpoint_rows
        SELECT thread_id, '', row_number() OVER (PARTITION BY thread_id ORDER BY position),
            checkpoint_id, has_state, data
        FROM checkpoints;
    DROP TABLE checkpoints
    """,
)
_LAST = "SELECT coalesce(max(seq), 0) FROM checkpoint_rows WHERE thread_id = ? AND ns = ?"
_INSERT = "INSERT INTO checkpoint_rows VALUES (?, ?, ?, ?, ?, ?)"
_NEWEST = (
    "SELECT seq FROM checkpoint_rows WHERE thread_id = ?1 AND ns = ?2"
    " AND checkpoint_id IS NOT NULL ORDER BY seq DESC LIMIT 1"
)
_NAMED = "SELECT seq FROM checkpoint_rows WHERE thread_id = ?1 AND ns = ?2 AND checkpoint_id = ?3"
_LOAD = (
    "SELECT seq, data FROM checkpoint_rows WHERE thread_id = ?1 AND ns = ?2 AND seq >= ("
    " SELECT seq FROM checkpoint_rows WHERE thread_id = ?1 AND ns = ?2 AND seq <= ?3"
    " AND is_whole ORDER BY seq DESC LIMIT 1)"
    " AND seq < coalesce(("
    " SELECT seq FROM checkpoint_rows WHERE thread_id = ?1 AND ns = ?2 AND seq > ?3"
    " AND checkpoint_id IS NOT NULL ORDER BY seq LIMIT 1), 9223372036854775807) ORDER BY seq"
)
_HISTORY = (
    "SELECT seq, data FROM checkpoint_rows WHERE thread_id = ? AND ns = ?"
    " AND checkpoint_id IS NOT NULL ORDER BY seq DESC LIMIT ?"
)
_PRUNE = (
    "DELETE FROM checkpoint_rows WHERE thread_id = ?1 AND ns = ?2 AND seq < ("
    " SELECT seq FROM checkpoint_rows WHERE thread_id = ?1 AND ns = ?2 AND is_whole AND seq <= ("
    " SELECT min(seq) FROM (SELECT seq FROM checkpoint_rows WHERE thread_id = ?1 AND ns = ?2"
    " AND checkpoint_id IS NOT NULL ORDER BY seq DESC LIMIT ?3)) ORDER BY seq DESC LIMIT 1)"
)
# Skips from thread to thread along the index, instead of reading every row.
_THREADS = (
    "WITH RECURSIVE found (id) AS (SELECT min(thread_id) FROM checkpoint_rows UNION ALL"
    " SELECT (SELECT min(thread_id) FROM checkpoint_rows WHERE thread_id > id) FROM found"
    " WHERE id IS NOT NULL) SELECT id FROM found WHERE id IS NOT NULL"
)


class SqliteCheckpointer(Opened):
    """Keeps checkpoints in a file; several processes may share it.

    Args:
        path: The file, or ``:memory:``. Without one, the record of the working directory's project.
            A connection of the standard module's serves as well: its file is taken over, and it
            is closed.

    Raises:
        MalformedInputError: The connection leads to no file, or has a transaction open.
    """

    def __init__(self, path: str | os.PathLike[str] | Connection | None = None) -> None:
        self._file: File
        if path is None:
            self._file = ProjectFile(_MIGRATIONS)
        else:
            self._file = OwnFile(_path_of(path), _TABLE, _MIGRATIONS)
        self._pending = WeakValueDictionary[str, Future[Any]]()
        """The newest write of each thread, while anybody has it."""
        self._room = Room()

    def _set_up(self) -> None:
        self.threads()

    def close(self) -> None:
        """Write what waits and close the file."""
        self._file.close()

    def put(self, rows: Sequence[Row], *given: Any) -> Future[Any]:
        """Append rows; the future is done when their commit has reached the disk."""
        if given:
            return self.put_tuple(rows, *given)  # type: ignore[no-any-return] # a config
        packed = [_values(row) for row in rows]
        done = self._file.submit(lambda connection: _append(connection, packed))
        self._pending[packed[0][0]] = done
        self._room.enter(done)
        return done

    def _is_settled(self, thread_id: str) -> bool:
        """Whether nothing of a thread waits to be written, so that a reader sees all of it."""
        last = self._pending.get(thread_id)
        return last is None or last.done()

    def load(
        self, thread_id: str, checkpoint_id: str | None = None, *, ns: str = ""
    ) -> Sequence[Row]:
        """Give the rows that build one state."""
        found = self._file.read(
            lambda connection: _load(connection, thread_id, ns, checkpoint_id),
            is_settled=self._is_settled(thread_id),
        )
        return [decode(data, seq=seq) for seq, data in found]

    def history(
        self, thread_id: str, limit: int | None = None, *, ns: str = ""
    ) -> Sequence[Checkpoint]:
        """Give the checkpoints of a thread, newest first."""
        given = (thread_id, ns, -1 if limit is None else limit)
        found = self._file.read(
            lambda connection: query(connection, _HISTORY, given),
            is_settled=self._is_settled(thread_id),
        )
        rows = [decode(data, seq=seq) for seq, data in found]
        return [row for row in rows if isinstance(row, Checkpoint)]

    def last_seq(self, thread_id: str, *, ns: str = "") -> int:
        """The `seq` of the newest row; 0 where there is none."""
        return self._file.read(
            lambda connection: _last(connection, thread_id, ns),
            is_settled=self._is_settled(thread_id),
        )

    def delete_thread(self, thread_id: str) -> None:
        """Forget a thread in all its namespaces."""
        sql = "DELETE FROM checkpoint_rows WHERE thread_id = ?"
        self._file.submit(lambda connection: connection.execute(sql, (thread_id,))).result()

    def prune(self, thread_id: str, *, keep: int) -> None:
        """Forget what none of the newest `keep` checkpoints of a namespace needs, in each."""
        self._file.submit(lambda connection: _prune(connection, thread_id, keep)).result()

    def threads(self) -> Sequence[str]:
        """The ids of all threads, sorted."""
        found = self._file.read(lambda connection: query(connection, _THREADS))
        return [name for (name,) in found]


def _path_of(given: str | os.PathLike[str] | Connection) -> Path:
    if isinstance(given, str | os.PathLike):
        return Path(given)
    try:
        found = next(
            name for _, name_of, name in given.execute("PRAGMA database_list") if name_of == "main"
        )
    except (AttributeError, TypeError) as exc:
        raise MalformedInputError(
            f"No file is known of {given!r}.", hint="Give the file's path."
        ) from exc
    if found:
        if given.in_transaction:
            raise MalformedInputError(
                f"A transaction is open in {given!r}.", hint="Commit it, then give the connection."
            )
        # Two SQLite libraries that hold one file in one process lose each other's locks.
        # https://sqlite.org/howtocorrupt.html#multiple_copies_of_sqlite_linked_into_the_same_application
        given.close()
    return Path(found or ":memory:")


def _values(row: Row) -> tuple[Any, ...]:
    if isinstance(row, Checkpoint):
        key: tuple[str | None, int] = (row.checkpoint_id, int(row.state is not None))
    else:
        key = (None, 0)
    return (row.thread_id, row.ns, row.seq, *key, encode(row))


def _append(connection: apsw.Connection, rows: list[tuple[Any, ...]]) -> None:
    thread_id, ns, seq, _, may_begin, _ = rows[0]
    last = _last(connection, thread_id, ns)
    if seq <= last:
        raise ThreadTakenError(thread_id, ns, seq)
    if seq > last + 1 and not (last == 0 and may_begin):
        raise ThreadGapError(thread_id, ns, seq, last)
    connection.executemany(_INSERT, rows)


def _last(connection: apsw.Connection, thread_id: str, ns: str) -> int:
    return int(query(connection, _LAST, (thread_id, ns))[0][0])


def _load(
    connection: apsw.Connection, thread_id: str, ns: str, checkpoint_id: str | None
) -> list[tuple[Any, ...]]:
    if checkpoint_id is None:
        found = query(connection, _NEWEST, (thread_id, ns))
    else:
        found = query(connection, _NAMED, (thread_id, ns, checkpoint_id))
    return query(connection, _LOAD, (thread_id, ns, found[0][0])) if found else []


def _prune(connection: apsw.Connection, thread_id: str, keep: int) -> None:
    spaces = "SELECT DISTINCT ns FROM checkpoint_rows WHERE thread_id = ?"
    for (ns,) in query(connection, spaces, (thread_id,)):
        connection.execute(_PRUNE, (thread_id, ns, keep))
