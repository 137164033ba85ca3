"""Plans and hypotheses, to be read; deciding on them is not in this version."""

from __future__ import annotations

from typing import Any, cast, get_args

from inwit import plans
from inwit.ids import check_id
from inwit.plans import PlanStatus
from inwit.server.asked import Asked
from inwit.server.endpoint import Endpoint
from inwit.server.host import Host
from inwit.server.schema import INTEGER, OBJECT, STRING, array


def _plans(host: Host, asked: Asked) -> dict[str, Any]:
    status = cast(PlanStatus | None, asked.choice("status", get_args(PlanStatus)))
    listed = [plans.to_json(plan) for plan in host.plans.list(status=status)]
    return {"plans": listed, "total_count": len(listed)}


def _plan(host: Host, asked: Asked) -> dict[str, Any]:
    return plans.to_json(host.plans.get(check_id("plan", asked.path["id"])))


def _hypotheses(host: Host, _asked: Asked) -> dict[str, Any]:
    listed = host.plans.hypotheses()
    evaluated = [one for one in listed if one.correct is not None]
    return {
        "accuracy": host.plans.accuracy(),
        "active_hypotheses": [plans.to_json(one) for one in listed if one.correct is None],
        "recent_evaluations": [plans.to_json(one) for one in evaluated[:50]],
    }


ENDPOINTS = (
    Endpoint(
        path="/mcp/plans",
        summary="The plans of the project.",
        answer=_plans,
        fields={"plans": array(OBJECT), "total_count": INTEGER},
        query=("status",),
        listed="plans",
    ),
    Endpoint(
        path="/mcp/plans/{id}",
        summary="One plan and its history.",
        answer=_plan,
        fields={"id": STRING, "status": STRING, "history": array(OBJECT)},
    ),
    Endpoint(
        path="/mcp/hypotheses",
        summary="Hypotheses about the graphs, and how often they proved right.",
        answer=_hypotheses,
        fields={
            "accuracy": OBJECT,
            "active_hypotheses": array(OBJECT),
            "recent_evaluations": array(OBJECT),
        },
    ),
)
