"""How far an execution is that is not over: what is done, where it is and for how long, what follows."""

from __future__ import annotations

from statistics import median
from time import time_ns
from typing import Any

from inwit.events import OPEN_STATUSES
from inwit.introspection.analyses import interrupts
from inwit.introspection.analyses.why_visits import none_now
from inwit.introspection.app import label_of
from inwit.introspection.claims import Draft, Ref, count, duration, graph_uri, listed, node_uri
from inwit.introspection.scene import HISTORY, Scene
from inwit.introspection.which import choose
from inwit.runtime.views import Execution, Visit

ASKED = (
    r"\bwhat (?:will|does|is|would) (?:it|that|the \w+|this) (?:do|run|be|going to (?:do|run)|execute)\b.*\bnext\b"
    r"|^\W*what (?:comes|is|runs|happens) next\b|\bhow far\b|\b(?:what|how much) is (?:left|missing|still to do)"
    r"|\bwhat has (?:it|happened|been done)\b.*\b(?:so far|already|yet)|\bprogress of\b"
)


def answer(scene: Scene) -> Draft | None:
    """Tell the progress of the execution that is meant; None where it waits for a person."""
    known = (choose(scene, status=status) for status in OPEN_STATUSES)
    choice = next((found for found in known if found is not None), None)
    if choice is None:
        draft = Draft(data={"values": {}})
        return none_now(scene, draft, "Nothing is running now; the last execution")
    one = choice.execution
    if one.status in interrupts.WAITING:
        return interrupts.why(scene)
    draft = Draft(data={"values": {}, "execution_id": one.execution_id})
    visits = scene.visits(one.execution_id)
    done = [visit for visit in visits if visit.status != "running"]
    now = [visit for visit in visits if visit.status == "running"]
    draft.data["values"] = {"done": [visit.node for visit in done], "at": [v.node for v in now]}
    told = listed((visit.node for visit in done), most=12) or "nothing yet"
    draft.say(
        f"{choice.words[:1].upper()}{choice.words[1:]} has done {told}.",
        one.uri, *(Ref(uri=visit.uri, why="done") for visit in done[-3:]),
    )  # fmt: skip
    for visit in now:
        say_standing(scene, draft, visit)
    _say_next(scene, draft, one, now)
    _say_usual(scene, draft, one, done)
    return draft


def say_standing(scene: Scene, draft: Draft, visit: Visit) -> str:
    """Tell for how long a visit runs beside what is usual; the verdict, overdue or usual or unknown."""
    elapsed = max((time_ns() - visit.started_ns) / 1e6, 0.0)
    past = [
        one.duration_ms
        for one in scene.store.recent_visits(visit.graph_name, node=visit.node, executions=HISTORY)
        if one.duration_ms is not None and one.status == "completed"
    ]
    text = f"It is at {visit.node} for {duration(elapsed)} by now"
    draft.data["elapsed_ms"] = round(elapsed, 3)
    if not past:
        draft.say(f"{text}; no visit of it has been completed to compare with.", visit.uri)
        return "unknown"
    draft.say(
        f"{text}; {count(len(past), 'visit')} took {duration(median(past))} at the median and "
        f"{duration(max(past))} at most.",
        visit.uri,
        node_uri(visit.graph_name, visit.node),
    )
    return "overdue" if elapsed > 2 * max(past) else "usual"


def _say_next(scene: Scene, draft: Draft, one: Execution, now: list[Visit]) -> None:
    manifest = scene.store.graph(one.graph_name, one.graph_version).manifest
    following: dict[str, Any] = {}
    for visit in now:
        edges = [edge for edge in manifest.edges if edge.source == visit.node]
        following[visit.node] = [label_of(edge.target) for edge in edges]
        last = "or" if any(edge.is_conditional for edge in edges) else "and"
        told = listed(dict.fromkeys(following[visit.node]), last=last) or "the end"
        draft.say(f"After {visit.node} comes {told}.", graph_uri(one.graph_name, "edges"))
    draft.data["values"]["next"] = following


def _say_usual(scene: Scene, draft: Draft, one: Execution, done: list[Visit]) -> None:
    past = scene.store.newest(HISTORY, graph=one.graph_name, status="completed")
    if past:
        usual = median(each.iteration for each in past)
        draft.say(
            f"{count(len(done), 'visit')} of it {'is' if len(done) == 1 else 'are'} done; completed "
            f"executions had {usual:g} at the median.",
            graph_uri(one.graph_name, "executions"),
        )
