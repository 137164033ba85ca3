"""Plans and hypotheses: read by everyone, decided on where the host may write."""

from __future__ import annotations

from functools import partial
from typing import Any, Final, cast, get_args

import msgspec

from inwit import plans
from inwit.ids import check_id
from inwit.plans import PlanStatus
from inwit.server.asked import Asked
from inwit.server.deciding import decide
from inwit.server.endpoint import Endpoint
from inwit.server.host import Host
from inwit.server.schema import INTEGER, NUMBER, OBJECT, STRING, Schema, array, maybe, record


def _plans(host: Host, asked: Asked) -> dict[str, Any]:
    status = cast(PlanStatus | None, asked.choice("status", get_args(PlanStatus)))
    listed = [plans.to_json(plan) for plan in host.plans.list(status=status)]
    return {"plans": listed, "total_count": len(listed), "learnt": _learnt(host)}


def _learnt(host: Host) -> dict[str, Any]:
    """How predictions held and detectors fared, for whoever has to decide."""
    from inwit.self_improve import budget, trials
    from inwit.self_improve.daemon import Settings

    told = trials.calibration(host.plans)
    limits = Settings.of(host.project).budget
    return {
        "budget": budget.to_json(limits, budget.spent(host.store)),
        "calibration": {"plans": told.plans, "held": told.held, "share": told.share},
        "precision": [msgspec.to_builtins(one) for one in host.plans.precision()],
    }


def _plan(host: Host, asked: Asked) -> dict[str, Any]:
    return plans.to_json(host.plans.get(check_id("plan", asked.path["id"])))


def _decided(action: str, host: Host, asked: Asked) -> dict[str, Any]:
    return plans.to_json(decide(host, action, asked.path["id"], dict(asked.body)))


def _hypotheses(host: Host, _asked: Asked) -> dict[str, Any]:
    listed = host.plans.hypotheses()
    evaluated = sorted(
        (one for one in listed if one.correct is not None),
        key=lambda one: one.evaluated_at or "", reverse=True,
    )  # fmt: skip
    return {
        "accuracy": host.plans.accuracy(),
        "active_hypotheses": [plans.to_json(one) for one in listed if one.correct is None],
        "recent_evaluations": [plans.to_json(one) for one in evaluated[:50]],
    }


_SAID: Schema = record(
    {}, {
        "expected_revision": maybe(INTEGER), "reason": maybe(STRING), "assignee": maybe(STRING),
        "share": maybe(NUMBER),
    },
)  # fmt: skip
_SUMMARIES: Final = {
    "approve": "Approve a validated plan: as a person, and not one's own.",
    "reject": "Reject an open plan; the reason teaches.",
    "apply": "Apply an approved plan, on trial for a share of the threads.",
    "rollback": "Take an applied plan back.",
    "evaluate": "Replay a proposed plan, or measure one that is on trial.",
}

ENDPOINTS = (
    Endpoint(
        path="/mcp/plans",
        summary="The plans of the project.",
        answer=_plans,
        fields={"plans": array(OBJECT), "total_count": INTEGER, "learnt": OBJECT},
        query=("status",),
        listed="plans",
    ),
    Endpoint(
        path="/mcp/plans/{id}",
        summary="One plan and its history.",
        answer=_plan,
        fields={"id": STRING, "status": STRING, "history": array(OBJECT)},
    ),
    *(
        Endpoint(
            path=f"/mcp/plans/{{id}}/{action}",
            summary=summary,
            answer=partial(_decided, action),
            fields={"id": STRING, "status": STRING, "history": array(OBJECT), "revision": INTEGER},
            method="POST",
            takes=_SAID,
        )
        for action, summary in _SUMMARIES.items()
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
