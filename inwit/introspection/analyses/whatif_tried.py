"""A prediction held against a real trial of the change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from inwit.introspection import trial
from inwit.introspection.changes import Change
from inwit.introspection.claims import Draft, Ref, count, duration, listed
from inwit.introspection.predict import Prediction
from inwit.introspection.scene import Scene
from inwit.introspection.schedule import Schedule
from inwit.introspection.stats import estimate
from inwit.introspection.trial import Trial
from inwit.runtime.views import RegisteredGraph

Predict = Callable[[list[Schedule]], Prediction]


def add(
    scene: Scene, draft: Draft, graph: RegisteredGraph, change: Change, *,
    schedules: Sequence[Schedule], predict: Predict,
) -> None:  # fmt: skip
    """Try a change where the question asks for that, and tell what came of it."""
    code = scene.query.code
    if code is None or not draft.data.get("feasible"):
        return
    app = code(graph.name)
    if app is None or not hasattr(app, "builder"):
        _untried(draft, f"the code of {graph.name} is not in this process")
        return
    chosen = sorted(schedules[: trial.TRIED_MOST], key=lambda one: one.execution.position)
    recorded = {
        one.execution.execution_id: trial.lasting([task.visit for task in one.tasks])
        for one in chosen
    }
    found = trial.tried(app, change, recorded)
    if not found.ids:
        _untried(draft, found.reason or _left_out(found))
        return
    done = [one for one in chosen if one.execution.execution_id in set(found.ids)]
    _tell(draft, found, done, predict(done))


def _left_out(found: Trial) -> str:
    names = listed(found.not_run)
    return (
        f"all {count(found.left_out, 'execution')} went where the record gives no answer, for "
        f"{names} would be given something else and may not run"
    )


def _untried(draft: Draft, reason: str) -> None:
    draft.data["verification"] = {"tried": False, "reason": reason}
    draft.admit(f"It was not tried: {reason}.")


def _tell(draft: Draft, found: Trial, done: Sequence[Schedule], told: Prediction) -> None:
    real, plain = estimate(found.changed), estimate(found.unchanged)
    foretold = median(told.after) if told.after else None
    off = None if foretold is None or not real.point else abs(foretold - real.point) / real.point
    shown: dict[str, Any] = {
        "tried": True, "n": len(found.ids), "real": real.to_json(), "unchanged": plain.to_json(),
        "predicted_ms": None if foretold is None else round(foretold, 3),
        "error": None if off is None else round(off, 4),
        "same_state": found.same, "failed": found.failed, "left_out": found.left_out,
        "not_run": found.not_run,
    }  # fmt: skip
    draft.data["verification"] = shown
    beside = (
        "" if foretold is None else f", where {duration(foretold)} was foretold ({off:.1%} off)"
    )
    draft.say(
        f"Really tried on {count(len(found.ids), 'recorded execution')}: {duration(real.point)} at the "
        f"median with the change{beside}; without it they take {duration(plain.point)} now. "
        f"{_ended(found)}",
        *(Ref(uri=one.execution.uri, why="run again") for one in done[:3]),
    )
    if found.not_run:
        verb = "was" if len(found.not_run) == 1 else "were"
        draft.admit(
            f"{listed(found.not_run)} {verb} not run, not being declared pure: the record's results "
            "and times stood in."
        )
    if found.left_out:
        draft.admit(
            f"{count(found.left_out, 'execution')} could not be run so and count for nothing."
        )


def _ended(found: Trial) -> str:
    number = len(found.ids)
    if found.failed:
        return f"{found.failed} of {number} failed with it, {found.same} ended with the same state."
    if found.same == number:
        return f"All {number} ended with the same state."
    return f"{found.same} of {number} ended with the same state."
