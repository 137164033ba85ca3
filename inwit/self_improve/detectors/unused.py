"""What is never used: edges, nodes and tools that many executions passed by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from inwit.plans import Effect
from inwit.runtime.manifest import EdgeFacts
from inwit.runtime.program import END, START
from inwit.self_improve.calls import NodeCall
from inwit.self_improve.detectors.common import draft, evidence, lack
from inwit.self_improve.findings import Finding, Lack, Look, Seen, Thresholds, shown
from inwit.self_improve.window import Window

EDGE, NODE, TOOL = "dead_edge", "dead_node", "unused_capability"


def detect(window: Window, baseline: Window | None, limits: Thresholds) -> Seen:
    """Bound how often a decision's way, a node or a tool can be used that never was."""
    if window.manifest is None:
        return Seen()
    looks: list[Look] = []
    lacks: list[Lack] = []
    dead_nodes = set(_dead_nodes(window, baseline))
    for node in sorted(dead_nodes):
        n = sum(one.status in ("completed", "failed") for one in window.executions)
        _take(window, limits, (NODE, node, "", n, _node_patch(window, node)), looks, lacks)
    for edge, n in _dead_edges(window, baseline):
        if edge.target not in dead_nodes and edge.source not in dead_nodes:
            to = f"{edge.label} → {edge.target}" if edge.label else edge.target
            _take(
                window, limits, (EDGE, edge.source, to, n, _edge_patch(window, edge)), looks, lacks
            )
    for node, tool, n in _unused_tools(window):
        _take(window, limits, (TOOL, node, tool, n, None), looks, lacks)
    return Seen(looks=tuple(looks), lacks=tuple(lacks))


Dead = tuple[str, str, str, int, dict[str, Any] | None]


def _take(
    window: Window, limits: Thresholds, dead: Dead, looks: list[Look], lacks: list[Lack]
) -> None:
    kind, node, subject, n, _ = dead
    if n < limits.unused_min:
        if n:
            said = f"never used in {n} executions: at most {_bound(n):.1%} use it"
            lacks.append(lack(window, kind, node, said, limits.unused_min - n))
        return
    p = (1 - limits.unused_share_floor) ** n
    looks.append(
        Look(
            detector=kind, graph_name=window.graph_name, node=node, p_value=p, visits=n,
            finding=_finding(window, limits, dead, p), context={"subject": subject},
        )
    )  # fmt: skip


def _bound(n: int) -> float:
    """The share that n trials without a hit allow, at 95 % (exact; about 3 / n)."""
    return float(1 - 0.05 ** (1 / n))


def _dead_nodes(window: Window, baseline: Window | None) -> Iterator[str]:
    assert window.manifest is not None
    reached = {target for (_, target, _) in window.taken}
    for facts in window.manifest.nodes:
        visited = facts.name in window.by_node() or facts.name in reached
        before = baseline is not None and facts.name in baseline.by_node()
        if not visited and not before and not _is_dynamic(window):
            yield facts.name


def _is_dynamic(window: Window) -> bool:
    """Whether nodes send and command: then edges that the manifest lacks are taken."""
    assert window.manifest is not None
    known = {(edge.source, edge.target) for edge in window.manifest.edges}
    return any(
        (source, target) not in known for (source, target, _) in window.taken if target != END
    )


def _dead_edges(window: Window, baseline: Window | None) -> Iterator[tuple[EdgeFacts, int]]:
    """The ways of decisions that were taken often enough, but never this way."""
    assert window.manifest is not None
    decided: Counter[str] = Counter()
    for (source, _, label), n in window.taken.items():
        decided[source] += n if label else 0
    used = {(source, target) for (source, target, _) in window.taken}
    if baseline is not None:
        used |= {(source, target) for (source, target, _) in baseline.taken}
    for edge in window.manifest.edges:
        if edge.is_conditional and (edge.source, edge.target) not in used and edge.source != START:
            yield edge, decided[edge.source]


def _unused_tools(window: Window) -> Iterator[tuple[str, str, int]]:
    """Tools of a node whose other tools are called."""
    assert window.manifest is not None
    for facts in window.manifest.nodes:
        called = {
            call.name for call in window.outer_by_node.get(facts.name, ()) if call.kind == "tool"
        }
        failed = {one.name for one in window.failed_calls if one.node == facts.name}
        if called & set(facts.tools):
            n = len({call.execution_id for call in window.by_node().get(facts.name, ())})
            for tool in facts.tools:
                if tool not in called | failed:
                    yield facts.name, tool, n


def _node_patch(window: Window, node: str) -> dict[str, Any] | None:
    assert window.manifest is not None
    at = next(i for i, facts in enumerate(window.manifest.nodes) if facts.name == node)
    gone = [i for i, e in enumerate(window.manifest.edges) if node in (e.source, e.target)]
    patch: list[dict[str, Any]] = [{"op": "test", "path": f"/nodes/{at}/name", "value": node}]
    patch += [{"op": "remove", "path": f"/edges/{i}"} for i in reversed(gone)]
    patch.append({"op": "remove", "path": f"/nodes/{at}"})
    return _patch(window, patch)


def _edge_patch(window: Window, edge: EdgeFacts) -> dict[str, Any] | None:
    assert window.manifest is not None
    at = window.manifest.edges.index(edge)
    test = {"op": "test", "path": f"/edges/{at}/target", "value": edge.target}
    return _patch(window, [test, {"op": "remove", "path": f"/edges/{at}"}])


def _patch(window: Window, patch: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "type": "manifest_patch", "graph": window.graph_name, "version": window.graph_version,
        "patch": patch,
    }  # fmt: skip


def _finding(window: Window, limits: Thresholds, dead: Dead, p: float) -> Finding:
    kind, node, subject, n, patch = dead
    what = {
        EDGE: f"The way {shown(subject)} from node {shown(node)}",
        NODE: f"Node {shown(node)}",
        TOOL: f"Tool {shown(subject)} of node {shown(node)}",
    }[kind]
    # A way for the rare case is no waste: only a long record makes it one to take away.
    actions = (patch,) if patch is not None and n >= limits.unused_plan_min else ()
    high = _bound(n)
    return Finding(
        detector=kind, graph_name=window.graph_name, graph_version=window.graph_version, node=node,
        subject=subject,
        statement=f"{what} was not used once in {n}: at most {high:.2%} use it (95 %).",
        baseline={"passed": n}, candidate={"used": 0, "of": n, "at_most": round(high, 6)},
        effect=Effect(point=0.0, low=0.0, high=high, unit="share of uses", method="exact, 95 %, one-sided"),
        p_value=p, evidence=evidence(_near(window, node), f"node {shown(node)}", "It was passed by here."),
        draft=draft(
            title=f"Take {what[0].lower()}{what[1:]} out of {shown(window.graph_name)}",
            hypothesis=f"{what} is not needed any more, or cannot be reached.",
            expected=f"{what} stays unused in as many executions again.", actions=actions,
            risk="The rare case that it was written for.", rollback="Put it back.",
        ),
    )  # fmt: skip


def _near(window: Window, node: str) -> list[NodeCall]:
    calls = window.by_node().get(node)
    if calls:
        return calls[-3:]
    assert window.manifest is not None
    sources = [e.source for e in window.manifest.edges if e.target == node]
    found = [call for source in sources for call in window.by_node().get(source, ())[-3:]]
    return found or list(window.calls[-3:])


__all__ = ["EDGE", "NODE", "TOOL", "detect"]
