"""What is let go: the oldest finished executions, with all that only they hold.

Enforced by the journal as it writes, in small steps, so that no other writer waits long.
"""

from __future__ import annotations

import time
from typing import Final

import apsw

from inwit.runtime.project import Project, Retention
from inwit.runtime.store.connection import query
from inwit.runtime.store.database import Database
from inwit.runtime.store.entry import Entry
from inwit.runtime.store.rollups import MINUTE_NS

_EVERY_S: Final = 1.0
_SWEEP_S: Final = 600.0
"""How often what grows slowly is looked through: minutes, processes, project events."""
_STEP: Final = 500
_DAY_NS: Final = 86_400_000_000_000
_OPEN: Final = "('running', 'paused', 'waiting_for_input')"
_FORGET: Final = """
    DELETE FROM executions WHERE id IN (SELECT id FROM forgotten);
    DELETE FROM batches WHERE execution IN (SELECT id FROM forgotten);
    DELETE FROM blobs WHERE digest IN (
        SELECT digest FROM blob_uses WHERE execution IN (SELECT id FROM forgotten)
    ) AND NOT EXISTS (
        SELECT 1 FROM blob_uses u WHERE u.digest = blobs.digest
        AND u.execution NOT IN (SELECT id FROM forgotten)
    );
    DELETE FROM blob_uses WHERE execution IN (SELECT id FROM forgotten)
"""
_ORPHANS: Final = """
    DELETE FROM batches WHERE execution <> ''
        AND NOT EXISTS (SELECT 1 FROM executions e WHERE e.id = batches.execution);
    DELETE FROM batches WHERE number IN (
        SELECT number FROM batches WHERE execution = '' ORDER BY number DESC LIMIT -1 OFFSET 10000
    );
    DELETE FROM blob_uses
        WHERE NOT EXISTS (SELECT 1 FROM executions e WHERE e.id = blob_uses.execution);
    DELETE FROM blobs
        WHERE NOT EXISTS (SELECT 1 FROM blob_uses u WHERE u.digest = blobs.digest)
"""


class Keeper:
    """Keeps one project's record within its limits."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._limits: Retention | None = None
        self._next = 0.0
        self._next_sweep = 0.0
        self._written = self._written_bytes = 0

    def count(self, entries: list[Entry]) -> None:
        """Note what a commit has written."""
        self._written += len(entries)
        self._written_bytes += sum(entry.size for entry in entries)

    def enforce(self, database: Database, *, is_now: bool) -> None:
        """Remove what is over the limits, if something was written and it is time.

        Raises:
            StoreError: The record cannot be written.
        """
        now = time.monotonic()
        if not self._written or (now < self._next and not (is_now and self._is_many())):
            return
        self._next = now + _EVERY_S
        self._written = self._written_bytes = 0
        if self._limits is None:
            self._limits = self._project.retention()
        while self._step(database, self._limits):
            pass
        if now >= self._next_sweep:
            self._next_sweep = now + _SWEEP_S
            with database.transaction(durable=False) as connection:
                _sweep(connection, time.time_ns() - int(self._limits.days * _DAY_NS))

    def _is_many(self) -> bool:
        limits = self._limits
        return (
            limits is None
            or self._written > limits.executions // 100
            or self._written_bytes > limits.size_bytes // 100
        )

    def _step(self, database: Database, limits: Retention) -> bool:
        """Remove some executions; True when there may be more to remove."""
        with database.transaction(durable=False) as connection:
            size = _used_bytes(connection)
            many = _how_many(connection, limits, size)
            if many:
                _forget(connection, min(many, _STEP))
            if many < _STEP:
                is_smaller = _used_bytes(connection) < size
                if _free_pages(connection) > 256:
                    query(connection, "PRAGMA incremental_vacuum(2048)")
                return bool(many) and is_smaller and size > limits.size_bytes
        return True


def _how_many(connection: apsw.Connection, limits: Retention, size: int) -> int:
    """How many of the oldest finished executions have to go."""
    (count,) = query(connection, "SELECT count(*) FROM executions")[0]
    over = max(count - limits.executions, 0)
    if size > limits.size_bytes:
        over = max(over, count // 50 + 1)
    oldest_ns = time.time_ns() - int(limits.days * _DAY_NS)
    (aged,) = query(
        connection,
        f"SELECT count(*) FROM executions WHERE ended_ns < ? AND status NOT IN {_OPEN}",
        (oldest_ns,),
    )[0]
    (open_ones,) = query(connection, f"SELECT count(*) FROM executions WHERE status IN {_OPEN}")[0]
    return int(min(max(over, aged), count - open_ones))


def _forget(connection: apsw.Connection, many: int) -> None:
    """Remove the oldest finished executions."""
    connection.execute(
        "CREATE TEMP TABLE IF NOT EXISTS forgotten (id TEXT PRIMARY KEY); DELETE FROM forgotten"
    )
    connection.execute(
        f"INSERT INTO forgotten SELECT id FROM executions WHERE status NOT IN {_OPEN}"
        " ORDER BY number LIMIT ?",
        (many,),
    )
    connection.execute(_FORGET)


def _sweep(connection: apsw.Connection, oldest_ns: int) -> None:
    """Remove old histograms, dead processes, old events of the project, and orphans."""
    connection.execute("DELETE FROM latencies WHERE minute < ?", (oldest_ns // MINUTE_NS,))
    connection.execute(
        "DELETE FROM processes WHERE beat_ns < ?"
        f" AND id NOT IN (SELECT process FROM executions WHERE status IN {_OPEN})",
        (time.time_ns() - _DAY_NS,),
    )
    connection.execute(_ORPHANS)


def _used_bytes(connection: apsw.Connection) -> int:
    size = int(connection.pragma("page_size"))
    return (int(connection.pragma("page_count")) - int(connection.pragma("freelist_count"))) * size


def _free_pages(connection: apsw.Connection) -> int:
    return int(connection.pragma("freelist_count"))
