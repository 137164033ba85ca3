"""Hypotheses: what evidence they expect, when they are evaluated, and how they fared."""

from __future__ import annotations

from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any, Final

import msgspec

from inwit.errors import InwitError
from inwit.plans import Hypothesis, Plan
from inwit.self_improve import tables

if TYPE_CHECKING:
    import apsw

    from inwit.runtime.store import Store
    from inwit.self_improve.plans import PlanBook

VISITS: Final = 40
"""Visits of the changed node that a verdict without a trial stands on."""
BACK: Final = 1.1
"""A duration is as it was where its median is at most this factor above."""
ON_TRIAL: Final = "the plan's trial ends"
ON_VERSION: Final = f"{VISITS} visits of a later version are on record"


def trigger_of(plan: Plan) -> str:
    """When the hypothesis of a plan is evaluated."""
    if _is_of_version(plan):
        return f"{ON_VERSION}, or {ON_TRIAL}"
    return ON_TRIAL


def _is_of_version(plan: Plan) -> bool:
    """Whether the plan's hypothesis is about one version of the code, so that another tells."""
    says = ("median_ms" in plan.baseline) and ("graph_version" in plan.candidate)
    return says and _node(plan) is not None


def _node(plan: Plan) -> str | None:
    for action in plan.actions:
        if isinstance(action.get("node"), str):
            return str(action["node"])
        for step in action.get("patch") or ():
            if isinstance(step, dict) and step.get("op") == "test":
                return str(step.get("value"))
    return None


def judge(connection: apsw.Connection, plan_id: str, *, correct: bool, verdict: str) -> None:
    """Note on the hypotheses of a plan how they fared; a later verdict takes the earlier's place."""
    rows = connection.execute("SELECT json FROM hypotheses WHERE plan = ?", (plan_id,)).fetchall()
    for row in rows:
        one = msgspec.json.decode(str(row[0]), type=Hypothesis)
        tables.save_hypothesis(
            connection,
            msgspec.structs.replace(
                one, correct=correct, evaluated_at=tables.now(), verdict=verdict
            ),
        )


def evaluate_due(book: PlanBook) -> list[Hypothesis]:
    """Evaluate the hypotheses whose trigger has fired, and give them as they are judged."""
    plans = {plan.id: plan for plan in book.list()}
    judged: list[str] = []
    for one in book.hypotheses():
        plan = plans.get(one.plan_id or "")
        if one.correct is not None or plan is None or not _is_of_version(plan):
            continue
        found = _by_version(book.store, plan)
        if found is not None:
            correct, verdict = found
            book.store.write(partial(judge, plan_id=plan.id, correct=correct, verdict=verdict))
            judged.append(one.id)
    return [one for one in book.hypotheses() if one.id in judged]


def _by_version(store: Store, plan: Plan) -> tuple[bool, str] | None:
    """Whether the node is as fast again in a later version; None where nothing tells yet."""
    node, was = _node(plan), str(plan.candidate["graph_version"])
    try:
        newest = store.newest(1, graph=plan.graph_name, status="completed")
        if not newest or newest[0].graph_version == was or node is None:
            return None
        version = newest[0].graph_version
        visits: list[Any] = [
            visit for visit in store.recent_visits(plan.graph_name, version=version, executions=200)
            if visit.node == node and visit.status == "completed"
        ]  # fmt: skip
    except InwitError:
        return None
    took = [(one.duration_ms or 0.0) - one.retry_ms for one in visits]
    if len(took) < VISITS:
        return None
    now, before = median(took), float(plan.baseline["median_ms"])
    is_back = now <= before * BACK
    return is_back, (
        f"{len(took)} visits of version {version}: median {now:.2f} ms, {before:.2f} ms before"
    )
