"""A window of traces as detectors see it: node calls with their inputs, tool and model calls, errors.

Calls are in the record's order, not the clock's: a clock that jumped between two executions moves
nothing. What is half-written is left out and counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from inwit.events import (
    CacheHit,
    Event,
    ExecutionStarted,
    LlmCompleted,
    LlmStarted,
    NodeEntered,
    NodeFailed,
    StateChanged,
    ToolCompleted,
    ToolFailed,
    ToolStarted,
    epoch_ns,
)
from inwit.runtime.manifest import GraphManifest, NodeFacts
from inwit.runtime.views import Execution, Visit
from inwit.self_improve.contents import Content, StateTrail, content_of


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeCall:
    """One finished visit of a node.

    `self_ms` is the time of the attempt that counted, without failed attempts and waits. `given`
    is the content of the keys that the node reads, or of the whole state where its reading is not
    known; None where the state could not be followed. `gave` is None for an empty update.
    """

    visit: Visit
    thread_id: str | None
    self_ms: float
    given: Content | None
    gave: Content | None
    is_cached: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OuterCall:
    """One finished call of a tool or a model from within a node."""

    kind: Literal["tool", "model"]
    name: str
    execution_id: str
    thread_id: str | None
    node: str
    seq: int
    given: Content
    gave: Content | None
    duration_ms: float
    tokens: int = 0
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedAttempt:
    """One attempt of a node that raised or ran out of time."""

    node: str
    visit: int
    event: NodeFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Executions of one version of a graph, in the order of the record."""

    graph_name: str
    graph_version: str
    manifest: GraphManifest | None
    executions: tuple[Execution, ...] = ()
    calls: tuple[NodeCall, ...] = ()
    outer_calls: tuple[OuterCall, ...] = ()
    failures: tuple[FailedAttempt, ...] = ()
    unfinished: int = 0
    """Visits left out since they still run, were cut off or carry an impossible time."""

    def facts(self, node: str) -> NodeFacts | None:
        """What the manifest knows of a node; None without a manifest."""
        return self.manifest.node(node) if self.manifest else None

    def by_node(self) -> dict[str, list[NodeCall]]:
        """The calls of each node, in order."""
        grouped: dict[str, list[NodeCall]] = {}
        for call in self.calls:
            grouped.setdefault(call.visit.node, []).append(call)
        return grouped


def has_side_effects(facts: NodeFacts | None) -> bool:
    """Whether a node is declared to change the world outside."""
    return facts is not None and any(
        bool(source.get("side_effects")) or bool(source.get("has_side_effects"))
        for source in (facts.policies, facts.metadata)
    )


def build_window(
    graph: tuple[str, str, GraphManifest | None],
    executions: Sequence[Execution],
    visits: Iterable[Visit],
    traces: Mapping[str, tuple[Sequence[Event], Mapping[str, Any] | None]],
) -> Window:
    """Fold executions, oldest first, with their visits and events into a window.

    `traces` gives each execution's events and the state that its first node met (None: unknown).
    """
    name, version, manifest = graph
    by_execution: dict[str, list[Visit]] = {one.execution_id: [] for one in executions}
    for visit in visits:
        if visit.execution_id in by_execution:
            by_execution[visit.execution_id].append(visit)
    calls: list[NodeCall] = []
    outer: list[OuterCall] = []
    failures: list[FailedAttempt] = []
    unfinished = 0
    for one in executions:
        events, start = traces.get(one.execution_id, ((), None))
        given = dict(_inputs(events, start, manifest))
        cached = {(e.node, e.visit) for e in events if isinstance(e, CacheHit)}
        for visit in sorted(by_execution[one.execution_id], key=lambda v: v.entry_seq):
            call = _node_call(visit, one.thread_id, given, cached)
            unfinished += call is None and visit.status != "failed"
            if call is not None:
                calls.append(call)
        outer.extend(_outer_calls(events, one))
        failures.extend(
            FailedAttempt(node=e.node or "", visit=e.visit or 0, event=e)
            for e in events
            if isinstance(e, NodeFailed)
        )
    return Window(
        graph_name=name, graph_version=version, manifest=manifest, executions=tuple(executions),
        calls=tuple(calls), outer_calls=tuple(outer), failures=tuple(failures),
        unfinished=unfinished,
    )  # fmt: skip


