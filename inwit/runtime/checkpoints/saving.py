"""How the engine writes to a checkpointer."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from functools import cache
from time import time_ns
from typing import Any

from inwit.errors import ThreadBusyError
from inwit.runtime.checkpoints.base import (
    WRITERS,
    Checkpoint,
    Checkpointer,
    Durability,
    Pending,
    PendingKind,
    Row,
    Source,
    Task,
)
from inwit.runtime.checkpoints.memory import InMemoryCheckpointer
from inwit.runtime.checkpoints.spacing import Spacing
from inwit.runtime.serial import freeze

_logger = logging.getLogger("inwit")
SNAPSHOT_EVERY = 32
"""Steps between two checkpoints that hold the whole state."""
LEASE_S = 60
"""How long a thread belongs to the process that wrote its newest row, if that cannot be asked."""
Note = tuple[PendingKind, str, str, Any]
"""What is pending: kind, task, key, frozen value."""


class Saving:
    """One execution's way to its checkpointer: one namespace of one thread."""

    __slots__ = (
        "_changes", "_checkpointer", "_is_plain", "_kept", "_lease_ns", "_notes", "_owner", "_parent_id", "_seq",
        "_since_whole", "_spacing", "execution_id", "failure", "is_at_exit", "is_over", "is_sync", "is_volatile", "last_id",
        "metadata", "ns", "thread_id",
    )  # fmt: skip

    def __init__(  # noqa: PLR0917 - made in two places
        self,
        checkpointer: Checkpointer,
        thread_id: str,
        ns: str,
        execution_id: str,
        durability: Durability,
        rows: Sequence[Row],
        seq: int,
    ) -> None:
        """Go on after `rows`, which were loaded from the thread; `seq` is its newest row's."""
        self._checkpointer = checkpointer
        self.thread_id = thread_id
        self.ns = ns
        self.execution_id = execution_id
        self.is_volatile = isinstance(checkpointer, InMemoryCheckpointer)
        """Whether what is saved is gone with this process anyway."""
        self.is_sync = durability == "sync"
        self.is_at_exit = durability == "exit"
        """Whether nothing is written before the execution ends, or waits."""
        self._kept: tuple[str, int, tuple[Task, ...], Source, Any] | None = None
        """The fields of the checkpoint that durability `exit` keeps back."""
        self._notes: Sequence[Note] = ()
        """What is to be kept with it."""
        self._since_whole = SNAPSHOT_EVERY
        """Checkpoints since the last one that was whole, or that need not be."""
        self._spacing = Spacing()
        self._changes: dict[str, Any] | None = None
        self._seq = seq
        self._owner = "" if self.is_volatile else owner()
        self._lease_ns = 0 if self.is_volatile else LEASE_S * 1_000_000_000
        last = next((row for row in reversed(rows) if type(row) is Checkpoint), None)
        self.last_id: str | None = None if last is None else last.checkpoint_id
        self._parent_id = self.last_id
        self._is_plain = False
        """Whether most steps' rows say neither who wrote them nor where."""
        self.metadata: dict[str, Any] | None = None
        self.failure: BaseException | None = None
        """Why a write failed: none that follows it can be made."""
        self.is_over = False
        """Whether the execution has ended, so that a later failure is told in the log alone."""

    @property
    def holds_done(self) -> bool:
        """Whether what branches have done is written at the end, or when it waits, if at all."""
        return self.is_volatile or self.is_at_exit

    @property
    def is_whole_next(self) -> bool:
        """Whether the next checkpoint holds the whole state, so that rows before it are not loaded."""
        return self.is_at_exit or (self._since_whole >= SNAPSHOT_EVERY and self._is_due())

    def follow(self, rows: Sequence[Row], changes: dict[str, Any]) -> None:
        """Let the first checkpoint, an input's, continue `rows`: it changes their state so."""
        self._spacing.follow(rows)
        self._changes = changes

    def _is_due(self, source: Source = "input") -> bool:
        is_other = self._changes is not None and source != "input"
        return is_other or self._spacing.is_due()

    def check(self) -> None:
        """Raise what made an earlier write fail, which nobody may have waited for."""
        if self.failure is not None:
            raise self.failure

    def save(  # noqa: PLR0913, PLR0917 - the fields of one row
        self,
        checkpoint_id: str,
        step: int,
        update: dict[str, Any],
        following: tuple[Task, ...],
        state: dict[str, Any],
        source: Source = "loop",
        joins: Any = None,
        parts: Any = None,
        notes: Sequence[Note] = (),
    ) -> Future[None] | None:
        """Save a step, and at once what is known of those that follow it, as `notes`.

        The future, if any, is done when the checkpoint is durable.

        Raises:
            StoreError: This or an earlier write failed.
        """
        if self.failure is not None:
            raise self.failure
        if self.is_at_exit:
            if source in ("loop", "input"):
                ran = [] if self._kept is None else [task.name for task in self._kept[2]]
                writers = ["__start__"] if source == "input" else ran
                joins = [*(joins or ()), [WRITERS, writers]] if writers else joins
            self._kept = checkpoint_id, step, following, source, joins
            self._notes = notes
            self.last_id = checkpoint_id
            return None
        is_asked = self._since_whole >= SNAPSHOT_EVERY
        whole = is_asked and self._is_due(source)
        self._since_whole = 0 if is_asked else self._since_whole + 1
        if self._is_plain and not whole and source == "loop" and joins is None and parts is None:
            # To name every field takes five times as long as to name those that say something.
            self._seq = seq = self._seq + 1
            self._spacing.recent.append(update)
            row = Checkpoint(
                thread_id=self.thread_id, seq=seq, checkpoint_id=checkpoint_id,
                execution_id=self.execution_id, step=step, ts_ns=time_ns(), next=following,
                update=update, parent_id=self._parent_id,
            )  # fmt: skip
            self.last_id = self._parent_id = checkpoint_id
            return self._checkpointer.put((row,))
        if is_asked:
            self._is_plain = self.is_volatile and not self.ns and self.metadata is None
        frozen = {k: freeze(v, strict=True) for k, v in state.items()} if whole else None
        return self._put(
            checkpoint_id, step, following, source, joins, update, frozen, parts, notes=notes
        )

    def _put(  # noqa: PLR0913, PLR0917 - the fields of one row
        self,
        checkpoint_id: str,
        step: int,
        following: tuple[Task, ...],
        source: Source,
        joins: Any,
        update: dict[str, Any],
        state: dict[str, Any] | None,
        parts: Any = None,
        *,
        notes: Sequence[Note] = (),
    ) -> Future[None] | None:
        self._seq += 1
        now = time_ns()
        changes, self._changes = self._changes, None
        if state is None:
            self._spacing.recent.append(update if changes is None else changes)
        else:
            self._spacing.begin(state)
            changes = None
        row = Checkpoint(
            thread_id=self.thread_id,
            ns=self.ns,
            seq=self._seq,
            checkpoint_id=checkpoint_id,
            execution_id=self.execution_id,
            step=step,
            ts_ns=now,
            next=following,
            update=update,
            state=state,
            source=source,
            parent_id=self._parent_id,
            joins=joins,
            owner=self._owner,
            lease_until_ns=now + self._lease_ns,
            metadata=self.metadata,
            parts=parts,
            changes=changes,
        )
        self.last_id = self._parent_id = checkpoint_id
        return self._put_rows((row, *self._rows_of(notes)))

    def _put_rows(self, rows: Sequence[Row]) -> Future[None] | None:
        done = self._checkpointer.put(rows)
        if done is not None:
            done.add_done_callback(self._look)
        return done

    def _look(self, done: Future[None]) -> None:
        failure = None if done.cancelled() else done.exception()
        if failure is None or self.failure is not None:
            return
        self.failure = failure
        if self.is_over:
            _logger.warning("inwit: warning: the end of an execution is not kept: %s", failure)

    def note(self, notes: Iterable[Note], state: dict[str, Any]) -> Future[None] | None:
        """Keep what happened inside the step that follows the last checkpoint.

        Raises:
            StoreError: This or an earlier write failed.
        """
        self.check()
        self.close(state)
        rows = self._rows_of(notes)
        return self._put_rows(rows) if rows else None

    def _rows_of(self, notes: Iterable[Note]) -> list[Row]:
        now, rows = time_ns(), list[Row]()
        for kind, task, key, value in notes:
            self._seq += 1
            rows.append(
                Pending(
                    thread_id=self.thread_id,
                    ns=self.ns,
                    seq=self._seq,
                    checkpoint_id=self.last_id or "",
                    execution_id=self.execution_id,
                    ts_ns=now,
                    kind=kind,
                    task=task,
                    key=key,
                    value=value,
                    owner=self._owner,
                    lease_until_ns=now + self._lease_ns,
                )
            )
        return rows

    def close(self, state: dict[str, Any]) -> Future[None] | None:
        """Write what `exit` kept back; its future is done when that is durable."""
        if self._kept is None:
            return None
        kept, self._kept = self._kept, None
        frozen = {key: freeze(value, strict=True) for key, value in state.items()}
        return self._put(*kept, {}, frozen, notes=self._notes)


def refuse_busy(rows: Sequence[Row]) -> None:
    """Refuse to go on with a thread on which a living process still executes.

    Raises:
        ThreadBusyError: Its newest row is another process's, open, and its lease is not over.
    """
    if not rows:
        return
    last = rows[-1]
    is_open = last.next != () if isinstance(last, Checkpoint) else last.kind != "closed"
    if not is_open or not last.owner or last.owner == owner() or last.lease_until_ns < time_ns():
        return
    if not _is_dead(last.owner):
        raise ThreadBusyError(last.thread_id, last.owner)


@cache
def _owner_of(pid: int) -> str:
    from inwit.runtime.store.heartbeat import place, started_of

    return f"{place()}|{pid}|{started_of(pid) or ''}"


def owner() -> str:
    """This process, as a row says who wrote it: its machine's boot, its pid, when it started."""
    return _owner_of(os.getpid())


def _is_dead(name: str) -> bool:
    from inwit.runtime.store.heartbeat import place, started_of

    boot, _, rest = name.partition("|")
    pid, _, started = rest.partition("|")
    return boot == place() and pid.isdigit() and started_of(int(pid)) != started
