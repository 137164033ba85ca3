"""Checkpoints in a storage that keeps blobs by name and can refuse to overwrite one.

Rows that were put together are one block, named by the seq of its first row: two writers that go on
from the same row want the same name, and the storage gives it to one of them.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from typing import Any, Protocol

import msgspec

from inwit.errors import StoreError, StoreUnreachableError, ThreadGapError, ThreadTakenError
from inwit.runtime.checkpoints.base import Checkpoint, Row, is_whole
from inwit.runtime.checkpoints.codec import decode, encode
from inwit.runtime.checkpoints.group import GroupWriter, Log, Outcome, Put
from inwit.runtime.checkpoints.opening import Opened

WRITERS = 8
PATIENCE_S = 5.0
"""How long a put tries a storage that does not answer."""
REMEMBERED = 100_000
"""Of how many logs the end, and of how many checkpoints the place is remembered."""


class BlockStore(Protocol):
    """What a storage has to do."""

    block_bytes: int
    """How large blocks may become by writing what waits together."""

    def create(self, log: Log, first: int, data: bytes, after: int) -> bool:
        """Write a block, if there is none of that name, and one named `after`.

        `after` is 0 for a block with which a log begins.
        """

    def read(self, log: Log, first: int) -> bytes | None:
        """Read one block."""

    def newest_first(self, log: Log, upto: int | None = None) -> Iterator[tuple[int, bytes]]:
        """Read blocks and their names, newest first; `upto` leaves out those with later names."""

    def delete(self, log: Log, before: int | None = None) -> None:
        """Delete a log, or its blocks with names before `before`."""

    def spaces(self, thread_id: str) -> Iterable[str]:
        """The namespaces of a thread."""

    def threads(self) -> Iterable[str]:
        """The ids of all threads."""

    def set_up(self) -> None:
        """Make what is needed, where it is missing."""

    def close(self) -> None:
        """Close the connections."""


class BlockCheckpointer(Opened):
    """Keeps checkpoints as blocks.

    What is put while a block of the same log is being written joins the next block.
    """

    def __init__(self, name: str, store: BlockStore) -> None:
        self._store = store
        self._writer = GroupWriter(name, self._commit, threads=WRITERS)
        self._lock = threading.Lock()
        self._ends: dict[Log, tuple[int, int]] = {}
        """Of logs that this wrote to: the newest seq and the name of its block."""
        self._places: dict[tuple[Log, str], int] = {}
        """In which block a checkpoint was seen."""

    def _set_up(self) -> None:
        self._store.set_up()

    def close(self) -> None:
        """Write what waits and close the connections."""
        self._writer.close()
        self._store.close()

    def put(self, rows: Sequence[Row]) -> Future[None]:
        """Append rows; the future is done when the storage has them."""
        return self._writer.put(rows)

    def load(
        self, thread_id: str, checkpoint_id: str | None = None, *, ns: str = ""
    ) -> Sequence[Row]:
        """Give the rows that build one state."""
        self._writer.drain()
        log = thread_id, ns
        if checkpoint_id is None:
            return _down_to_whole(row for rows in self._blocks(log) for row in reversed(rows))
        block = self._find(log, checkpoint_id)
        if block is None:
            return []
        rows = (row for rows in self._blocks(log, upto=block) for row in reversed(rows))
        for row in rows:
            if isinstance(row, Checkpoint) and row.checkpoint_id == checkpoint_id:
                before = [row] if is_whole(row) else _down_to_whole(rows, row)
                return [*before, *self._pending_after(log, block, row.seq)] if before else []
        return []

    def history(
        self, thread_id: str, limit: int | None = None, *, ns: str = ""
    ) -> Sequence[Checkpoint]:
        """Give the checkpoints of a thread, newest first."""
        self._writer.drain()
        found: list[Checkpoint] = []
        listed = 0
        for rows in self._blocks((thread_id, ns)):
            found += [row for row in reversed(rows) if isinstance(row, Checkpoint)]
            # Pruning leaves blocks as they are: what a kept one holds may lack what it builds on.
            wholes = [at + 1 for at, row in enumerate(found) if row.state is not None]
            listed = wholes[-1] if wholes else 0
            if limit is not None and listed >= limit:
                break
        return found[:listed][:limit]

    def last_seq(self, thread_id: str, *, ns: str = "") -> int:
        """The `seq` of the newest row; 0 where there is none."""
        self._writer.drain()
        return self._read_end((thread_id, ns))[0]

    def delete_thread(self, thread_id: str) -> None:
        """Forget a thread in all its namespaces."""
        self._writer.drain()
        for ns in self._store.spaces(thread_id):
            self._store.delete((thread_id, ns))

    def prune(self, thread_id: str, *, keep: int) -> None:
        """Forget what none of the newest `keep` checkpoints of a namespace needs, in each."""
        self._writer.drain()
        for ns in self._store.spaces(thread_id):
            log = thread_id, ns
            left = keep
            for rows in self._blocks(log):
                found = [row for row in reversed(rows) if isinstance(row, Checkpoint)]
                if any(row.state is not None for row in found[max(left - 1, 0) :]):
                    self._store.delete(log, rows[0].seq)
                    break
                left -= len(found)

    def threads(self) -> Sequence[str]:
        """The ids of all threads, sorted."""
        self._writer.drain()
        return sorted(self._store.threads())

    # Reading

    def _blocks(self, log: Log, upto: int | None = None) -> Iterator[list[Row]]:
        """The rows of each block, newest block first."""
        for _, data in self._store.newest_first(log, upto):
            yield self._unpack(log, data)

    def _unpack(self, log: Log, data: bytes) -> list[Row]:
        rows = [decode(row) for row in _decode(data)[1:]]
        with self._lock:
            for row in rows:
                if isinstance(row, Checkpoint):
                    _remember(self._places, (log, row.checkpoint_id), rows[0].seq)
        return rows

    def _find(self, log: Log, checkpoint_id: str) -> int | None:
        """The block that holds a checkpoint: where it was seen last, or looked for."""
        key = log, checkpoint_id
        place = self._places.get(key)
        if place is not None and self._store.read(log, place) is not None:
            return place
        self._places.pop(key, None)
        for _ in self._blocks(log):
            if key in self._places:
                return self._places[key]
        return None

    def _pending_after(self, log: Log, block: int, seq: int) -> Iterator[Row]:
        """The rows between a checkpoint and the next one. A block's end names its successor."""
        while (data := self._store.read(log, block)) is not None:
            rows = self._unpack(log, data)
            for row in rows:
                if row.seq > seq and isinstance(row, Checkpoint):
                    return
                if row.seq > seq:
                    yield row
            block = rows[-1].seq + 1

    def _read_end(self, log: Log) -> tuple[int, int]:
        """The newest seq, and the name of its block."""
        rows = next(self._blocks(log), None)
        return (0, 0) if rows is None else (rows[-1].seq, rows[0].seq)

    # Writing

    def _commit(self, puts: Sequence[Put]) -> Sequence[Outcome]:
        outcomes: list[Outcome] = []
        for group in _groups(puts, self._store.block_bytes):
            outcomes += self._append(group)
        return outcomes

    def _append(self, group: _Group) -> list[Outcome]:
        """Write a group as one block, if it follows what is there."""
        log, first = group.log, group.first
        with self._lock:
            end, name = self._ends.pop(log, (-1, 0))
        while True:
            known = end, name
            if end != first - 1:
                end, name = known = self._read_end(log)
            if not (first == end + 1 or (end == 0 and group.may_begin)):
                break
            if self._create(log, first, _encode([os.urandom(8), *group.rows]), name):
                with self._lock:
                    _remember(self._ends, log, (group.end, first))
                return [None] * len(group.puts)
            end, name = self._read_end(log)
            if (end, name) == known:  # Else it was deleted meanwhile, or is another's.
                break
        return [_refusal(put, end) for put in group.puts]

    def _create(self, log: Log, first: int, data: bytes, after: int) -> bool:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                # A try before may have written it, and only its answer been lost: the random
                # bytes in each block say whose it is.
                is_new = self._store.create(log, first, data, after)
                return is_new or self._store.read(log, first) == data
            except StoreUnreachableError:
                if time.monotonic() >= deadline:
                    raise
                time.sleep(0.05)


