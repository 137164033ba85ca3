"""What the protocol says of a whole log, for backends that read one at once."""

from __future__ import annotations

from collections.abc import Sequence

from inwit.errors import ThreadGapError, ThreadTakenError
from inwit.runtime.checkpoints.base import Checkpoint, Row, is_whole


def check_next(rows: Sequence[Row], last: int) -> None:
    """Refuse rows that cannot be appended to a log whose newest row is `last`, 0 where it has none.

    Raises:
        ThreadTakenError: The first is there already.
        ThreadGapError: What the first follows is missing.
    """
    first = rows[0]
    if first.seq <= last:
        raise ThreadTakenError(first.thread_id, first.ns, first.seq)
    if first.seq > last + 1 and not (last == 0 and is_whole(first)):
        raise ThreadGapError(first.thread_id, first.ns, first.seq, last)


def rows_for(log: Sequence[Row], checkpoint_id: str | None = None) -> Sequence[Row]:
    """Of all rows, those that `Checkpointer.load` gives."""
    at = [n for n, row in enumerate(log) if isinstance(row, Checkpoint)]
    named = [n for n in at if checkpoint_id in (None, _id_of(log[n]))]
    wholes = [n for n in at if named and n <= named[-1] and is_whole(log[n])]
    if not wholes:
        return []
    return log[wholes[-1] : next((n for n in at if n > named[-1]), len(log))]


def rows_kept(log: Sequence[Row], keep: int) -> Sequence[Row]:
    """Of all rows, those that `Checkpointer.prune` leaves."""
    newest = [row for row in log if isinstance(row, Checkpoint)][-keep:]
    needed = rows_for(log, newest[0].checkpoint_id) if newest and keep > 0 else []
    return log[log.index(needed[0]) :] if needed else log


def _id_of(row: Row) -> str:
    return row.checkpoint_id
