"""Deciding on a plan: the one way that the command line, HTTP and MCP share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, get_args

import msgspec

from inwit.errors import InapplicableError, MalformedInputError, nearest, shorten
from inwit.plans import Plan, Principal
from inwit.self_improve import life, trials, validating
from inwit.self_improve.actions import Changes, changes_of, check_against
from inwit.self_improve.applying import SHARE, Applied, write_patch
from inwit.self_improve.as_of import position_of
from inwit.self_improve.plans import PlanBook

if TYPE_CHECKING:
    import apsw

    from inwit.runtime.compiled import CompiledGraph
    from inwit.runtime.project import Project

Action = Literal["approve", "reject", "apply", "rollback", "evaluate"]
ACTIONS: Final[tuple[Action, ...]] = get_args(Action)
REASON_LIMIT: Final = 1000


def decide(  # noqa: PLR0913 - each by its name
    project: Project, plan_id: str, action: str, by: Principal, *,
    expected_revision: int | None = None, reason: str = "", assignee: str | None = None,
    share: float = SHARE, app: CompiledGraph[Any] | None = None,
) -> Plan:  # fmt: skip
    """Do something about a plan, and give what it is then.

    Args:
        by: Who decides. Only a person approves, and never their own proposal.
        expected_revision: Refused where the plan is of another one by now.
        share: For `apply`: the share of the threads to try it on; 1 is all of them.
        app: For `evaluate`: the graph's code, where it is not in this process already.

    Raises:
        PlanError: It cannot be done, and why.
        MalformedInputError: There is no such action.
    """
    from inwit.runtime.store import Journal, Store

    if action not in ACTIONS:
        raise MalformedInputError(f"action is {shorten(action)}.", hint=nearest(action, ACTIONS))
    if not 0 < share <= 1:
        raise MalformedInputError(f"share is {share}.", hint="It is above 0 and at most 1.")
    Journal.of(project).flush()
    book = PlanBook.of(Store.of(project))
    reason = " ".join(reason.split())[:REASON_LIMIT]
    match action:
        case "approve":
            return _approve(book, plan_id, by, reason, expected_revision, assignee)
        case "reject":
            return life.move(
                book, plan_id, "rejected", by, reason=reason, expected_revision=expected_revision
            )
        case "apply":
            return _apply(book, plan_id, by, reason, expected_revision, share)
        case "rollback":
            return _roll_back(book, plan_id, by, reason, expected_revision)
        case _:
            return evaluate(book, plan_id, by, app)


def _approve(  # noqa: PLR0917 - what a decision says
    book: PlanBook, plan_id: str, by: Principal, reason: str, revision: int | None,
    assignee: str | None,
) -> Plan:  # fmt: skip
    plan = book.get(plan_id)
    life.ensure_alive(book, plan)
    fields: dict[str, Any] = {} if assignee is None else {"assignee": assignee[:200]}
    if plan.status == "proposed" and by.kind == "person" and _is_patch(plan):
        why = "a patch changes nothing by itself: a person reviews it"
        plan = life.move(book, plan.id, "validated", by, reason=why, expected_revision=revision)
        revision = plan.revision
    return life.move(
        book, plan.id, "approved", by, reason=reason, expected_revision=revision, **fields
    )


def _apply(  # noqa: PLR0917 - what a decision says
    book: PlanBook, plan_id: str, by: Principal, reason: str, revision: int | None, share: float
) -> Plan:
    plan = book.get(plan_id)
    life.check(plan, "in_progress", by, revision)
    life.ensure_alive(book, plan)
    changes = changes_of(plan)
    check_against(plan, changes, book.store.graph(plan.graph_name).manifest)
    _check_packages(plan, changes)
    applied = Applied(book.store, plan.id, by)
    applied.declare()
    outcome: dict[str, Any] = {
        "share": share if changes.configs else 1.0, "position": position_of(book.store),
    }  # fmt: skip
    if changes.patches:
        outcome["patch"] = str(write_patch(book.store, plan, changes))
        outcome["version"] = book.store.graph(plan.graph_name).version

    def also(connection: apsw.Connection, moved: Plan) -> Plan:
        applied.begin(connection, changes, share, reason or plan.title)
        return msgspec.structs.replace(moved, outcome=outcome)

    moved = life.move(
        book, plan.id, "in_progress", by, reason=reason, expected_revision=revision, also=also
    )
    applied.tell()
    return moved


def _is_patch(plan: Plan) -> bool:
    """Whether all that a plan does is to write a patch for review, which no replay can prove."""
    try:
        changes = changes_of(plan)
    except InapplicableError:
        return False
    return bool(changes.patches) and not changes.configs and not changes.packages


def _check_packages(plan: Plan, changes: Changes) -> None:
    if changes.packages and not changes.configs and not changes.patches:
        names = " ".join(changes.packages)
        raise InapplicableError(
            f"Plan {plan.id} needs packages that are not installed by a plan: {names}.",
            hint=f"A person runs: inwit pkg install {names}",
        )


def _roll_back(
    book: PlanBook, plan_id: str, by: Principal, reason: str, revision: int | None
) -> Plan:
    plan = book.get(plan_id)
    life.check(plan, "rolled_back", by, revision)
    trial = trials.measure(book, plan)
    return trials.finish(
        book, plan, "rolled_back", trial, by=by, reason=reason or f"{by} took it back",
        expected_revision=revision,
    )  # fmt: skip


def evaluate(
    book: PlanBook, plan_id: str, by: Principal, app: CompiledGraph[Any] | None = None
) -> Plan:
    """Do what is next to learn of a plan: replay a proposed one, measure one that is on trial."""
    plan = book.get(plan_id)
    if plan.status == "proposed":
        return validating.validate(book, plan.id, by=by, app=app)
    if plan.status == "in_progress":
        return trials.settle(book, plan.id, by=by)[0]
    return plan
