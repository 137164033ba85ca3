"""What readers of the record are given: executions, visits, graphs, latency histograms."""

from __future__ import annotations

from itertools import accumulate
from typing import Any, Generic, Literal, TypeVar

import msgspec

from inwit.events import Failure, Status
from inwit.runtime.manifest import GraphManifest

T = TypeVar("T")


class Execution(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One invocation of a graph. Times are RFC 3339; `iteration` counts finished node visits."""

    execution_id: str
    graph_name: str
    graph_version: str
    status: Status
    started_at: str
    ended_at: str | None = None
    duration_ms: float | None = None
    thread_id: str | None = None
    parent_execution_id: str | None = None
    current_node: str | None = None
    iteration: int = 0
    last_seq: int = 0
    error: Failure | None = None
    error_node: str | None = None
    reason: str = ""
    llm_calls: int = 0
    tool_calls: int = 0
    retries: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = None
    """The sum of the model calls that have a price; None where none has."""
    unpriced_calls: int = 0
    position: int = 0
    """The order in which executions came into the record, from 1."""

    @property
    def uri(self) -> str:
        return f"execution://{self.execution_id}/summary"


class Visit(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One call of a node, folded from its events: what analyses and detectors read.

    `entry_seq`, `exit_seq` and `edge_seq` are the seqs of its ``node_entered``,
    ``node_exited`` (or last ``node_failed``, or ``interrupt_raised``) and first ``edge_taken`` events.
    What was ended from outside, with its execution or since another node failed, is ``cancelled``.
    `started_ns` is nanoseconds since 1970; `duration_ms` spans all attempts.
    `edges` are the ways on: ``{"target", "conditional", "label", "read", "unread"}``.
    """

    execution_id: str
    graph_name: str
    graph_version: str
    node: str
    visit: int
    entry_seq: int
    exit_seq: int | None = None
    edge_seq: int | None = None
    started_ns: int
    duration_ms: float | None = None
    status: Literal["running", "completed", "failed", "cancelled", "interrupted"] = "running"
    attempts: int = 1
    retry_ms: float = 0.0
    error: Failure | None = None
    update: Any = None
    edges: tuple[dict[str, Any], ...] = ()
    llm_calls: int = 0
    tool_calls: int = 0

    @property
    def uri(self) -> str:
        """The event that shows the visit's end, or its start while it runs."""
        return f"execution://{self.execution_id}/events/{self.exit_seq or self.entry_seq}"


class RegisteredGraph(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a graph in the project's registry."""

    name: str
    version: str
    registered_at: str
    last_seen_at: str
    manifest: GraphManifest
    is_current: bool
    node_configs: dict[str, dict[str, Any]] = {}
    """The current configuration of each node that has one."""


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """A part of a list. `cursor` is given back to get the next part; None means the end."""

    items: tuple[T, ...]
    total_count: int
    cursor: str | None = None


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """A histogram of one node's durations in one minute, in logarithmic buckets.

    ``counts[b]`` visits took about ``bucket_ms(b)``; `failed` of them failed. ``node`` is empty
    for whole executions. Histograms of the same key are merged by adding.
    """

    graph_name: str
    graph_version: str
    node: str
    minute: int
    """Minutes since 1970."""
    counts: dict[int, int]
    total_ms: float
    failed: int = 0
    retries: int = 0


def bucket(duration_ns: int) -> int:
    """Place a duration: eight buckets for each doubling, so a bucket is 9 % wide."""
    return int(duration_ns).bit_length() * 8 + (
        (duration_ns >> max(duration_ns.bit_length() - 4, 0)) & 7 if duration_ns > 7 else 0
    )


def bucket_ms(index: int) -> float:
    """The middle of a bucket, in milliseconds."""
    bits, part = divmod(index, 8)
    if bits < 4:
        return float(1 << max(bits - 1, 0)) / 1e6
    low = (8 + part) << (bits - 4)
    return (low + (1 << (bits - 4)) / 2) / 1e6


def quantile_ms(counts: dict[int, int], q: float) -> float | None:
    """Read a quantile, 0..1, from merged buckets; None when they are empty."""
    total = sum(counts.values())
    if not total:
        return None
    order, rank = sorted(counts), q * (total - 1)
    seen = accumulate(counts[index] for index in order)
    return next(bucket_ms(index) for index, upto in zip(order, seen, strict=True) if upto > rank)
