"""Deciding on plans for whoever asks the host: its routes and MCP's tool both come here."""

from __future__ import annotations

from typing import Any, Final

from inwit.errors import ForbiddenError, MalformedInputError, shorten
from inwit.ids import check_id
from inwit.plans import Plan
from inwit.server.host import Host

REASON_LIMIT: Final = 1000


def decide(host: Host, action: str, plan_id: str, said: dict[str, Any]) -> Plan:
    """Decide on a plan as whoever asks, for a host that may write: routes and MCP's tool call this.

    `said` may hold expected_revision, reason, assignee and share.

    Raises:
        ForbiddenError: The host only answers.
        ScopeError: The caller's token does not reach that far.
        PlanError: It cannot be done, and why.
    """
    from inwit.self_improve.deciding import decide as do
    from inwit.server import auth

    if not host.offers.allow_write:
        raise ForbiddenError(
            "This host only answers: it decides on no plan.",
            hint="Start it with --allow-write, or use `inwit self-improve` at a terminal.",
        )
    caller = auth.current()
    caller.require(auth.PLAN)
    found = host.plans.get(check_id("plan", plan_id))  # as the caller sees it
    host.require(auth.PLAN, found.graph_name)
    return do(
        host.project, found.id, action, caller.principal,
        expected_revision=_whole(said, "expected_revision"), reason=_line(said, "reason") or "",
        assignee=_line(said, "assignee"), **_share(said),
    )  # fmt: skip


def _whole(said: dict[str, Any], name: str) -> int | None:
    value = said.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**53:
        raise MalformedInputError(
            f"{name} is {shorten(value)}.", hint="It is the `revision` of the plan as it was read."
        )
    return value


def _share(said: dict[str, Any]) -> dict[str, Any]:
    value = said.get("share")
    if value is None:
        return {}
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MalformedInputError(f"share is {shorten(value)}.", hint="It is a number up to 1.")
    return {"share": float(value)}


def _line(said: dict[str, Any], name: str) -> str | None:
    value = said.get(name)
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > REASON_LIMIT:
        raise MalformedInputError(
            f"{name} is {shorten(value)}.",
            hint=f"It is a text of at most {REASON_LIMIT} characters.",
        )
    return value
