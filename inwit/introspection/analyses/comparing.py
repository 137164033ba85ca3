"""What differs between two executions: path, visits, state, result, time."""

from __future__ import annotations

import re
from typing import get_args

from inwit.events import Status
from inwit.introspection.claims import (
    Draft,
    Ref,
    count,
    duration,
    execution_uri,
    graph_uri,
    listed,
    platform_uri,
    quoted,
    short,
    told_value,
)
from inwit.introspection.quotes import being
from inwit.introspection.scene import Scene
from inwit.introspection.which import of_id
from inwit.runtime.diff import Diff, between, execution_side
from inwit.runtime.views import Execution

TOLD = 6
_LAST_TWO = (
    r"(?:last|latest|newest) (?:two|2)|(?:last|latest)\b.*\bbefore"
    r"|(?:different|changed|new)\b.*\b(?:last|latest|newest) (?:execution|run|one)"
)
_STATUSES: dict[Status, str] = {
    "failed": r"(?:failed|failing|broken|bad)\b",
    "completed": r"(?:completed|successful|succeeded|working|good)\b",
    "cancelled": r"cancelled\b",
}
_RUNS = r"\b(?:executions?|runs?|invocations?|one)\b"
_ID = re.compile(r"\b[0-9a-f]{16}\b")


def answer(scene: Scene) -> Draft | None:
    """Compare two executions; None where the question names no two."""
    graphs = scene.named("graph")
    if (missing := _missing(scene)) is not None:
        return missing
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


def _missing(scene: Scene) -> Draft | None:
    """Say that a thread that is to be compared has no execution."""
    threads = scene.named("thread")[:2]
    if len(threads) < 2:
        return None
    for thread in threads:
        if not scene.store.executions(thread_id=thread, limit=1).items:
            draft = Draft(data={"values": {}})
            uri = scene.graph_uri("executions") or platform_uri("project")
            draft.say(f"No execution in thread {short(thread, 60)} is on record.", uri)
            return draft
    return None


def _pair(scene: Scene) -> tuple[Execution, Execution] | None:
    ids = list(dict.fromkeys([*scene.named("exec"), *_ID.findall(scene.words)]))
    named = [one for one in ids if one not in get_args(Status)]
    if len(named) > 1:
        return of_id(scene, named[0]).execution, of_id(scene, named[1]).execution
    threads = scene.named("thread")
    if len(threads) > 1:
        return _last_of(scene, threads[0]), _last_of(scene, threads[1])
    if (of_statuses := _by_status(scene)) is not None:
        return of_statuses
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


def _by_status(scene: Scene) -> tuple[Execution, Execution] | None:
    """The last of one status beside the last of another, or beside the last of all; of one graph."""
    asked = [status for status, said in _STATUSES.items() if re.search(rf"\b{said}", scene.words)]
    last = _newest(scene, scene.scope, None)
    if not asked or last is None or not re.search(_RUNS, scene.words):
        return None
    name = last.graph_name
    found = [one for status in asked[:2] if (one := _newest(scene, name, status)) is not None]
    if len(found) == 1:
        other = _newest(scene, name, "completed") if last == found[0] else last
        found += [other] if other is not None else []
    return (found[0], found[1]) if len(found) == 2 and found[0] != found[1] else None


def _newest(scene: Scene, graph: str | None, status: Status | None) -> Execution | None:
    page = scene.store.executions(graph=graph, status=status, limit=50)
    return next((one for one in page.items if one.parent_execution_id is None), None)


def _last_of(scene: Scene, thread: str) -> Execution:
    found = scene.store.executions(thread_id=thread, limit=50).items
    return next((one for one in found if one.parent_execution_id is None), found[0])
