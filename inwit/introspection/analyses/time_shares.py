"""Where the time goes: the share that each node has of the critical path, and what lies off it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import median

from inwit.introspection import schedule
from inwit.introspection.analyses.why_visits import nothing_recorded
from inwit.introspection.app import label_of
from inwit.introspection.claims import Draft, count, duration, execution_uri, graph_uri, listed
from inwit.introspection.scene import Scene
from inwit.introspection.which import choose, names_one, thread_of, with_value
from inwit.runtime.views import Execution, Visit

_LAST = r"(?:last|latest|previous) (?:executions?|runs?|invocations?|traces?|threads?)\b"
TOLD = 3
"""Nodes that are ranked over all graphs."""
Pairs = Sequence[tuple[Execution, list[Visit]]]


def told(scene: Scene) -> Draft:
    """Rank nodes by their time on the critical path: of one execution, or usually."""
    draft = Draft(data={"values": {}, "times": []})
    choice = choose(scene, fits=lambda one: one.duration_ms is not None)
    if choice is None:
        return nothing_recorded(scene, draft)
    one = choice.execution
    if names_one(scene) or thread_of(scene) or scene.says(_LAST):
        return _say(draft, [(one, scene.visits(one.execution_id))], choice.words)
    if with_value(scene) is None and len(scene.meant_graphs) > 1:
        return _of_graphs(scene, draft)
    pairs = scene.history(one.graph_name, None) or [(one, scene.visits(one.execution_id))]
    return _say(draft, pairs)


def _of_graphs(scene: Scene, draft: Draft) -> Draft:
    """The nodes that take longest in all graphs, and then each graph by itself."""
    every = {one.name: scene.history(one.name, None) for one in scene.meant_graphs}
    middles = {
        (node, graph): median(took)
        for graph, pairs in every.items()
        for node, took in on_paths(pairs)[0].items()
    }
    ranked = sorted(middles, key=lambda key: -middles[key])
    first = listed(
        f"{label_of(node)} of {graph} ({duration(middles[node, graph])})"
        for node, graph in ranked[:TOLD]
    )
    of = [name for name, pairs in every.items() if pairs]
    if first:
        draft.say(
            f"Of the nodes of {listed(of)} these take longest at the median: {first}.",
            *(graph_uri(name, "metrics") for name in of),
        )
    of_each: dict[str, dict[str, object]] = {}
    for name in of:
        draft.claims += _say(part := Draft(data={"values": {}, "times": []}), every[name]).claims
        of_each[name] = part.data
    values = {f"{node} of {graph}": round(middles[node, graph], 4) for node, graph in ranked}
    draft.data |= {"values": values, "graphs": of_each}
    return draft if of else nothing_recorded(scene, draft)


def _say(draft: Draft, pairs: Pairs, words: str = "") -> Draft:
    """Tell where the time of executions goes; `words` say which one it is, where it is one."""
    newest = pairs[0][0]
    took, own = on_paths(pairs)
    ranked = sorted(took, key=lambda name: -sum(took[name]))
    draft.data["values"] = {name: round(median(took[name]), 4) for name in ranked}
    draft.data["execution_id"] = newest.execution_id
    where = words or f"{count(len(pairs), 'execution')} of {newest.graph_name}"
    shares = shares_of(pairs, took)
    draft.data["shares"] = {name: round(share, 4) for name, share in shares.items()}
    how = "" if words else " (a node's time is its median where it is on the path)"
    goes = listed(
        (
            f"{label_of(name)} {shares[name]:.0%} ({duration(median(took[name]))})"
            for name in ranked
        ),
        most=8,
    )
    between = shares["between nodes"]
    if between >= 0.005:
        goes += f"; {between:.0%} is between nodes"
    uri = execution_uri(newest.execution_id, "history")
    metrics = graph_uri(newest.graph_name, "metrics")
    draft.say(
        f"On the critical path of {where} the time goes to {goes or 'no node'}{how}.", uri, metrics
    )
    off = sorted((name for name in own if name not in took), key=lambda name: -median(own[name]))
    if off:
        besides = listed(
            (f"{label_of(name)} ({duration(median(own[name]))})" for name in off), most=8
        )
        draft.say(f"Off the critical path, so that they delay nothing: {besides}.", uri, metrics)
    draft.data["off_path"] = {name: round(median(own[name]), 4) for name in off}
    return draft


def shares_of(pairs: Pairs, took: dict[str, list[float]]) -> dict[str, float]:
    """The part of the executions' whole time that each node is on the critical path; all add up to 1."""
    whole = sum(one.duration_ms or 0.0 for one, _ in pairs)
    on_path = sum(sum(values) for values in took.values())
    whole = max(whole, on_path)
    shares = {name: sum(values) / whole if whole else 0.0 for name, values in took.items()}
    return shares | {"between nodes": 1 - sum(shares.values()) if whole else 0.0}


def on_paths(pairs: Pairs) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """The times of nodes on the critical paths, and of all their visits, by execution."""
    took: dict[str, list[float]] = defaultdict(list)
    own: dict[str, list[float]] = defaultdict(list)
    for one, visits in pairs:
        whole: dict[str, float] = defaultdict(float)
        for visit in visits:
            whole[visit.node] += visit.duration_ms or 0.0
        for node, ms in schedule.build(one, visits).on_path().items():
            took[node].append(ms)
        for node, ms in whole.items():
            own[node].append(ms)
    return took, own
