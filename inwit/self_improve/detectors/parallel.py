"""Serial steps that could be parallel: neither reads or overwrites what the other writes."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from inwit.introspection.independence import why_not_parallel
from inwit.plans import Effect
from inwit.runtime.manifest import GraphManifest
from inwit.runtime.program import END, START
from inwit.self_improve import stats
from inwit.self_improve.calls import NodeCall
from inwit.self_improve.detectors.common import draft, evidence, held
from inwit.self_improve.findings import Finding, Held, Look, Seen, Thresholds, shown
from inwit.self_improve.window import Window, has_side_effects

DETECTOR = "serial_steps"
PAIRS_MOST = 4000
"""The newest executions whose times are paired."""
_METHOD = "the shorter of the two in each recorded execution, bootstrap of the mean"


def detect(window: Window, baseline: Window | None, limits: Thresholds) -> Seen:
    """Look at each node that is followed by one other alone."""
    del baseline
    manifest = window.manifest
    if manifest is None:
        return Seen()
    seen = {node: set(keys) for node, keys in window.writes.items()}
    looks: list[Look] = []
    refused: list[Held] = []
    taken: set[str] = set()
    candidates = [(pair, _times(window, *pair)) for pair in serial_pairs(manifest)]
    candidates.sort(key=lambda one: -_gain_of(one[1]))
    for (first, second), calls in candidates:
        saved = [min(a.self_ms, b.self_ms) for a, b in calls]
        if len(saved) < limits.parallel_min or not _is_worth(window, saved, limits):
            continue
        if _needs(window, first, second):
            continue  # the order is what the graph is for
        reason = _refusal(window, first, second) or why_not_parallel(manifest, first, second, seen)
        if reason:
            said = f"{first} and {second} stay serial: {reason}"
            refused.append(held(window, DETECTOR, second, said))
            continue
        if {first, second} & taken:
            continue
        taken |= {first, second}
        finding = _finding(window, first, second, calls)
        looks.append(
            Look(
                detector=DETECTOR, graph_name=window.graph_name, node=first, p_value=finding.p_value,
                finding=finding, visits=len(calls),
            )
        )  # fmt: skip
    return Seen(looks=tuple(looks), held=tuple(refused))


def _needs(window: Window, first: str, second: str) -> bool:
    """Whether the second reads what the first is seen to write."""
    one, two = window.facts(first), window.facts(second)
    written = set(window.writes.get(first, ())) | set(one.writes if one else ())
    return two is not None and bool(written & set(two.reads))


def serial_pairs(manifest: GraphManifest) -> Iterator[tuple[str, str]]:
    """Nodes of which the second has only the first before it, and the first only the second after."""
    before: dict[str, set[str]] = {}
    after: dict[str, set[str]] = {}
    firm: set[tuple[str, str]] = set()
    decided: set[str] = set()
    for edge in manifest.edges:
        before.setdefault(edge.target, set()).add(edge.source)
        after.setdefault(edge.source, set()).add(edge.target)
        if edge.is_conditional or edge.joins:
            decided |= {edge.source, edge.target}
        else:
            firm.add((edge.source, edge.target))
    for first, second in sorted(firm):
        if START in (first, second) or END in (first, second) or {first, second} & decided:
            continue
        if before[second] == {first} and after[first] == {second} and first != second:
            yield first, second


def _times(window: Window, first: str, second: str) -> list[tuple[NodeCall, NodeCall]]:
    """The visits of two nodes that followed each other."""
    ones = {
        (call.execution_id, call.number): call
        for call in window.by_node().get(first, ())[-PAIRS_MOST:]
        if call.status == "completed" and not call.is_cached
    }
    found = []
    for call in window.by_node().get(second, ())[-PAIRS_MOST:]:
        one = ones.get((call.execution_id, call.number))
        if one is not None and call.status == "completed" and not call.is_cached:
            found.append((one, call))
    return found


def _gain_of(calls: list[tuple[NodeCall, NodeCall]]) -> float:
    return median(min(a.self_ms, b.self_ms) for a, b in calls) if calls else 0.0


def _is_worth(window: Window, saved: list[float], limits: Thresholds) -> bool:
    whole = [one.duration_ms for one in window.executions[-PAIRS_MOST:] if one.duration_ms]
    if not whole:
        return False
    gain = median(saved)
    return gain >= limits.parallel_floor_ms and gain >= limits.parallel_share_floor * median(whole)


def _refusal(window: Window, first: str, second: str) -> str:
    for name in (first, second):
        facts = window.facts(name)
        if has_side_effects(facts):
            return f"{name} is declared to have side effects, whose order may count"
        if facts is None or not (facts.writes or window.writes.get(name)):
            return f"{name} writes nothing, so it is called for its effect"
    return ""


def _finding(
    window: Window, first: str, second: str, calls: list[tuple[NodeCall, NodeCall]]
) -> Finding:
    saved = [min(a.self_ms, b.self_ms) for a, b in calls]
    point, low, high = stats.bootstrap_mean(saved[-1000:])
    one, two = window.facts(first), window.facts(second)
    assert one is not None
    assert two is not None
    whole = median(x.duration_ms or 0.0 for x in window.executions[-PAIRS_MOST:])
    gain = Effect(point=point, low=low, high=high, unit="ms per execution", method=_METHOD)
    return Finding(
        detector=DETECTOR, graph_name=window.graph_name, graph_version=window.graph_version,
        node=first, subject=second,
        statement=f"Node {shown(second)} waits for node {shown(first)}, of which it needs nothing: "
        f"{point:.2f} ms an execution ({low:.2f} to {high:.2f}) of {whole:.2f} ms.",
        baseline={"executions": len(calls), "median_ms": round(whole, 4)},
        candidate={
            "reads": {first: list(one.reads), second: list(two.reads)},
            "writes": {first: sorted(one.writes), second: sorted(two.writes)},
            "first_ms": round(median(a.self_ms for a, _ in calls), 4),
            "second_ms": round(median(b.self_ms for _, b in calls), 4),
        },
        effect=gain,
        # Proved by what they read and write; what chance there is lies in the times.
        p_value=0.5 ** min(len(calls), 60),
        evidence=evidence([b for _, b in calls[-3:]], f"node {shown(second)}", "It began when the other had ended."),
        limits=("What the two do to the world outside is not in the record.",),
        draft=draft(
            title=f"Run nodes {shown(first)} and {shown(second)} of {shown(window.graph_name)} at once",
            hypothesis=f"Node {shown(second)} reads nothing that node {shown(first)} writes, and they "
            "write no key in common.",
            expected="Executions end in the same state, sooner by the shorter of the two.",
            actions=(
                {"type": "parallel", "graph": window.graph_name, "nodes": [first, second]},
            ),
            risk="Two nodes that hold the processor gain nothing; what they do outside happens at once.",
            rollback=f"Put the edge from {shown(first)} to {shown(second)} back.",
            expected_gain=gain,
        ),
    )  # fmt: skip
