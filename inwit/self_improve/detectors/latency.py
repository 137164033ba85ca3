"""Latency regressions: a node got slower with a version, or in time within one version."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

import msgspec

from inwit.answers import Evidence
from inwit.events import timestamp
from inwit.plans import Effect
from inwit.runtime.manifest import NodeFacts
from inwit.self_improve import stats
from inwit.self_improve.calls import NodeCall
from inwit.self_improve.findings import Draft, Finding, Held, Lack, Look, Seen, Thresholds, shown
from inwit.self_improve.slowdown import (
    Pair,
    Shift,
    Weather,
    explain,
    general_slowdowns,
    pairs,
    shift_of,
    timed,
    traffic_of,
)
from inwit.self_improve.window import Window, has_side_effects

DETECTOR = "latency_regression"
MOSTLY = 0.6
"""The share of a slowdown that slower calls of a tool or model have to fill for it to be theirs."""
Visited = tuple[str, int]
DOUBT = 0.001
"""A slowdown that is less likely by chance needs no second look."""
_METHOD = "Hodges-Lehmann ratio of block medians, 95 % order-statistic interval; Mann-Whitney"


def detect(window: Window, baseline: Window | None, limits: Thresholds) -> Seen:
    """Compare each node with the version before and with its own earlier part."""
    before = baseline.by_node() if baseline else {}
    lacks: list[Lack] = []
    shifts: list[Shift] = []
    for node, calls in window.by_node().items():
        newer, older = timed(calls), timed(before.get(node, []))
        found = [shift_of(pair, limits) for pair in pairs(node, older, newer, limits)]
        shifts.extend(found)
        if not found:
            lacks.append(_lack(window, node, (len(older), len(newer)), limits))
    weather = _weather(shifts, [one for one in (baseline, window) if one is not None], limits)
    shifts = [_cleared(shift, weather, limits) for shift in shifts]
    general = general_slowdowns(shifts, limits)
    rates = traffic_of((*(baseline.executions if baseline else ()), *window.executions))
    looks: list[Look] = []
    held: list[Held] = []
    for shift in shifts:
        reason, notes = (
            explain(shift, (general, rates, shifts), limits)
            if shift.is_large(limits)
            else ("", None)
        )
        if reason:
            held.append(_held(window, shift, reason))
        elif shift.is_open(limits):
            lacks.append(_open(window, shift))
        finding = None if reason or notes is None else _finding(window, baseline, shift, notes)
        looks.append(_look(window, baseline, shift, finding))
    return Seen(looks=tuple(_with_others(window, looks)), held=tuple(held), lacks=tuple(lacks))


def _weather(
    shifts: Sequence[Shift], windows: Sequence[Window], limits: Thresholds
) -> Weather | None:
    """What slowed whole executions; read only where a slowdown asks for it."""
    if any(shift.is_open(limits) or shift.is_large(limits) for shift in shifts):
        return Weather(windows)
    return None


def _cleared(shift: Shift, weather: Weather | None, limits: Thresholds) -> Shift:
    """Look again at what is large but uncertain, without what slowed the other nodes as well."""
    is_doubted = shift.is_open(limits) or (shift.is_large(limits) and shift.p > DOUBT)
    if weather is None or not is_doubted:
        return shift
    again = shift_of(shift.pair, limits, weather)
    is_clearer = again.is_large(limits) and (again.p < shift.p or shift.is_open(limits))
    return again if is_clearer else shift


def _with_others(window: Window, looks: Sequence[Look]) -> Iterator[Look]:
    """Tell each finding what the nodes that did not slow call."""
    slow = {look.node for look in looks if look.finding is not None}
    calm: set[str] = set()
    for facts in window.manifest.nodes if window.manifest else ():
        calm |= set() if facts.name in slow else set(facts.calls)
    for look in looks:
        facts_of = window.facts(look.node)
        own = set(facts_of.calls) - calm if facts_of and look.finding is not None else set()
        yield msgspec.structs.replace(look, context=look.context | {"calls": own})


def _look(window: Window, baseline: Window | None, shift: Shift, finding: Finding | None) -> Look:
    pair = shift.pair
    context: dict[str, Any] = {}
    if finding is not None:
        old = baseline.facts(pair.node) if baseline and pair.kind == "version" else None
        now = window.facts(pair.node)
        context = {
            "kind": pair.kind, "ratio": shift.ratio, "onset": _onset(pair),
            "is_async": bool(now and now.is_async), "older": pair.older,
            "is_changed": bool(old and now and old.version != now.version),
        }  # fmt: skip
    return Look(
        detector=DETECTOR, graph_name=window.graph_name, node=pair.node, p_value=shift.p,
        finding=finding, visits=min(len(pair.older), len(pair.newer)),
        visits_per_execution=_rate(window, pair), calls=pair.newer if finding else (),
        context=context,
    )  # fmt: skip


def _rate(window: Window, pair: Pair) -> float:
    """Visits of the node per execution, in the window that is looked at."""
    visits = len(pair.newer) + (len(pair.older) if pair.kind == "time" else 0)
    return visits / max(len(window.executions), 1)


def _open(window: Window, shift: Shift) -> Lack:
    """A slowdown that is large enough but not certain: twice the visits would tell."""
    pair, (point, low, high) = shift.pair, shift.ratio
    visits = min(len(pair.older), len(pair.newer))
    return Lack(
        detector=DETECTOR, graph_name=window.graph_name, node=pair.node,
        reason=f"slower ×{point:.2f}, but that may be chance ({low:.2f} to {high:.2f})",
        executions_needed=math.ceil(visits / _rate(window, pair)),
    )  # fmt: skip


def _held(window: Window, shift: Shift, reason: str) -> Held:
    return Held(
        detector=DETECTOR, graph_name=window.graph_name, node=shift.pair.node, reason=reason
    )


def _lack(window: Window, node: str, visits: tuple[int, int], limits: Thresholds) -> Lack:
    """Say how far a node is from its first comparison: with another version, or with itself."""
    older, newer = visits
    side = limits.blocks_min * limits.block_size
    more = (side if older >= side else 2 * side) - newer
    rate = newer / max(len(window.executions), 1)
    return Lack(
        detector=DETECTOR, graph_name=window.graph_name, node=node,
        reason=f"{newer} timed visits, too few for blocks of {limits.block_size}",
        executions_needed=math.ceil(more / rate) if newer else None,
    )  # fmt: skip


def _finding(
    window: Window, baseline: Window | None, shift: Shift, notes: tuple[str, ...]
) -> Finding:
    pair, (point, low, high) = shift.pair, shift.ratio
    older_version = pair.older[-1].execution.graph_version
    if pair.kind == "version":
        since = f"since version {window.graph_version} (before: {older_version})"
    else:
        since = f"since about {timestamp(_onset(pair).started_ns)} within version {window.graph_version}"
    return Finding(
        detector=DETECTOR,
        graph_name=window.graph_name,
        graph_version=window.graph_version,
        node=pair.node,
        subject=outer_cause(window, baseline, pair),
        statement=f"Node {shown(pair.node)} takes {shift.newer_ms:.2f} ms instead of "
        f"{shift.older_ms:.2f} ms {since}: ×{point:.2f} ({low:.2f} to {high:.2f}).",
        baseline=_figures(pair.older),
        candidate=_figures(pair.newer) | {"repeated_ms": repeated_ms(window, pair)},
        effect=Effect(point=point, low=low, high=high, unit="ratio", method=_METHOD),
        p_value=shift.p,
        evidence=_evidence(pair.older, "before") + _evidence(pair.newer, "after"),
        limits=notes,
        draft=_draft(window, baseline, shift, since),
    )


def repeated_ms(window: Window, pair: Pair) -> float:
    """The mean time that a later visit spends on tool and model calls made before in its execution."""
    made: set[tuple[str, str, str, str]] = set()
    later = {call.execution_id for call in pair.newer}
    spent = 0.0
    for call in window.outer_calls:
        if call.node != pair.node or call.execution_id not in later:
            continue
        key = (call.execution_id, call.kind, call.name, call.given.digest)
        spent += call.duration_ms if key in made else 0.0
        made.add(key)
    return round(spent / max(len(pair.newer), 1), 4)


def _onset(pair: Pair) -> NodeCall:
    """Date the shift: the visit that best divides the two (the highest rank sum, Pettitt 1979)."""
    calls = [*pair.older, *pair.newer]
    middle = median(call.self_ms for call in calls)
    score, best, at = 0, 0, len(pair.older)
    for place, call in enumerate(calls):
        score += 1 if call.self_ms < middle else -1
        if score > best:
            best, at = score, place + 1
    return calls[min(at, len(calls) - 1)]


def outer_cause(window: Window, baseline: Window | None, pair: Pair) -> str:
    """The tool or model whose slower calls fill a node's slowdown, as ``kind:name``; else nothing."""
    spent: dict[str, tuple[dict[Visited, list[float]], dict[Visited, list[float]]]] = {}
    for side, calls in enumerate((pair.older, pair.newer)):
        source = baseline if baseline and pair.kind == "version" and side == 0 else window
        visits = {(call.execution_id, call.number) for call in calls}
        for outer in source.outer_by_node.get(pair.node, ()):
            visit = (outer.execution_id, outer.number)
            if visit in visits:
                sides = spent.setdefault(f"{outer.kind}:{outer.name}", ({}, {}))
                sides[side].setdefault(visit, []).append(outer.duration_ms)
    slower = median(c.self_ms for c in pair.newer) - median(c.self_ms for c in pair.older)
    for name, (before, now) in spent.items():
        # Of most visits, in sum and each: a tool that is called more often is not slower.
        if len(before) < 0.5 * len(pair.older) or len(now) < 0.5 * len(pair.newer):
            continue
        sums = [median(map(sum, side.values())) for side in (before, now)]
        each = [median(ms for all_of in side.values() for ms in all_of) for side in (before, now)]
        if slower > 0 and sums[1] - sums[0] >= MOSTLY * slower and each[1] >= 1.2 * each[0]:
            return name
    return ""


