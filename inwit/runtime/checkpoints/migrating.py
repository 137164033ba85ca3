"""States of an older shape, brought to today's when they are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any

from msgspec.structs import replace

from inwit.errors import StateVersionError
from inwit.runtime.checkpoints.base import Checkpoint, Checkpointer, Row
from inwit.runtime.checkpoints.snapshots import apply_update
from inwit.runtime.checkpoints.wrapping import Wrapping
from inwit.runtime.serial import freeze, thaw

Values = dict[str, Any]
Migration = Callable[[Values], Values]


class MigratingCheckpointer(Wrapping):
    """Reads checkpoints that an older program wrote as if this one had.

    What is kept is not changed: each checkpoint says how many of the migrations its state has seen,
    and reading applies the rest. What an older program cannot read is refused by it.

    Args:
        inner: Where the checkpoints are kept.
        migrations: Functions that bring a state, as a dict, from one version to the next, oldest
            first. Only ever add to their end.

    Example:
        >>> from inwit import InMemoryCheckpointer
        >>> def rename(state):
        ...     return {"text": state.pop("body"), **state}
        >>> saver = MigratingCheckpointer(InMemoryCheckpointer(), [rename])
    """

    def __init__(self, inner: Checkpointer, migrations: Sequence[Migration]) -> None:
        super().__init__(inner)
        self._migrations = tuple(migrations)
        self.version = len(self._migrations)
        """The version of the states that this writes and gives."""

    def put(self, rows: Sequence[Row]) -> Future[None] | None:
        """Append rows, of this version."""
        return self.inner.put([self._stamped(row) for row in rows])

    def load(
        self, thread_id: str, checkpoint_id: str | None = None, *, ns: str = ""
    ) -> Sequence[Row]:
        """Give the rows that build one state, as this version has it.

        Raises:
            StateVersionError: A later version wrote them.
        """
        rows = self.inner.load(thread_id, checkpoint_id, ns=ns)
        if all(self._is_current(row) for row in rows):
            return rows
        ends = [at for at, row in enumerate(rows) if isinstance(row, Checkpoint)]
        last = rows[ends[-1]]
        assert isinstance(last, Checkpoint)
        state = self._folded(rows[: ends[-1] + 1])
        frozen = {key: freeze(value, strict=True) for key, value in state.items()}
        update = frozen if last.version < self.version else last.update
        whole = replace(last, state=frozen, update=update, version=self.version)
        return [whole, *rows[ends[-1] + 1 :]]

    def history(
        self, thread_id: str, limit: int | None = None, *, ns: str = ""
    ) -> Sequence[Checkpoint]:
        """Give the checkpoints of a thread, newest first, whole ones as this version has them.

        What a step of an older version changed is given as it was.
        """
        return [self._as_now(row) for row in self.inner.history(thread_id, limit, ns=ns)]

    def _stamped(self, row: Row) -> Row:
        return replace(row, version=self.version) if isinstance(row, Checkpoint) else row

    def _is_current(self, row: Row) -> bool:
        if not isinstance(row, Checkpoint):
            return True
        if row.version > self.version:
            raise StateVersionError(row.thread_id, row.version, self.version)
        return row.version == self.version

    def _as_now(self, row: Checkpoint) -> Checkpoint:
        if self._is_current(row) or row.state is None:
            return row
        values = {key: thaw(value) for key, value in row.state.items()}
        state = self._migrated(values, row.version)
        frozen = {key: freeze(value, strict=True) for key, value in state.items()}
        return replace(row, state=frozen, version=self.version)

    def _folded(self, rows: Sequence[Row]) -> Values:
        """The state after rows of which each may be of a later version than the one before."""
        state: Values = {}
        version = 0
        for row in rows:
            if not isinstance(row, Checkpoint):
                continue
            if row.state is not None:
                state = {key: thaw(value) for key, value in row.state.items()}
            else:
                state = self._migrated(state, version, row.version)
                apply_update(state, row.update if row.changes is None else row.changes)
            version = row.version
        return self._migrated(state, version)

    def _migrated(self, state: Values, version: int, upto: int | None = None) -> Values:
        for migrate in self._migrations[version:upto]:
            state = migrate(state)
        return state
