"""Connections to the record's file, and SQLite's faults as ours.

Every connection goes through apsw, which brings its own SQLite: the standard module's may be one
that corrupts a file which several connections write.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import apsw

from inwit.errors import (
    StoreCorruptError,
    StoreError,
    StoreFullError,
    StoreLockedError,
    StoreReadOnlyError,
)
from inwit.runtime.store.recovery import is_emptied

IN_MEMORY: Final = Path(":memory:")
"""A file that is none."""
BUSY_MS: Final = 5_000
"""How long one operation waits for another process."""

_WAL_LIMIT_BYTES = 64 << 20
_NO_ROOM = {
    apsw.SQLITE_IOERR_WRITE, apsw.SQLITE_IOERR_FSYNC, apsw.SQLITE_IOERR_DIR_FSYNC,
    apsw.SQLITE_IOERR_TRUNCATE, apsw.SQLITE_IOERR_SHMSIZE,
}  # fmt: skip
_DAMAGED = {apsw.SQLITE_IOERR_SHORT_READ, apsw.SQLITE_IOERR_CORRUPTFS, apsw.SQLITE_IOERR_DATA}


def open_writer(path: Path) -> apsw.Connection:
    """Open the file for writing, creating it; the caller holds the project's exclusive lock."""
    if path != IN_MEMORY:
        _create_private(path)
    connection = apsw.Connection(str(path))
    try:
        connection.set_busy_timeout(BUSY_MS)
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # counts before the first table only
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(  # read to its end: what follows a pragma that answers is not run before
            f"PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = {_WAL_LIMIT_BYTES};"
            "PRAGMA temp_store = MEMORY"
        ).fetchall()
    except BaseException:
        connection.close(True)
        raise
    return connection


def _create_private(path: Path) -> None:
    """Create the file for its owner alone, in whatever folder; SQLite's files beside it follow.

    A file that is there is not touched: closing it would let go of the locks that other
    connections of this process hold on it.
    """
    with suppress(OSError):  # there already, or SQLite names what is wrong with the place
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))


def open_reader(path: Path) -> apsw.Connection:
    """Open the file for reading; where nothing can be written beside it, as it is.

    Raises:
        StoreCorruptError: Somebody cut it to nothing; to open it would remove its log.
    """
    if is_emptied(path):
        raise StoreCorruptError(path, "it was cut to nothing")
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        _prepare_reader(connection)
    except (apsw.CantOpenError, apsw.ReadOnlyError):
        connection.close(True)
        uri = f"file:{quote(str(path))}?immutable=1"
        flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
        connection = apsw.Connection(uri, flags=flags)
        _prepare_reader(connection)
    except BaseException:
        connection.close(True)
        raise
    return connection


def _prepare_reader(connection: apsw.Connection) -> None:
    connection.set_busy_timeout(BUSY_MS)
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()


def query(
    connection: apsw.Connection, sql: str, values: Sequence[Any] | dict[str, Any] = ()
) -> list[tuple[Any, ...]]:
    """Run one statement and give all its rows."""
    return connection.execute(sql, values).fetchall()


@contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into those of the store."""
    try:
        yield
    except apsw.Error as exc:
        raise typed(exc, path) from exc


def typed(error: apsw.Error, path: Path) -> StoreError:
    """Say what an error of SQLite means."""
    reason = str(error).removesuffix(".")
    extended = getattr(error, "extendedresult", 0)
    if isinstance(error, apsw.BusyError | apsw.LockedError):
        return StoreLockedError(path, BUSY_MS / 1000)
    if isinstance(error, apsw.FullError) or extended in _NO_ROOM:
        return StoreFullError(path, reason)
    if isinstance(error, apsw.CorruptError | apsw.NotADBError) or extended in _DAMAGED:
        return StoreCorruptError(path, reason)
    is_closed = isinstance(error, apsw.ReadOnlyError | apsw.CantOpenError | apsw.PermissionsError)
    if is_closed or path.is_dir():
        return StoreReadOnlyError(path, reason)
    return StoreError(f"{path}: {reason}.")
