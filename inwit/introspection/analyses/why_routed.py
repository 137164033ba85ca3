"""Why do executions come to a node: the decisions that sent them there, and what parts them from others."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any, Final

from inwit.introspection import kinds
from inwit.introspection.analyses import differences
from inwit.introspection.claims import Draft, Ref, count, graph_uri, listed, told_value
from inwit.introspection.lineage import Lead, decisions
from inwit.introspection.scene import Scene
from inwit.introspection.stats import exactly
from inwit.introspection.which import names_one, thread_of, with_value
from inwit.runtime.views import Execution

_THERE: Final = (
    r"(?:end(?:s|ed|ing)? (?:up )?|go(?:es|ing)? |went |comes? |came |gets? |got |lands? |landed |(?:is|are|was|were|get|gets|got|being) "
    r"(?:sent|routed|led|passed|handed|referred|escalated|moved|diverted) )(?:to|at|in|into|through|on|with|by)\b"
)
ASKED: Final = (
    rf"^\W*(?:so |and |but )?(?:why|how come) (?:do|are|did|were|have|would) (?:so |some|many|most|all|the |these |those |our |my |half |\w+s )+.*{_THERE}"
    rf"|^\W*(?:what|when|which \w+) (?:makes?|made|sends?|sent|leads?|led|gets?|brings?|causes?|decides? (?:if|whether)|determines? (?:if|whether))\b.*(?:{_THERE}|\bto\W*$)"
)
"""Several executions that came to a node; of one alone the way is told."""
TOLD: Final = 4
READ: Final = 4


def answer(scene: Scene) -> Draft | None:
    """Tell the decisions by which executions came to a node; None where none is named."""
    node, graph = scene.node, scene.graph
    if node is None or graph is None or names_one(scene) or thread_of(scene) or with_value(scene):
        return None
    every = [one for one in kinds.newest(scene) if one.graph_name == graph.name]
    taken = {one.execution_id: _leads(scene, one, node) for one in every}
    came = [one for one in every if taken[one.execution_id] is not None]
    if not came:
        return None
    draft = Draft(data={"causes": [], "values": {"reached": len(came), "executions": len(every)}})
    draft.say(
        f"{len(came)} of the last {count(len(every), 'execution')} of {graph.name} came to {node}.",
        graph_uri(graph.name, "executions"),
    )
    ways: dict[tuple[str, str], list[Lead]] = defaultdict(list)
    for leads in taken.values():
        for lead in leads or ():
            ways[lead.source.node, str(lead.edge.get("label") or lead.edge.get("target"))].append(
                lead
            )
    if not ways:
        draft.say(f"Plain edges lead there, and no decision: each that comes before {node} goes on to it.",
                  graph_uri(graph.name, "edges"))  # fmt: skip
        return draft
    for (source, label), leads in sorted(ways.items(), key=lambda item: -len(item[1]))[:TOLD]:
        draft.data["causes"].append(
            {"node": source, "kind": "branch_decision", "label": label, "confirmed": True}
            | {"effect": exactly(len(leads), "decisions")}
        )
        draft.say(
            f"{len(leads)} times after {source} the decision was {label!r}{_read(leads)}.",
            *(Ref(uri=lead.uri, why="the decision") for lead in leads[:3] if lead.uri),
        )
    others = [one for one in every if one.status == "completed" and taken[one.execution_id] is None]
    differences.say_between(scene, draft, came, others, (f"that came to {node}", "the others"))
    return draft


def _leads(scene: Scene, execution: Execution, node: str) -> list[Lead] | None:
    """The decisions that led to a node; None where it was not visited."""
    visits = scene.store.visits_of(execution)
    if all(visit.node != node for visit in visits):
        return None
    return [lead for lead in decisions(visits) if lead.edge.get("target") == node]


def _read(leads: list[Lead]) -> str:
    """What was read for decisions: the value that it was each time, or those that were most frequent."""
    values: dict[str, Counter[str]] = defaultdict(Counter)
    for lead in leads:
        read: dict[str, Any] = lead.edge.get("read") or {}
        for key, value in read.items():
            values[key][told_value(value, 40)] += 1
    told = []
    for key, seen in list(values.items())[:READ]:
        most = [f"{key}={value}" if number == len(leads) else f"{key}={value} ({number})"
                for value, number in seen.most_common(3)]  # fmt: skip
        told.append(" or ".join(most) if len(seen) <= len(most) else f"{key} of {len(seen)} values")
    return f", having read {listed(told)}" if told else ""
