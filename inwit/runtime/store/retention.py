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
from inwit.runtime.store.forgotten import keep_executions, keep_latencies
from inwit.runtime.store.rollups import MINUTE_NS

_EVERY_S: Final = 1.0
_PAUSE_S: Final = 0.02
_LATE_S: Final = 5.0
"""How long what is over waits for a moment in which nobody waits for the disk."""
_SWEEP_S: Final = 600.0
"""How often what grows slowly is looked through: minutes, processes, project events."""
_FEW: Final = 5_000
_FEW_BYTES: Final = 64 << 20
"""Limits up to these are held at every flush."""
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
        self._next_look = time.monotonic() + _SWEEP_S / 10
        self._written = self._written_bytes = 0

    def count(self, entries: list[Entry]) -> None:
        """Note what a commit has written."""
        self._written += len(entries)
        self._written_bytes += sum([entry.size for entry in entries])

    @property
    def due_s(self) -> float | None:
        """In how many seconds `enforce` has something to do, should nothing else happen."""
        return max(self._next - time.monotonic(), _PAUSE_S) if self._written else None

    def enforce(self, database: Database, *, is_awaited: bool) -> None:
        """Remove some of what is over the limits, if something was written and it is time.

        While somebody waits for the disk, only small limits count, and those at once.

        Raises:
            StoreError: The record cannot be written.
        """
        now = time.monotonic()
        is_exact = bool(self._written) and is_awaited and self._is_small()
        if not is_exact and not (self._written and now >= self._next + _LATE_S * is_awaited):
            return
        if self._limits is None:
            self._limits = self._project.retention()
        self._next = now + _EVERY_S
        while self._step(database, self._limits):
            if not is_exact:
                self._next = now
                return
        self._written = self._written_bytes = 0
        self._sweep(database, now, self._limits)

    def _is_small(self) -> bool:
        """Whether the limits are small and much was written; at first, when nobody knows, too."""
        limits = self._limits
        if limits is None:
            return True
        return (limits.executions <= _FEW and self._written > limits.executions // 100) or (
            limits.size_bytes <= _FEW_BYTES and self._written_bytes > limits.size_bytes // 100
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
                free = int(connection.pragma("freelist_count"))
                if free > max(256, int(connection.pragma("page_count")) // 4):
                    query(connection, "PRAGMA incremental_vacuum(2048)")
                return bool(many) and is_smaller and size > limits.size_bytes
        return True

    def _sweep(self, database: Database, now: float, limits: Retention) -> None:
        """Remove what grows slowly, and what a cut-off write may have left, once in a while."""
        if now >= self._next_sweep:
            self._next_sweep = now + _SWEEP_S
            with database.transaction(durable=False) as connection:
                _sweep(connection, time.time_ns() - int(limits.days * _DAY_NS))
        if now >= self._next_look:
            self._next_look = now + _SWEEP_S
            with database.transaction(durable=False) as connection:
                connection.execute(_ORPHANS)


def _how_many(connection: apsw.Connection, limits: Retention, size: int) -> int:
    """How many of the oldest finished executions have to go; of the aged ones as many as a step."""
    oldest_ns = time.time_ns() - int(limits.days * _DAY_NS)
    (wanted,) = query(  # One that a clock set wrong dates back does not take those before it along.
        connection,
        "WITH eldest AS (SELECT number, ended_ns FROM executions"
        f" WHERE status NOT IN {_OPEN} ORDER BY number LIMIT {_STEP})"
        " SELECT count(*) FROM eldest WHERE number < coalesce("
        "(SELECT min(number) FROM eldest WHERE ended_ns IS NULL OR ended_ns >= ?), 1 << 62)",
        (oldest_ns,),
    )[0]
    first, last = query(
        connection,
        "SELECT (SELECT min(number) FROM executions), (SELECT max(number) FROM executions)",
    )[0]
    if last is None:
        return 0
    if last - first >= limits.executions or size > limits.size_bytes:
        (count,) = query(connection, "SELECT count(*) FROM executions")[0]
        wanted = max(wanted, count - limits.executions)
        if size > limits.size_bytes:
            wanted = max(wanted, count // 50 + 1)
    if not wanted:
        return 0
    (open_ones,) = query(connection, f"SELECT count(*) FROM executions WHERE status IN {_OPEN}")[0]
    return int(min(wanted, last - first + 1 - open_ones))


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
    keep_executions(connection)
    connection.execute(_FORGET)


def _sweep(connection: apsw.Connection, oldest_ns: int) -> None:
    """Remove old histograms and dead processes."""
    keep_latencies(connection, oldest_ns // MINUTE_NS)
    connection.execute("DELETE FROM latencies WHERE minute < ?", (oldest_ns // MINUTE_NS,))
    connection.execute(
        "DELETE FROM processes WHERE beat_ns < ?"
        f" AND id NOT IN (SELECT process FROM executions WHERE status IN {_OPEN})",
        (time.time_ns() - _DAY_NS,),
    )


def _used_bytes(connection: apsw.Connection) -> int:
    size = int(connection.pragma("page_size"))
    return (int(connection.pragma("page_count")) - int(connection.pragma("freelist_count"))) * size
