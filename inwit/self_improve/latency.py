"""Latency regressions: a node got slower with a version, or in time within one version."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

from inwit.answers import Evidence
from inwit.events import timestamp
from inwit.plans import Effect
from inwit.runtime.manifest import NodeFacts
from inwit.self_improve import stats
from inwit.self_improve.findings import Draft, Finding, Held, Lack, Look, Seen, Thresholds, shown
from inwit.self_improve.window import NodeCall, Window, has_side_effects

DETECTOR = "latency_regression"
_METHOD = "Hodges-Lehmann ratio of block medians, 95 % order-statistic interval; Mann-Whitney"
_SPLITS = ((0.5, 4), (0.75, 6))
"""Where a version's own window is divided, and the blocks that the newer side then needs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """Two series of calls of one node to compare."""

    kind: Literal["version", "time"]
    share: float = 0.0
    """Where a version's own window was divided."""
    node: str
    older: Sequence[NodeCall]
    newer: Sequence[NodeCall]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shift:
    """How one series lies above another."""

    pair: _Pair
    p: float
    ratio: tuple[float, float, float]
    fastest: float
    older_ms: float
    newer_ms: float

    def is_large(self, limits: Thresholds) -> bool:
        return (
            self.ratio[0] >= limits.slowdown_floor
            and self.ratio[1] > limits.slowdown_interval_floor
            # A burst slows some calls, a regression slows the fastest ones as well.
            and self.fastest >= limits.slowdown_floor
            and self.newer_ms - self.older_ms >= limits.slowdown_floor_ms
        )

    def is_open(self, limits: Thresholds) -> bool:
        """Whether the shift would be large if its interval were narrower."""
        return (
            min(self.ratio[0], self.fastest) >= limits.slowdown_floor
            and self.ratio[1] <= limits.slowdown_interval_floor
            and self.newer_ms - self.older_ms >= limits.slowdown_floor_ms
        )


def detect(window: Window, baseline: Window | None, limits: Thresholds) -> Seen:
    """Compare each node with the version before and with its own earlier part."""
    lacks: list[Lack] = []
    pairs: list[_Pair] = []
    before = baseline.by_node() if baseline else {}
    for node, calls in window.by_node().items():
        newer = _timed(calls)
        older = _timed(before.get(node, []))
        found = list(_pairs(node, older, newer, limits))
        pairs.extend(found)
        if not found:
            lacks.append(_lack(window, node, (len(older), len(newer)), limits))
    shifts = [_shift(pair, limits) for pair in pairs]
    general = _general_slowdowns(shifts, limits)
    looks, held = [], []
    for shift in shifts:
        finding: Finding | None = None
        if shift.is_large(limits):
            reason, notes = _explained(shift, general, limits)
            if reason:
                held.append(_held(window, shift, reason))
            else:
                finding = _finding(window, baseline, shift, notes)
        elif shift.is_open(limits):
            lacks.append(_open(window, shift))
        calls = window.by_node()[shift.pair.node]
        looks.append(
            Look(
                detector=DETECTOR, graph_name=window.graph_name, node=shift.pair.node,
                p_value=shift.p, finding=finding, visits=min(len(shift.pair.older), len(shift.pair.newer)),
                visits_per_execution=len(calls) / max(len(window.executions), 1),
            )
        )  # fmt: skip
    return Seen(looks=tuple(looks), held=tuple(held), lacks=tuple(lacks))


def _timed(calls: Sequence[NodeCall]) -> list[NodeCall]:
    return [
        call for call in calls
        if call.visit.status == "completed" and call.self_ms > 0 and not call.is_cached
    ]  # fmt: skip


def _pairs(
    node: str, older: list[NodeCall], newer: list[NodeCall], limits: Thresholds
) -> Iterator[_Pair]:
    size = limits.block_size
    if min(len(older), len(newer)) >= limits.blocks_min * size:
        yield _Pair(kind="version", node=node, older=older, newer=newer)
    blocks = len(newer) // size
    whole = newer[len(newer) - blocks * size :]
    for share, need in _SPLITS:
        at = int(blocks * share)
        if at >= limits.blocks_min and blocks - at >= max(need, limits.blocks_min):
            yield _Pair(kind="time", share=share, node=node, older=whole[: at * size], newer=whole[at * size :])


