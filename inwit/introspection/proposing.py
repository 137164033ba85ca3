"""An intervention of an answer as a plan: "How can I be faster?" and then one call.

The plans themselves are kept by the room above; `PlanSink` is what is asked of it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from inwit.answers import Answer, Evidence
from inwit.errors import MalformedInputError
from inwit.ids import new_id
from inwit.introspection.claims import capitalised
from inwit.plans import Effect, Plan, Validation

Intervention = Mapping[str, Any]


class PlanSink(Protocol):
    """Where plans are entered: the plan book of the room above."""

    def propose(self, plan: Plan, *, expected_evidence: str = "", actor: str = "") -> Plan:
        """Enter a plan, and give the one that is then held."""


def propose(answer: Answer, number: int, sink: PlanSink, *, actor: str = "") -> Plan:
    """Enter an intervention of a "how can I" as a plan; `number` counts from 1, best first.

    Raises:
        MalformedInputError: The answer has no such intervention.
    """
    plan = plan_of(answer, number)
    return sink.propose(plan, expected_evidence=plan.validation.expected, actor=actor)


def plan_of(answer: Answer, number: int) -> Plan:
    """Make a plan of an intervention, without entering it.

    Raises:
        MalformedInputError: The answer has no such intervention.
    """
    found = answer.data.get("interventions") or []
    if not 1 <= number <= len(found):
        raise MalformedInputError(
            f"No intervention {number}; the answer has {len(found)}.",
            hint='Ask "How can I make it faster?" and give the number of one, from 1.',
        )
    one: Intervention = found[number - 1]
    graph, node, kind = str(answer.data["graph"]), str(one["node"]), str(one["kind"])
    gain = _effect(one["gain"], answer)
    parts = (kind, graph, sorted(one.get("nodes") or [node]))
    return Plan(
        id=new_id(),
        fingerprint=hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:32],
        title=f"{capitalised(str(one['action']))} in {graph}",
        hypothesis=_hypothesis(one, graph),
        category=f"asked_{kind}",
        graph_name=graph,
        evidence=_evidence(answer, graph, one),
        baseline={"usual": answer.data.get("baseline"), "n": one.get("n")},
        candidate={"kind": kind, "nodes": list(one.get("nodes") or [node])},
        effect=gain,
        expected_gain=gain,
        confidence=min(round(answer.confidence, 4), 0.999),
        actions=(_ACTIONS.get(kind, _by_hand)(graph, one),),
        risk=str(one.get("risk") or _RISKS.get(kind, _RISKS[""])),
        validation=Validation(
            command=f'inwit ask "Am I performing well?" --graph {graph}',
            expected=f"The median is lower by at least {gain.low:.3g} {gain.unit}.",
        ),
        rollback=f"Take the change of {node} back.",
    )  # fmt: skip


def _effect(gain: Mapping[str, Any], answer: Answer) -> Effect:
    return Effect(
        point=float(gain["point"]), low=float(gain["low"]), high=float(gain["high"]),
        unit=str(gain["unit"]),
        method=f"{answer.data.get('n', 0)} recorded executions, re-scheduled under the change"
        if gain["unit"] == "ms" else "counted in the record",
    )  # fmt: skip


def _hypothesis(one: Intervention, graph: str) -> str:
    gain = one["gain"]
    unit = gain["unit"]
    low, point = f"{gain['low']:.4g} {unit}", f"{gain['point']:.4g} {unit}"
    return f"To {one['action']} gains {graph} {point} at the median, at least {low}."


def _evidence(answer: Answer, graph: str, one: Intervention) -> tuple[Evidence, ...]:
    """The evidence of this intervention: of its nodes, and what the whole answer stands on."""
    others = {
        node
        for each in answer.data["interventions"]
        for node in each.get("nodes") or [each["node"]]
    } - set(one.get("nodes") or [one["node"]])
    theirs = tuple(f"graph://{graph}/nodes/{node}" for node in others)
    return tuple(shown for shown in answer.evidence if shown.uri not in theirs)


def _cache(graph: str, one: Intervention) -> dict[str, Any]:
    setting = {"cache": {"scope": "graph"}}
    return _config(graph, one, setting, {"cache": None})


def _attempts(graph: str, one: Intervention) -> dict[str, Any]:
    return _config(graph, one, {"max_attempts": one.get("max_attempts", 1)}, {"max_attempts": None})


def _width(graph: str, one: Intervention) -> dict[str, Any]:
    now = {"max_concurrency": one.get("now")}
    return _config(graph, one, {"max_concurrency": one.get("number")}, now)


def _config(
    graph: str, one: Intervention, values: dict[str, Any], previous: dict[str, Any]
) -> dict[str, Any]:
    return {"type": "node_config", "graph": graph, "node": one["node"], "set": values,
            "previous": previous}  # fmt: skip


def _parallel(graph: str, one: Intervention) -> dict[str, Any]:
    first, second = list(one["nodes"])[:2]
    return {
        "type": "edges", "graph": graph, "nodes": [first, second],
        "remove": [[first, second]],
        "text": f"Let what leads to {first} also lead to {second}; what follows waits for both.",
    }  # fmt: skip


def _by_hand(graph: str, one: Intervention) -> dict[str, Any]:
    return {
        "type": "code",
        "graph": graph,
        "node": one["node"],
        "text": capitalised(str(one["action"])),
    }


_ACTIONS: dict[str, Callable[[str, Intervention], dict[str, Any]]] = {
    "cached": _cache, "parallel": _parallel, "retries": _attempts, "concurrency": _width,
}  # fmt: skip
_RISKS = {
    "cached": "Wrong if the result depends on more than what the node reads, or on the time.",
    "parallel": "Wrong if the nodes depend on each other by something outside of the state.",
    "concurrency": "What the node calls is called more often at once.",
    "retries": "What a further attempt would have mended fails instead.",
    "": "It changes the node's code, which only a person can judge.",
}
