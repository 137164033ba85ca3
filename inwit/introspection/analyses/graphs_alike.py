"""Which graphs of a project are of a kind, or have the most or fewest of something."""

from __future__ import annotations

from collections.abc import Callable

from inwit.introspection.analyses import node_facts
from inwit.introspection.claims import Draft, graph_uri, listed
from inwit.introspection.scene import Scene
from inwit.runtime.manifest import GraphManifest
from inwit.runtime.views import RegisteredGraph

_COUNTED: tuple[tuple[str, str, Callable[[GraphManifest], int]], ...] = (
    (r"nodes?\b|steps?\b", "nodes", lambda one: len(one.nodes)),
    (r"edges?\b", "edges", lambda one: len(one.edges)),
    (r"keys?\b|fields?\b", "keys", lambda one: len(one.fields)),
    (r"decisions?\b", "decisions", lambda one: len(one.decision_points)),
)
_KINDS: tuple[tuple[str, str, Callable[[GraphManifest], list[str]]], ...] = (
    (r"tools?\b", "a tool", lambda one: [tool for node in one.nodes for tool in node.tools]),
    (r"sub-?graphs?\b", "a subgraph", lambda one: [n.name for n in one.nodes if n.graph]),
    (r"loops?\b|cycles?\b", "a loop", lambda one: ["a loop"] if one.has_cycles else []),
    (
        r"parallel",
        "parallel paths",
        lambda one: ["parallel paths"] if one.has_parallel_paths else [],
    ),
    (r"decisions?\b|branch", "a decision", lambda one: list(one.decision_points)),
)


def answer(scene: Scene, draft: Draft) -> Draft | None:
    """Rank or pick the project's graphs; None where the question asks for neither."""
    most, least = (
        scene.says(r".*\b(?:most|largest|biggest)\b"),
        scene.says(r".*\b(?:fewest|least|smallest)\b"),
    )
    if most or least:
        for said, what, number in _COUNTED:
            if scene.says(rf".*\b(?:{said})"):
                return _ranked(scene.graphs, draft, what, number, is_least=least)
    if node_facts.asks_for_models(scene):
        return node_facts.of_models(scene)
    for said, what, held in _KINDS:
        if scene.says(rf".*\b(?:{said})"):
            return _picked(scene.graphs, draft, what, held)
    return None


def _ranked(
    graphs: list[RegisteredGraph], draft: Draft, what: str, number: Callable[[GraphManifest], int],
    *, is_least: bool,
) -> Draft:  # fmt: skip
    counted = {one.name: number(one.manifest) for one in graphs}
    order = sorted(counted, key=lambda name: (counted[name] if is_least else -counted[name], name))
    draft.data["values"] = {name: counted[name] for name in order}
    if order:
        rest = listed(f"{name} {counted[name]}" for name in order[1:])
        draft.say(
            f"{order[0]} has {'the fewest' if is_least else 'the most'} {what}, {counted[order[0]]}"
            f"{'; ' + rest if rest else ''}.",
            *(graph_uri(name, "architecture") for name in order[:6]),
        )
    return draft


def _picked(
    graphs: list[RegisteredGraph], draft: Draft, what: str,
    held: Callable[[GraphManifest], list[str]],
) -> Draft:  # fmt: skip
    found = {one.name: list(dict.fromkeys(held(one.manifest))) for one in graphs}
    mine = {name: parts for name, parts in found.items() if parts}
    draft.data["graphs"] = [{"name": name, "held": parts} for name, parts in mine.items()]
    if not mine:
        draft.say(f"By its manifest no graph of this project has {what}.",
                  *(graph_uri(one.name, "nodes") for one in graphs[:6]))  # fmt: skip
    for name, parts in mine.items():
        told = (
            "" if parts == [what.removeprefix("a ")] or parts[0] == what else f": {listed(parts)}"
        )
        draft.say(f"{name} has {what}{told}.", graph_uri(name, "nodes"))
    return draft
