"""Messages by reference: a conversation is recorded once, however often it is sent again.

``llm_started`` names each message of a call by the hash of its content. The contents of those that
the execution had not sent before are in the same event, in ``new_messages`` by hash. So the record
of an n-turn conversation is n messages long and not n², and `resolve` finds every one within the
execution.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import msgspec

_EXECUTIONS = 256
_HASHES = 10_000


class Seen:
    """Which messages each execution has recorded; what it forgets is merely recorded again."""

    def __init__(self) -> None:
        self._by_execution: OrderedDict[str, set[str]] = OrderedDict()
        self._lock = threading.Lock()

    def only_new(self, execution_id: str, contents: Mapping[str, Any]) -> dict[str, Any]:
        """Keep what `execution_id` has not recorded, and remember it as recorded."""
        with self._lock:
            known = self._by_execution.setdefault(execution_id, set())
            self._by_execution.move_to_end(execution_id)
            if len(self._by_execution) > _EXECUTIONS:
                self._by_execution.popitem(last=False)
            fresh = {key: value for key, value in contents.items() if key not in known}
            if len(known) > _HASHES:
                known.clear()
            known.update(fresh)
        return fresh


def by_hash(messages: Sequence[Any]) -> tuple[list[str], dict[str, Any]]:
    """Name each message by its content: the names in order, and the contents by name."""
    names: list[str] = []
    contents: dict[str, Any] = {}
    for message in messages:
        encoded = _encode(message)
        name = blake2b(encoded, digest_size=16).hexdigest()
        names.append(name)
        contents[name] = msgspec.json.decode(encoded)
    return names, contents


def resolve(events: Iterable[Mapping[str, Any]], call_id: str) -> list[Any]:
    """Give the messages of one call, from an execution's events as plain JSON.

    A message whose content is not among `events` is None.
    """
    contents: dict[str, Any] = {}
    names: Sequence[str] = ()
    for event in events:
        if event.get("type") == "llm_started":
            contents.update(event.get("new_messages") or {})
            if event.get("call_id") == call_id:
                names = event.get("messages") or ()
    return [contents.get(name) for name in names]


def _encode(message: Any) -> bytes:
    try:
        return msgspec.json.encode(message, enc_hook=repr, order="deterministic")
    except (TypeError, ValueError, RecursionError, OverflowError):
        return msgspec.json.encode(repr(message))
