"""Why does a key hold that value: which visits wrote it, and what they read."""

from __future__ import annotations

from inwit.introspection.analyses.why_visits import nothing_recorded
from inwit.introspection.claims import Draft, Ref, event_uri, listed, node_uri, short
from inwit.introspection.scene import Scene
from inwit.introspection.stats import exactly
from inwit.introspection.which import choose


def explain(scene: Scene) -> Draft:
    """Trace the value of the key that the question names to the visits that wrote it."""
    draft = Draft(data={"causes": []})
    key = scene.named("key")[0]
    choice = choose(scene)
    if choice is None:
        return nothing_recorded(scene, draft)
    execution = choice.execution
    draft.data["execution_id"] = execution.execution_id
    state = scene.store.state_at(execution.execution_id)
    draft.data["values"] = {key: state.get(key)}
    wrote = [
        visit
        for visit in scene.visits(execution.execution_id)
        if isinstance(visit.update, dict) and key in visit.update
    ]
    if not wrote:
        first = event_uri(execution.execution_id, 1)
        draft.say(f"No node wrote {key} in {choice.words}; its value is the input's.", first)
        return draft
    last = wrote[-1]
    draft.say(
        f"{key} is {short(state.get(key))} in {choice.words}, last written by {last.node} "
        f"(visit {last.visit}).",
        Ref(uri=last.uri, why=f"the visit that wrote {key}"),
    )
    graph = scene.store.graph(execution.graph_name, execution.graph_version)
    facts = graph.manifest.node(last.node)
    if facts is not None and facts.reads:
        draft.say(f"{last.node} reads {listed(facts.reads)}.", node_uri(graph.name, last.node))
    draft.data["causes"] = [
        {"node": visit.node, "kind": "wrote", "visit": visit.visit, "confirmed": True}
        | {"effect": exactly(1, "writes")}
        for visit in reversed(wrote)
    ]
    return draft
