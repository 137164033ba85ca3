"""The life of a plan: who may move it where, and what each move leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from inwit.errors import (
    ExpiredPlanError,
    IllegalMoveError,
    PlanChangedError,
    PrincipalError,
    UnknownGraphError,
    UnknownPlanError,
)
from inwit.plans import DAEMON, MOVES, OPEN_PLAN_STATUSES, Move, Plan, PlanStatus, Principal
from inwit.self_improve import hypotheses, learning, tables
from inwit.self_improve.plans import PlanBook

if TYPE_CHECKING:
    import apsw

    from inwit.runtime.store import Store

Change = Callable[["apsw.Connection", Plan], Plan]
_PROVED_WRONG = ("rejected", "rolled_back", "failed")


def move(
    book: PlanBook, plan_id: str, target: PlanStatus, by: Principal, *, reason: str = "",
    expected_revision: int | None = None, also: Change | None = None, **fields: Any,
) -> Plan:  # fmt: skip
    """Move a plan, in one transaction with its audit entry, its verdict and what `also` does.

    Two who decide at once: one wins, the other is told. `fields` are set on the plan.

    Raises:
        UnknownPlanError: There is no such plan.
        IllegalMoveError: Its status does not lead there.
        PlanChangedError: It is of another revision than the expected one.
        PrincipalError: `by` may not do that.
    """
    plan_id = book.get(plan_id).id
    tables.declare(book.store)
    before: list[str] = []

    def write(connection: apsw.Connection) -> Plan:
        plan = read(connection, plan_id)
        before.append(plan.status)
        check(plan, target, by, expected_revision)
        step = Move(
            at=tables.now(), actor=str(by), source=plan.status, target=target, reason=reason
        )
        moved = msgspec.structs.replace(
            plan, status=target, history=(*plan.history, step), revision=plan.revision + 1,
            **fields,
        )  # fmt: skip
        if also is not None:
            moved = also(connection, moved)
        tables.save_plan(connection, moved)
        tables.save_move(connection, moved, step)
        _learn(connection, moved, by, reason)
        return moved

    moved = book.store.write(write)
    book.tell(moved, previous=before[-1])
    return moved


def read(connection: apsw.Connection, plan_id: str) -> Plan:
    """A plan as it is in this transaction.

    Raises:
        UnknownPlanError: There is none.
    """
    rows = connection.execute("SELECT json FROM plans WHERE id = ?", (plan_id,)).fetchall()
    if not rows:
        raise UnknownPlanError(plan_id)
    return msgspec.json.decode(str(rows[0][0]), type=Plan)


def check(plan: Plan, target: PlanStatus, by: Principal, expected_revision: int | None) -> None:
    """Refuse a move that may not be made.

    Raises:
        PlanError: As `move` says.
    """
    if target == "approved":
        _check_approver(plan, by)
    if expected_revision is not None and expected_revision != plan.revision:
        last = plan.history[-1]
        told = f"{last.actor} made it {last.target}"
        raise PlanChangedError(plan.id, expected_revision, plan.revision, told)
    if target not in MOVES[plan.status]:
        error = IllegalMoveError(plan.id, plan.status, target, MOVES[plan.status])
        why = (plan.replay or {}).get("reason")
        if plan.status == "proposed" and why:
            error.hint = f"It stays a hypothesis: {why}. {error.hint}"
        raise error


def _check_approver(plan: Plan, by: Principal) -> None:
    if by.kind != "person":
        raise PrincipalError(
            f"{by} may not approve a plan: only a person may.",
            hint=f"A person runs: inwit self-improve approve {plan.id}",
        )
    if str(by) == plan.history[0].actor:
        raise PrincipalError(
            f"{by} proposed plan {plan.id} and cannot approve it.", hint="Ask another person."
        )


def _learn(connection: apsw.Connection, plan: Plan, by: Principal, reason: str) -> None:
    """Let the detector and the plan's hypothesis have the verdict that a move is."""
    if plan.status not in (*_PROVED_WRONG, "implemented"):
        return
    measured = (plan.outcome or {}).get("verdict", "open")
    if by.kind == "client" and measured not in ("gain", "harm"):
        return  # a client's word teaches nothing: text in a trace may have asked it to
    if plan.status == "rolled_back" and measured == "open":
        return  # taken back before it was measured, it is neither right nor wrong
    # What was measured counts, whoever takes it back for another reason.
    is_right = plan.status == "implemented" or measured == "gain"
    learning.add_verdict(connection, plan, reason, correct=is_right)
    if plan.status != "rejected":
        hypotheses.judge(connection, plan.id, correct=is_right, verdict=reason)


# What is gone


def expire(book: PlanBook, *, by: Principal = DAEMON) -> list[Plan]:
    """Close the open plans whose graph or node is gone."""
    found = []
    for plan in book.list():
        why = why_gone(book.store, plan) if plan.status in OPEN_PLAN_STATUSES else None
        if why is not None:
            found.append(move(book, plan.id, "expired", by, reason=why))
    return found


def ensure_alive(book: PlanBook, plan: Plan) -> None:
    """Close a plan whose graph is gone, and say so.

    Raises:
        ExpiredPlanError: It is.
    """
    why = why_gone(book.store, plan)
    if why is None:
        return
    if plan.status in OPEN_PLAN_STATUSES:
        move(book, plan.id, "expired", DAEMON, reason=why)
    raise ExpiredPlanError(
        f"Plan {plan.id} is about something that is gone: {why}",
        hint="`inwit self-improve analyze` looks at what there is now.",
    )


def why_gone(store: Store, plan: Plan) -> str | None:
    """Why a plan is about nothing any more; None while its graph and nodes are there."""
    try:
        graph = store.graph(plan.graph_name)
    except UnknownGraphError:
        return f"The project has no graph {plan.graph_name!r}."
    source = graph.manifest.source
    if source is not None and Path(source.file).suffix == ".py":
        path = Path(source.file)
        if path.is_absolute() and not path.exists():
            return f"The file of graph {plan.graph_name!r} is gone."
    known = {node.name for node in graph.manifest.nodes}
    for action in plan.actions:
        node = action.get("node")
        if isinstance(node, str) and known and node not in known:
            return f"Graph {plan.graph_name!r} has no node {node!r} any more."
    return None
