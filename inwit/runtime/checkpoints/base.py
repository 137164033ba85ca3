"""What a checkpointer keeps, and the protocol by which it is asked.

A thread is an append-only log of rows for each namespace. A `Checkpoint` holds what one step
changed, and now and then the whole state, so that reading one needs few of its predecessors; a
`Pending` holds what has happened inside the step that follows. Values are packed
(`inwit.runtime.serial`), never pickled.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import (
    TYPE_CHECKING,
    Any,
    Literal,
    Protocol,
    TypeAlias,
    get_args,
    runtime_checkable,
)

import msgspec

from inwit.errors import MalformedInputError, nearest

if TYPE_CHECKING:
    from concurrent.futures import Future

Durability = Literal["async", "sync", "exit"]
"""When what happened is durable: soon, before the next step starts, or when the execution ends."""
Source = Literal["input", "loop", "update", "fork"]
PendingKind = Literal["done", "interrupt", "resume", "memo", "failed", "closed"]


_DURABILITIES = get_args(Durability)


def check_durability(name: Durability) -> Durability:
    """Give a `Durability` back, and refuse what is none.

    Raises:
        MalformedInputError: It is none.
    """
    if name not in _DURABILITIES:
        raise MalformedInputError(f"No durability {name!r}.", hint=nearest(name, _DURABILITIES))
    return name


class Task(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A node that is to run, and for one that was sent to, its own input."""

    name: str
    arg: Any = None
    """The frozen input of a node that `is_sent`; else the node reads the state."""
    is_sent: bool = False
    timeout: tuple[float | None, float | None, str] | None = None
    """The limits that it was sent with, in seconds: of the whole, without a sign, and of which sign."""


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag=1, gc=False):
    """One saved step of a thread.

    `update` maps the keys that the step changed to frozen values, a list reducer's to what it
    appended; `state` is the whole frozen state, where this checkpoint holds it. A checkpoint without
    it continues the one before; the first of a thread and every fork are whole.
    """

    thread_id: str
    ns: str = ""
    """"" is the graph itself; ``node:task|node:task`` a graph within it."""
    seq: int
    """Its place in its log, gapless from 1 and shared with the pending rows."""
    checkpoint_id: str
    execution_id: str
    step: int
    ts_ns: int
    next: tuple[Task, ...] = ()
    """What runs next; empty at the end."""
    update: dict[str, Any]
    state: dict[str, Any] | None = None
    source: Source = "loop"
    parent_id: str | None = None
    joins: Any = None
    """Which arrivals the joins have counted, as plain values."""
    owner: str = ""
    lease_until_ns: int = 0
    version: int = 0
    """The version of the state's shape: see `inwit.runtime.checkpoints.migrating`."""
    metadata: dict[str, Any] | None = None
    """What the caller's config said, as it is."""
    parts: Any = None
    """What each task of the step wrote, as (task, frozen update), where nothing else says so."""
    changes: dict[str, Any] | None = None
    """What the state changed by, where `update` is what came in: an execution's input."""


class Pending(msgspec.Struct, frozen=True, kw_only=True, array_like=True, tag=2, gc=False):
    """One thing that happened inside the step that follows a checkpoint."""

    thread_id: str
    ns: str = ""
    seq: int
    checkpoint_id: str
    """The checkpoint that it follows."""
    execution_id: str
    ts_ns: int
    kind: PendingKind
    task: str = ""
    key: str = ""
    value: Any = None
    """Frozen."""
    owner: str = ""
    lease_until_ns: int = 0


Row: TypeAlias = Checkpoint | Pending
"""One entry of a thread's log."""


WRITERS = "writers"
"""Stands in the place of a join's number beside the nodes that led to a checkpoint."""
BEFORE_INPUT = ":input"
"""The end of the id of the checkpoint before an execution's input: it is told, and not kept."""


def is_alone(row: Checkpoint) -> bool:
    """Whether it is the only checkpoint that an execution kept, at its end."""
    return any(number == WRITERS for number, _ in row.joins or ())


def is_whole(row: Row) -> bool:
    """Whether a log may begin with the row."""
    return isinstance(row, Checkpoint) and row.state is not None


@runtime_checkable
class Checkpointer(Protocol):
    """Keeps the rows of threads.

    Whoever keeps this protocol can be given to ``compile(checkpointer=…)``. `encode` and `decode` in
    `inwit.runtime.checkpoints.codec` turn a row into bytes and back;
    `inwit.testing.checkpointer_suite` says whether a backend keeps the protocol.
    """

    def put(self, rows: Sequence[Row]) -> Future[None] | None:
        """Append rows of one thread and namespace, in the order of their `seq`: all or none.

        The `seq` of the first follows that of the newest row. An empty log may begin anywhere, if it
        begins with a whole checkpoint. A future is done when the rows are durable; None means that
        they are. Rows that are put one call after another become durable in that order.

        Raises:
            ThreadTakenError: A row of that `seq` is there already: somebody else wrote it. Raised,
                or set in the future.
            ThreadGapError: What the first row follows is missing. Raised, or set in the future.
        """

    def load(
        self, thread_id: str, checkpoint_id: str | None = None, *, ns: str = ""
    ) -> Sequence[Row]:
        """Give the rows that build the state after the named, or else the newest, checkpoint.

        They begin with the newest whole checkpoint at or before it, and end before the checkpoint
        that follows it: what is pending comes last. Empty when there is no such checkpoint.
        """

    def history(
        self, thread_id: str, limit: int | None = None, *, ns: str = ""
    ) -> Sequence[Checkpoint]:
        """Give the checkpoints of a thread, newest first."""

    def last_seq(self, thread_id: str, *, ns: str = "") -> int:
        """The `seq` of the newest row; 0 where there is none."""

    def delete_thread(self, thread_id: str) -> None:
        """Forget a thread in all its namespaces."""

    def prune(self, thread_id: str, *, keep: int) -> None:
        """Forget what none of the newest `keep` checkpoints of a namespace needs, in each."""

    def threads(self) -> Sequence[str]:
        """The ids of all threads, sorted."""
