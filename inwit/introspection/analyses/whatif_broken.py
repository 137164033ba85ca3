"""What if a node failed for good: what takes over, which executions came to it, what would not run."""

from __future__ import annotations

from collections.abc import Sequence

from inwit.introspection import app
from inwit.introspection.analyses import whatis_node
from inwit.introspection.claims import Draft, Ref, count, graph_uri, listed
from inwit.introspection.scene import HISTORY, Scene
from inwit.runtime.manifest import GraphManifest
from inwit.runtime.views import RegisteredGraph


def answer(scene: Scene, graph: RegisteredGraph, nodes: Sequence[str]) -> Draft:
    """Tell it of each node: by its policies, the edges after it, and the executions on record."""
    draft = Draft(data={"baseline": None, "predicted": None})
    found = scene.store.newest(HISTORY, graph=graph.name)
    relieved, came = True, dict[str, None]()
    for name in nodes:
        whatis_node.failing(scene, graph, draft, name)
        policies = app.node_facts(graph.manifest, name).policies
        has_relief = bool(policies.get("error_handler") or policies.get("fallback"))
        relieved = relieved and has_relief
        mine = [o for o in found if any(v.node == name for v in scene.store.visits_of(o))]
        came |= dict.fromkeys(one.execution_id for one in mine)
        _say_reach(draft, graph, name, mine, found, has_relief=has_relief)
    share = len(came) / len(found) if found else 0.0
    draft.data |= {
        "feasible": bool(found), "n": len(found), "share_changed": round(share, 4),
        "change": {"kind": "broken", "nodes": list(nodes)},
        "reason": "something takes over" if relieved else "executions that come to it would fail",
    }  # fmt: skip
    return draft


def _say_reach(
    draft: Draft, graph: RegisteredGraph, name: str, mine: Sequence[object], found: Sequence[object],
    *, has_relief: bool,
) -> None:  # fmt: skip
    uri = graph_uri(graph.name, "executions")
    if not found:
        draft.admit(
            f"No execution of {graph.name} is on record, so how many come to {name} is not known."
        )
        return
    would = "would go on with what takes over" if has_relief else "would have failed there"
    draft.say(
        f"{len(mine)} of the last {count(len(found), 'execution')} of {graph.name} came to {name} and {would}.",
        Ref(uri=uri, why="how many came to it"),
    )
    after = _only_after(graph.manifest, name)
    if after and not has_relief:
        draft.say(
            f"Nothing else leads to {listed(after)}: {'they' if len(after) > 1 else 'it'} would not run.",
            graph_uri(graph.name, "edges"),
        )


def _only_after(manifest: GraphManifest, name: str) -> list[str]:
    """The nodes to which every way from the start leads through a node."""
    ways = {
        one.name: [e.target for e in manifest.edges if e.source == one.name]
        for one in manifest.nodes
    }
    seen, waiting = set[str](), [one for one in manifest.entry_points if one != name]
    while waiting:
        at = waiting.pop()
        if at not in seen:
            seen.add(at)
            waiting += [one for one in ways.get(at, []) if one != name]
    held, waiting = set[str](), list(ways.get(name, []))
    while waiting:
        at = waiting.pop()
        if at in ways and at not in held and at not in seen and at != name:
            held.add(at)
            waiting += ways[at]
    return [one.name for one in manifest.nodes if one.name in held]
