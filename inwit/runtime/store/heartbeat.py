"""Who is alive: each process beats in one row, and executions of the dead are closed by readers."""

from __future__ import annotations

import os
import time
from functools import cache
from pathlib import Path
from random import SystemRandom
from typing import Final

import apsw
import msgspec

from inwit.events import Failure
from inwit.runtime.store.codec import Encoder
from inwit.runtime.store.connection import query
from inwit.runtime.store.entry import end_row

BEAT_S: Final = 5.0
EXPIRES_S: Final = 30.0
HOST_LOST: Final = "host lost"
_RUNNING: Final = (
    "e.status IN ('running', 'paused', 'waiting_for_input')"
    " AND (e.status = 'running' OR (e.status = 'paused' AND e.current_node IS NOT NULL))"
)

"""What a process must be alive for: what runs, and what is held where it is.

Begins with the condition of the index of open executions, so that no finished one is looked at.
"""


class Heart:
    """This process, as others see it."""

    def __init__(self) -> None:
        self.id = SystemRandom().getrandbits(62)
        self.pid = os.getpid()
        self._started = started_of(self.pid) or ""
        self._due = 0.0

    @property
    def is_due(self) -> bool:
        """Whether it is time to beat."""
        return time.monotonic() >= self._due

    def beat(self, connection: apsw.Connection) -> None:
        """Say that this process is alive. Needs a transaction."""
        connection.execute(
            "INSERT OR REPLACE INTO processes VALUES (?, ?, ?, ?, ?, ?)",
            (self.id, self.pid, self._started, place(), time.time_ns(), time.monotonic_ns()),
        )

    def has_beaten(self) -> None:
        """Note that the beat is written."""
        self._due = time.monotonic() + BEAT_S

    def forget(self) -> None:
        """Beat again at once: the row is in a file that is no longer ours."""
        self._due = 0.0


def lost_processes(connection: apsw.Connection) -> list[int]:
    """The processes that have running executions and are dead, or have not beaten for too long."""
    rows = query(
        connection,
        "SELECT DISTINCT e.process, p.pid, p.started, p.boot, p.beat_ns, p.beat_monotonic_ns"
        " FROM executions e LEFT JOIN processes p ON p.id = e.process"
        f" WHERE {_RUNNING}",
    )
    return [row[0] for row in rows if row[1] is None or is_lost(*row[1:])]


def is_lost(pid: int, started: str, boot: str, beat_ns: int, beat_monotonic_ns: int) -> bool:
    """Whether a process is gone.

    On the boot that it runs on, its pid and the monotonic clock tell, which no change of the wall
    clock and no suspended machine deceives; of another machine or boot only the beat is known.
    """
    if boot != place():
        return time.time_ns() - beat_ns > EXPIRES_S * 1e9
    if started_of(pid) != started:
        return True
    return time.monotonic_ns() - beat_monotonic_ns > EXPIRES_S * 1e9


def close_lost(connection: apsw.Connection) -> int:
    """End the running executions of lost processes as failed. Needs a transaction.

    The event takes the next seq, so that a process that comes back is fenced off by it.
    """
    lost = lost_processes(connection)
    found = query(
        connection,
        "SELECT e.id, e.last_seq + 1, max(e.last_ns, coalesce(p.beat_ns, 0)), e.current_node"
        " FROM executions e LEFT JOIN processes p ON p.id = e.process"
        f" WHERE {_RUNNING} AND e.process IN ({', '.join('?' for _ in lost)})",
        lost,
    )
    for execution_id, seq, ended_ns, node in found:
        _close(connection, execution_id, seq, ended_ns, node)
    return len(found)


def _close(
    connection: apsw.Connection, execution_id: str, seq: int, ended_ns: int, node: str | None
) -> None:
    failure = Failure(
        type="HostLost", code="execution.host_lost", message="The process that ran it is gone.",
        hint="Resume its thread to go on from the last checkpoint.",
    )  # fmt: skip
    row = (*end_row(seq, 0, "failed", failure, HOST_LOST)[:7], node)
    connection.execute(
        "INSERT INTO batches (execution, first_seq, last_seq, anchor_ns, rows)"
        " VALUES (?1, ?2, ?2, ?3, ?4)",
        (execution_id, seq, ended_ns, Encoder().encode([row])),
    )
    connection.execute(
        "UPDATE executions SET status = 'failed', reason = ?2, last_seq = ?3, last_ns = ?4,"
        " ended_ns = ?4, duration_ns = ?4 - started_ns, current_node = NULL, error = ?5,"
        " error_node = ?6 WHERE id = ?1",
        (execution_id, HOST_LOST, seq, ended_ns, msgspec.json.encode(failure).decode(), node),
    )


@cache
def place() -> str:
    """The boot, and the space of process ids, in which this process's pid means something."""
    parts = []
    try:
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(str(Path("/proc/self/ns/pid").stat().st_ino))
    except OSError:  # pragma: no cover - a system without /proc
        import socket

        parts.append(socket.gethostname())
    return ":".join(parts)


def started_of(pid: int) -> str | None:
    """When a process was started, in a form that tells two processes of one pid apart."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None if _is_gone(pid) else ""
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]


def _is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # pragma: no cover - a system without /proc
        return False
    return False  # pragma: no cover - a system without /proc
