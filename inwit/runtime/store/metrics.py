"""A user's own figures: counters add up, gauges hold the last value, histograms count."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Literal

import apsw
import msgspec

from inwit.runtime.store.connection import query
from inwit.runtime.store.rollups import add_counts, counts_of
from inwit.runtime.views import bucket

Kind = Literal["counter", "gauge", "histogram"]


def record(
    connection: apsw.Connection, name: str, value: float, kind: Kind, labels: Mapping[str, str]
) -> None:
    """Write one measurement. Needs a transaction."""
    key = (name, kind, msgspec.json.encode(dict(labels), order="sorted").decode())
    found = query(
        connection,
        "SELECT value, count, counts FROM metrics WHERE name = ? AND kind = ? AND labels = ?",
        key,
    )
    before, count, packed = found[0] if found else (0.0, 0, msgspec.msgpack.encode({}))
    counts = counts_of(packed)
    if kind == "histogram":
        add_counts(counts, {bucket(max(int(value * 1e9), 0)): 1})
    total = value if kind == "gauge" else before + value
    connection.execute(
        "INSERT OR REPLACE INTO metrics VALUES (?, ?, ?, ?, ?, ?, ?)",
        (*key, total, count + 1, msgspec.msgpack.encode(counts), time.time_ns()),
    )


def read(connection: apsw.Connection, name: str | None) -> list[dict[str, Any]]:
    """Give the figures of a name, or all. A histogram's `counts` are by bucket of value × 10⁹."""
    rows = query(
        connection,
        "SELECT name, kind, labels, value, count, counts, updated_ns FROM metrics"
        " WHERE ?1 IS NULL OR name = ?1 ORDER BY name, kind, labels",
        (name,),
    )
    return [
        {
            "name": found, "kind": kind, "labels": msgspec.json.decode(labels), "value": value,
            "count": count, "updated_ns": updated_ns,
            **({"counts": counts_of(counts)} if kind == "histogram" else {}),
        }
        for found, kind, labels, value, count, counts, updated_ns in rows
    ]  # fmt: skip
