"""What detectors see of a trace: calls of nodes, of tools and models, failures, scores.

These are many, so they are small: no collector follows them, and values are kept as hashes.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from inwit.events import Failure
from inwit.runtime.views import Execution, Visit
from inwit.self_improve.contents import Content, Shape


class Seen(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What was seen of an execution: its ids, for all that follows here."""

    execution: Execution

    @property
    def execution_id(self) -> str:
        return self.execution.execution_id

    @property
    def thread_id(self) -> str | None:
        return self.execution.thread_id


class SeenAt(Seen, frozen=True, kw_only=True, gc=False):
    """What one event of an execution shows."""

    seq: int

    @property
    def uri(self) -> str:
        """The event."""
        return f"execution://{self.execution.execution_id}/events/{self.seq}"


class NodeCall(Seen, frozen=True, kw_only=True, gc=False):
    """One finished visit of a node.

    `self_ms` is the time of the attempt that counted, without those that failed and the waits
    between them, which are `retry_ms`. `given` is the content of the keys that the node reads, or
    of the whole state where its reading is not known; None where the state could not be followed.
    `gave_key` is None for an empty update.
    """

    node: str
    number: int
    """Counts the node's visits in the execution, from 1."""
    status: Literal["completed", "failed", "cancelled", "interrupted"] = "completed"
    self_ms: float
    retry_ms: float = 0.0
    attempts: int = 1
    started_ns: int
    entry_seq: int
    exit_seq: int | None = None
    given_key: int | None = None
    """The hash of what it was given; of how many bytes that was, `given_size`."""
    given_size: int = 0
    gave_key: int | None = None
    state: tuple[int, int] | None = None
    """The whole state without numbers, and its numbers; known in graphs that have a loop."""
    shape: Shape | None = None
    ways: tuple[str, ...] = ()
    """Where it led: the targets."""
    error: str = ""
    """The class of the last error."""
    is_cached: bool = False

    @property
    def uri(self) -> str:
        """The event that shows the visit's end."""
        return f"execution://{self.execution.execution_id}/events/{self.exit_seq or self.entry_seq}"

    @property
    def given(self) -> Content | None:
        return None if self.given_key is None else Content(self.given_key, self.given_size)

    @property
    def ends_ns(self) -> int:
        return self.started_ns + int((self.self_ms + self.retry_ms) * 1e6)

    @property
    def visit(self) -> Visit:
        """The visit as readers of the record know it, without its values."""
        return Visit(
            execution_id=self.execution_id, graph_name=self.execution.graph_name,
            graph_version=self.execution.graph_version, node=self.node, visit=self.number,
            entry_seq=self.entry_seq, exit_seq=self.exit_seq, started_ns=self.started_ns,
            duration_ms=self.self_ms + self.retry_ms, status=self.status, attempts=self.attempts,
            retry_ms=self.retry_ms,
        )  # fmt: skip


class OuterCall(SeenAt, frozen=True, kw_only=True, gc=False):
    """One finished call of a tool or a model from within a node."""

    kind: Literal["tool", "model"]
    name: str
    node: str
    number: int = 0
    """The visit that made it."""
    given: Content
    gave: Content | None
    duration_ms: float
    shape: Shape | None = None
    tokens: int = 0
    input_tokens: int = 0
    cached_tokens: int | None = None
    cost_usd: float | None = None
    messages: tuple[int, ...] = ()
    """The messages that a model was sent, by hash."""
    start_seq: int = 0
    asked: tuple[str, ...] = ()
    """The tools that a model asked for."""


class FailedAttempt(SeenAt, frozen=True, kw_only=True, gc=True):
    """One attempt of a node that raised or ran out of time."""

    node: str
    visit: int
    error: Failure


class FailedCall(SeenAt, frozen=True, kw_only=True, gc=True):
    """One call of a tool or a model that failed, or of a tool that does not exist."""

    kind: Literal["tool", "model"]
    name: str
    node: str
    error: Failure
    is_missing: bool = False


class Score(SeenAt, frozen=True, kw_only=True, gc=False):
    """A figure that a node gave with ``ctx.score``."""

    name: str
    value: float
    node: str


class Called(SeenAt, frozen=True, kw_only=True, gc=False):
    """What an execution was called with: short values by name, and sizes."""

    names: tuple[str, ...] = ()
    values: tuple[str | bool, ...] = ()
    size_names: tuple[str, ...] = ()
    sizes: tuple[float, ...] = ()
