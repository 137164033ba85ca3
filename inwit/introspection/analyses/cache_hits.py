"""What was served from the cache: which visits of which nodes, and how large a share."""

from __future__ import annotations

from collections import Counter

from inwit.events import Event
from inwit.introspection.analyses.why_visits import nothing_recorded
from inwit.introspection.claims import Draft, Ref, count, listed, node_uri, times
from inwit.introspection.scene import HISTORY, Scene
from inwit.introspection.which import choose, names_one, thread_of

TOLD = 12


def answer(scene: Scene) -> Draft:
    """Count the cache hits of the execution that is meant, and of all where none is named."""
    draft = Draft(data={"values": {}})
    choice = choose(scene)
    if choice is None:
        return nothing_recorded(scene, draft)
    one = choice.execution
    hits = _hits(scene, one.execution_id)
    by_node = Counter(str(hit.node) for hit in hits)
    visits = sum(scene.node in (None, visit.node) for visit in scene.visits(one.execution_id))
    draft.data |= {"execution_id": one.execution_id}
    draft.data["values"] = {"hits": len(hits), "visits": visits, "by_node": dict(by_node)}
    if hits:
        told = listed(f"{node} {times(number)}" for node, number in by_node.items())
        yes = (
            "Yes: from"
            if scene.says(r"(?:was|were|did|is|are|has|have)\b(?!.*\bwhich\b)")
            and not (scene.says(r"(?:which|what|how)\b"))
            else "From"
        )
        draft.say(
            f"{yes} the cache came {told}, of {count(visits, 'visit')} in {choice.words}.",
            *(Ref(uri=hit.uri, why="served from the cache") for hit in hits[:TOLD]),
        )
    else:
        what = scene.node or "Nothing"
        verb = "did not come" if scene.node else "came"
        draft.say(f"{what} {verb} from the cache in {choice.words}.", one.uri)
    is_one = names_one(scene) or thread_of(scene) or scene.says(r"last|latest|this\b")
    if not is_one and scene.graph is not None:
        _say_altogether(scene, draft, one.graph_name)
    return draft


def _hits(scene: Scene, execution_id: str) -> list[Event]:
    found = scene.store.events(execution_id, types=("cache_hit",))
    return [hit for hit in found if scene.node in (None, hit.node)]


def _say_altogether(scene: Scene, draft: Draft, graph: str) -> None:
    """Add up the recorded executions of the graph, node by node where there were hits."""
    page = scene.store.executions(graph=graph, limit=HISTORY)
    hits: Counter[str] = Counter()
    for one in page.items:
        hits.update(str(hit.node) for hit in _hits(scene, one.execution_id))
    ran: Counter[str] = Counter()
    for visit in scene.store.recent_visits(graph, executions=HISTORY):
        ran[visit.node] += 1
    rates = {node: number / ran[node] for node, number in hits.items() if ran[node]}
    draft.data["values"] |= {"hits_of_all": sum(hits.values()), "rates": rates}
    for node, number in hits.most_common():
        draft.say(
            f"Altogether {number} of {count(ran[node], 'visit')} of {node} came from the cache "
            f"({number / max(ran[node], 1):.0%}), in the last {count(len(page.items), 'execution')}.",
            node_uri(graph, node),
        )