def _node_call(
    visit: Visit,
    thread_id: str | None,
    given: Mapping[tuple[str, int], Content],
    cached: set[tuple[str | None, int | None]],
) -> NodeCall | None:
    if visit.status == "running" or visit.duration_ms is None:
        return None
    self_ms = visit.duration_ms - visit.retry_ms
    if not 0 <= self_ms < float("inf"):
        return None
    key = (visit.node, visit.visit)
    is_empty = visit.update is None or visit.update == {}
    return NodeCall(
        visit=visit, thread_id=thread_id, self_ms=self_ms, given=given.get(key),
        gave=None if is_empty else content_of(visit.update), is_cached=key in cached,
    )  # fmt: skip


def _inputs(
    events: Sequence[Event], start: Mapping[str, Any] | None, manifest: GraphManifest | None
) -> Iterator[tuple[tuple[str, int], Content]]:
    """Give the content of each visit's input, by following the state through the patches."""
    place = next((at for at, e in enumerate(events) if isinstance(e, NodeEntered)), 0)
    if start is None:
        begun = next((e for e in events if isinstance(e, ExecutionStarted)), None)
        start = begun.input if begun is not None and isinstance(begun.input, dict) else None
        place = 0
    if start is None:
        return
    state = StateTrail(start)
    for event in events[place:]:  # what came before the first node is in its state already
        if isinstance(event, StateChanged):
            state.apply(event.patch)
        elif isinstance(event, NodeEntered) and state.is_known and event.attempt in (None, 1):
            facts = manifest.node(event.node or "") if manifest else None
            keys = facts.reads if facts is not None and facts.reads_known else None
            yield (event.node or "", event.visit or 0), state.content(keys)


def _outer_calls(events: Sequence[Event], execution: Execution) -> Iterator[OuterCall]:
    begun: dict[str, ToolStarted | LlmStarted] = {}
    for event in events:
        if isinstance(event, ToolStarted | LlmStarted):
            begun[event.call_id] = event
        elif isinstance(event, ToolCompleted | ToolFailed | LlmCompleted):
            start = begun.pop(event.call_id, None)
            if start is not None and not _has_failed(event):
                yield _outer_call(start, event, execution)


def _has_failed(event: ToolCompleted | ToolFailed | LlmCompleted) -> bool:
    return isinstance(event, ToolFailed) or (
        isinstance(event, LlmCompleted) and event.error is not None
    )


def _outer_call(
    start: ToolStarted | LlmStarted, end: ToolCompleted | ToolFailed | LlmCompleted,
    execution: Execution,
) -> OuterCall:  # fmt: skip
    is_tool = isinstance(start, ToolStarted)
    given = start.input if isinstance(start, ToolStarted) else [start.messages, start.parameters]
    output = None if isinstance(end, ToolFailed) else end.output
    spent_ms = end.duration_ms
    if spent_ms is None:
        spent_ms = max((epoch_ns(end.ts) - epoch_ns(start.ts)) / 1e6, 0.0)
    tokens, cost = 0, None
    if isinstance(end, LlmCompleted):
        tokens, cost = (end.input_tokens or 0) + (end.output_tokens or 0), end.cost_usd
    return OuterCall(
        kind="tool" if is_tool else "model",
        name=start.tool if isinstance(start, ToolStarted) else start.model,
        execution_id=execution.execution_id, thread_id=execution.thread_id,
        node=start.node or "", seq=end.seq, given=content_of(given),
        gave=None if output is None else content_of(output), duration_ms=spent_ms,
        tokens=tokens, cost_usd=cost,
    )  # fmt: skip
