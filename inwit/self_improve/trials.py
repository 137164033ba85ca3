"""Changes on trial: what the executions of both arms say, and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from inwit.errors import IllegalMoveError
from inwit.plans import DAEMON, Effect, Plan, Principal
from inwit.runtime.views import Execution
from inwit.self_improve import life
from inwit.self_improve.actions import changes_of
from inwit.self_improve.applying import Applied
from inwit.self_improve.plans import PlanBook
from inwit.self_improve.sequential import Run, Standing, standing

if TYPE_CHECKING:
    import apsw

    from inwit.runtime.store import Store

ARM_MIN: Final = 20
"""Executions of each arm before a change is kept: what ends early is measured too large. Harm ends at once."""
HORIZON: Final = 400
"""Executions of both arms after which a trial ends whatever it shows."""
Verdict = Literal["harm", "gain", "even", "open"]


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """How a plan's trial stands."""

    plan_id: str
    verdict: Verdict
    reason: str
    standing: Standing
    since: str = ""
    as_of: str = ""
    """When the last execution that counts ended."""


def measure(book: PlanBook, plan: Plan, *, until: str = "") -> Trial:
    """How a plan that is in progress, or was, stands by what was recorded since it was applied.

    `until` leaves out what ended later, to reproduce what was measured then.
    """
    since = applied_at(plan)
    control, candidate = arms(book.store, plan, since, until)
    found = standing(control, candidate)
    verdict, reason = _verdict(plan, found)
    as_of = max((one.ended_at for one in (*control, *candidate)), default="")
    return Trial(
        plan_id=plan.id, verdict=verdict, reason=reason, standing=found, since=since, as_of=as_of
    )


def applied_at(plan: Plan) -> str:
    """When it was applied; empty before."""
    return next((one.at for one in plan.history if one.target == "in_progress"), "")


def _verdict(plan: Plan, found: Standing) -> tuple[Verdict, str]:
    total = found.n_control + found.n_candidate
    if found.is_harm:
        return "harm", (
            f"it harms ({found.harm_by}): e-value {found.e_harm:.1f} after {total} executions"
        )
    is_enough = min(found.n_control, found.n_candidate) >= ARM_MIN or total >= HORIZON
    if found.is_gain and is_enough:
        return "gain", f"it helps: e-value {found.e_gain:.1f} after {total} executions"
    if total < HORIZON:
        return "open", f"{total} of at most {HORIZON} executions are measured"
    promised, measured = plan.expected_gain, found.effect
    if promised is None or measured is None or not promised.unit.startswith("ms per execution"):
        return "even", f"no harm in {total} executions"
    if promised.low > 0 and measured.high < promised.low:
        return "harm", f"what it promised is not there after {total} executions"
    return "even", f"no harm in {total} executions"


def arms(store: Store, plan: Plan, since: str, until: str = "") -> tuple[list[Run], list[Run]]:
    """The executions of the graph since a plan was applied, by arm, in their order.

    Where the change was for everyone the executions before it are the control.
    """
    if not since:
        return [], []
    said = plan.outcome or {}
    begun = int(said.get("position", 0))
    before, after = _around(store, plan.graph_name, begun)
    if until:
        after = [one for one in after if (one.ended_at or "") <= until]
    control: list[Run] = []
    candidate: list[Run] = []
    patched = said.get("version")
    if patched is not None:
        # A patch counts from the first execution of another version than the one it was made for.
        before = [one for one in (*before, *after) if one.graph_version == patched]
        after = [one for one in after if one.graph_version != patched]
    if patched is not None or _is_for_all(plan):
        before = before[-len(after) :] if after else []
        return [_run(store, one) for one in before], [_run(store, one) for one in after]
    for one in after:
        told = _told(store, one)
        arm = told.get("trial", {}).get(plan.id)
        if arm == "control":
            control.append(_run_of(one, told.get("scores", ())))
        elif arm == "candidate":
            candidate.append(_run_of(one, told.get("scores", ())))
    return control, candidate


def _is_for_all(plan: Plan) -> bool:
    return (plan.outcome or {}).get("share") in (None, 1.0)


def _around(store: Store, graph: str, position: int) -> tuple[list[Execution], list[Execution]]:
    """The executions that ended, from before a position and from after it, in their order.

    It is the record's order that counts, whatever clocks did. Of those after it the first are taken:
    a test that goes on from execution to execution does not begin in the middle.
    """
    asked = 4 * HORIZON
    while True:
        found = store.newest(asked, graph=graph)
        oldest = found[-1].position if found else 0
        if len(found) < asked or oldest <= position or asked > 64 * HORIZON:
            break
        asked *= 2
    ended = sorted(
        (one for one in found if one.status in ("completed", "failed")),
        key=lambda one: one.position,
    )
    before = [one for one in ended if one.position <= position]
    after = [one for one in ended if one.position > position]
    return before[-2 * HORIZON :], after[: 2 * HORIZON]