def _shift(pair: _Pair, limits: Thresholds) -> _Shift:
    older = [call.self_ms for call in pair.older]
    newer = [call.self_ms for call in pair.newer]
    blocks_older = stats.block_medians(older, limits.block_size)
    blocks_newer = stats.block_medians(newer, limits.block_size)
    return _Shift(
        pair=pair,
        p=stats.mann_whitney(blocks_newer, blocks_older),
        ratio=stats.ratio_interval(blocks_newer, blocks_older),
        fastest=stats.quantile(newer, 0.1) / stats.quantile(older, 0.1),
        older_ms=median(older),
        newer_ms=median(newer),
    )


def _open(window: Window, shift: _Shift) -> Lack:
    """A slowdown that is large enough but not certain: twice the visits would tell."""
    pair, (point, low, high) = shift.pair, shift.ratio
    visits = min(len(pair.older), len(pair.newer))
    rate = len(window.by_node()[pair.node]) / max(len(window.executions), 1)
    return Lack(
        detector=DETECTOR, graph_name=window.graph_name, node=pair.node,
        reason=f"slower ×{point:.2f}, but that may be chance ({low:.2f} to {high:.2f})",
        executions_needed=math.ceil(visits / rate),
    )  # fmt: skip


def _general_slowdowns(
    shifts: Sequence[_Shift], limits: Thresholds
) -> dict[tuple[str, float], float]:
    """Where every one of three nodes or more slowed, give the least ratio of the comparison."""
    grouped: dict[tuple[str, float], list[float]] = {}
    for shift in shifts:
        grouped.setdefault((shift.pair.kind, shift.pair.share), []).append(shift.ratio[0])
    return {
        key: min(ratios)
        for key, ratios in grouped.items()
        if len(ratios) >= 3 and min(ratios) >= limits.slowdown_floor
    }


def _explained(
    shift: _Shift, general: dict[tuple[str, float], float], limits: Thresholds
) -> tuple[str, tuple[str, ...]]:
    """Give the reason why a large shift is no regression of its node, or what limits the finding."""
    common = general.get((shift.pair.kind, shift.pair.share))
    if common is not None and shift.ratio[1] <= common * limits.slowdown_floor:
        reason = (
            f"slower ×{shift.ratio[0]:.2f}, but so is every node of the graph (at least "
            f"×{common:.2f}): the machine or its load, not this node"
        )
        return reason, ()
    return _explained_by_input(shift, limits)


def _explained_by_input(shift: _Shift, limits: Thresholds) -> tuple[str, tuple[str, ...]]:
    older, newer = _sized(shift.pair.older), _sized(shift.pair.newer)
    if not older or not newer:
        return "", ("Input sizes are not known, so longer inputs are not ruled out.",)
    base = median(size for size, _ in older)
    growth = math.exp(median(size for size, _ in newer) - base)
    if growth < 1.1:
        return "", ()
    slope = stats.theil_sen(_centred(older) + _centred(newer))
    if slope is None:
        reason = (
            f"slower ×{shift.ratio[0]:.2f}, but inputs grew ×{growth:.2f} at the same time, and "
            "vary too little before and after to tell the two apart"
        )
        return reason, ()
    # The steepest slope that the calls allow: in doubt it was the inputs.
    steep = max(slope[1], 0.0)
    even = [
        stats.block_medians(
            [math.exp(ms - steep * (size - base)) for size, ms in side], limits.block_size
        )
        for side in (newer, older)
    ]
    point, low, _ = stats.ratio_interval(even[0], even[1])
    if point < limits.slowdown_floor or low <= limits.slowdown_interval_floor:
        reason = (
            f"slower ×{shift.ratio[0]:.2f}, but inputs grew ×{growth:.2f}; for inputs of equal "
            f"size the ratio is ×{point:.2f}, from ×{low:.2f}"
        )
        return reason, ()
    note = f"Inputs grew ×{growth:.2f}; for inputs of equal size the ratio is still ×{point:.2f}."
    return "", (note,)


