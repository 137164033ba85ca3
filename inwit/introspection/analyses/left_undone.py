"""Which documents could not be decoded, which orders had no papers: the failures that a question describes.

The words of the question are looked for in what nodes raised, and in what the nodes that failed
are called and say of themselves; also where something else took over, and the execution went on.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from inwit.introspection import kinds
from inwit.introspection.attributes import Known
from inwit.introspection.claims import (
    Draft,
    Ref,
    by_kind,
    count,
    graph_uri,
    listed,
    node_uri,
    times,
    told_value,
)
from inwit.introspection.quotes import failed_with
from inwit.introspection.router.words import COMMON, HARD
from inwit.introspection.scene import HISTORY, Scene
from inwit.runtime.views import RegisteredGraph, Visit

TOLD: Final = 8
LEAST: Final = 3
"""Letters that a word must have to be looked for."""
_NOT: Final = (
    r"(?:(?:could|can|did|do|does|were|was|are|is|have|has|had)(?: not|n['’]?t)|cannot|never"
    r"|fail(?:ed|s)? to|unable to|refused to|(?:had|have|has|with|got) no|without|lack(?:s|ed|ing)?)"
)
_FAILED: Final = r"(?:fail(?:ed|s)?|broke|crashed|died|stopped|went wrong)"
_THING: Final = r"(?!nodes?\b|steps?\b|stages?\b|graphs?\b|keys?\b|edges?\b|tools?\b|models?\b|packages?\b|plans?\b|features?\b|threads?\b|branch\w*\b)[a-z]\w+"
_ASKED: Final = re.compile(
    rf"^\W*(?:and |so )?(?:(?:which|what|how many|list|name|show(?: me)?|find|give me)\s+(?:(?:the|all|of|our|my|those)\s+)*"
    rf"(?:\w+ )?{_THING}\s+(?:that |which |who )?(?:\w+ )?{_NOT}|(?:what|which ones?) (?:could|can)(?: not|n['’]?t))\s+(?P<rest>.+)$"
    rf"|^\W*(?:and |so )?(?:which|what|how many|list|name|show(?: me)?|find)\b.*\b{_FAILED} (?:because of|due to|owing to|for (?:lack|want) of|over) (?P<of>.+)$"
)
_SURE: Final = re.compile(
    rf"^\W*(?:and |so )?(?:which|what|how many)\s+(?:\w+ ){{0,2}}?{_THING}\s+(?:could|can)(?: not|n['’]?t) (?:be|get) \w+"
)
"""Words that ask for nothing else."""
_WORD: Final = re.compile(r"[a-z]+")
_ENDINGS: Final = re.compile(r"(?:ied|ies|ed|ing|es|s|e|y)$")


@dataclass(frozen=True, slots=True)
class _Found:
    """A visit that failed as the question says, in its graph."""

    graph: RegisteredGraph
    visit: Visit

    @property
    def kind(self) -> tuple[str, str, str]:
        error = self.visit.error
        return self.graph.name, self.visit.node, error.type if error else ""


def is_asked(scene: Scene) -> bool:
    """Whether a question describes what was not done, and the record has what fits its words."""
    return (
        bool(_found(scene)) or _missing(scene) is not None or _SURE.search(scene.words) is not None
    )


def answer(scene: Scene) -> Draft | None:
    """Tell the executions in which what is described failed; None where that is not asked."""
    found = _found(scene)
    if not found and (key := _missing(scene)) is not None:
        return _without(scene, key)
    if not found:
        return _none(scene) if _SURE.search(scene.words) else None
    ids = dict.fromkeys(one.visit.execution_id for one in found)
    draft = Draft(data={"values": {"executions": list(ids), "total_count": len(ids)}, "times": []})
    for same in by_kind(found, lambda one: one.kind):
        _tell(scene, draft, same[::-1])
    return draft


def _missing(scene: Scene) -> str | None:
    """The key of the state that a question says is not there: "which parcels never got a label"."""
    said = _ASKED.match(scene.words)
    words = set(_WORD.findall(said["rest"] or "")) if said else set()
    fields = scene.graph.manifest.fields if scene.graph and words else ()
    return next(
        (one.name for one in fields if one.name.lower() in words and one.name.lower() not in HARD),
        None,
    )


def _without(scene: Scene, key: str) -> Draft:
    """The executions that ended without a value of a key."""
    over = [one for one in kinds.newest(scene) if one.ended_at is not None]
    mine = [one for one in over if scene.final(one).get(key) is None]
    draft = Draft(data={"key": key, "times": []})
    draft.data["values"] = {
        "executions": [one.execution_id for one in mine],
        "total_count": len(mine),
    }
    graph = scene.graph.name if scene.graph else ""
    draft.say(
        f"{len(mine)} of the last {count(len(over), 'execution')} of {graph} ended without {key}{':' if mine else '.'}",
        graph_uri(graph, "executions"),
    )
    for one in mine[:TOLD]:
        error = f": {failed_with(one.error)}" if one.error else ""
        draft.say(f"{one.execution_id}, {one.status}{error}.", Ref(uri=one.uri, why=f"no {key}"))
    return draft


def _none(scene: Scene) -> Draft:
    """Say that no failure is about what is described, and which there are."""
    draft, of = (
        Draft(data={"values": {"executions": [], "total_count": 0}, "times": []}),
        scene.meant_graphs,
    )
    failed = Counter(_Found(graph, one).kind for graph in of for one in _failed(scene, graph))
    uris = [graph_uri(graph.name, "executions") for graph in of]
    told = listed(
        f"{node} of {graph} with {error or 'an error'} ({times(n)})"
        for (graph, node, error), n in failed.most_common(TOLD)
    )
    others = f"; what failed is {told}" if told else ", nor did anything fail"
    draft.say(f"No failure on record is of that by its words{others}.", *uris)
    return draft


def _found(scene: Scene) -> list[_Found]:
    """The failed visits that fit: by what was raised, else by the node's name, else by its words."""
    said = _ASKED.match(scene.words)
    stems = _stems(said["rest"] or said["of"]) if said else []
    if not stems:
        return []
    failed = [_Found(graph, one) for graph in scene.meant_graphs for one in _failed(scene, graph)]
    for text in (_raised, _name, _described):
        if fitting := [one for one in failed if _fits(stems, text(one))]:
            return fitting
    return []


