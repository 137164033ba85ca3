"""Checkpoints in PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self, TypeVar

from inwit.errors import MissingLibraryError, StoreError, ThreadGapError, ThreadTakenError
from inwit.runtime.checkpoints.base import Checkpoint, Row, is_whole
from inwit.runtime.checkpoints.codec import decode, encode
from inwit.runtime.checkpoints.group import GroupWriter, Outcome, Put
from inwit.runtime.checkpoints.opening import Opened
from inwit.runtime.checkpoints.postgres_errors import is_conflict, is_unreachable, typed
from inwit.runtime.checkpoints.postgres_pool import Pool

if TYPE_CHECKING:
    from psycopg import Connection

T = TypeVar("T")
PATIENCE_S = 5.0
"""How long a put tries a server that has gone away."""
_SETUP = """
    CREATE TABLE IF NOT EXISTS inwit_checkpoints (
        thread_id text COLLATE "C" NOT NULL,
        ns text COLLATE "C" NOT NULL,
        seq bigint NOT NULL,
        checkpoint_id text COLLATE "C",
        is_whole boolean NOT NULL,
        data bytea NOT NULL,
        PRIMARY KEY (thread_id, ns, seq)
    );
    ALTER TABLE inwit_checkpoints ALTER COLUMN data SET STORAGE EXTERNAL;
    CREATE INDEX IF NOT EXISTS inwit_checkpoints_by_id
        ON inwit_checkpoints (thread_id, ns, checkpoint_id) WHERE checkpoint_id IS NOT NULL"""
_LAST = (
    "SELECT coalesce(max(seq), 0) FROM inwit_checkpoints"
    " WHERE thread_id = %(thread)s AND ns = %(ns)s"
)
_APPEND = (
    "INSERT INTO inwit_checkpoints"
    " SELECT %(thread)s, %(ns)s, * FROM unnest(%(seqs)s::bigint[], %(ids)s::text[],"
    " %(wholes)s::bool[], %(data)s::bytea[])"
    f" WHERE ({_LAST}) = %(before)s OR (%(may_begin)s AND ({_LAST}) = 0)"
)
_PLACE = "FROM inwit_checkpoints WHERE thread_id = %(thread)s AND ns = %(ns)s"
_NAMED = f"SELECT seq {_PLACE} AND checkpoint_id = %(id)s ORDER BY seq DESC LIMIT 1"
_NEWEST = f"SELECT seq {_PLACE} AND checkpoint_id IS NOT NULL ORDER BY seq DESC LIMIT 1"
_LOAD = (
    f"WITH chosen AS ({{chosen}}) SELECT data {_PLACE} AND seq >= ("
    f" SELECT seq {_PLACE} AND is_whole AND seq <= (TABLE chosen) ORDER BY seq DESC LIMIT 1)"
    f" AND seq < coalesce((SELECT seq {_PLACE} AND checkpoint_id IS NOT NULL"
    " AND seq > (TABLE chosen) ORDER BY seq LIMIT 1), 9223372036854775807) ORDER BY seq"
)
_HISTORY = f"SELECT data {_PLACE} AND checkpoint_id IS NOT NULL ORDER BY seq DESC LIMIT %(limit)s"
_PRUNE = (
    f"DELETE {_PLACE} AND seq < (SELECT seq {_PLACE} AND is_whole AND seq <= ("
    f" SELECT min(seq) FROM (SELECT seq {_PLACE} AND checkpoint_id IS NOT NULL"
    " ORDER BY seq DESC LIMIT %(keep)s) AS kept) ORDER BY seq DESC LIMIT 1)"
)
# Skips from thread to thread along the index, instead of reading every row.
_THREADS = (
    "WITH RECURSIVE found (id) AS (SELECT min(thread_id) FROM inwit_checkpoints UNION ALL"
    " SELECT (SELECT min(thread_id) FROM inwit_checkpoints WHERE thread_id > id) FROM found"
    " WHERE id IS NOT NULL) SELECT id FROM found WHERE id IS NOT NULL"
)


class PostgresCheckpointer(Opened):
    """Keeps checkpoints in a PostgreSQL database; any number of processes may share it.

    What is put while a commit is under way is committed together by the next one. A put whose
    connection breaks is tried again for `PATIENCE_S`, and never written twice.

    Args:
        conn: The database's URI or connection string. A connection or a pool of psycopg's serves
            as well, for where it leads to: this has connections of its own.
        pool_size: How many connections there may be, one of which writes.
    """

    def __init__(self, conn: Any, *, pool_size: int = 4) -> None:
        self._pool = Pool(_conninfo(conn), pool_size)
        self._writer = GroupWriter("postgres", self._commit)
        self._is_set_up = False

    @classmethod
    def from_conn_string(cls, conn_string: str, *, pipeline: bool = True, **options: Any) -> Self:  # noqa: ARG003
        """Make one; ``with`` and ``async with`` close it. Writing is always in a pipeline."""
        return cls(conn_string, **options)

    def _set_up(self) -> None:
        """Make the table, where it is missing."""
        self._use(lambda _: None)

    def close(self) -> None:
        """Write what waits and close the connections."""
        self._writer.close()
        self._pool.close()

    def put(self, rows: Sequence[Row], *given: Any) -> Future[None]:
        """Append rows; the future is done when the server has committed them."""
        if given:
            return self.put_tuple(rows, *given)  # type: ignore[no-any-return] # a config
        return self._writer.put(rows)

    def load(
        self, thread_id: str, checkpoint_id: str | None = None, *, ns: str = ""
    ) -> Sequence[Row]:
        """Give the rows that build one state."""
        sql = _LOAD.format(chosen=_NEWEST if checkpoint_id is None else _NAMED)
        found = self._query(sql, thread=thread_id, ns=ns, id=checkpoint_id)
        return [decode(data) for (data,) in found]

    def history(
        self, thread_id: str, limit: int | None = None, *, ns: str = ""
    ) -> Sequence[Checkpoint]:
        """Give the checkpoints of a thread, newest first."""
        found = self._query(_HISTORY, thread=thread_id, ns=ns, limit=limit)
        rows = [decode(data) for (data,) in found]
        return [row for row in rows if isinstance(row, Checkpoint)]

    def last_seq(self, thread_id: str, *, ns: str = "") -> int:
        """The `seq` of the newest row; 0 where there is none."""
        return int(self._query(_LAST, thread=thread_id, ns=ns)[0][0])

    def delete_thread(self, thread_id: str) -> None:
        """Forget a thread in all its namespaces."""
        self._execute(
            "DELETE FROM inwit_checkpoints WHERE thread_id = %(thread)s", thread=thread_id
        )

    def prune(self, thread_id: str, *, keep: int) -> None:
        """Forget what none of the newest `keep` checkpoints of a namespace needs, in each."""
        spaces = "SELECT DISTINCT ns FROM inwit_checkpoints WHERE thread_id = %(thread)s"
        for (ns,) in self._query(spaces, thread=thread_id):
            self._execute(_PRUNE, thread=thread_id, ns=ns, keep=keep)

    def threads(self) -> Sequence[str]:
        """The ids of all threads, sorted."""
        return [name for (name,) in self._query(_THREADS)]

    def _query(self, sql: str, **given: Any) -> list[tuple[Any, ...]]:
        """Read, after everything that was put before."""
        self._writer.drain()
        return self._use(lambda connection: connection.execute(sql, given).fetchall())

    def _execute(self, sql: str, **given: Any) -> None:
        """Delete, after everything that was put before."""
        self._writer.drain()
        self._use(lambda connection: connection.execute(sql, given))

    def _use(self, work: Callable[[Connection], T]) -> T:
        """Do something that may be done twice, again where the connection was a dead one."""
        try:
            with self._connected() as connection:
                return work(connection)
        except Exception as exc:
            if not is_unreachable(exc):
                raise typed(exc) from exc
        try:
            with self._connected() as connection:
                return work(connection)
        except Exception as exc:
            raise typed(exc) from exc

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        with self._pool.connection() as connection:
            if not self._is_set_up:
                _create(connection)
                self._is_set_up = True
            yield connection

    def _commit(self, puts: Sequence[Put]) -> Sequence[Outcome]:
        packed = [_packed(put.rows) for put in puts]
        deadline = time.monotonic() + PATIENCE_S
        is_again = False
        while True:
            try:
                with self._connected() as connection:
                    return _write(connection, packed, is_again=is_again)
            except Exception as exc:
                is_in_time = time.monotonic() < deadline
                if not (is_conflict(exc) or is_unreachable(exc)) or not is_in_time:
                    raise typed(exc) from exc
                # The commit may have been done, and only its answer lost.
                is_again |= is_unreachable(exc)
                time.sleep(0.02)


def _conninfo(conn: Any) -> str:
    try:
        from psycopg.conninfo import make_conninfo
    except ImportError as exc:
        library = "psycopg[binary]"
        raise MissingLibraryError("PostgresCheckpointer", "postgres", library) from exc
    if isinstance(conn, str):
        return conn
    if hasattr(conn, "conninfo"):
        return make_conninfo(conn.conninfo)
    return make_conninfo(**conn.info.get_parameters(), password=conn.info.password or None)


def _create(connection: Connection) -> None:
    found = connection.execute("SELECT to_regclass('inwit_checkpoints_by_id')").fetchone()
    if found is None or found[0] is None:
        with connection.transaction():
            # Two processes that make the same table at once would fail over each other.
            connection.execute("SELECT pg_advisory_xact_lock(7305164)")
            connection.execute(_SETUP)


def _packed(rows: Sequence[Row]) -> dict[str, Any]:
    first = rows[0]
    return {
        "thread": first.thread_id,
        "ns": first.ns,
        "before": first.seq - 1,
        "may_begin": is_whole(first),
        "seqs": [row.seq for row in rows],
        "ids": [row.checkpoint_id if isinstance(row, Checkpoint) else None for row in rows],
        "wholes": [is_whole(row) for row in rows],
        "data": [encode(row) for row in rows],
    }


def _write(
    connection: Connection, puts: Sequence[dict[str, Any]], *, is_again: bool
) -> list[Outcome]:
    """Write all that can follow what is there, in one transaction and one round trip."""
    with connection.pipeline(), connection.transaction():
        cursors = [connection.execute(_APPEND, put) for put in puts]
    counts = [cursor.rowcount for cursor in cursors]
    return [
        None if count else _refusal(connection, put, is_again=is_again)
        for put, count in zip(puts, counts, strict=True)
    ]


def _refusal(connection: Connection, put: dict[str, Any], *, is_again: bool) -> StoreError | None:
    """Why rows were not written; None if they are there, since the first try wrote them."""
    seq = put["seqs"][0]
    if is_again:
        sql = f"SELECT data {_PLACE} AND seq = %(seq)s"
        found = connection.execute(sql, {**put, "seq": seq}).fetchone()
        if found is not None and bytes(found[0]) == put["data"][0]:
            return None
    row = connection.execute(_LAST, put).fetchone()
    last = row[0] if row else 0
    refused = ThreadTakenError if seq <= last else ThreadGapError
    args = (last,) if refused is ThreadGapError else ()
    return refused(put["thread"], put["ns"], seq, *args)
