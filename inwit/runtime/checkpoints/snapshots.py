"""Building states of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from inwit.runtime.checkpoints.base import Checkpoint, Pending, Row
from inwit.runtime.serial import Delta, freeze, freeze_delta, thaw


def fold(rows: Sequence[Row]) -> dict[str, Any]:
    """Build the state after the last checkpoint among rows that begin with a whole one."""
    if not rows:
        return {}
    first = rows[0]
    assert isinstance(first, Checkpoint)
    state = {key: thaw(value) for key, value in (first.state or {}).items()}
    for row in rows[1:]:
        if isinstance(row, Checkpoint):
            apply_update(state, row.update if row.changes is None else row.changes)
    return state


def apply_update(state: dict[str, Any], update: dict[str, Any]) -> None:
    """Change a state as a step did."""
    for key, frozen in update.items():
        value = thaw(frozen)
        state[key] = state.get(key, []) + value.items if isinstance(value, Delta) else value


def join_updates(updates: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Make one update of those of a step's branches, in their order."""
    joined: dict[str, Any] = {}
    for update in updates:
        for key, frozen in update.items():
            both = key in joined and isinstance(frozen, msgspec.msgpack.Ext)
            joined[key] = _join_deltas(joined[key], frozen) if both else frozen
    return joined


def _join_deltas(first: Any, second: Any) -> Any:
    one, two = thaw(first), thaw(second)
    if not isinstance(one, Delta):  # an earlier branch replaced the whole list
        return freeze([*one, *two.items])
    return freeze_delta([*one.items, *two.items])


def split(rows: Sequence[Row]) -> tuple[Checkpoint, list[Pending]]:
    """The last checkpoint of what `load` gave, and what is pending after it."""
    pending: list[Pending] = []
    for row in reversed(rows):
        if isinstance(row, Checkpoint):
            return row, pending[::-1]
        pending.append(row)
    raise ValueError("There is no checkpoint among the rows.")
