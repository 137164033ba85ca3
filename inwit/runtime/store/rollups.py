"""Latency histograms: how many visits of a node took how long, minute by minute.

Each process keeps its own and writes them whole; readers add them up.
"""

from __future__ import annotations

from typing import Any, Final

import apsw
import msgspec

from inwit.runtime.store.codec import sayable

MINUTE_NS: Final = 60_000_000_000
Key = tuple[str, str, int]


class Cell:
    """One node's durations in one minute."""

    __slots__ = ("counts", "failed", "retries", "total_ns")

    def __init__(self) -> None:
        self.counts: dict[int, int] = {}
        self.total_ns = 0
        self.failed = 0
        self.retries = 0


class Cells(dict[str, Cell]):
    """The cells of one graph's version in one minute, by node; made when first asked for."""

    def __missing__(self, node: str) -> Cell:
        cell = self[node] = Cell()
        return cell


class Rollups:
    """The histograms of this process that are not old yet."""

    def __init__(self) -> None:
        self._minutes: dict[Key, Cells] = {}
        self._dirty: set[Key] = set()

    def at(self, graph: str, version: str, minute: int) -> Cells:
        """The cells to count into; they are written at the next commit."""
        key = (graph, version, minute)
        self._dirty.add(key)
        cells = self._minutes.get(key)
        if cells is None:
            cells = self._minutes[key] = Cells()
        return cells

    def take(self) -> tuple[set[Key], list[tuple[Any, ...]]]:
        """What has changed since it was taken last: its keys, and rows without the process."""
        keys, self._dirty = self._dirty, set()
        rows = [
            (*key[:2], node, key[2], msgspec.msgpack.encode(cell.counts), cell.total_ns,
             cell.failed, cell.retries)
            for key in keys for node, cell in self._minutes[key].items()
        ]  # fmt: skip
        newest = max((key[2] for key in keys), default=0)
        for key in [key for key in self._minutes if key[2] < newest - 1 and key not in keys]:
            del self._minutes[key]
        return keys, rows

    def give_back(self, keys: set[Key]) -> None:
        """Note that what was taken could not be written."""
        self._dirty |= keys & self._minutes.keys()


def write_latencies(connection: apsw.Connection, process: int, rows: list[tuple[Any, ...]]) -> None:
    """Write the histograms of a process as they are now."""
    sql = (
        "INSERT OR REPLACE INTO latencies (graph, version, node, minute, counts, total_ns, failed,"
        f" retries, process) VALUES (?, ?, ?, ?, ?, ?, ?, ?, {process})"
    )
    try:
        connection.executemany(sql, rows)
    except UnicodeEncodeError:
        connection.executemany(sql, [tuple(map(sayable, row)) for row in rows])


def counts_of(packed: bytes) -> dict[int, int]:
    """Read the counts of a stored histogram."""
    found: dict[int, int] = msgspec.msgpack.decode(packed, type=dict[int, int])
    return found


def add_counts(into: dict[int, int], other: dict[int, int]) -> None:
    """Merge one histogram into another."""
    for index, count in other.items():
        into[index] = into.get(index, 0) + count
