"""A window of traces as detectors see it: node calls with their inputs, tool and model calls, errors.

Calls are in the record's order, not the clock's: a clock that jumped between two executions moves
nothing. What is half-written is left out and counted.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import msgspec

from inwit.events import Event
from inwit.runtime.manifest import GraphManifest, NodeFacts
from inwit.runtime.views import Execution, Visit
from inwit.self_improve.calls import (
    Called,
    FailedAttempt,
    FailedCall,
    NodeCall,
    OuterCall,
    Score,
)
from inwit.self_improve.contents import content_of
from inwit.self_improve.gathering import Gathered, Gatherer, Shared
from inwit.self_improve.tracing import read_events


@dataclass(frozen=True, kw_only=True)
class Window:
    """Executions of one version of a graph, in the order of the record."""

    graph_name: str
    graph_version: str
    manifest: GraphManifest | None
    executions: tuple[Execution, ...] = ()
    calls: Sequence[NodeCall] = ()
    outer_calls: Sequence[OuterCall] = ()
    failures: Sequence[FailedAttempt] = ()
    failed_calls: Sequence[FailedCall] = ()
    scores: Sequence[Score] = ()
    called: Sequence[Called] = ()
    writes: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The keys that each node was seen to write."""
    message_sizes: Sequence[tuple[int, str]] = ()
    """Of each message that a model was sent, its characters and its role."""
    taken: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    """How often each edge was taken: source, target, label."""
    sent: frozenset[str] = frozenset()
    """Nodes that are sent inputs of their own: what they read of the state tells little."""
    unfinished: int = 0
    """Visits left out since they still run, were cut off or carry an impossible time."""

    def facts(self, node: str) -> NodeFacts | None:
        """What the manifest knows of a node; None without a manifest."""
        return self._facts.get(node)

    @cached_property
    def _facts(self) -> dict[str, NodeFacts]:
        return {one.name: one for one in self.manifest.nodes} if self.manifest else {}

    def by_node(self) -> dict[str, list[NodeCall]]:
        """The calls of each node, in order."""
        return self._by_node

    @cached_property
    def _by_node(self) -> dict[str, list[NodeCall]]:
        grouped: dict[str, list[NodeCall]] = {}
        for call in self.calls:
            grouped.setdefault(call.node, []).append(call)
        return grouped

    @cached_property
    def outer_by_node(self) -> dict[str, list[OuterCall]]:
        """The tool and model calls of each node, in order."""
        grouped: dict[str, list[OuterCall]] = {}
        for call in self.outer_calls:
            grouped.setdefault(call.node, []).append(call)
        return grouped

    @cached_property
    def outer_by_name(self) -> dict[tuple[str, Literal["tool", "model"], str], list[OuterCall]]:
        """The calls of each tool and model in each node, in order."""
        grouped: dict[tuple[str, Literal["tool", "model"], str], list[OuterCall]] = {}
        for call in self.outer_calls:
            grouped.setdefault((call.node, call.kind, call.name), []).append(call)
        return grouped

    @cached_property
    def places(self) -> dict[str, int]:
        """The place of each execution in the window, by id."""
        return {one.execution_id: at for at, one in enumerate(self.executions)}

    def rate(self, visits: int) -> float:
        """Visits per execution, above 0."""
        return max(visits / max(len(self.executions), 1), 1e-9)


def has_side_effects(facts: NodeFacts | None) -> bool:
    """Whether a node is declared to change the world outside."""
    return facts is not None and any(
        bool(source.get("side_effects")) or bool(source.get("has_side_effects"))
        for source in (facts.policies, facts.metadata)
    )


