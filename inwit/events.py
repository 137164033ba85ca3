"""The events of an execution: one typed, immutable record per fact.

Readers meet events in this form only. What is stored is more compact (`inwit.runtime.store`).
``seq`` counts from 1 without a gap within an execution; ``ts`` is RFC 3339 in UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, ClassVar, Literal

import msgspec

Status = Literal["running", "paused", "waiting_for_input", "completed", "failed", "cancelled"]
OPEN_STATUSES: tuple[Status, ...] = ("running", "paused", "waiting_for_input")


def timestamp(epoch_ns: int) -> str:
    """Write nanoseconds since 1970 as RFC 3339 in UTC, with microseconds."""
    seconds, rest = divmod(epoch_ns, 1_000_000_000)
    return f"{_second(seconds)}.{rest // 1000:06d}Z"


@lru_cache(256)
def _second(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


def epoch_ns(ts: str) -> int:
    """Read an RFC 3339 time as nanoseconds since 1970; a time without a zone is in UTC."""
    moment = datetime.fromisoformat(ts)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return (
        int(moment.replace(microsecond=0).timestamp()) * 1_000_000_000 + moment.microsecond * 1000
    )


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


class Event(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    tag_field="type",
    tag=_snake,
):
    """What all events have in common. An event of the project itself has no execution."""

    execution_id: str = ""
    graph_name: str = ""
    graph_version: str = ""
    thread_id: str | None = None
    parent_execution_id: str | None = None
    seq: int
    ts: str
    node: str | None = None
    visit: int | None = None
    attempt: int | None = None
    duration_ms: float | None = None

    @property
    def type(self) -> str:
        """The name of the fact, such as ``node_exited``."""
        return str(self.__struct_config__.tag)

    @property
    def uri(self) -> str:
        """What an answer points at: ``execution://{id}/events/{seq}``."""
        return f"execution://{self.execution_id}/events/{self.seq}"


class Failure(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error as it is recorded: its class, its stable code where it has one, its text."""

    type: str
    message: str
    code: str = ""
    hint: str = ""
    traceback: str = ""


class ExecutionStarted(Event, frozen=True):
    """An execution began, with this input."""

    input: Any = None
    config: dict[str, Any] | None = None
    """What it was called with, without its thread's place and what cannot be kept."""
    context: Any = None
    """What ``context=`` was, or the name of its type where it cannot be kept."""


class NodeEntered(Event, frozen=True):
    """A node was called."""


class NodeExited(Event, frozen=True):
    """A node returned; `duration_ms` is the call's."""


class NodeFailed(Event, frozen=True):
    """A node raised or ran out of time."""

    error: Failure


class RetryScheduled(Event, frozen=True):
    """A failed attempt is tried again after `delay_ms`."""

    delay_ms: float
    max_attempts: int


class EdgeTaken(Event, frozen=True):
    """The way on from `node` to `target`.

    A branch decision carries its `label`, the state keys that the router's source reads with
    their values (`read`), and in `unread` what could not be known of its reading, in words.
    """

    target: str
    conditional: bool = False
    label: str | None = None
    read: dict[str, Any] | None = None
    unread: str | None = None


class StateChanged(Event, frozen=True):
    """What a node's update changed in the state, as an RFC 6902 patch."""

    patch: list[dict[str, Any]]


class CheckpointCreated(Event, frozen=True):
    """The state after a step was saved under `checkpoint_id`."""

    checkpoint_id: str
    step: int = 0


class InterruptRaised(Event, frozen=True):
    """The execution waits for a person."""

    interrupt_id: str
    value: Any = None
    schema: Any = None
    """The JSON schema of the answer, where it has one."""


class InterruptResumed(Event, frozen=True):
    """A person answered."""

    interrupt_id: str
    value: Any = None


class Custom(Event, frozen=True):
    """What a node wrote by itself."""

    name: str = ""
    data: Any = None


class TokenChunk(Event, frozen=True):
    """A piece of a model's streamed output."""

    call_id: str
    text: str


class LlmStarted(Event, frozen=True):
    """A model was called. Messages are kept by reference: their content hash.

    `new_messages` holds by hash the contents that the execution had not sent before; a hash that is
    not there is in an earlier ``llm_started`` of the same execution.
    """

    call_id: str
    model: str
    provider: str = ""
    messages: list[str] = []
    new_messages: dict[str, Any] = {}
    parameters: dict[str, Any] = {}


class LlmCompleted(Event, frozen=True):
    """A model answered or failed. A figure that is not known is absent; so is an unpriced cost."""

    call_id: str
    model: str
    provider: str = ""
    output: Any = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    cost_usd: float | None = None
    price_date: str | None = None
    streamed: bool = False
    error: Failure | None = None


class ToolStarted(Event, frozen=True):
    """A tool was called."""

    call_id: str
    tool: str
    input: Any = None


class ToolCompleted(Event, frozen=True):
    """A tool answered."""

    call_id: str
    tool: str
    output: Any = None


class ToolFailed(Event, frozen=True):
    """A tool raised."""

    call_id: str
    tool: str
    error: Failure


class CacheHit(Event, frozen=True):
    """A node's result came from its cache."""

    key: str


class StatusChanged(Event, frozen=True):
    """The execution's status moved, and why."""

    status: Status
    reason: str = ""


class NodeConfigChanged(Event, frozen=True):
    """A node's configuration has a new version."""

    change: dict[str, Any]


class Gap(Event, frozen=True):
    """A slow reader lost the events from `lost_from` to `lost_to`, both included."""

    lost_from: int
    lost_to: int
    reason: str = ""


class GraphRegistered(Event, frozen=True):
    """A graph of that structure was compiled for the first time in this project."""

    file: str | None = None
    line: int | None = None


class PlanChanged(Event, frozen=True):
    """A plan moved."""

    plan_id: str
    status: str
    previous: str | None = None
    actor: str = ""


class ExecutionCompleted(Event, frozen=True):
    """The execution reached its end, with this output."""

    output: Any = None


class ExecutionFailed(Event, frozen=True):
    """The execution ended by an error; `reason` is short, such as ``host lost``."""

    error: Failure
    reason: str = ""


class ExecutionCancelled(Event, frozen=True):
    """The execution was cancelled."""

    reason: str = ""


class Types:
    """Every event class by its type name."""

    by_name: ClassVar[dict[str, type[Event]]] = {
        str(cls.__struct_config__.tag): cls for cls in Event.__subclasses__()
    }


def to_json(event: Event) -> dict[str, Any]:
    """Show an event as plain JSON values, with its ``type``."""
    shown: dict[str, Any] = msgspec.to_builtins(event)
    return shown