class _Group(msgspec.Struct):
    """Puts that follow one another, to be one block."""

    puts: list[Put]
    rows: list[bytes]
    size: int

    @property
    def log(self) -> Log:
        return self.puts[0].log

    @property
    def first(self) -> int:
        return self.puts[0].rows[0].seq

    @property
    def end(self) -> int:
        return self.puts[-1].rows[-1].seq

    @property
    def may_begin(self) -> bool:
        return is_whole(self.puts[0].rows[0])


def _groups(puts: Sequence[Put], limit: int) -> list[_Group]:
    groups: list[_Group] = []
    for put in puts:
        rows = [encode(row) for row in put.rows]
        size = sum(map(len, rows))
        last = groups[-1] if groups else None
        if last is None or put.rows[0].seq != last.end + 1 or last.size + size > limit:
            groups.append(_Group([put], rows, size))
        else:
            last.puts.append(put)
            last.rows += rows
            last.size += size
    return groups


def _refusal(put: Put, end: int) -> StoreError:
    seq = put.rows[0].seq
    return ThreadTakenError(*put.log, seq) if seq <= end else ThreadGapError(*put.log, seq, end)


def _down_to_whole(rows: Iterable[Row], *last: Row) -> list[Row]:
    """Rows that come newest first, in their order from the newest whole checkpoint on."""
    found = [*last]
    for row in rows:
        found.append(row)
        if is_whole(row):
            return found[::-1]
    return []


def _remember(places: dict[Any, Any], key: Any, value: Any) -> None:
    """Put something into a dict that forgets its oldest when it is full."""
    places[key] = value
    if len(places) > REMEMBERED:
        del places[next(iter(places))]


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[bytes]).decode