class WindowBuilder:
    """Folds executions, one after another, oldest first, into a window."""

    def __init__(self, graph: tuple[str, str, GraphManifest | None]) -> None:
        self.name, self.version, self.manifest = graph
        self._executions: list[Execution] = []
        self._all = Gathered()
        self._shared = Shared(self.manifest)
        self._unfinished = 0

    def gatherer(self, execution: Execution) -> Gatherer:
        """What takes the trace of the next execution."""
        text = self._shared.text
        is_own = execution.thread_id == execution.execution_id
        slim = msgspec.structs.replace(
            execution, ended_at=None, thread_id=execution.execution_id if is_own else execution.thread_id, graph_name=text(execution.graph_name),
            graph_version=text(execution.graph_version), status=text(execution.status),
        )  # fmt: skip
        return Gatherer(slim, self._shared, self._all)

    def add(self, visits: Iterable[Visit], trace: Gatherer) -> None:
        """Add an execution whose trace was gathered."""
        self._executions.append(trace.execution)
        trace.close()
        for visit in visits:
            call = self._node_call(trace.execution, visit, trace)
            if call is not None:
                self._all.calls.append(call)
            elif visit.status != "failed":
                self._unfinished += 1

    def _node_call(self, execution: Execution, visit: Visit, trace: Gatherer) -> NodeCall | None:
        if visit.status == "running" or visit.duration_ms is None:
            return None
        self_ms = visit.duration_ms - visit.retry_ms
        if not 0 <= self_ms < math.inf:
            return None
        shared, key = self._shared, (visit.node, visit.visit)
        node = shared.text(visit.node)
        for edge in visit.edges:
            way = (node, shared.text(str(edge.get("target"))), shared.text(edge.get("label") or ""))
            shared.taken[way] = shared.taken.get(way, 0) + 1
        given = trace.given.get(key)
        if len(visit.edges) > 1:
            targets = [str(edge.get("target")) for edge in visit.edges]
            shared.sent.update(one for one in targets if targets.count(one) > 1)
        is_empty = not isinstance(visit.update, Mapping) or not visit.update
        if not is_empty:
            shared.writes.setdefault(node, set()).update(visit.update)
        return NodeCall(
            execution=execution, node=node, number=visit.visit, status=visit.status,
            self_ms=self_ms, retry_ms=visit.retry_ms or 0.0, attempts=visit.attempts,
            started_ns=visit.started_ns, entry_seq=visit.entry_seq, exit_seq=visit.exit_seq,
            given_key=None if given is None else given.key,
            given_size=0 if given is None else shared.number(given.size_bytes), state=trace.states.get(key),
            gave_key=None if is_empty else content_of(visit.update).key,
            shape=None if is_empty else shared.shape(visit.update),
            ways=shared.ways(visit.edges), error=shared.text(visit.error.type if visit.error else ""),
            is_cached=key in trace.cached,
        )  # fmt: skip

    def window(self) -> Window:
        """What was folded."""
        found, shared = self._all, self._shared
        return Window(
            graph_name=self.name, graph_version=self.version, manifest=self.manifest,
            executions=tuple(self._executions), calls=found.calls, outer_calls=found.outer_calls,
            failures=found.failures, failed_calls=found.failed_calls, scores=found.scores,
            called=found.called, unfinished=self._unfinished, taken=shared.taken,
            writes={node: frozenset(keys) for node, keys in shared.writes.items()},
            message_sizes=shared.message_sizes, sent=frozenset(shared.sent),
        )  # fmt: skip


def build_window(
    graph: tuple[str, str, GraphManifest | None],
    executions: Sequence[Execution],
    visits: Iterable[Visit],
    traces: Mapping[str, tuple[Sequence[Event], Mapping[str, Any] | None]],
) -> Window:
    """Fold executions, oldest first, with their visits and events into a window.

    `traces` gives each execution's events and the state that its first node met (None: unknown).
    """
    by_execution: dict[str, list[Visit]] = {one.execution_id: [] for one in executions}
    for visit in visits:
        if visit.execution_id in by_execution:
            by_execution[visit.execution_id].append(visit)
    builder = WindowBuilder(graph)
    for one in executions:
        events, start = traces.get(one.execution_id, ((), None))
        trace = builder.gatherer(one)
        if start is not None:
            trace.start_with(start)
        read_events(events, trace)
        ordered = sorted(by_execution[one.execution_id], key=lambda v: v.entry_seq)
        builder.add(ordered, trace)
    return builder.window()