def _run(store: Store, one: Execution) -> Run:
    return _run_of(one, _told(store, one).get("scores", ()))


def _run_of(one: Execution, scores: Sequence[float]) -> Run:
    is_done = one.status == "completed"
    return Run(
        execution_id=one.execution_id, duration_ms=one.duration_ms if is_done else None,
        failed=not is_done, score=fmean(scores) if scores else None, ended_at=one.ended_at or "",
    )  # fmt: skip


def _told(store: Store, one: Execution) -> dict[str, Any]:
    """What an execution says of itself: its arms, and its scores."""
    found: dict[str, Any] = {}
    for event in store.events(one.execution_id, types=("custom",)):
        said: Any = event
        if said.name == "trial" and said.node is None and isinstance(said.data, Mapping):
            found["trial"] = said.data
        elif said.name == "score" and isinstance(said.data, Mapping):
            value = said.data.get("value")
            if isinstance(value, int | float):
                found.setdefault("scores", []).append(float(value))
    return found


# What follows


def settle(book: PlanBook, plan_id: str, *, by: Principal = DAEMON) -> tuple[Plan, Trial]:
    """Measure a plan that is in progress; keep it, or take it back, where that is certain."""
    plan = book.get(plan_id)
    trial = measure(book, plan)
    if plan.status != "in_progress" or trial.verdict == "open":
        return plan, trial
    target: Literal["implemented", "rolled_back"] = (
        "rolled_back" if trial.verdict == "harm" else "implemented"
    )
    try:
        return finish(book, plan, target, trial, by=by), trial
    except IllegalMoveError:  # another process was quicker
        return book.get(plan_id), trial


def finish(
    book: PlanBook, plan: Plan, target: Literal["implemented", "rolled_back"], trial: Trial, *,
    by: Principal, reason: str = "", expected_revision: int | None = None,
) -> Plan:  # fmt: skip
    """Keep a plan's changes or take them back, with what was measured as its outcome."""
    applied = Applied(book.store, plan.id, by)
    applied.declare()
    changes = changes_of(plan)
    why = reason or trial.reason

    def also(connection: apsw.Connection, moved: Plan) -> Plan:
        if target == "implemented":
            applied.keep(connection, changes, why)
        else:
            applied.take_back(connection, changes, why)
        return msgspec.structs.replace(
            moved, outcome={**(moved.outcome or {}), **outcome(plan, trial)}
        )

    moved = life.move(
        book, plan.id, target, by, reason=why, also=also, expected_revision=expected_revision
    )
    applied.tell()
    return moved


def outcome(plan: Plan, trial: Trial) -> dict[str, Any]:
    """What was measured against what was predicted."""
    measured, predicted = trial.standing.effect, plan.expected_gain
    return {
        "verdict": trial.verdict,
        "reason": trial.reason,
        "measured": None if measured is None else msgspec.to_builtins(measured),
        "predicted": None if predicted is None else msgspec.to_builtins(predicted),
        "held": held(predicted, measured),
        "executions": {
            "control": trial.standing.n_control, "candidate": trial.standing.n_candidate,
        },
        "failed": {
            "control": trial.standing.failed_control,
            "candidate": trial.standing.failed_candidate,
        },
        "e_harm": round(trial.standing.e_harm, 4),
        "e_gain": round(trial.standing.e_gain, 4),
        "as_of": trial.as_of,
    }  # fmt: skip


def held(predicted: Effect | None, measured: Effect | None) -> bool | None:
    """Whether what was measured lies in the predicted interval; None where they do not compare."""
    if predicted is None or measured is None or predicted.unit != measured.unit:
        return None
    return predicted.low <= measured.point <= predicted.high


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """How well predicted intervals held."""

    plans: int
    held: int
    share: float | None
    """None before the first plan was measured."""
    rows: tuple[dict[str, Any], ...] = ()


def calibration(book: PlanBook) -> Calibration:
    """The table of predicted against measured gains, newest first."""
    rows = tuple(
        {"plan": plan.id, "title": plan.title, "status": plan.status, **found}
        for plan in book.list()
        if (found := plan.outcome) and found.get("held") is not None
    )
    held_ones = sum(bool(row["held"]) for row in rows)
    share = held_ones / len(rows) if rows else None
    return Calibration(plans=len(rows), held=held_ones, share=share, rows=rows)
