"""What each visit was given: the state as it was when the node was entered, as a digest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from inwit import events
from inwit.events import Event
from inwit.introspection.lineage import Place

INPUT_EVENTS = ("execution_started", "node_entered", "state_changed")


def digests(trace: Iterable[Event], reads: Mapping[str, Sequence[str] | None]) -> dict[Place, str]:
    """For each visit of a node, a digest of the keys that it reads; of the whole state for None.

    The state is rebuilt from the events, so equal digests mean equal values as they are recorded
    (a redacted value is compared by its keyed hash).
    """
    state: dict[str, Any] = {}
    found: dict[Place, str] = {}
    for event in trace:
        match event:
            case events.ExecutionStarted() if isinstance(event.input, dict):
                state.update(event.input)
            case events.StateChanged():
                for change in event.patch:
                    _apply(state, change)
            case events.NodeEntered(node=str(node), visit=int(visit)) if node in reads:
                if (node, visit) not in found:
                    found[node, visit] = digest(state, reads[node])
    return found


def digest(state: dict[str, Any], keys: Sequence[str] | None) -> str:
    """Hash the values of `keys`, or of the whole state."""
    shown = state if keys is None else {key: state.get(key) for key in keys}
    packed = json.dumps(shown, sort_keys=True, default=repr).encode()
    return hashlib.sha256(packed).hexdigest()


def _apply(state: dict[str, Any], change: dict[str, Any]) -> None:
    path = str(change.get("path", ""))
    parts = [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]
    if not parts:
        return
    at: Any = state
    for part in parts[:-1]:
        at = at.get(part) if isinstance(at, dict) else _item(at, part)
    _put(at, parts[-1], change)


def _item(at: Any, part: str) -> Any:
    is_index = isinstance(at, list) and part.isdecimal() and int(part) < len(at)
    return at[int(part)] if is_index else None


def _put(at: Any, last: str, change: dict[str, Any]) -> None:
    is_removed = change.get("op") == "remove"
    if isinstance(at, dict):
        if is_removed:
            at.pop(last, None)
        else:
            at[last] = _owned(change.get("value"))
    elif isinstance(at, list) and not is_removed:
        if last == "-":
            at.append(change.get("value"))
        elif last.isdecimal() and int(last) <= len(at):
            at.insert(int(last), change.get("value"))
    elif isinstance(at, list) and last.isdecimal() and int(last) < len(at):
        del at[int(last)]


def _owned(value: Any) -> Any:
    return list(value) if isinstance(value, list) else value
