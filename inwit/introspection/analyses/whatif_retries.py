"""What more or fewer attempts would do: how many there are now, and how often a further one helped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from inwit.introspection.changes import Change
from inwit.introspection.claims import Draft, Ref, count, listed, node_uri
from inwit.introspection.scene import HISTORY, Scene
from inwit.runtime.manifest import GraphManifest
from inwit.runtime.views import RegisteredGraph

Attempts = Callable[[GraphManifest, Change], "dict[str, int]"]


def settled(scene: Scene, graph: RegisteredGraph, change: Change, attempts: Attempts) -> Change:
    """The change with its number of attempts, where it names only how many times as many as now.

    Without a node those are meant that were tried again on record. Where nodes may be tried a
    different number of times, no one number is meant, and it stays open.
    """
    if change.max_attempts is not None or change.factor is None:
        return change
    nodes = change.nodes or _tried_again(scene, graph)
    now = attempts(graph.manifest, replace(change, nodes=nodes))
    if len(set(now.values())) != 1:
        return change
    again = next(iter(now.values())) - 1
    return replace(change, nodes=nodes, max_attempts=1 + max(round(again * change.factor), 0))


def _tried_again(scene: Scene, graph: RegisteredGraph) -> tuple[str, ...]:
    found = scene.store.recent_visits(graph.name, executions=HISTORY)
    return tuple(dict.fromkeys(visit.node for visit in found if visit.attempts > 1))


def say_further(scene: Scene, draft: Draft, graph: RegisteredGraph, change: Change) -> None:
    """Tell of visits that had used up their attempts, and how often each further attempt helped."""
    found = [visit for visit in scene.store.recent_visits(graph.name, executions=HISTORY)
             if not change.nodes or visit.node in change.nodes]  # fmt: skip
    most = change.max_attempts or 1
    spent = [one for one in found if one.status == "failed" and 1 < one.attempts < most]
    if not spent:
        return
    draft.data["failed_with_fewer"] = len(spent)
    draft.say(
        f"{count(len(spent), 'visit')} of {listed(dict.fromkeys(one.node for one in spent))} failed for good with "
        f"fewer attempts: what a further one would have given is in no record.",
        *(Ref(uri=one.uri, why=f"{one.attempts} attempts") for one in spent[:4]),
    )
    helped = []
    for number in range(2, max(one.attempts for one in found) + 1):
        tried = [one for one in found if one.attempts >= number]
        good = sum(one.attempts == number and one.status == "completed" for one in tried)
        helped.append(f"attempt {number} succeeded in {good} of {len(tried)}")
    draft.say(f"On record, {listed(helped)}.", node_uri(graph.name, spent[0].node))