def _sized(calls: Sequence[NodeCall]) -> list[tuple[float, float]]:
    """Logarithms of (size, time) where every size is known."""
    pairs = [(c.given.size_bytes, c.self_ms) for c in calls if c.given and c.given.size_bytes > 0]
    return [(math.log(a), math.log(b)) for a, b in pairs] if len(pairs) == len(calls) else []


def _centred(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    x, y = median(a for a, _ in points), median(b for _, b in points)
    return [(a - x, b - y) for a, b in points]


def _held(window: Window, shift: _Shift, reason: str) -> Held:
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
    window: Window, baseline: Window | None, shift: _Shift, notes: tuple[str, ...]
) -> Finding:
    pair, (point, low, high) = shift.pair, shift.ratio
    older_version = pair.older[-1].visit.graph_version
    if pair.kind == "version":
        since = f"since version {window.graph_version} (before: {older_version})"
    else:
        since = f"since about {_change_time(pair)} within version {window.graph_version}"
    return Finding(
        detector=DETECTOR,
        graph_name=window.graph_name,
        graph_version=window.graph_version,
        node=pair.node,
        statement=f"Node {shown(pair.node)} takes {shift.newer_ms:.2f} ms instead of "
        f"{shift.older_ms:.2f} ms {since}: ×{point:.2f} ({low:.2f} to {high:.2f}).",
        baseline=_figures(pair.older),
        candidate=_figures(pair.newer),
        effect=Effect(point=point, low=low, high=high, unit="ratio", method=_METHOD),
        p_value=shift.p,
        evidence=_evidence(pair.older, "before") + _evidence(pair.newer, "after"),
        limits=notes,
        draft=_draft(window, baseline, shift, since),
    )


def _change_time(pair: _Pair) -> str:
    """Date the shift: the visit that best divides the two (the highest rank sum, Pettitt 1979)."""
    calls = [*pair.older, *pair.newer]
    middle = median(call.self_ms for call in calls)
    score, best, at = 0, 0, len(pair.older)
    for place, call in enumerate(calls):
        score += 1 if call.self_ms < middle else -1
        if score > best:
            best, at = score, place + 1
    return timestamp(calls[min(at, len(calls) - 1)].visit.started_ns)


def _figures(calls: Sequence[NodeCall]) -> dict[str, Any]:
    times = [call.self_ms for call in calls]
    return {
        "graph_version": calls[-1].visit.graph_version,
        "visits": len(calls),
        "median_ms": round(median(times), 4),
        "p95_ms": round(stats.quantile(times, 0.95), 4),
        "from": timestamp(calls[0].visit.started_ns),
        "to": timestamp(calls[-1].visit.started_ns),
    }


def _evidence(calls: Sequence[NodeCall], when: str) -> tuple[Evidence, ...]:
    """Point at the three visits nearest to the middle."""
    middle = median(call.self_ms for call in calls)
    typical = sorted(calls, key=lambda call: abs(call.self_ms - middle))[:3]
    return tuple(
        Evidence(
            uri=call.visit.uri,
            quote=f"node {shown(call.visit.node)} visit {call.visit.visit}: {call.self_ms:.3f} ms",
            why=f"A typical visit {when} the change.",
        )
        for call in typical
    )


def _draft(window: Window, baseline: Window | None, shift: _Shift, since: str) -> Draft:
    node, facts = shift.pair.node, window.facts(shift.pair.node)
    old_facts = baseline.facts(node) if baseline else None
    if shift.pair.kind == "version" and baseline:
        return _restore(window, baseline, shift, (facts, old_facts))
    return _bound(window, shift, facts, since)


def _restore(
    window: Window, baseline: Window, shift: _Shift,
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
        cause = f"the code of node {shown(node)} that came with version {window.graph_version}"
    else:
        patch = [{"op": "replace", "path": "/version", "value": baseline.graph_version}]
        cause = f"the structure or surroundings that came with version {window.graph_version}"
    point, low, high = (base * (ratio - 1) for ratio in shift.ratio)
    action = {
        "type": "manifest_patch", "graph": window.graph_name, "version": window.graph_version,
        "patch": patch,
    }  # fmt: skip
    return Draft(
        title=f"Restore node {shown(node)} of {shown(window.graph_name)} to its faster version",
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


def _bound(window: Window, shift: _Shift, facts: NodeFacts | None, since: str) -> Draft:
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