def _figures(calls: Sequence[NodeCall]) -> dict[str, Any]:
    times = [call.self_ms for call in calls]
    return {
        "graph_version": calls[-1].execution.graph_version,
        "visits": len(calls),
        "median_ms": round(median(times), 4),
        "p95_ms": round(stats.quantile(times, 0.95), 4),
        "from": timestamp(calls[0].started_ns),
        "to": timestamp(calls[-1].started_ns),
    }


def _evidence(calls: Sequence[NodeCall], when: str) -> tuple[Evidence, ...]:
    """Point at the three visits nearest to the middle."""
    middle = median(call.self_ms for call in calls)
    typical = sorted(calls, key=lambda call: abs(call.self_ms - middle))[:3]
    return tuple(
        Evidence(
            uri=call.uri,
            quote=f"node {shown(call.node)} visit {call.number}: {call.self_ms:.3f} ms",
            why=f"A typical visit {when} the change: {call.self_ms:.3f} ms.",
        )
        for call in typical
    )


def _draft(window: Window, baseline: Window | None, shift: Shift, since: str) -> Draft:
    node, facts = shift.pair.node, window.facts(shift.pair.node)
    old_facts = baseline.facts(node) if baseline else None
    if shift.pair.kind == "version" and baseline:
        return _restore(window, baseline, shift, (facts, old_facts))
    return _bound(window, shift, facts, since)


