"""What differs between two executions: path, visits, state, result, time."""

from __future__ import annotations

import re

from inwit.introspection.claims import (
    Draft,
    Ref,
    count,
    duration,
    execution_uri,
    graph_uri,
    listed,
    quoted,
    short,
    told_value,
)
from inwit.introspection.quotes import being
from inwit.introspection.scene import Scene
from inwit.runtime.diff import Diff, between, execution_side
from inwit.runtime.views import Execution

TOLD = 6
_LAST_TWO = (
    r"(?:last|latest|newest) (?:two|2)|(?:last|latest)\b.*\bbefore"
    r"|(?:different|changed|new)\b.*\b(?:last|latest|newest) (?:execution|run|one)"
)
_ID = re.compile(r"\b[0-9a-f]{16}\b")


def answer(scene: Scene) -> Draft | None:
    """Compare two executions; None where the question names no two."""
    graphs = scene.named("graph")
    pair = _pair(scene)
    if pair is None:
        return of_graphs(scene, graphs[0], graphs[1]) if len(graphs) > 1 else None
    one, two = pair
    found = between(
        execution_side(scene.store, one.execution_id), execution_side(scene.store, two.execution_id)
    )
    draft = Draft(data={"values": found.to_json(), "execution_id": two.execution_id})
    draft.say(f"The first, {_named(one)}, {_ended(one)}.", one.uri)
    draft.say(f"The second, {_named(two)}, {_ended(two)}.", two.uri)
    _say_ways(draft, found, one, two)
    _say_values(draft, found, one, two)
    if found.is_same:
        draft.say("Their ways, states and results do not differ.", one.uri, two.uri)
    return draft


def of_graphs(scene: Scene, first: str, second: str) -> Draft:
    """Say what two graphs are made of, and what they share."""
    one, two = scene.store.graph(first), scene.store.graph(second)
    draft = Draft(data={"values": {}})
    for graph in (one, two):
        manifest = graph.manifest
        nodes = [node.name for node in manifest.nodes]
        draft.data["values"][graph.name] = {"nodes": nodes, "version": graph.version}
        draft.say(
            f"{graph.name} has {count(len(nodes), 'node')} ({listed(nodes, most=8)}) and "
            f"{count(len(manifest.edges), 'edge')}.",
            graph_uri(graph.name, "architecture"),
        )
    keys = [{field.name for field in graph.manifest.fields} for graph in (one, two)]
    shared = listed(sorted(keys[0] & keys[1])) or "no key"
    uris = [graph_uri(graph.name, "state-schema") for graph in (one, two)]
    draft.say(f"Their states share {shared}.", *uris)
    within = [node.name for node in one.manifest.nodes if node.graph == two.name]
    within += [node.name for node in two.manifest.nodes if node.graph == one.name]
    if within:
        draft.say(f"One is a node of the other: {listed(within)}.", *uris)
    return draft


def _say_ways(draft: Draft, found: Diff, one: Execution, two: Execution) -> None:
    refs = [
        Ref(uri=execution_uri(each.execution_id, "history"), why="every visit")
        for each in (one, two)
    ]
    for change in found.path[:TOLD]:
        before, after = (" → ".join(side) or "nothing" for side in (change.before, change.after))
        draft.say(f"Where the first went {before}, the second went {after}.", *refs)
    if not found.path and found.visits:
        told = listed(f"{node} {a} and {b} times" for node, (a, b) in found.visits.items())
        draft.say(f"They ran {told}.", *refs)


def _say_values(draft: Draft, found: Diff, one: Execution, two: Execution) -> None:
    refs = [
        Ref(uri=execution_uri(each.execution_id, "state"), why="its state") for each in (one, two)
    ]
    told = [_change(op) for op in found.state]
    if told:
        more = (
            f", and {count(len(told) - TOLD, 'more', 'more')} in the data"
            if len(told) > TOLD
            else ""
        )
        draft.say(f"In the second's state {'; '.join(told[:TOLD])}{more}.", *refs)
    if found.error is not None:
        draft.say(f"Their errors: {_error(found.error[0])}; {_error(found.error[1])}.",
                  one.uri, two.uri)  # fmt: skip


def _change(op: dict[str, object]) -> str:
    key = str(op["path"]).strip("/").replace("/", ".")
    if op["op"] == "remove":
        return f"{key} is absent"
    value = op.get("value")
    return f"{key} is {told_value(value, 80)}"


def _error(said: str) -> str:
    kind, colon, text = said.partition(": ")
    return f"{short(kind, 80)}: {quoted(text)}" if colon else short(said or "none", 80)


def _named(one: Execution) -> str:
    thread = f" in thread {one.thread_id}" if one.thread_id not in (None, one.execution_id) else ""
    return f"{one.execution_id} of {one.graph_name}{thread}"


def _ended(one: Execution) -> str:
    took = f" after {duration(one.duration_ms)}" if one.duration_ms is not None else ""
    return f"{being(one)}{took}"


def _pair(scene: Scene) -> tuple[Execution, Execution] | None:
    ids = list(dict.fromkeys([*scene.named("exec"), *_ID.findall(scene.words)]))
    named = [one for one in ids if _ID.fullmatch(one)]
    if len(named) > 1:
        return scene.store.execution(named[0]), scene.store.execution(named[1])
    threads = scene.named("thread")
    if len(threads) > 1:
        return _last_of(scene, threads[0]), _last_of(scene, threads[1])
    if not scene.says(_LAST_TWO):
        return None
    page = scene.store.executions(graph=scene.scope, thread_id=next(iter(threads), None), limit=50)
    outer = [one for one in page.items if one.parent_execution_id is None] or list(page.items)
    if scene.says(r"(?:last|latest|newest) (?:two|2)"):
        return (outer[1], outer[0]) if len(outer) > 1 else None
    # "the one before" is of the same graph; another one cannot be told apart by its way.
    same = [one for one in outer if one.graph_name == outer[0].graph_name]
    pair = same if len(same) > 1 else outer
    return (pair[1], pair[0]) if len(pair) > 1 else None


def _last_of(scene: Scene, thread: str) -> Execution:
    found = scene.store.executions(thread_id=thread, limit=50).items
    return next((one for one in found if one.parent_execution_id is None), found[0])
