"""Latency histograms: how many visits of a node took how long, minute by minute.

Each process keeps its own and writes them whole; readers add them up.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import Any, Final

import apsw
import msgspec

from inwit.runtime.store.codec import sayable
from inwit.runtime.views import bucket

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

    def add(self, taken_ns: int) -> None:
        """Count one duration."""
        index = bucket(taken_ns)
        self.counts[index] = self.counts.get(index, 0) + 1
        self.total_ns += taken_ns

    def add_all(self, durations: list[int]) -> None:
        """Count many durations, by sorting them: most fall into few buckets."""
        self.total_ns += sum(durations)
        durations.sort()
        counts, begin = self.counts, 0
        while begin < len(durations):
            index = bucket(durations[begin])
            end = bisect_left(durations, _next_bucket(durations[begin]), begin + 1)
            counts[index] = counts.get(index, 0) + end - begin
            begin = end

    def take_back(self, taken_ns: int) -> None:
        """Uncount a failure, when the visit is tried again."""
        index = bucket(taken_ns)
        if self.counts.get(index):
            self.counts[index] -= 1
            self.total_ns -= taken_ns
            self.failed -= 1


class Cells(dict[str, list[int]]):
    """One graph's version in one minute: durations that are not counted yet, by node."""

    def __init__(self) -> None:
        super().__init__()
        self.counted: dict[str, Cell] = {}

    def __missing__(self, node: str) -> list[int]:
        durations = self[node] = []
        return durations

    def cell(self, node: str) -> Cell:
        """The node's cell, to be written at the next commit."""
        self[node]  # made, so that `take` gives it
        cell = self.counted.get(node)
        if cell is None:
            cell = self.counted[node] = Cell()
        return cell

    def take(self) -> Iterator[tuple[str, Cell]]:
        """Count what is not counted yet; the nodes that have changed."""
        taken = self.copy()
        for node, durations in taken.items():
            cell = self.cell(node)
            cell.add_all([one for one in durations if type(one) is int])
            yield node, cell
        self.clear()


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
            for key in keys for node, cell in self._minutes[key].take()
        ]  # fmt: skip
        newest = max((key[2] for key in keys), default=0)
        for key in [key for key in self._minutes if key[2] < newest - 1 and key not in keys]:
            del self._minutes[key]
        return keys, rows

    def give_back(self, keys: set[Key]) -> None:
        """Note that what was taken could not be written."""
        for key in keys & self._minutes.keys():
            self._dirty.add(key)
            cells = self._minutes[key]
            for node in cells.counted:
                cells.cell(node)


def _next_bucket(duration_ns: int) -> int:
    """The shortest duration that falls into a later bucket."""
    shift = max(duration_ns.bit_length() - 4, 0)
    return (duration_ns >> shift) + 1 << shift


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
