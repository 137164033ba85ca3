"""Why did a node fail where no execution failed by it: what took over, or that it never failed."""

from __future__ import annotations

from collections import Counter
from typing import Any

from inwit import events
from inwit.events import timestamp
from inwit.introspection.analyses.failure_chain import link
from inwit.introspection.analyses.why_visits import nothing_recorded
from inwit.introspection.claims import Draft, Ref, count, listed, node_uri, times
from inwit.introspection.quotes import being, failed_with
from inwit.introspection.scene import HISTORY, Scene
from inwit.introspection.stats import exactly
from inwit.introspection.which import Choice, choose, names_one, thread_of
from inwit.runtime.views import Visit

ATTEMPTS_TOLD = 8


def answer(scene: Scene, draft: Draft, choice: Choice | None) -> Draft:
    """Tell the last failed attempt of the node that is named, and how it was gone on from."""
    graph, node = scene.graph, scene.node
    if graph is None or node is None:
        return nothing_recorded(scene, draft)
    visits = _visits(scene, graph.name, node, choice)
    if not visits:
        return nothing_recorded(scene, draft)
    bad = [one for one in visits if one.status == "failed" or one.attempts > 1]
    if not bad:
        held = len({one.execution_id for one in visits})
        draft.say(
            f"{node} did not fail: of {count(len(visits), 'recorded visit')} in "
            f"{count(held, 'execution')} none had a failed attempt.",
            Ref(uri=visits[-1].uri, why="its last visit"),
            node_uri(graph.name, node),
        )
        _say_other(draft, choice, node)
        return draft
    _tell(scene, draft, node, bad, visits)
    return draft


def say_attempts(scene: Scene, draft: Draft, graph: str, node: str) -> bool:
    """Tell when a node's attempts failed in executions that went on; False where none did so."""
    visits = _visits(scene, graph, node, choose(scene) if names_one(scene) else None)
    bad = [one for one in visits if one.status == "failed" or one.attempts > 1]
    held = {one.execution_id: scene.store.execution(one.execution_id) for one in bad}
    went_on = [one for one in bad[::-1] if held[one.execution_id].error_node != node]
    if not went_on:
        return False
    ran = len({one.execution_id for one in visits})
    failed = sum(one.attempts - (one.status != "failed") for one in went_on)
    draft.data["recovered"] = {"visits": len(went_on), "attempts": failed, "executions": ran}
    draft.say(
        f"{count(failed, 'attempt')} of {node} failed in {len({o.execution_id for o in went_on})} of the "
        f"{count(ran, 'execution')} that visited it, and they went on:",
        node_uri(graph, node),
    )
    for one in went_on[:ATTEMPTS_TOLD]:
        at = timestamp(one.started_ns)
        shown = {"what": "attempt failed", "ts": at, "uri": one.uri, "node": node}
        draft.data["times"].append(shown | {"execution_id": one.execution_id})
        gone_on = _gone_on(scene, one)
        draft.say(
            f"at {at} in execution {one.execution_id}, tried {times(one.attempts)}: "
            f"{failed_with(one.error)}; {gone_on[:1].lower()}{gone_on[1:]}.",
            one.uri,
        )
    return True


def _visits(scene: Scene, graph: str, node: str, choice: Choice | None) -> list[Visit]:
    if names_one(scene) and choice is not None:
        return [one for one in scene.visits(choice.execution.execution_id) if one.node == node]
    found = scene.recent_visits(graph, node)
    if (thread := thread_of(scene)) is not None:
        page = scene.store.executions(thread_id=thread, limit=HISTORY)
        ids = {one.execution_id for one in page.items}
        found = [one for one in found if one.execution_id in ids]
    return sorted(found, key=lambda one: one.started_ns)


def _say_other(draft: Draft, choice: Choice | None, node: str) -> None:
    """The execution that did fail, of another node: whoever asks may have meant that."""
    if choice is None or choice.execution.status != "failed":
        return
    one = choice.execution
    where = f" in {one.error_node}" if one.error_node and one.error_node != node else ""
    draft.data["execution_id"] = one.execution_id
    draft.say(f"Execution {one.execution_id} failed{where}: {failed_with(one.error)}.", one.uri)


def _tell(scene: Scene, draft: Draft, node: str, bad: list[Visit], visits: list[Visit]) -> None:
    last = bad[-1]
    execution = scene.store.execution(last.execution_id)
    chain = [
        event
        for event in scene.events(last.execution_id)
        if event.node == node and event.visit == last.visit
        and isinstance(event, events.NodeFailed | events.RetryScheduled)
    ]  # fmt: skip
    failed = [event for event in chain if isinstance(event, events.NodeFailed)]
    draft.data |= {"execution_id": last.execution_id, "chain": [link(event) for event in chain]}
    first = failed[0] if failed else None
    error = failed_with(first.error if first else last.error)
    attempts = f" It was tried {times(last.attempts)}." if last.attempts > 1 else ""
    draft.say(
        f"{node} failed at visit {last.visit} in execution {last.execution_id}: {error}.{attempts}",
        *(Ref(uri=event.uri, why=event.type) for event in chain[:4]),
        None if chain else last.uri,
    )
    said = f"{_gone_on(scene, last)}; the" if execution.status != "failed" else "The"
    draft.say(f"{said} execution {being(execution)}.", execution.uri)
    draft.data["causes"] = [_cause(last, first, error)]
    kinds = Counter(failed_with(one.error) for one in bad if one.error)
    if len(bad) > 1:
        told = listed(f"{kind} ({number})" for kind, number in kinds.most_common(3))
        draft.say(
            f"It failed or was tried again in {len({one.execution_id for one in bad})} of the "
            f"{count(len({one.execution_id for one in visits}), 'execution')} that visited it"
            f"{': ' + told if told else ''}.",
            *(Ref(uri=one.uri, why="a failed attempt") for one in bad[-3:]),
        )


def _gone_on(scene: Scene, last: Visit) -> str:
    if last.status != "failed":
        return "A further attempt succeeded"
    facts = scene.graph.manifest.node(last.node) if scene.graph else None
    policies = facts.policies if facts else {}
    relief = policies.get("error_handler") or policies.get("fallback")
    if relief:
        return f"{relief} took over from it"
    return "It was gone on without it"


def _cause(last: Visit, first: events.NodeFailed | None, error: str) -> dict[str, Any]:
    return {
        "node": last.node, "kind": "recovered_error", "error": error,
        "error_type": first.error.type if first else "",
        "execution_id": last.execution_id, "first_failure": first.uri if first else last.uri,
        "effect": exactly(last.attempts, "failed attempts"), "confirmed": True,
    }  # fmt: skip
