"""A store in SQLite: in the project's record, or in a file of its own."""

from __future__ import annotations

import os
import time
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import apsw

from inwit.runtime.memory.file import File, OwnFile, ProjectFile
from inwit.runtime.memory.indexed import Embedded, IndexedStore, Shelf
from inwit.runtime.memory.items import (
    IndexConfig,
    Namespace,
    Op,
    PutOp,
    Result,
    TTLConfig,
    validate_op_namespace,
)
from inwit.runtime.memory.meaning import Vector
from inwit.runtime.memory.rows import Row
from inwit.runtime.store.connection import query

_SCHEMA = """
CREATE TABLE IF NOT EXISTS memory_items (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    namespace BLOB NOT NULL,
    key TEXT NOT NULL,
    value BLOB NOT NULL,
    created REAL NOT NULL,
    updated REAL NOT NULL,
    ttl_s REAL,
    expires REAL,
    UNIQUE (namespace, key)
);
CREATE INDEX IF NOT EXISTS memory_items_by_expiry ON memory_items (expires)
    WHERE expires IS NOT NULL;
CREATE TABLE IF NOT EXISTS memory_vectors (
    namespace BLOB NOT NULL,
    key TEXT NOT NULL,
    path TEXT NOT NULL,
    vector BLOB NOT NULL,
    PRIMARY KEY (namespace, key, path)
) WITHOUT ROWID
"""
_COLUMNS = "namespace, key, value, created, updated, ttl_s, expires"
_BELOW = "namespace >= ? AND namespace < ?"


class SqliteStore(IndexedStore):
    """Long-term memory that lasts; several processes may share it.

    Args:
        path: The file. Without one, the record of the working directory's project.
        index: How values are found by meaning: ``{"dims": …, "embed": …, "fields": […]}``. All that
            search the file use the same.
        ttl: How long values last where `put` says nothing.
    """

    __slots__ = ("_file",)

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(index=index, ttl=ttl, clock=clock)
        self._file: File = (
            ProjectFile("memory", _SCHEMA) if path is None else OwnFile(path, _SCHEMA)
        )

    def _run(self, ops: Sequence[Op], embedded: Embedded) -> list[Result]:
        for op in ops:
            validate_op_namespace(op)
        if any(isinstance(op, PutOp) for op in ops):
            return self._file.write(lambda db: self._perform(_Tables(db), ops, embedded))
        late = _Later()

        def work(connection: apsw.Connection) -> list[Result]:
            late.touched.clear()
            return self._perform(_Tables(connection, late), ops, embedded)

        results = self._file.read(work)
        if late.touched:
            self._file.write(late.write)
        return results

    async def _arun(self, ops: Sequence[Op], embedded: Embedded) -> list[Result]:
        import asyncio

        return await asyncio.to_thread(self._run, ops, embedded)

    def sweep_ttl(self) -> int:
        """Forget what has expired; give how many values."""
        return self._file.write(lambda db: _Tables(db).sweep(self._clock()))


class _Later:
    """Times of expiry that reading moves; they are written when the reading is done."""

    def __init__(self) -> None:
        self.touched: list[Row] = []

    def write(self, connection: apsw.Connection) -> None:
        tables = _Tables(connection)
        for row in self.touched:
            tables.touch(row)


class _Tables(Shelf):
    def __init__(self, connection: apsw.Connection, later: _Later | None = None) -> None:
        self._connection = connection
        self._later = later

    def get(self, namespace: Namespace, key: str) -> Row | None:
        sql = f"SELECT {_COLUMNS} FROM memory_items WHERE namespace = ? AND key = ?"
        rows = query(self._connection, sql, (_encode(namespace), key))
        return _row(rows[0]) if rows else None

    def below(self, prefix: Namespace) -> Iterator[Row]:
        sql = f"SELECT {_COLUMNS} FROM memory_items WHERE {_BELOW} ORDER BY position"
        for row in self._connection.execute(sql, _range(prefix)):
            yield _row(row)

    def vectors(self, prefix: Namespace) -> Callable[[Row], Sequence[Vector]]:
        found: defaultdict[tuple[bytes, str], list[Vector]] = defaultdict(list)
        sql = f"SELECT namespace, key, vector FROM memory_vectors WHERE {_BELOW}"
        for namespace, key, vector in self._connection.execute(sql, _range(prefix)):
            found[namespace, key].append(array("f", vector))
        return lambda row: found.get((_encode(row.namespace), row.key), ())

    def namespaces(self, now: float) -> list[Namespace]:
        sql = "SELECT DISTINCT namespace FROM memory_items WHERE expires IS NULL OR expires > ?"
        return [_decode(name) for (name,) in query(self._connection, sql, (now,))]

    def put(self, row: Row, vectors: Mapping[str, Vector]) -> None:
        namespace = _encode(row.namespace)
        self._connection.execute(
            f"INSERT INTO memory_items ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (namespace, key) DO UPDATE SET value = excluded.value,"
            " created = excluded.created, updated = excluded.updated, ttl_s = excluded.ttl_s,"
            " expires = excluded.expires",
            (namespace, *row[1:]),
        )
        self._forget_vectors(namespace, row.key)
        self._connection.executemany(
            "INSERT INTO memory_vectors VALUES (?, ?, ?, ?)",
            [
                (namespace, row.key, path, array("f", vector).tobytes())
                for path, vector in vectors.items()
            ],
        )

    def delete(self, namespace: Namespace, key: str) -> None:
        place = (_encode(namespace), key)
        self._connection.execute("DELETE FROM memory_items WHERE namespace = ? AND key = ?", place)
        self._forget_vectors(*place)

    def touch(self, row: Row) -> None:
        if self._later is not None:
            self._later.touched.append(row)
            return
        sql = "UPDATE memory_items SET expires = ? WHERE namespace = ? AND key = ? AND updated = ?"
        self._connection.execute(sql, (row.expires, _encode(row.namespace), row.key, row.updated))

    def sweep(self, now: float) -> int:
        sql = "SELECT namespace, key FROM memory_items WHERE expires <= ?"
        over = query(self._connection, sql, (now,))
        for namespace, key in over:
            self.delete(_decode(namespace), key)
        return len(over)

    def _forget_vectors(self, namespace: bytes, key: str) -> None:
        sql = "DELETE FROM memory_vectors WHERE namespace = ? AND key = ?"
        self._connection.execute(sql, (namespace, key))


def _encode(namespace: Namespace) -> bytes:
    return b"".join(word.encode("utf-8", "surrogatepass") + b"\0" for word in namespace)


def _range(prefix: Namespace) -> tuple[bytes, bytes]:
    """The names below a prefix are from the first to before the second: no word holds a byte ff."""
    first = _encode(prefix)
    return first, first + b"\xff"


def _decode(name: bytes) -> Namespace:
    return tuple(word.decode("utf-8", "surrogatepass") for word in name.split(b"\0")[:-1])


def _row(columns: tuple[Any, ...]) -> Row:
    return Row(_decode(columns[0]), *columns[1:])