def _restore(
    window: Window, baseline: Window, shift: Shift,
    known: tuple[NodeFacts | None, NodeFacts | None],
) -> Draft:  # fmt: skip
    """Take the node back to the code of the version before, or the graph to its structure."""
    node, base, (facts, old_facts) = shift.pair.node, shift.older_ms, known
    if window.manifest and facts and old_facts and facts.version != old_facts.version:
        at = window.manifest.nodes.index(facts)
        patch = [
            {"op": "test", "path": f"/nodes/{at}/name", "value": node},
            {"op": "replace", "path": f"/nodes/{at}/version", "value": old_facts.version},
        ]
        cause = f"its code, which came with version {window.graph_version}"
        what = f"node {shown(node)} of {shown(window.graph_name)} to its faster code"
    else:
        patch = [{"op": "replace", "path": "/version", "value": baseline.graph_version}]
        cause = f"the structure that came with version {window.graph_version}; its code is the same"
        what = f"{shown(window.graph_name)} to the version in which node {shown(node)} was faster"
    point, low, high = (base * (ratio - 1) for ratio in shift.ratio)
    action = {
        "type": "manifest_patch", "graph": window.graph_name, "version": window.graph_version,
        "patch": patch,
    }  # fmt: skip
    return Draft(
        title=f"Restore {what}",
        hypothesis=f"Node {shown(node)} is slower because of {cause}.",
        expected_evidence=f"With version {baseline.graph_version} of it, block medians of the node "
        f"are again near {base:.2f} ms.",
        actions=(action,),
        risk="What the newer version was written for is lost until it is made fast.",
        rollback=f"Set the version back to {window.graph_version}.",
        expected=f"No latency_regression of node {shown(node)} after 80 further visits.",
        expected_gain=Effect(
            point=point, low=low, high=high, unit="ms per visit",
            method="measured medians of the version before, ratio interval",
        ),
    )  # fmt: skip


def _bound(window: Window, shift: Shift, facts: NodeFacts | None, since: str) -> Draft:
    """Bound a node whose code is the same but whose surroundings slowed."""
    node = shift.pair.node
    worst = stats.quantile([call.self_ms for call in shift.pair.newer], 0.99)
    timeout_s = max(round(2 * worst / 1000, 3), 0.001)
    previous = facts.policies.get("timeout_s") if facts else None
    action = {
        "type": "node_config", "graph": window.graph_name, "node": node,
        "set": {"timeout_s": timeout_s}, "previous": {"timeout_s": previous},
    }  # fmt: skip
    side = " It is declared to have side effects: a call cut off may have had its effect."
    return Draft(
        title=f"Bound node {shown(node)} of {shown(window.graph_name)}, which has become slower",
        hypothesis=f"What node {shown(node)} calls or reads, or its own code, has become slower "
        f"{since}; the graph's structure is the same.",
        expected_evidence=f"Block medians of node {shown(node)} return to about "
        f"{shift.older_ms:.2f} ms when that is mended, without a new version.",
        actions=(action,),
        risk="A call that takes longer than twice today's slowest hundredth fails."
        + (side if has_side_effects(facts) else ""),
        rollback=f"Set timeout_s of node {shown(node)} back to {previous}.",
        expected=f"No visit of node {shown(node)} over {timeout_s} s; no latency_regression of it "
        "after 80 further visits.",
    )
