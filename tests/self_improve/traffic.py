"""Traffic for detectors: visits with bursts, planted faults on request."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from inwit.events import Event
from inwit.runtime.manifest import FieldFacts, GraphManifest, NodeFacts
from inwit.runtime.views import Execution, Visit
from inwit.self_improve.window import Window, build_window

NODES = ("plan", "search", "rank", "write", "check")
Slow = Callable[[str, int], float]


def manifest(graph_version: str = "v1", **changed: Any) -> GraphManifest:
    """A chain of five nodes; `changed` gives facts of the node `search`."""
    return GraphManifest(
        name="flow", version=graph_version, edges=(), entry_points=("plan",), terminal_nodes=("check",),
        state_type="State", fields=(FieldFacts(name="query", field_type="str"),),
        nodes=tuple(
            NodeFacts(
                name=name, node_type="function",
                **({"reads": ("query",), "version": f"{name}-1"} | (changed if name == "search" else {})),
            )
            for name in NODES
        ),
    )  # fmt: skip


def execution(at: int, version: str = "v1", thread: str | None = None) -> Execution:
    return Execution(
        execution_id=f"{version}-{at:06d}", graph_name="flow", graph_version=version,
        status="completed", started_at="2026-01-01T00:00:00Z", position=at + 1,
        thread_id=thread or f"t{at}",
    )  # fmt: skip


def visit(of: Execution, node: str, place: int, ms: float, **more: Any) -> Visit:
    seq = 2 + 3 * place
    facts: dict[str, Any] = {
        "execution_id": of.execution_id, "graph_name": of.graph_name,
        "graph_version": of.graph_version, "node": node, "visit": 1, "entry_seq": seq,
        "exit_seq": seq + 1, "started_ns": of.position * 10**9, "duration_ms": ms,
        "status": "completed", "update": {node: of.execution_id},
    }  # fmt: skip
    return Visit(**(facts | more))


def bursty(seed: object, n: int, *, burst: float = 3.0) -> list[float]:
    """Healthy times in ms: log-normal, with bursts of about five visits one time in forty."""
    draw, times, is_burst = random.Random(str(seed)), [], False
    for _ in range(n):
        is_burst = draw.random() > 1 / 5 if is_burst else draw.random() < 1 / 40
        times.append(10 * math.exp(draw.gauss(0, 0.3)) * (burst if is_burst else 1.0))
    return times


def window(
    seed: object, n: int = 200, *, version: str = "v1", slow: Slow = lambda _node, _at: 1.0,
    facts: GraphManifest | None = None, change: Callable[[Visit, int], Visit] = lambda seen, _at: seen,
    traces: Mapping[str, tuple[Sequence[Event], Mapping[str, Any] | None]] | None = None,
    is_registered: bool = True,
) -> Window:  # fmt: skip
    """A window of `n` executions through every node once; `slow` multiplies a node's times."""
    executions = [execution(at, version) for at in range(n)]
    times = {node: bursty(f"{seed}/{version}/{node}", n) for node in NODES}
    visits = [
        change(visit(one, node, place, times[node][at] * slow(node, at)), at)
        for at, one in enumerate(executions)
        for place, node in enumerate(NODES)
    ]
    known = (facts or manifest(version)) if is_registered else None
    return build_window(("flow", version, known), executions, visits, traces or {})
