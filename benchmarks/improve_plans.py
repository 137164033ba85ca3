"""Plans that are really applied: what they gain against what was foretold, harm taken back."""

from __future__ import annotations

import random
from copy import copy
from typing import Any

import improve_graphs
import improve_shapes as shapes
from improve_graphs import Plan, Shape
from improve_traffic import Change, plans, run

from inwit.plans import Plan as Proposal
from inwit.plans import Principal
from inwit.runtime.project import Project
from inwit.runtime.store import Journal, Store
from inwit.self_improve import PlanBook, Report
from inwit.self_improve.daemon import run_once
from inwit.self_improve.deciding import decide

BEFORE, ROUND, ROUNDS = 160, 25, 8
PERSON = Principal("person", "bench")


def look() -> tuple[Report, int]:
    """Look once, as the daemon does; and how many nodes that acted meanwhile."""
    Journal.of(Project.find()).flush()
    before = _acts()
    report = run_once(Project.find())
    return report, _acts() - before


def _acts() -> int:
    """How often nodes have done something."""
    return next(copy(improve_graphs.acted))


def accept(plan_id: str) -> None:
    """Approve a plan and apply it, as a person."""
    for action in ("approve", "apply"):
        decide(Project.find(), plan_id, action, PERSON)


def current(plan_id: str) -> Proposal:
    """A plan as it is now."""
    return PlanBook.of(Store.of(Project.find())).get(plan_id)


def _serial(dice: random.Random) -> tuple[Shape, Change | None]:
    return shapes.serial(dice), None


def _repeated(dice: random.Random) -> tuple[Shape, Change | None]:
    def change(one: Plan, at: int) -> None:
        one.rounds = 3

    return shapes.loop(dice, search_reads=("k0",)), change


def _contends(nodes: tuple[str, str]) -> Change:
    """The world is not as the record showed it: two at once are slower than one after the other."""

    def change(one: Plan, at: int) -> None:
        one.contending = nodes

    return change


def story(kind: str, seed: int) -> dict[str, Any]:
    """Plant, look, accept, go on until the plan is kept or taken back."""
    dice = random.Random(f"plan {kind} {seed}")
    shape, change = (_repeated if kind == "repeated" else _serial)(dice)
    app = shape.graph.compile(name=shape.name)
    run(app, plans(shape, BEFORE, dice, "steady", change))
    report, acted = look()
    told: dict[str, Any] = {"kind": kind, "seed": seed, "acted": acted, "plans": len(report.plans)}
    if not report.plans:
        return told
    plan = report.plans[0]
    again, more = look()
    told |= {"again": len(again.plans), "acted": acted + more, "status": plan.status,
             "predicted": _effect(plan.expected_gain)}  # fmt: skip
    if plan.status != "validated":
        return told
    accept(plan.id)
    if kind == "contended":
        change = _contends(shape.twins)
    ran = 0
    for number in range(ROUNDS):
        run(app, plans(shape, ROUND, dice, "steady", change), first=1000 + number * ROUND)
        ran += ROUND
        look()
        if current(plan.id).status != "in_progress":
            break
    done = current(plan.id)
    outcome = done.outcome or {}
    return told | {"ended": done.status, "executions": ran, "measured": outcome.get("measured"),
                   "held": outcome.get("held")}  # fmt: skip


def _effect(effect: Any) -> dict[str, Any] | None:
    return (
        None
        if effect is None
        else {"point": effect.point, "low": effect.low, "high": effect.high, "unit": effect.unit}
    )
