"""Whether a graph keeps what it promises, and how much of its error budget is left."""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import median
from typing import Any

from inwit.events import epoch_ns
from inwit.introspection.claims import Draft, Ref, count, duration, graph_uri
from inwit.introspection.objectives import Objective, Objectives, declared
from inwit.introspection.scene import Scene
from inwit.introspection.stats import quantile
from inwit.runtime.views import Execution, RegisteredGraph

LOOKED_AT = 10_000
"""Executions that an objective is counted over, the newest."""
DAY_NS = 86_400 * 10**9
ASKED = r"slos?\b|sla\b|objectives?\b|error budgets?\b|burn|promis|target|service level"


def judge(scene: Scene, draft: Draft, graph: RegisteredGraph) -> None:
    """Add a verdict for each declared objective; say that none is declared only where asked."""
    promised = declared(graph.manifest.metadata)
    uri = graph_uri(graph.name, "about")
    if promised.unknown:
        draft.say(f"Of its objectives these say nothing: {', '.join(promised.unknown)}.", uri)
    if not promised.each:
        if scene.says(rf".*\b(?:{ASKED})") and not promised.unknown:
            draft.say(f"{graph.name} declares no objective.", uri)
            draft.admit(
                'compile(metadata={"slo": {"success": 0.99, "p95_ms": 800}}) declares some.'
            )
        return
    over = _over(scene, graph, promised)
    if not over:
        draft.say(f"No execution of {graph.name} is over in the time of its objectives.", uri)
        return
    for one in promised.each:
        _judge(draft, graph, one, over, promised)


def _over(scene: Scene, graph: RegisteredGraph, promised: Objectives) -> list[Execution]:
    found = scene.store.newest(LOOKED_AT, graph=graph.name)
    over = [one for one in found if one.status in ("completed", "failed")]
    if promised.window_days is not None:
        since = time.time_ns() - int(promised.window_days * DAY_NS)
        over = [one for one in over if epoch_ns(one.started_at) >= since]
    return over


def _judge(
    draft: Draft, graph: RegisteredGraph, one: Objective, over: Sequence[Execution],
    promised: Objectives,
) -> None:  # fmt: skip
    span = f" in {promised.window_days:g} days" if promised.window_days else ""
    shown: dict[str, Any] = {
        "metric": f"slo_{one.metric}", "objective": one.target, "n": len(over), "baseline": one.target,
    }  # fmt: skip
    if one.share is None:
        _at_median(draft, graph, one, over, shown=shown)
        return
    missing = [each for each in over if _misses(each, one)]
    allowed = one.share * len(over)
    left = 1 - len(missing) / allowed if allowed else float(not missing)
    kept = len(missing) <= allowed
    shown |= {
        "verdict": "kept" if kept else "broken", "current": _current(one, over), "unit": _unit(one),
        "budget": {"allowed": round(allowed, 4), "spent": len(missing), "left_share": round(left, 4)},
    }  # fmt: skip
    draft.data["verdicts"].append(shown)
    budget = f"{left:.0%} of the error budget is left" if left >= 0 else (
        f"that is {len(missing) / allowed:.1f} times the error budget" if allowed else
        "there is no error budget"
    )  # fmt: skip
    draft.say(
        f"Objective {_promise(one)}: {shown['verdict']}. {len(missing)} of "
        f"{count(len(over), 'execution')}{span} missed it; {budget}.",
        Ref(uri=graph_uri(graph.name, "about"), why="the declared objective"),
        Ref(uri=graph_uri(graph.name, "executions"), why="what was counted"),
        *(Ref(uri=each.uri, why="missed it") for each in missing[:3]),
    )


def _misses(one: Execution, objective: Objective) -> bool:
    if objective.metric == "success":
        return one.status == "failed"
    return one.status == "completed" and (one.duration_ms or 0.0) > objective.target


def _current(one: Objective, over: Sequence[Execution]) -> float | None:
    if one.metric == "success":
        return round(sum(each.status == "completed" for each in over) / len(over), 6)
    took = [each.duration_ms for each in over if each.status == "completed" and each.duration_ms]
    return round(quantile(took, int(one.metric[1:]) / 100), 3) if took else None


def _unit(one: Objective) -> str:
    return (
        "share" if one.metric == "success" else "ms" if one.metric.startswith("p") else one.metric
    )


def _promise(one: Objective) -> str:
    if one.metric == "success":
        return f"at least {one.target:.6g} completed"
    return f"{one.metric} within {duration(one.target)}"


def _at_median(
    draft: Draft, graph: RegisteredGraph, one: Objective, over: Sequence[Execution], *,
    shown: dict[str, Any],
) -> None:  # fmt: skip
    """Judge cost or tokens; what calls without a price cost is unknown, and so is the verdict."""
    paid = [each for each in over if each.llm_calls]
    is_cost = one.metric == "cost_usd"
    values = [
        each.cost_usd if is_cost else float(each.input_tokens + each.output_tokens) for each in paid
    ]
    known = [value for value in values if value is not None]
    unpriced = is_cost and any(each.unpriced_calls for each in paid)
    middle = median(known) if known else None
    uri = graph_uri(graph.name, "executions")
    if middle is None or unpriced:
        shown |= {"verdict": "unknown", "current": None, "unit": one.metric}
        draft.data["verdicts"].append(shown)
        why = "some calls have no price" if unpriced else "no model call is recorded"
        draft.say(f"Objective {one.metric} of {one.target:g}: unknown, {why}.", uri)
        return
    verdict = "kept" if middle <= one.target else "broken"
    shown |= {"verdict": verdict, "current": middle, "unit": one.metric, "n": len(known)}
    draft.data["verdicts"].append(shown)
    draft.say(
        f"Objective {one.metric} of at most {one.target:g} at the median: {verdict}, {middle:.6g} over "
        f"{count(len(known), 'execution')}.",
        uri,
        *(each.uri for each in paid[:2]),
    )
