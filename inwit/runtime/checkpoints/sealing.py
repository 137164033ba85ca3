"""Rows whose content the inner checkpointer cannot read.

It sees a row's place, its id, and whether it is whole; the row itself is one value of its update.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from inwit.errors import StoreError
from inwit.runtime.checkpoints.base import Checkpoint, Pending, Row, is_whole
from inwit.runtime.checkpoints.codec import decode, encode
from inwit.runtime.checkpoints.wrapping import Wrapping
from inwit.runtime.serial import thaw

SEALED = "__sealed__"
"""The key of a sealed checkpoint's content in its update."""
EMPTY: dict[str, Any] = {}


class Sealing(Wrapping):
    """Seals rows before they are put, and opens them when they are read."""

    kind: str
    """What a sealed row says of itself: which wrapper opens it."""

    @abstractmethod
    def seal(self, data: bytes, row: Row) -> bytes:
        """Make a row's bytes unreadable, or smaller."""

    @abstractmethod
    def open(self, data: bytes, row: Row) -> bytes:
        """Give back what was sealed."""

    def put(self, rows: Sequence[Row]) -> Future[None] | None:
        """Append rows of one thread and namespace, sealed."""
        return self.inner.put([self._sealed(row) for row in rows])

    def load(
        self, thread_id: str, checkpoint_id: str | None = None, *, ns: str = ""
    ) -> Sequence[Row]:
        """Give the rows that build one state."""
        return [self._opened(row) for row in self.inner.load(thread_id, checkpoint_id, ns=ns)]

    def history(
        self, thread_id: str, limit: int | None = None, *, ns: str = ""
    ) -> Sequence[Checkpoint]:
        """Give the checkpoints of a thread, newest first."""
        found = [self._opened(row) for row in self.inner.history(thread_id, limit, ns=ns)]
        return [row for row in found if isinstance(row, Checkpoint)]

    def plain(self, row: Row) -> Row:
        """What becomes of a row that is not sealed: it was put before there was a wrapper.

        Raises:
            StoreError: It may not be read.
        """
        return row

    def _sealed(self, row: Row) -> Row:
        data = self.seal(encode(row), row)
        if isinstance(row, Pending):
            return Pending(
                thread_id=row.thread_id,
                ns=row.ns,
                seq=row.seq,
                checkpoint_id="",
                execution_id="",
                ts_ns=0,
                kind="memo",
                task=SEALED,
                key=self.kind,
                value=data,
            )
        return Checkpoint(
            thread_id=row.thread_id,
            ns=row.ns,
            seq=row.seq,
            checkpoint_id=row.checkpoint_id,
            execution_id="",
            step=0,
            ts_ns=row.ts_ns,
            update={SEALED: data, "kind": self.kind},
            state=None if row.state is None else EMPTY,
        )

    def _opened(self, row: Row) -> Row:
        if isinstance(row, Pending):
            if (row.task, row.key) != (SEALED, self.kind):
                return self.plain(row)
            data = thaw(row.value)
        else:
            if SEALED not in row.update or thaw(row.update["kind"]) != self.kind:
                return self.plain(row)
            data = thaw(row.update[SEALED])
        opened = decode(self.open(data, row))
        if _outside(opened) != _outside(row):
            raise StoreError(
                f"Row {row.seq} of {row.thread_id!r} holds another row.",
                hint="The storage was changed by something else than inwit.",
            )
        return opened


def _outside(row: Row) -> tuple[Any, ...]:
    """What the inner checkpointer sees of a row."""
    checkpoint_id = row.checkpoint_id if isinstance(row, Checkpoint) else None
    return row.thread_id, row.ns, row.seq, checkpoint_id, is_whole(row)
