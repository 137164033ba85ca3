"""Why does a key hold that value: which visits wrote it, and what they read."""

from __future__ import annotations

from inwit.introspection.analyses.why_visits import nothing_recorded
from inwit.introspection.claims import Draft, Ref, event_uri, execution_uri, listed, node_uri, short
from inwit.introspection.quotes import being, failed_with
from inwit.introspection.scene import Scene
from inwit.introspection.stats import exactly
from inwit.introspection.which import Choice, choose


def _say_absent(scene: Scene, draft: Draft, choice: Choice, key: str) -> Draft:
    """Say that nobody gave or wrote a key, and what became of the nodes that write it."""
    one = choice.execution
    graph = scene.store.graph(one.graph_name, one.graph_version)
    writers = [node.name for node in graph.manifest.nodes if key in node.writes]
    ran = {visit.node: visit for visit in scene.visits(one.execution_id)}
    draft.say(
        f"{key} holds nothing in {choice.words}: it was not given, and no node wrote it.",
        execution_uri(one.execution_id, "state"),
    )
    for name in writers:
        visit = ran.get(name)
        how = "did not run" if visit is None else f"ran and has {visit.status}"
        draft.say(
            f"{name}, which writes {key}, {how}.",
            visit.uri if visit is not None else execution_uri(one.execution_id, "history"),
        )
    if one.error is not None:
        draft.say(f"The execution {being(one)}: {failed_with(one.error)}.", one.uri)
    return draft


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
    if key not in state:
        return _say_absent(scene, draft, choice, key)
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
