"""Recordings as the engine makes them, for tests of the record."""

from __future__ import annotations

import time
from typing import Any

from inwit.runtime.record import END, EVENT, START, VISIT, Recording, anchor


def recording(execution_id: str, graph: str = "planted", **options: Any) -> Recording:
    """An execution that has not begun."""
    return Recording(
        execution_id, graph, lambda: str(options.get("version", "v1")),
        options.get("thread_id"), options.get("parent_id"), anchor(),
    )  # fmt: skip


def start(rec: Recording, given: dict[str, Any] | None = None) -> None:
    """Append the START row."""
    rec.seq = 1
    rec.rows.append((START, 1, time.monotonic_ns(), given or {}))


def visit(
    rec: Recording, node: str, number: int, update: dict[str, Any] | None = None,
    target: Any = "next", took_ns: int = 1_000_000,
) -> None:  # fmt: skip
    """Append one whole VISIT row with one edge."""
    entry, seq = rec.seq + 1, rec.seq + 2
    t1 = time.monotonic_ns()
    rec.rows.append((VISIT, entry, seq, node, number, 1, t1 - took_ns, t1, update, (target,), None))
    rec.seq = seq + (1 if update else 0) + 1


def end(rec: Recording, status: str = "completed", failure: Any = None, reason: str = "") -> None:
    """Append the END row."""
    rec.seq += 1
    node = "boom" if failure is not None else None
    rec.rows.append((END, rec.seq, time.monotonic_ns(), status, {}, failure, reason, node))
    rec.is_done = True


def whole(execution_id: str, visits: int = 3, graph: str = "planted", **options: Any) -> Recording:
    """A whole execution with some visits of one node."""
    rec = recording(execution_id, graph, **options)
    start(rec, {"n": 0})
    for number in range(1, visits + 1):
        visit(rec, "work", number, {"n": number})
    end(rec)
    return rec


def custom(rec: Recording, data: Any) -> None:
    """Append a custom event."""
    rec.seq += 1
    fields = {"name": "note", "data": data}
    rec.rows.append((EVENT, rec.seq, time.monotonic_ns(), "custom", None, None, None, fields))
