"""What retention has let go, as sums: what counts upwards for ever, as `/metrics` does, needs them."""

from __future__ import annotations

from typing import Any, Final

import apsw
import msgspec

from inwit.runtime.store.connection import query
from inwit.runtime.store.rollups import add_counts, counts_of

MIGRATION: Final = """
    CREATE TABLE forgotten_executions (
        graph TEXT NOT NULL, status TEXT NOT NULL, executions INTEGER NOT NULL,
        llm_calls INTEGER NOT NULL, tool_calls INTEGER NOT NULL, retries INTEGER NOT NULL,
        input_tokens INTEGER NOT NULL, output_tokens INTEGER NOT NULL, cost_usd REAL NOT NULL,
        PRIMARY KEY (graph, status)
    ) WITHOUT ROWID;
    CREATE TABLE forgotten_latencies (
        graph TEXT NOT NULL, node TEXT NOT NULL, counts BLOB NOT NULL, total_ns INTEGER NOT NULL,
        failed INTEGER NOT NULL, PRIMARY KEY (graph, node)
    ) WITHOUT ROWID;
"""
_SUMS: Final = (
    "executions", "llm_calls", "tool_calls", "retries", "input_tokens", "output_tokens", "cost_usd",
)  # fmt: skip


def keep_executions(connection: apsw.Connection) -> None:
    """Add up the executions that the table `forgotten` names. Needs a transaction."""
    summed = ", ".join(f"coalesce(sum({name}), 0)" for name in _SUMS[1:])
    added = ", ".join(f"{name} = {name} + excluded.{name}" for name in _SUMS)
    connection.execute(
        f"INSERT INTO forgotten_executions (graph, status, {', '.join(_SUMS)})"
        f" SELECT graph, status, count(*), {summed} FROM executions"
        " WHERE id IN (SELECT id FROM forgotten) GROUP BY graph, status"
        f" ON CONFLICT (graph, status) DO UPDATE SET {added}"
    )


def keep_latencies(connection: apsw.Connection, before_minute: int) -> None:
    """Add up the histograms of the minutes before this one. Needs a transaction."""
    rows = query(
        connection,
        "SELECT graph, node, counts, total_ns, failed FROM latencies WHERE minute < ?1"
        " UNION ALL SELECT graph, node, counts, total_ns, failed FROM forgotten_latencies"
        " WHERE EXISTS (SELECT 1 FROM latencies WHERE minute < ?1)",
        (before_minute,),
    )
    merged: dict[tuple[str, str], list[Any]] = {}
    for graph, node, counts, total_ns, failed in rows:
        sums = merged.setdefault((graph, node), [{}, 0, 0])
        add_counts(sums[0], counts_of(counts))
        sums[1] += total_ns
        sums[2] += failed
    connection.executemany(
        "INSERT OR REPLACE INTO forgotten_latencies VALUES (?, ?, ?, ?, ?)",
        [
            (*key, msgspec.msgpack.encode(counts), total_ns, failed)
            for key, (counts, total_ns, failed) in merged.items()
        ],
    )
