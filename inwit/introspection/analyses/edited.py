"""What of a graph changed: the source of its nodes, and with it its figures."""

from __future__ import annotations

import re
from collections.abc import Sequence

from inwit.introspection.analyses import since
from inwit.introspection.claims import Draft, Ref, count, graph_uri, listed
from inwit.introspection.scene import Scene
from inwit.introspection.which import names_one, thread_of
from inwit.runtime.store.edits import Edit
from inwit.runtime.views import Execution, RegisteredGraph

TOLD = 5
_CHANGED = r"(?:chang\w*|edit\w*|modif\w*|touch\w*)"
_OTHERS = r"(?:executions?|runs?|steps?|states?|checkpoints?|threads?|values?|keys?|between|versions?|if|model)\b"
ASKED = (
    rf"^(?!.*\b{_OTHERS})(?:\W*what (?:has |have |is |was |were |did )?(?:been |i |we )?{_CHANGED}(?:\W*$|.*\b(?:graph|code|source|nodes?|here|my|our)\b| (?:in|of|with) {{2,}})"
    rf"|.*\b(?:did|has|have|was|were|when|which|what)\b.*\b(?:code|source|nodes?)\b.*\b{_CHANGED}"
    rf"|.*\bwhen (?:was|were|did)\b.*\b(?:last |recently ){_CHANGED})"
)
SINCE = (
    r"(?:better|worse|faster|slower|quicker|now|by now|fix\w*|mend\w*|chang\w*|edit\w*|improv\w*)"
)


def answer(scene: Scene) -> Draft | None:
    """Tell when the source of which nodes changed; of a whole graph, what its figures did too."""
    graph = scene.graph
    if graph is None or names_one(scene) or thread_of(scene) is not None or scene.named("key"):
        return None
    found = [one for one in scene.store.edits(graph.name) if scene.node in (None, one.node)]
    if scene.node is not None:
        draft = Draft(data={"times": []})
        _say(draft, graph, found, scene.node)
        return draft
    draft = since.changes(scene, graph)
    claims, draft.claims = draft.claims, []
    _say(draft, graph, found, None)
    draft.claims += claims
    return draft


def _say(draft: Draft, graph: RegisteredGraph, found: Sequence[Edit], node: str | None) -> None:
    uri = graph_uri(graph.name, "versions")
    for one in found[: -TOLD - 1 : -1]:
        draft.data["times"].append(
            {"what": f"source of {one.node} changed", "ts": one.at, "uri": uri}
        )
        draft.say(
            f"The source of {one.node} is another one since {one.at}.",
            Ref(uri=uri, why="when sources changed"),
        )
    if len(found) > TOLD:
        draft.admit(f"{count(len(found) - TOLD, 'earlier change')} came before.")
    if not found:
        what = f"the source of {node}" if node else f"the sources of the nodes of {graph.name}"
        draft.say(f"No change of {what} is on record.", uri)


def split(
    scene: Scene, graph: str, found: Sequence[Execution]
) -> tuple[list[Execution], list[Execution], list[Edit]] | None:
    """The executions since the last edit, those of the code before it, and what was edited.

    Newest are first. None where the question does not look back, or nothing ran since or before.
    """
    if not re.search(rf"\b{SINCE}", scene.words.lower()):
        return None
    edits = scene.store.edits(graph)
    if not edits:
        return None
    last = edits[-1].at
    now = [one for one in found if one.started_at >= last]
    before = [one for one in found if one.started_at < last]
    earlier = next((one.at for one in reversed(edits) if one.at < last), "")
    same = [one for one in before if one.started_at >= earlier]
    before = same or before
    return (now, before, [one for one in edits if one.at == last]) if now and before else None


def say_split(
    draft: Draft, graph: str, now: Sequence[Execution], before: Sequence[Execution],
    edits: Sequence[Edit],
) -> None:  # fmt: skip
    """Say what is compared with what."""
    draft.data["edited"] = {"nodes": [one.node for one in edits], "at": edits[0].at}
    draft.say(
        f"The source of {listed(one.node for one in edits)} changed at {edits[0].at}: "
        f"{count(len(now), 'execution')} since are judged beside the {len(before)} right before.",
        graph_uri(graph, "versions"),
        now[0].uri,
    )
