"""What a checkpointer is, and how the engine writes to one.

A checkpoint holds what one step changed; now and then it also holds the whole state, so that reading
one needs few of its predecessors. Values are packed (`inwit.runtime.serial`), never pickled.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, Literal, Protocol, get_args

import msgspec

from inwit.errors import MalformedInputError, nearest
from inwit.runtime.serial import Delta, freeze, thaw

Durability = Literal["async", "sync", "exit"]
"""When what happened is durable: soon, before the next step starts, or when the execution ends."""
SNAPSHOT_EVERY = 32
"""Steps between two checkpoints that hold the whole state."""


def check_durability(name: str) -> None:
    """Refuse what is no `Durability`.

    Raises:
        MalformedInputError: It is none.
    """
    known = get_args(Durability)
    if name not in known:
        raise MalformedInputError(f"No durability {name!r}.", hint=nearest(name, known))


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One saved step of a thread.

    `update` maps the keys that the step changed to frozen values, a list reducer's to what it
    appended; `state` is the whole frozen state, where this checkpoint holds it. `next` names the
    nodes that follow; empty at the end.
    """

    checkpoint_id: str
    thread_id: str
    execution_id: str
    step: int
    ts_ns: int
    next: tuple[str, ...]
    update: dict[str, Any]
    state: dict[str, Any] | None = None


class Checkpointer(Protocol):
    """Keeps checkpoints by thread, in the order in which they are put.

    Whoever keeps this protocol can be given to ``compile(checkpointer=…)``. Frozen values are
    immutable Python values or msgspec Raw/Ext bytes; `encode` and `decode` in
    `inwit.runtime.checkpoints.codec` turn a checkpoint into bytes and back.
    """

    def put(self, checkpoint: Checkpoint) -> Future[None] | None:
        """Keep one checkpoint. A future is done when it is durable; None means at once."""

    def load(self, thread_id: str, checkpoint_id: str | None = None) -> Sequence[Checkpoint]:
        """Give the checkpoints that build one state, oldest first; empty when there is none.

        The first one holds the whole state, the last one is the named or newest.
        """

    def history(self, thread_id: str, limit: int | None = None) -> Sequence[Checkpoint]:
        """Give a thread's checkpoints, newest first."""

    def delete_thread(self, thread_id: str) -> None:
        """Forget a thread."""


class StateSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a thread after one step."""

    values: dict[str, Any]
    next: tuple[str, ...]
    config: dict[str, Any]
    metadata: dict[str, Any]
    created_at: str
    parent_config: dict[str, Any] | None = None
    tasks: tuple[Any, ...] = ()


def fold(checkpoints: Sequence[Checkpoint]) -> dict[str, Any]:
    """Build the state after the last checkpoint."""
    if not checkpoints:
        return {}
    state = {key: thaw(value) for key, value in (checkpoints[0].state or {}).items()}
    for checkpoint in checkpoints[1:]:
        for key, frozen in checkpoint.update.items():
            value = thaw(frozen)
            state[key] = state.get(key, []) + value.items if isinstance(value, Delta) else value
    return state


def join_updates(updates: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Make one update of those of a step's branches, in their order."""
    joined: dict[str, Any] = {}
    for update in updates:
        for key, frozen in update.items():
            both = key in joined and isinstance(frozen, msgspec.msgpack.Ext)
            joined[key] = _join_deltas(joined[key], frozen) if both else frozen
    return joined


def _join_deltas(first: Any, second: Any) -> Any:
    from inwit.runtime.serial import freeze_delta

    one, two = thaw(first), thaw(second)
    return freeze_delta([*(one.items if isinstance(one, Delta) else one), *two.items])


class Saving:
    """One execution's way to its checkpointer."""

    def __init__(
        self, checkpointer: Checkpointer, thread_id: str, execution_id: str, durability: Durability
    ) -> None:
        self._checkpointer = checkpointer
        self._thread_id = thread_id
        self._execution_id = execution_id
        self.is_sync = durability == "sync"
        self._at_exit = durability == "exit"
        self._since_snapshot = SNAPSHOT_EVERY
        self._last: tuple[int, tuple[str, ...]] | None = None

    def checkpoint_id(self, step: int) -> str:
        """The id of the checkpoint after a step."""
        return f"{self._execution_id}:{step}"

    def save(
        self,
        step: int,
        update: dict[str, Any] | None,
        following: tuple[str, ...],
        state: dict[str, Any],
    ) -> Future[None] | None:
        """Save a step. The future, if any, is done when the checkpoint is durable."""
        self._last = (step, following)
        if self._at_exit:
            return None
        whole = self._since_snapshot >= SNAPSHOT_EVERY
        self._since_snapshot = 0 if whole else self._since_snapshot + 1
        return self._put(step, update or {}, following, state if whole else None)

    def _put(
        self,
        step: int,
        update: dict[str, Any],
        following: tuple[str, ...],
        state: dict[str, Any] | None,
    ) -> Future[None] | None:
        frozen = None if state is None else {k: freeze(v, strict=True) for k, v in state.items()}
        return self._checkpointer.put(
            Checkpoint(
                checkpoint_id=self.checkpoint_id(step),
                thread_id=self._thread_id,
                execution_id=self._execution_id,
                step=step,
                ts_ns=time.time_ns(),
                next=following,
                update=update,
                state=frozen,
            )
        )

    def close(self, state: dict[str, Any]) -> Future[None] | None:
        """Write what `exit` kept back; its future is done when that is durable."""
        if not self._at_exit or self._last is None:
            return None
        step, following = self._last
        return self._put(step, {}, following, state)
