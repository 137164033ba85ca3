"""When a checkpoint holds the whole state.

A state that is small is kept whole now and then, so that it is read quickly. A large one is, when
what has changed since is as large: so all whole states together take no more room than the changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from inwit.runtime.checkpoints.base import Checkpoint, Row

SMALL_BYTES: Final = 4096
"""A state of which whole copies are no matter."""
FAR_ROWS: Final = 1024
"""After how many checkpoints one is whole, however large: reading one reads all since."""
_OTHER_BYTES = 8


class Spacing:
    """What was kept of a thread since its last whole checkpoint."""

    __slots__ = ("_changed", "_count", "_whole", "recent")

    def __init__(self) -> None:
        self.recent: list[dict[str, Any]] = []
        """Changes that are not counted yet."""
        self._changed = self._count = 0
        self._whole: int | None = None

    def follow(self, rows: Sequence[Row]) -> None:
        """Go on after rows that begin with a whole checkpoint."""
        first = rows[0]
        assert isinstance(first, Checkpoint)
        self.begin(first.state or {})
        others = (row for row in rows[1:] if isinstance(row, Checkpoint))
        self.recent += [row.update if row.changes is None else row.changes for row in others]

    def begin(self, state: dict[str, Any]) -> None:
        """Begin anew with a whole state, frozen."""
        self._whole = size_of(state)
        self._changed = self._count = 0
        self.recent.clear()

    def is_due(self) -> bool:
        """Whether the next checkpoint has to be whole."""
        if self._whole is None or self._whole <= SMALL_BYTES:
            return True
        self._changed += sum(map(size_of, self.recent))
        self._count += len(self.recent)
        self.recent.clear()
        return self._changed >= self._whole or self._count >= FAR_ROWS


def size_of(frozen: dict[str, Any]) -> int:
    """About how many bytes frozen values take."""
    return sum(map(_size_of, frozen.values()))


def _size_of(value: Any) -> int:
    if isinstance(value, msgspec.Raw):
        return memoryview(value).nbytes
    if isinstance(value, bytes | str):
        return len(value)
    return len(bytes(value.data)) if isinstance(value, msgspec.msgpack.Ext) else _OTHER_BYTES
