"""How often, when and for which inputs something took over from a node: its fallback or error handler."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from inwit.events import timestamp
from inwit.introspection.attributes import Known
from inwit.introspection.claims import Draft, Ref, count, node_uri, told_value
from inwit.introspection.scene import Scene
from inwit.runtime.policies.relief import relief_name
from inwit.runtime.views import RegisteredGraph

TOLD: Final = 8
_TAKES_OVER: Final = (
    r"\b(?:fall|fell|fallen|falls|falling)[- ]?backs?\b|\bfall ?backs?\b|\berror handlers?\b"
    r"|\b(?:t[ao]kes?|took|taken) over\b|\b(?:kick|step|jump)(?:s|ed)? in\b"
)
_ASKED: Final = r"^\W*(?:and |so )?(?:how (?:often|many|frequently)|when|which|what|who|did|has|have|was|were|list|show|is|are)\b"
_USED: Final = r"\b(?:us(?:e|ed|es)|by|ran|run|call(?:ed)?|need(?:ed)?|took|fell|fall|fallen|kick\w*|step\w*|trigger\w*|happen\w*|last|ever|often|times)\b"


@dataclass(frozen=True, slots=True)
class _Relief:
    """What takes over from a node of a graph."""

    graph: str
    node: str
    name: str
    is_handler: bool


def is_asked(scene: Scene) -> bool:
    """Whether a question is for what took over from nodes, and something can."""
    words = scene.words
    if not re.search(_ASKED, words) or not re.search(_USED, words):
        return False
    return next(_meant(scene), None) is not None


def answer(scene: Scene) -> Draft | None:
    """Tell each time that something took over; None where that is not asked."""
    if not is_asked(scene):
        return None
    draft = Draft(data={"values": {}, "times": []})
    for one in _meant(scene):
        _tell(scene, draft, one)
    return draft


def _meant(scene: Scene) -> Iterator[_Relief]:
    """What is named, or what takes over from a node that is named; else whatever may take over."""
    every = [one for graph in scene.graphs for one in _of(graph)]
    named = [one for one in every if _is_said(one.name, scene) and one.name not in scene.nodes]
    if named:
        yield from named
    elif re.search(_TAKES_OVER, scene.words):
        graphs = {one.name for one in scene.meant_graphs}
        yield from (
            one for one in every if one.graph in graphs and (scene.node in (None, one.node))
        )


def _is_said(name: str, scene: Scene) -> bool:
    return re.search(rf"(?<![\w.-]){re.escape(name.lower())}(?![\w-])", scene.words) is not None


def _of(graph: RegisteredGraph) -> Iterator[_Relief]:
    for facts in graph.manifest.nodes:
        for policy in ("error_handler", "fallback"):
            if name := facts.policies.get(policy):
                is_handler = policy == "error_handler"
                yield _Relief(graph.name, facts.name, str(name), is_handler)
                break


def _tell(scene: Scene, draft: Draft, one: _Relief) -> None:
    span, name = scene.window, relief_name(one.node, is_handler=one.is_handler)
    visits = scene.recent_visits(one.graph)
    of = len({visit.execution_id for visit in visits if visit.node == one.node})
    took = [visit for visit in visits if visit.node == name][::-1]
    draft.data["values"][one.name] = {"times": len(took), "executions": of, "node": one.node}
    within = f" ({span.words})" if span else ""
    draft.say(
        f"{one.name} took over from {one.node} in {len({v.execution_id for v in took})} of the last "
        f"{count(of, 'execution')} of {one.graph} that came to {one.node}{within}{':' if took else '.'}",
        node_uri(one.graph, one.node),
    )
    known = Known(scene.store)
    for visit in took[:TOLD]:
        at, given = timestamp(visit.started_ns), known.of(scene.store.execution(visit.execution_id))
        shown = {key.partition(".")[2]: value for key, value in given.attributes.items()
                 if key.startswith("input.")}  # fmt: skip
        draft.data["times"].append(
            {"what": f"{one.name} took over", "ts": at, "uri": visit.uri, "node": one.node}
            | {"execution_id": visit.execution_id}
        )
        draft.say(
            f"{at} in execution {visit.execution_id}, called with {told_value(shown, 160)}.",
            Ref(uri=visit.uri, why="it took over"),
        )
