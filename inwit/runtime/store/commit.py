"""One group commit: what all executions of a process have to write, in one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import apsw
import msgspec

from inwit.errors import FencedError
from inwit.runtime.record import EVENT
from inwit.runtime.serial import encode_rows
from inwit.runtime.store.codec import Encoder, sayable
from inwit.runtime.store.connection import query
from inwit.runtime.store.entry import COLUMNS, Entry, gap_row
from inwit.runtime.store.heartbeat import Heart
from inwit.runtime.store.rollups import write_latencies

_ADDED = (
    "iteration", "llm_calls", "tool_calls", "retries", "input_tokens", "output_tokens",
    "unpriced_calls",
)  # fmt: skip
_LATEST = ("status", "last_ns", "ended_ns", "current_node", "last_seq", "error", "error_node",
           "reason", "process")  # fmt: skip
_INSERT = (
    f"INSERT INTO executions ({', '.join(COLUMNS)}, process)"
    f" VALUES ({', '.join('?' for _ in COLUMNS)}, {{process}})"
)
_UPSERT = (
    f"{_INSERT} ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _LATEST)
    + ", "
    + ", ".join(f"{name} = {name} + excluded.{name}" for name in _ADDED)
    + ", cost_usd = CASE WHEN excluded.cost_usd IS NULL THEN cost_usd"
    " ELSE coalesce(cost_usd, 0) + excluded.cost_usd END"
    ", duration_ns = coalesce(excluded.duration_ns, excluded.ended_ns - started_ns)"
)
_BATCH = (
    "INSERT INTO batches (execution, first_seq, last_seq, anchor_ns, rows) VALUES (?, ?, ?, ?, ?)"
)


class Write(msgspec.Struct):
    """Work that was submitted to join a commit, and the future of its result."""

    work: Callable[[apsw.Connection], Any]
    done: Future[Any]
    result: Any = None
    error: BaseException | None = None


class ProjectEvent(msgspec.Struct):
    """An event of the project itself; its seq is given when it is written."""

    type: str
    t: int
    fields: dict[str, Any]
    batch: tuple[Any, ...] | None = None
    """What was written for it."""


class Group(msgspec.Struct):
    """What is written together."""

    heart: Heart
    entries: list[Entry]
    writes: list[Write]
    events: list[ProjectEvent]
    latencies: list[tuple[Any, ...]]
    suspects: set[str]
    """Executions whose earlier events may be in a file that was moved aside."""
    fenced: dict[str, FencedError] = {}
    has_beaten: bool = False

    def write(self, connection: apsw.Connection) -> None:
        """Write everything. Needs a transaction."""
        self.has_beaten = bool(self.entries) or self.heart.is_due
        if self.has_beaten:
            self.heart.beat(connection)
        self._write_entries(connection)
        if self.latencies:
            write_latencies(connection, self.heart.id, self.latencies)
        for event in self.events:
            _write_event(connection, event)
        for write in self.writes:
            _run(connection, write)

    def _write_entries(self, connection: apsw.Connection) -> None:
        if not self.entries:
            return
        if self.suspects:
            self._mend(connection)
        connection.execute("SAVEPOINT entries")
        try:
            new = [entry for entry in self.entries if entry.first_seq == 1]
            _write_all(connection, self.heart.id, self.entries, new)
        except (apsw.ConstraintError, UnicodeEncodeError):
            connection.execute("ROLLBACK TO entries")
            for entry in self.entries:
                entry.row = tuple(map(sayable, entry.row))
            _write_all(connection, self.heart.id, self._without_fenced(connection), [])
        connection.execute("RELEASE entries")

    def _without_fenced(self, connection: apsw.Connection) -> list[Entry]:
        """Leave out the executions with which someone else went on."""
        self.fenced = {}
        seen: set[tuple[str, int]] = set()
        for entry in self.entries:
            taken = (entry.execution_id, entry.first_seq)
            if taken in seen or query(
                connection, "SELECT 1 FROM batches WHERE execution = ? AND first_seq = ?", taken
            ):
                self.fenced.setdefault(entry.execution_id, FencedError(*taken))
            seen.add(taken)
        return [entry for entry in self.entries if entry.execution_id not in self.fenced]

    def _mend(self, connection: apsw.Connection) -> None:
        """Say of executions that began in a file now moved aside that their beginning is missing."""
        for entry in self.entries:
            if entry.execution_id not in self.suspects:
                continue
            self.suspects.discard(entry.execution_id)
            found = query(
                connection,
                "SELECT coalesce(max(last_seq), 0) FROM batches WHERE execution = ?",
                (entry.execution_id,),
            )[0][0]
            lost_to = entry.first_seq - 1
            if found < lost_to:
                row = gap_row(found + 1, lost_to, 0, "the record was damaged and moved aside")
                data = Encoder().encode([row])
                started_ns = entry.row[COLUMNS.index("started_ns")]
                connection.execute(
                    _BATCH, (entry.execution_id, found + 1, lost_to, started_ns, data)
                )


def _write_all(
    connection: apsw.Connection, process: int, entries: list[Entry], new: list[Entry]
) -> None:
    """Write entries; those that are thought to begin an execution with less ado."""
    connection.executemany(_BATCH, [entry.batch for entry in entries])
    if new:
        connection.executemany(_INSERT.format(process=process), [entry.row for entry in new])
    if len(new) < len(entries):
        rows = [entry.row for entry in entries if not new or entry.first_seq != 1]
        connection.executemany(_UPSERT.format(process=process), rows)
    _write_blobs(connection, entries)


def _write_blobs(connection: apsw.Connection, entries: list[Entry]) -> None:
    used = [entry for entry in entries if entry.blobs]
    if not used:
        return
    connection.executemany(
        "INSERT OR IGNORE INTO blobs VALUES (?, ?)",
        [item for entry in used for item in entry.blobs.items()],
    )
    connection.executemany(
        "INSERT OR IGNORE INTO blob_uses VALUES (?, ?)",
        [(digest, entry.execution_id) for entry in used for digest in entry.blobs],
    )


def _write_event(connection: apsw.Connection, event: ProjectEvent) -> None:
    last = query(connection, "SELECT coalesce(max(last_seq), 0) FROM batches WHERE execution = ''")[
        0
    ][0]
    row = (EVENT, last + 1, event.t, event.type, None, None, None, event.fields)
    event.batch = ("", last + 1, last + 1, 0, encode_rows([row]))
    connection.execute(_BATCH, event.batch)


def _run(connection: apsw.Connection, write: Write) -> None:
    """Run submitted work; its own error undoes it alone, a fault of the disk everything."""
    connection.execute("SAVEPOINT submitted")
    try:
        write.result, write.error = write.work(connection), None
    except (apsw.FullError, apsw.IOError, apsw.CorruptError, apsw.ReadOnlyError):
        raise
    except Exception as exc:  # noqa: BLE001 - the caller's code: its error goes back by its future
        write.error = exc
        if connection.in_transaction:
            connection.execute("ROLLBACK TO submitted")
    connection.execute("RELEASE submitted")


def now_ns() -> int:
    """The wall clock, for events of the project."""
    return time.time_ns()
