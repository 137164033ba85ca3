"""The tables of a registry, in a file of SQLite or in PostgreSQL; the statements are the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from inwit.runtime.checkpoints.postgres_pool import Pool
from inwit.runtime.project import Project
from inwit.runtime.store.database import Database

if TYPE_CHECKING:
    from psycopg import Connection

Row = tuple[Any, ...]
ROOM = "registry"
_LOCK = 0x696E7774
"""The advisory lock of PostgreSQL under which a registry writes."""

TABLES = (
    """CREATE TABLE IF NOT EXISTS releases (
        digest TEXT PRIMARY KEY, id TEXT NOT NULL, version TEXT NOT NULL, kind TEXT NOT NULL,
        description TEXT NOT NULL, manifest TEXT NOT NULL, envelope TEXT NOT NULL,
        size_bytes BIGINT NOT NULL, level TEXT NOT NULL, publisher TEXT NOT NULL,
        published_at TEXT NOT NULL, yanked_at TEXT, yanked_why TEXT NOT NULL DEFAULT '',
        installs BIGINT NOT NULL DEFAULT 0, UNIQUE (id, version)
    )""",
    """CREATE TABLE IF NOT EXISTS advisories (
        id TEXT PRIMARY KEY, package TEXT NOT NULL, versions TEXT NOT NULL, severity TEXT NOT NULL,
        summary TEXT NOT NULL, published_at TEXT NOT NULL
    )""",
    """CREATE TABLE IF NOT EXISTS tokens (
        digest TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, scopes TEXT NOT NULL,
        made_at TEXT NOT NULL, expires_at TEXT
    )""",
)


CONTRIBUTIONS = (
    """CREATE TABLE IF NOT EXISTS contributions (
        id TEXT PRIMARY KEY, kind TEXT NOT NULL, package TEXT NOT NULL, status TEXT NOT NULL,
        created_at TEXT NOT NULL, json TEXT NOT NULL
    )""",
)
"""A project keeps its own contributions too, in a room of its record."""


class Statements(Protocol):
    """Runs one statement with ``?`` for each value, and gives its rows."""

    def __call__(self, sql: str, *values: Any) -> list[Row]: ...


class Rows(Protocol):
    """The tables. A transaction writes alone, whole or not at all, among all processes."""

    def transaction(self) -> AbstractContextManager[Statements]:
        """Write; no other process does meanwhile."""
        ...

    def read(self, sql: str, *values: Any) -> list[Row]:
        """Read what is committed."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


class SqliteRows:
    """Tables in the ``inwit.db`` of the registry's folder. Reading makes no file."""

    def __init__(
        self, project: Project, room: str = ROOM, tables: Sequence[str] = (*TABLES, *CONTRIBUTIONS)
    ) -> None:
        self._database = Database.of(project)
        self._room = room
        self._tables = tuple(tables)

    @contextmanager
    def transaction(self) -> Iterator[Statements]:
        self._database.declare(self._room, self._tables)
        with self._database.transaction() as connection:
            yield lambda sql, *values: connection.execute(sql, values).fetchall()

    def read(self, sql: str, *values: Any) -> list[Row]:
        if not self._database.path.exists():
            return []
        self._database.declare(self._room, self._tables)
        return self._database.read(lambda connection: connection.execute(sql, values).fetchall())

    def close(self) -> None:
        self._database.close()


class PostgresRows:
    """Tables in a database of PostgreSQL, in the schema that the connection string chooses."""

    def __init__(self, conninfo: str, *, size: int = 4) -> None:
        self._pool = Pool(conninfo, size)
        self._is_made = False

    @contextmanager
    def transaction(self) -> Iterator[Statements]:
        with self._connected() as connection, connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            yield lambda sql, *values: _run(connection, sql, values)

    def read(self, sql: str, *values: Any) -> list[Row]:
        with self._connected() as connection:
            return _run(connection, sql, values)

    def close(self) -> None:
        self._pool.close()

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        with self._pool.connection() as connection:
            if not self._is_made:
                with connection.transaction():
                    connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
                    for table in (*TABLES, *CONTRIBUTIONS):
                        connection.execute(table.encode())
                self._is_made = True
            yield connection


def open_rows(project: Project, address: str | None = None) -> Rows:
    """Open the tables in a registry's folder, or those behind ``postgresql://…``."""
    return PostgresRows(address) if address else SqliteRows(project)


def _run(connection: Connection, sql: str, values: Sequence[Any]) -> list[Row]:
    cursor = connection.execute(sql.replace("?", "%s").encode(), values)
    return cursor.fetchall() if cursor.description else []
