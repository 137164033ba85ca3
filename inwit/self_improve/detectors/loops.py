"""Loops without progress: a node is entered again while the state is what it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from inwit.plans import Effect
from inwit.runtime.manifest import GraphManifest
from inwit.self_improve import stats
from inwit.self_improve.calls import NodeCall
from inwit.self_improve.detectors.common import draft, evidence, lack
from inwit.self_improve.findings import Finding, Lack, Look, Seen, Thresholds, shown
from inwit.self_improve.window import Window

DETECTOR = "loop_without_progress"
AGAIN_LEAST = 2
"""Visits without progress that make an execution one that loops."""


@dataclass(slots=True, kw_only=True)
class _Idle:
    """The visits of one loop that changed nothing."""

    node: str
    nodes: frozenset[str]
    visits: list[NodeCall] = field(default_factory=list)
    by_execution: dict[str, float] = field(default_factory=dict)
    looping: set[str] = field(default_factory=set)


def detect(window: Window, baseline: Window | None, limits: Thresholds) -> Seen:
    """Test the share of executions that go round without changing the state."""
    del baseline
    if window.manifest is None or not window.manifest.has_cycles:
        return Seen()
    looks: list[Look] = []
    lacks: list[Lack] = []
    for nodes in strong_parts(window.manifest):
        idle = _idle(window, nodes)
        n, hits = len(window.executions), len(idle.looping)
        p = stats.binomial_tail(hits, n, limits.loop_share_floor)
        low, high = stats.share_interval(hits, n) if n else (0.0, 1.0)
        finding = None
        if hits >= limits.loops_min and low > limits.loop_share_floor:
            finding = _finding(window, idle, (p, low, high))
        elif hits and high > limits.loop_share_floor:
            lacks.append(
                lack(window, DETECTOR, idle.node, f"{hits} of {n} executions went round in vain",
                     max(n, 20))
            )  # fmt: skip
        looks.append(
            Look(
                detector=DETECTOR, graph_name=window.graph_name, node=idle.node, p_value=p,
                finding=finding, visits=n, context={"nodes": nodes},
            )
        )  # fmt: skip
    return Seen(looks=tuple(looks), lacks=tuple(lacks))


def strong_parts(manifest: GraphManifest) -> list[frozenset[str]]:
    """The parts of a graph whose nodes all lead to each other (by reachability, graphs are small)."""
    onward: dict[str, set[str]] = {node.name: set() for node in manifest.nodes}
    for edge in manifest.edges:
        if edge.source in onward and edge.target in onward:
            onward[edge.source].add(edge.target)
    reach = {name: _reach(onward, name) for name in onward}
    found: list[frozenset[str]] = []
    for name in onward:
        if name in reach[name] and not any(name in part for part in found):
            found.append(frozenset(one for one in reach[name] if name in reach[one]))
    return found


def reach_of(manifest: GraphManifest, name: str) -> set[str]:
    """The nodes that come after one, on any way."""
    onward: dict[str, set[str]] = {node.name: set() for node in manifest.nodes}
    for edge in manifest.edges:
        if edge.source in onward and edge.target in onward:
            onward[edge.source].add(edge.target)
    return _reach(onward, name) if name in onward else set()


def _reach(onward: dict[str, set[str]], name: str) -> set[str]:
    seen: set[str] = set()
    waiting = list(onward[name])
    while waiting:
        at = waiting.pop()
        if at not in seen:
            seen.add(at)
            waiting.extend(onward[at])
    return seen


def _idle(window: Window, nodes: frozenset[str]) -> _Idle:
    """The visits of a loop's nodes at which the state was as at an earlier visit of the same node."""
    calls = [call for node in nodes for call in window.by_node().get(node, ())]
    calls.sort(key=lambda call: (window.places[call.execution_id], call.entry_seq))
    found = _Idle(node=calls[0].node if calls else min(nodes), nodes=nodes)
    seen: dict[tuple[str, str, tuple[int, int]], int] = {}
    rest: dict[tuple[str, str], tuple[int, int]] = {}
    again: dict[tuple[str, str], int] = {}
    for call in calls:
        if call.state is None or call.node in window.sent:
            continue
        place = (call.execution_id, call.node)
        is_same = (*place, call.state) in seen
        if not is_same and _ran_out(call) and rest.get(place, (None,))[0] == call.state[0]:
            is_same = True  # only numbers moved, and the execution never came to an end
        seen[*place, call.state] = 1
        rest[place] = call.state
        if is_same:
            again[place] = again.get(place, 0) + 1
            found.visits.append(call)
            spent = found.by_execution.get(call.execution_id, 0.0)
            found.by_execution[call.execution_id] = spent + call.self_ms
            if again[place] >= AGAIN_LEAST:
                found.looping.add(call.execution_id)
    return found


def _ran_out(call: NodeCall) -> bool:
    error = call.execution.error
    return error is not None and error.type == "GraphRecursionError"


def _finding(window: Window, idle: _Idle, tested: tuple[float, float, float]) -> Finding:
    p, low, high = tested
    n, hits = len(window.executions), len(idle.looping)
    visits = [call for call in idle.visits if call.execution_id in idle.looping]
    failed = len({call.execution_id for call in visits if _ran_out(call)})
    ms = sum(idle.by_execution[name] for name in idle.looping)
    return Finding(
        detector=DETECTOR, graph_name=window.graph_name, graph_version=window.graph_version,
        node=idle.node,
        statement=f"{hits} of {n} executions went round {_listed(idle.nodes)} without changing the "
        f"state: {len(visits)} visits and {ms:.1f} ms in vain, {failed} of them up to the limit.",
        baseline={"executions": n},
        candidate={
            "executions": hits, "visits": len(visits), "wasted_ms": round(ms, 3),
            "up_to_the_limit": failed, "nodes": sorted(idle.nodes),
        },
        effect=Effect(
            point=hits / max(n, 1), low=low, high=high, unit="share of executions",
            method="Clopper-Pearson 95 % interval; exact binomial test against the floor",
        ),
        p_value=p,
        evidence=evidence(visits, f"node {shown(idle.node)} again", "A visit with the state as before."),
        draft=draft(
            title=f"Leave the loop of {shown(idle.node)} of {shown(window.graph_name)} when nothing changes",
            hypothesis=f"The decision in the loop of {_listed(idle.nodes)} does not look at whether the "
            "last round changed anything.",
            expected=f"No loop_without_progress of node {shown(idle.node)}.",
            expected_gain=_gain(window, idle),
        ),
    )  # fmt: skip


def _gain(window: Window, idle: _Idle) -> Effect:
    spent = [idle.by_execution.get(one.execution_id, 0.0) for one in window.executions]
    point, low, high = stats.bootstrap_mean(spent[-2000:])
    return Effect(
        point=point, low=low, high=high, unit="ms of visits per execution",
        method="recorded time of the visits in vain, bootstrap over executions",
    )  # fmt: skip


def _listed(nodes: Sequence[str] | frozenset[str]) -> str:
    names = sorted(nodes)
    return ", ".join(shown(name) for name in names[:4]) + (" and others" if len(names) > 4 else "")