def _failed(scene: Scene, graph: RegisteredGraph) -> list[Visit]:
    return [one for one in scene.recent_visits(graph.name) if one.status == "failed"]


def _stems(words: str) -> list[str]:
    plain = [word for word in _WORD.findall(words) if word not in COMMON]
    stems = [_ENDINGS.sub("", word) for word in plain]
    return [stem for stem in stems if len(stem) >= LEAST]


def _fits(stems: Sequence[str], text: str) -> bool:
    words = _WORD.findall(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).lower())
    return any(word.startswith(stem) for stem in stems for word in words)


def _raised(one: _Found) -> str:
    error = one.visit.error
    return f"{error.type} {error.message}" if error else ""


def _name(one: _Found) -> str:
    return one.visit.node.replace("_", " ")


def _described(one: _Found) -> str:
    facts = one.graph.manifest.node(one.visit.node)
    return facts.description if facts else ""


def _tell(scene: Scene, draft: Draft, same: Sequence[_Found]) -> None:
    """Those of one node and kind of error, the newest first."""
    graph, node = same[0].graph, same[0].visit.node
    ran = len(scene.store.newest(HISTORY, graph=graph.name))
    ids = dict.fromkeys(one.visit.execution_id for one in same)
    error = same[0].visit.error
    with_what = f" with {error.type}" if error else ""
    draft.say(
        f"{node} of {graph.name} failed{with_what} in {len(ids)} of the last {count(ran, 'execution')}:",
        node_uri(graph.name, node), graph_uri(graph.name, "executions"),
    )  # fmt: skip
    known = Known(scene.store)
    for one in same[:TOLD]:
        execution = scene.store.execution(one.visit.execution_id)
        given = {name.partition(".")[2]: value for name, value in known.of(execution).attributes.items()
                 if name.startswith("input.")}  # fmt: skip
        ended = (
            ""
            if execution.status == "failed"
            else f"; the execution went on and is {execution.status}"
        )
        draft.say(
            f"{execution.execution_id}, called with {told_value(given, 160)}: "
            f"{failed_with(one.visit.error)}{ended}.",
            Ref(uri=one.visit.uri, why="it failed"),
        )
