"""Keys that nodes return and the state lacks: what is returned under them is left out."""

from __future__ import annotations

import re

from inwit.introspection.claims import Draft, Ref, graph_uri, listed, node_uri
from inwit.introspection.scene import Scene
from inwit.runtime.views import RegisteredGraph

_WRONG = r"what(?: is|'s) wrong\b|anything wrong|mistakes?\b|bugs?\b"
_WHERE = r"\b(?:why|who|where|what|which|does|did|is|was)\b"


def answer(scene: Scene) -> Draft | None:
    """Say that a key which is asked about is none of the state's; None where that is not so."""
    graph = scene.graph
    if graph is None or scene.named("key"):
        return None
    found = keys(graph)
    words = set(re.findall(r"\w+", scene.words.lower()))
    asked = {key: nodes for key, nodes in found.items() if key.lower() in words}
    if not asked and scene.says(rf".*\b(?:{_WRONG})"):
        asked = found
    if not asked or re.search(_WHERE, scene.words.lower()) is None:
        return None
    draft = Draft(
        data={"causes": [], "left_out": {key: list(nodes) for key, nodes in asked.items()}}
    )
    for key, nodes in asked.items():
        draft.say(
            f"{listed(nodes)} {'returns' if len(nodes) == 1 else 'return'} {key}, for which "
            f"{graph.manifest.state_type} has no key: it is left out. Add {key} to "
            f"{graph.manifest.state_type} to keep it.",
            *(Ref(uri=node_uri(graph.name, node), why=f"it returns {key}") for node in nodes),
            Ref(uri=graph_uri(graph.name, "state-schema"), why="the keys that there are"),
        )
        draft.data["causes"].append(
            {"node": nodes[0], "kind": "left_out", "key": key, "confirmed": True}
        )
    return draft


def keys(graph: RegisteredGraph) -> dict[str, list[str]]:
    """The keys that are left out, each with the nodes whose source returns it."""
    found: dict[str, list[str]] = {}
    for node in graph.manifest.nodes:
        for key in node.left_out:
            found.setdefault(key, []).append(node.name)
    return found
