"""Whether anything timed out: attempts that ran into a limit of time, and what came of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from inwit.events import NodeFailed
from inwit.introspection.analyses.why_visits import nothing_recorded
from inwit.introspection.claims import Draft, Ref, count, graph_uri, listed
from inwit.introspection.quotes import failed_with
from inwit.introspection.scene import Scene
from inwit.runtime.views import Visit

ASKED: Final = (
    r"^(?!.*\b(?:have|has|need|set|with|without|configur\w+|declar\w+|default)\b.*\btime[ -]?outs?\b)\W*(?:so |and |but )?(?:did|does|do|has|have|is|are|was|were|any|how (?:many|often)|which|what|list|show|where)\b.*"
    r"\b(?:time|times|timed|timing)[ -]?outs?\b(?! of| set| for| policy| policies)"
)
TOLD: Final = 5


def answer(scene: Scene) -> Draft:
    """Tell which nodes had attempts that timed out, and what came of those."""
    draft, looked = Draft(data={"values": {}}), 0
    found: dict[tuple[str, str], list[tuple[Visit, NodeFailed]]] = defaultdict(list)
    for graph in scene.meant_graphs:
        visits = scene.recent_visits(graph.name, scene.node)
        looked += len({one.execution_id for one in visits})
        for visit in visits:
            found[graph.name, visit.node] += [(visit, one) for one in _timed_out(scene, visit)]
    if not looked:
        return nothing_recorded(scene, draft)
    late = {place: hits for place, hits in found.items() if hits}
    what = scene.node or "Nothing"
    if not late:
        verb = "never timed out" if scene.node else "timed out"
        uris = [graph_uri(one.name, "executions") for one in scene.meant_graphs]
        draft.say(f"{what} {verb} in the last {count(looked, 'execution')}.", *uris)
        return draft
    for (graph_name, node), hits in sorted(late.items(), key=lambda item: -len(item[1]))[:TOLD]:
        lost = {visit.uri for visit, _ in hits if visit.status == "failed"}
        draft.data["values"][node] = {"attempts": len(hits), "failed": len(lost)}
        ends = f"{len(lost)} of them failed for good" if lost else "each was made good by another"
        draft.say(
            f"{node} of {graph_name} timed out in {count(len(hits), 'attempt')}, last with "
            f"{failed_with(hits[0][1].error)}; {ends}.",
            *(Ref(uri=event.uri, why="timed out") for _, event in hits[:4]),
        )
    if scene.says(r"which|list|show"):
        runs = dict.fromkeys(visit.execution_id for hits in late.values() for visit, _ in hits)
        draft.say(
            f"The executions: {listed(runs)}.",
            *(f"execution://{one}/summary" for one in list(runs)[:4]),
        )
    return draft


def _timed_out(scene: Scene, visit: Visit) -> Iterator[NodeFailed]:
    """The attempts of a visit that ended in an error of time."""
    if visit.attempts == 1 and (visit.error is None or "imeout" not in visit.error.type):
        return
    for event in scene.store.events(visit.execution_id, types=("node_failed",), node=visit.node):
        is_of_visit = isinstance(event, NodeFailed) and event.visit == visit.visit
        if isinstance(event, NodeFailed) and is_of_visit and "imeout" in event.error.type:
            yield event
