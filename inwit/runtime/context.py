"""What a node may know and do besides reading its state: `ctx`.

A node that has a second parameter named ``ctx`` (or annotated `Context`) is given one; code further
down finds the same object by `current()`. One context serves the sequential path of an execution,
each parallel branch has its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any

from inwit.runtime.record import Recording

_current: ContextVar[Context | None] = ContextVar("inwit_context", default=None)


def current() -> Context | None:
    """The context of the node that runs here, or None outside of a node."""
    return _current.get()


class Context:
    """The running node's place in the record, and what it may call."""

    __slots__ = ("attempt", "config", "is_async", "node", "recording", "store", "thread_id", "visit")

    def __init__(
        self, recording: Recording | None, thread_id: str | None, config: Mapping[str, Any], store: Any
    ) -> None:
        self.recording = recording
        """Where events go; None when the record is off (`INWIT_OFF`, `without_introspection`)."""
        self.thread_id = thread_id
        self.config = config
        self.store = store
        self.node = ""
        self.visit = 0
        self.attempt = 1
        self.is_async = False
        """Whether the running node is a coroutine function."""

    def emit(self, type_name: str, **fields: Any) -> None:
        """Record an event of the running node."""
        if self.recording is not None:
            self.recording.emit(type_name, self.node, self.visit, self.attempt, fields)
