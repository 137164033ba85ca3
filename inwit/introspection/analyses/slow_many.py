"""Why are executions slow: those that stand out, the nodes that they spent it in, what they share."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from statistics import median
from typing import Final

from inwit.introspection.analyses import differences, why_slow
from inwit.introspection.analyses.why_visits import nothing_recorded
from inwit.introspection.claims import Draft, Ref, count, duration, graph_uri, listed, node_uri
from inwit.introspection.scene import HISTORY, Scene
from inwit.introspection.stats import BASELINE_MIN, exactly, spread
from inwit.introspection.which import names_one, thread_of, with_value
from inwit.runtime.views import Execution

MORE: Final = 1.5
"""How many times the usual time an execution took at least that is called slow."""
SPREADS: Final = 4.0
SHARE: Final = 0.1
"""The least part of the excess that a node is told for."""
TOLD: Final = 5
_RUNS: Final = r"(?:executions|runs|invocations)\b"
_SLOW: Final = r"(?:slow|sluggish|long[- ]running|outliers?|unusually long)\b"
_ARE: Final = r"(?:were|are|been|took)"
ASKED: Final = (
    rf"\b(?:{_SLOW} (?:\S+ )?{_RUNS}|{_RUNS}.*\b{_ARE} (?:\w+ )?{_SLOW}|{_ARE} .*\b{_RUNS}.*\b{_SLOW}"
    r"|\bwhy (?:are|were|do|did) (?:some|certain|a few|several|many) .*\b(?:slow|take (?:so|too|very) long|took (?:so|too|very) long)\b)"
)


_OF_LATE: Final = (
    r"(?:lately|recently|now|nowadays|these days|currently|suddenly|become|became|getting|since)\b"
    r"|\bwhy are (?:the |my |our |all )*(?:executions|runs|invocations)\b"
)
"""What all of them are of late, and not some of them."""


def answer(scene: Scene) -> Draft | None:
    """Tell which of the newest executions were slow, and of what; None where one alone is meant.

    What all of them are of late is told as a change, where there are enough to look for one.
    """
    is_one = names_one(scene) or thread_of(scene) is not None or with_value(scene) is not None
    graph = scene.graph
    if is_one or scene.node is not None or graph is None:
        return None
    if scene.query.intent == "why" and scene.says(_OF_LATE):
        changed = why_slow.explain(scene)
        if changed.data["causes"] or changed.data.get("baseline_n", 0) >= BASELINE_MIN:
            return changed
    newest = scene.store.newest(HISTORY, graph=graph.name)
    over = [one for one in newest if one.status == "completed" and one.duration_ms is not None]
    draft = Draft(data={"causes": []})
    if not over:
        return nothing_recorded(scene, draft)
    slow, usual = _parted(over)
    uri = graph_uri(graph.name, "executions")
    usually, of_how_many = duration(median(_took(usual))), count(len(over), "completed execution")
    if not slow:
        longest = duration(max(_took(over)))
        draft.say(
            f"None of the last {of_how_many} of {graph.name} stands out as slow: they took {usually} at "
            f"the median and {longest} at the most.",
            uri,
        )
        return draft
    draft.say(
        f"{len(slow)} of the last {of_how_many} of {graph.name} were slow: they took "
        f"{duration(median(_took(slow)))} at the median, where {usually} is usual.",
        uri,
    )
    named = [f"{one.execution_id} ({duration(one.duration_ms)})" for one in slow[:TOLD]]
    more = f", and {len(slow) - TOLD} more" if len(slow) > TOLD else ""
    draft.say(f"The newest of them: {listed(named)}{more}.", *(one.uri for one in slow[:TOLD]))
    draft.data["execution_id"] = slow[0].execution_id
    draft.data["causes"] = _say_nodes(scene, draft, graph.name, slow, usual)
    differences.say_between(scene, draft, slow, usual, ("slow executions", "the others"))
    return draft


def _took(executions: Sequence[Execution]) -> list[float]:
    return [one.duration_ms or 0.0 for one in executions]


def _parted(over: Sequence[Execution]) -> tuple[list[Execution], list[Execution]]:
    """The slow ones and the usual ones; by their medians the slow ones are fewer than half."""
    took = _took(over)
    if len(took) < 2 * differences.BAD_LEAST:
        return [], list(over)
    bound = max(MORE * median(took), median(took) + SPREADS * spread(took))
    slow = [one for one in over if (one.duration_ms or 0.0) > bound]
    return slow, [one for one in over if (one.duration_ms or 0.0) <= bound]


def _say_nodes(
    scene: Scene, draft: Draft, graph: str, slow: Sequence[Execution], usual: Sequence[Execution]
) -> list[dict[str, object]]:
    """Tell the nodes that took longer in the slow ones, the most first."""
    sides = [_by_node(scene, graph, each) for each in (slow, usual)]
    excess = {
        node: (median(times), median(sides[1].get(node, [0.0]))) for node, times in sides[0].items()
    }
    ranked = sorted(excess.items(), key=lambda one: one[1][1] - one[1][0])
    whole = sum(max(now - was, 0.0) for now, was in excess.values())
    causes: list[dict[str, object]] = []
    for node, (now, was) in ranked:
        if now - was < SHARE * whole or now < MORE * was:
            continue
        draft.say(
            f"In them {node} took {duration(now)} at the median, where {duration(was)} is usual.",
            Ref(uri=node_uri(graph, node), why="its times"),
            *(one.uri for one in slow[:3]),
        )
        causes.append(
            {"node": node, "kind": "slow", "effect": exactly(round(now - was, 3), "ms"),
             "confirmed": False}
        )  # fmt: skip
    if not causes:
        draft.say("No node of them stands out: all took longer alike.", slow[0].uri)
    return causes


def _by_node(scene: Scene, graph: str, executions: Sequence[Execution]) -> dict[str, list[float]]:
    """What each node took in each of the executions, all its visits together."""
    held = {one.execution_id for one in executions}
    took: defaultdict[tuple[str, str], float] = defaultdict(float)
    for visit in scene.store.recent_visits(graph, executions=HISTORY):
        if visit.execution_id in held and visit.duration_ms is not None:
            took[visit.node, visit.execution_id] += visit.duration_ms
    found: dict[str, list[float]] = {}
    for (node, _), each in took.items():
        found.setdefault(node, []).append(each)
    return found
