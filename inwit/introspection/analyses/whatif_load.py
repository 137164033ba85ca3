"""What other concurrency would do: within an execution, at a node, or of executions at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from inwit import events
from inwit.introspection import turns
from inwit.introspection.analyses.slow_reasons import LIMITS
from inwit.introspection.changes import Change
from inwit.introspection.claims import Draft, Ref, count, duration, graph_uri, listed, node_uri
from inwit.introspection.predict import Prediction, refused
from inwit.introspection.scene import Scene
from inwit.introspection.schedule import Schedule
from inwit.introspection.stats import estimate, foretold, holds_for_next
from inwit.runtime.views import RegisteredGraph

MOST_AT_ONCE = 2000
"""Executions that a simulated crowd holds at most."""


def concurrency(scene: Scene, schedules: Sequence[Schedule], change: Change) -> Prediction:
    """Predict another number of calls at once, of a node in all executions or within each."""
    if change.number is None:
        return refused("how many at once is not said")
    if change.nodes and not change.within:
        return turns.gated(schedules, change.nodes[0], change.number, lambda one: waits(scene, one))
    return turns.narrowed(schedules, change.number)


def waits(scene: Scene, schedule: Schedule) -> Mapping[int, float]:
    """How long visits of an execution waited for their turn, by their place in the schedule."""
    places = {(task.visit.node, task.visit.visit): task.index for task in schedule.tasks}
    found: dict[int, float] = {}
    for event in scene.store.events(schedule.execution.execution_id, types=("custom",)):
        if isinstance(event, events.Custom) and event.name in LIMITS:
            place = places.get((str(event.node), event.visit or 0))
            waited = float((event.data or {}).get("waited_ms", 0.0))
            if place is not None:
                found[place] = found.get(place, 0.0) + waited
    return found


def answer(
    scene: Scene, graph: RegisteredGraph, schedules: Sequence[Schedule], change: Change
) -> Draft:
    """Tell how long an execution takes while others run: as recorded, else by declared limits."""
    draft = Draft(
        data={"feasible": False, "n": len(schedules), "baseline": None, "predicted": None}
    )
    draft.data["change"] = {"kind": "load", "nodes": [], "number": change.number}
    limits = {
        one.name: int(width) for one in graph.manifest.nodes
        if (width := one.policies.get("max_concurrency"))
    }  # fmt: skip
    if change.number is None:
        return _refused(draft, graph, "how many executions at once is not said", schedules)
    if change.number > MOST_AT_ONCE:
        said = f"a crowd of {change.number:,} is beyond the {MOST_AT_ONCE:,} that are simulated"
        return _refused(draft, graph, said, schedules)
    alike = turns.seen_at(schedules, change.number)
    usual = estimate([one.total for one in schedules])
    draft.data |= {"baseline": usual.to_json(), "reason": "recorded under such a load"}
    if len(alike) >= turns.SEEN_LEAST:
        return _seen(draft, graph, alike, change)
    if not limits:
        most = max(turns.beside(schedules), default=1.0)
        said = (
            f"at most {most:.1f} executions ran at once on record, and no node declares a limit by "
            "which waiting could be told; how executions share this machine is in no record"
        )
        return _refused(draft, graph, said, schedules)
    draft.data["reason"] = "calls wait for the limits that nodes declare; all else is as recorded"
    return _simulated(scene, draft, graph, schedules, number=change.number, limits=limits)


def _refused(
    draft: Draft, graph: RegisteredGraph, reason: str, schedules: Sequence[Schedule]
) -> Draft:
    draft.data |= {"reason": reason}
    refs = [Ref(uri=one.execution.uri, why="a recorded execution") for one in schedules[:3]]
    draft.say(f"That cannot be predicted: {reason}.", graph_uri(graph.name, "executions"), *refs)
    return draft


def _seen(draft: Draft, graph: RegisteredGraph, alike: Sequence[Schedule], change: Change) -> Draft:
    there = foretold([one.total for one in alike])
    draft.data |= {"feasible": True, "predicted": there.to_json(), "n": len(alike)}
    draft.say(
        f"While about {change.number} executions of {graph.name} ran at once, each took "
        f"{duration(there.point)} at the median ({duration(there.low)} to {duration(there.high)}), "
        f"over {count(len(alike), 'recorded execution')} of that kind.",
        *(Ref(uri=one.execution.uri, why="ran beside others") for one in alike[:4]),
    )
    draft.certainty = holds_for_next(len(alike))
    return draft


def _simulated(
    scene: Scene, draft: Draft, graph: RegisteredGraph, schedules: Sequence[Schedule], *,
    number: int, limits: dict[str, int],
) -> Draft:  # fmt: skip
    found = turns.together(schedules, number, limits, lambda one: waits(scene, one))
    there = estimate(found.after)
    told: dict[str, Any] = {"all_done_ms": round(max(found.after), 3)}
    draft.data |= {"feasible": True, "predicted": there.to_json(), **told}
    usual = estimate([one.total for one in schedules])
    at = listed(f"{node} lets {width} in at once" for node, width in limits.items())
    draft.say(
        f"If {number} executions of {graph.name} began at once, one would take "
        f"{duration(there.point)} at the median instead of {duration(usual.point)}, and all "
        f"would be done after {duration(max(found.after))}: {at}.",
        *(node_uri(graph.name, node) for node in limits),
        *(Ref(uri=one.execution.uri, why="a re-scheduled execution") for one in schedules[:3]),
    )
    draft.admit(
        "How executions share the processor is in no record; only declared limits count here."
    )
    draft.certainty = holds_for_next(len(schedules))
    return draft
