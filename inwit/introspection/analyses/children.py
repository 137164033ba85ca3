"""The executions within an execution: which graphs it called, how they went, which of them failed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from inwit.events import Event, epoch_ns
from inwit.introspection.analyses import failure_chain
from inwit.introspection.analyses.why_visits import nothing_recorded
from inwit.introspection.claims import (
    Draft,
    Ref,
    capitalised,
    count,
    duration,
    execution_uri,
    listed,
    told_value,
)
from inwit.introspection.quotes import being, failed_with, failure
from inwit.introspection.scene import Scene
from inwit.introspection.which import Choice, choose
from inwit.runtime.views import Execution

TOLD = 10
DEEPEST = 5
"""How many graphs within graphs are looked into."""
LOOKED_AT = 2000
"""Executions that are looked through for those within others."""
_FAILED = r"fail|crash|broke|broken|error|wrong"


def answer(scene: Scene) -> Draft:
    """Name the inner executions of the one that is meant, or those of them that failed."""
    draft = Draft(data={"values": {}})
    asks_failed = scene.says(_FAILED)
    choice = _choose(scene, asks_failed=asks_failed)
    if choice is None:
        return nothing_recorded(scene, draft)
    one = choice.execution
    found = inner(scene, one)
    shown = [child for child in found if child.status == "failed"] if asks_failed else found
    draft.data |= {"execution_id": one.execution_id}
    draft.data["values"] = {
        "executions": [_shown(child) for child in shown], "total_count": len(found),
    }  # fmt: skip
    if not found:
        draft.say(f"{capitalised(choice.words)} called no other graph.", one.uri)
        return draft
    if not shown:
        draft.say(
            f"None of the {count(len(found), 'graph')} that {choice.words} called failed.",
            *(child.uri for child in found[:TOLD]),
        )
        return draft
    if asks_failed:
        _say_failed(scene, draft, choice, shown)
        return draft
    draft.say(f"{capitalised(choice.words)} called {count(len(found), 'graph')}.", one.uri)
    for child in found[:TOLD]:
        took = f", {duration(child.duration_ms)}" if child.duration_ms is not None else ""
        draft.say(
            f"{child.graph_name} in execution {child.execution_id}: {child.status}{took}.",
            child.uri,
        )
    return draft


def inside(scene: Scene) -> Draft | None:
    """Tell what ran within a node that runs a graph; None where it runs none."""
    facts = scene.graph.manifest.node(scene.node) if scene.graph and scene.node else None
    if facts is None or not facts.graph:
        return None
    draft = Draft(data={"values": {}})
    choice = choose(
        scene,
        fits=lambda one: any(child.graph_name == facts.graph for child in inner(scene, one)),
        fitting=f"that called {facts.graph}",
    )
    if choice is None:
        return nothing_recorded(scene, draft)
    found = [one for one in inner(scene, choice.execution) if one.graph_name == facts.graph]
    draft.data |= {"execution_id": choice.execution.execution_id}
    draft.data["values"] = {"executions": [_shown(child) for child in found]}
    if not found:
        draft.say(f"{facts.name} called no graph in {choice.words}.", choice.execution.uri)
    for child in found[:TOLD]:
        _say_inside(scene, draft, facts.name, choice.words, child)
    return draft


def _say_inside(scene: Scene, draft: Draft, node: str, where: str, child: Execution) -> None:
    took = f" after {duration(child.duration_ms)}" if child.duration_ms is not None else ""
    draft.say(
        f"{node} ran {child.graph_name} in {where}: execution {child.execution_id} "
        f"{being(child)}{took}.",
        child.uri,
    )
    visits = scene.visits(child.execution_id)
    if visits:
        told = listed((visit.node for visit in visits), most=TOLD * 2)
        history = execution_uri(child.execution_id, "history")
        draft.say(f"In it ran {told}.", Ref(uri=history, why="every visit"))
    state = scene.store.state_at(child.execution_id)
    if state:
        told = "; ".join(
            f"{key} = {told_value(value, 60)}" for key, value in list(state.items())[:TOLD]
        )
        draft.say(
            f"Its state: {told}.",
            Ref(uri=execution_uri(child.execution_id, "state"), why="its state"),
        )


def with_inner(scene: Scene, found: Sequence[Execution]) -> list[Execution]:
    """Executions and all that ran within them, each once; what ran within is theirs too."""
    if not found:
        return []
    known = {one.execution_id: one for one in found}
    page = scene.store.executions(
        limit=LOOKED_AT, since_ns=min(epoch_ns(o.started_at) for o in found)
    )
    waiting = sorted(page.items, key=lambda one: one.position)
    for one in waiting:  # an execution begins before those within it
        if one.parent_execution_id in known:
            known.setdefault(one.execution_id, one)
    return list(known.values())


def inner(scene: Scene, execution: Execution) -> list[Execution]:
    """The executions that one called, the first first; not those that they called."""
    page = scene.store.executions(parent_id=execution.execution_id, limit=200)
    return sorted(page.items, key=lambda one: one.position)


def any_within(
    scene: Scene, execution: Execution, holds: Callable[[Execution], bool], depth: int = DEEPEST
) -> bool:
    """Whether something holds of an execution, or of one within it to a depth."""
    if holds(execution):
        return True
    return depth > 0 and any(
        any_within(scene, child, holds, depth - 1) for child in inner(scene, execution)
    )


def events(
    scene: Scene, execution: Execution, types: Sequence[str], depth: int = DEEPEST
) -> list[Event]:
    """The events of these types of an execution, and of those within it to a depth."""
    found = scene.store.events(execution.execution_id, types=types)
    if depth:
        for child in inner(scene, execution):
            found = [*found, *events(scene, child, types, depth - 1)]
    return found


def _choose(scene: Scene, *, asks_failed: bool) -> Choice | None:
    def fits(one: Execution) -> bool:
        found = inner(scene, one)
        return any(child.status == "failed" for child in found) if asks_failed else bool(found)

    fitting = "in which a subgraph failed" if asks_failed else "that called another graph"
    return choose(scene, fits=fits, fitting=fitting)


def _say_failed(scene: Scene, draft: Draft, choice: Choice, failed: list[Execution]) -> None:
    one = choice.execution
    at = failure_chain.failed_at(scene, one)
    where = f" (node {at} of {one.graph_name})" if at else ""
    for child in failed[:TOLD]:
        chain = failure_chain.failures(scene, child)
        first = chain[0] if chain else None
        in_node = f" in {child.error_node}" if child.error_node else ""
        draft.say(
            f"{child.graph_name}{where if len(failed) == 1 else ''} failed in execution "
            f"{child.execution_id}{in_node}: {failed_with(child.error)}.",
            Ref(uri=first.uri, why="the first failure within it") if first else None,
            child.uri,
        )
    draft.say(f"{capitalised(choice.words)}, which had called it, {being(one)}.", one.uri)
    draft.data["causes"] = [
        failure_chain.cause(child, failure_chain.failures(scene, child)) for child in failed
    ]


def _shown(child: Execution) -> dict[str, Any]:
    return {
        "execution_id": child.execution_id,
        "graph_name": child.graph_name,
        "status": child.status,
        "error": failure(child.error) if child.error else None,
        "error_node": child.error_node,
        "duration_ms": child.duration_ms,
    }
