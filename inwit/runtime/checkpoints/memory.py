"""Checkpoints in the memory of this process."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from threading import Lock
from typing import Any

import msgspec

from inwit.errors import ThreadGapError, ThreadTakenError, UnserialisableError
from inwit.runtime.checkpoints.base import Checkpoint, Pending, Row, is_whole
from inwit.runtime.checkpoints.codec import decode, encode
from inwit.runtime.checkpoints.opening import Opened
from inwit.runtime.serial import pack

PACKED_ROWS = 128
"""A log that waits is packed if it has no more rows, so that whoever goes on with it loses no time."""


class _Log:
    """The rows of one namespace, and where its checkpoints are.

    The indices are brought up to date by readers, so that a writer pays for nothing but its rows.
    A log whose execution waits is one string of bytes: thousands may wait, for days.
    """

    __slots__ = ("_checkpoints", "_indexed", "_places", "_wholes", "dropped", "packed", "rows")

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.packed: bytes | None = None
        """What stands for the rows, which are none then."""
        self.dropped = 0
        """How many rows before the first one were pruned, or are packed."""
        self._indexed = 0

    def pack(self) -> None:
        """Keep the rows as bytes, if they are few and come back as they are."""
        if len(self.rows) > PACKED_ROWS or not all(map(_is_packable, self.rows)):
            return
        self.packed = _join([encode(row) for row in self.rows])
        self.dropped += len(self.rows)
        self.rows = _NO_ROWS
        if self._indexed:
            self._indexed = 0
            del self._checkpoints, self._wholes, self._places

    def unpacked(self) -> _Log:
        """This log with its rows, or a copy that has them."""
        if self.packed is None:
            return self
        found = _Log()
        found.rows = [decode(data) for data in _part(self.packed)]
        found.dropped = self.dropped - len(found.rows)
        return found

    def unpack(self) -> None:
        """Have the rows again."""
        found = self.unpacked()
        self.rows, self.dropped, self.packed = found.rows, found.dropped, None

    def begin(self, row: Row, last: int) -> None:
        """Let an empty log begin later than with 1; refuse any other row than the next."""
        if row.seq <= last:
            raise ThreadTakenError(row.thread_id, row.ns, row.seq)
        if self.rows or not is_whole(row):
            raise ThreadGapError(row.thread_id, row.ns, row.seq, last)
        self.dropped = row.seq - 1

    def _reset(self) -> None:
        self._indexed = 0
        self._checkpoints: list[int] = []
        self._wholes: list[int] = []
        self._places: dict[str, int] = {}

    def _index(self) -> None:
        rows = self.rows
        if self._indexed == 0:
            self._reset()
        for at in range(self._indexed, len(rows)):
            row = rows[at]
            if isinstance(row, Checkpoint):
                self._places[row.checkpoint_id] = at
                self._checkpoints.append(at)
                if row.state is not None:
                    self._wholes.append(at)
        self._indexed = len(rows)

    def load(self, checkpoint_id: str | None) -> list[Row]:
        self._index()
        if not self._checkpoints:
            return []
        at = self._checkpoints[-1] if checkpoint_id is None else self._places.get(checkpoint_id)
        if at is None:
            return []
        after = bisect_right(self._checkpoints, at)
        end = self._checkpoints[after] if after < len(self._checkpoints) else len(self.rows)
        first = self._whole_before(at)
        return [] if first is None else self.rows[first:end]

    def _whole_before(self, at: int) -> int | None:
        found = bisect_right(self._wholes, at)
        return self._wholes[found - 1] if found else None

    def history(self, limit: int | None) -> list[Checkpoint]:
        self._index()
        chosen = self._checkpoints[::-1] if limit is None else self._newest(limit)
        return [row for at in chosen if isinstance(row := self.rows[at], Checkpoint)]

    def _newest(self, count: int) -> list[int]:
        return self._checkpoints[: -count - 1 : -1] if count > 0 else []

    def prune(self, keep: int) -> None:
        self._index()
        kept = self._newest(keep)
        first = self._whole_before(kept[-1]) if kept else None
        if first is not None:
            del self.rows[:first]
            self.dropped += first
            self._reset()


class InMemoryCheckpointer(Opened):
    """Keeps checkpoints in this process; they are gone when it ends."""

    def __init__(self) -> None:
        self._threads: dict[str, dict[str, _Log]] = {}
        self._lock = Lock()

    def put(self, rows: Sequence[Row], *given: Any) -> None:
        """Append rows of one thread and namespace."""
        if given:
            return self.put_tuple(rows, *given)  # type: ignore[no-any-return] # a config
        first = rows[0]
        with self._lock:
            try:
                log = self._threads[first.thread_id][first.ns]
            except KeyError:
                log = self._threads.setdefault(first.thread_id, {}).setdefault(first.ns, _Log())
            if log.packed is not None:
                log.unpack()
            last = log.dropped + len(log.rows)
            if first.seq != last + 1:
                log.begin(first, last)
            log.rows += rows
            if type(rows[-1]) is Pending and rows[-1].kind == "closed":
                log.pack()
        return None

    def load(
        self, thread_id: str, checkpoint_id: str | None = None, *, ns: str = ""
    ) -> Sequence[Row]:
        """Give the rows that build one state."""
        with self._lock:
            log = self._find(thread_id, ns)
            return [] if log is None else log.load(checkpoint_id)

    def history(
        self, thread_id: str, limit: int | None = None, *, ns: str = ""
    ) -> Sequence[Checkpoint]:
        """Give the checkpoints of a thread, newest first."""
        with self._lock:
            log = self._find(thread_id, ns)
            return [] if log is None else log.history(limit)

    def last_seq(self, thread_id: str, *, ns: str = "") -> int:
        """The `seq` of the newest row; 0 where there is none."""
        log = self._threads.get(thread_id, {}).get(ns)
        return 0 if log is None else log.dropped + len(log.rows)

    def delete_thread(self, thread_id: str) -> None:
        """Forget a thread in all its namespaces."""
        with self._lock:
            self._threads.pop(thread_id, None)

    def prune(self, thread_id: str, *, keep: int) -> None:
        """Forget what none of the newest `keep` checkpoints of a namespace needs, in each."""
        with self._lock:
            for log in self._threads.get(thread_id, {}).values():
                was_packed = log.packed is not None
                log.unpack()
                log.prune(keep)
                if was_packed:
                    log.pack()

    def threads(self) -> Sequence[str]:
        """The ids of all threads, sorted."""
        with self._lock:
            return sorted(name for name, logs in self._threads.items() if any_rows(logs))

    def _find(self, thread_id: str, ns: str) -> _Log | None:
        log = self._threads.get(thread_id, {}).get(ns)
        return None if log is None else log.unpacked()


def any_rows(logs: dict[str, _Log]) -> bool:
    """Whether a thread has any row: one that was only refused leaves an empty log."""
    return any(log.rows or log.packed for log in logs.values())


def _is_packable(row: Row) -> bool:
    """Whether a row is the same after packing; what a config says need not be."""
    if isinstance(row, Pending) or not row.metadata:
        return True
    try:
        pack(row.metadata)
    except UnserialisableError:
        return False
    return True


_NO_ROWS: list[Row] = []
_join = msgspec.msgpack.Encoder().encode
_part = msgspec.msgpack.Decoder(list[bytes]).decode
