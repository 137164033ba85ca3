"""Which budget ran out, and where it was spent."""

from __future__ import annotations

from collections import Counter, defaultdict

from inwit.introspection.analyses import why_cost
from inwit.introspection.claims import (
    Draft,
    Ref,
    count,
    duration,
    execution_uri,
    listed,
    times,
)
from inwit.introspection.scene import Scene
from inwit.runtime.views import Execution

TOLD = 8
_CODE = "execution.budget_"


def ran_out(execution: Execution) -> str:
    """The kind of budget that ended an execution: steps, deadline, tokens, cost; else empty."""
    code = execution.error.code if execution.error is not None else ""
    return code.removeprefix(_CODE) if code.startswith(_CODE) else ""


def say_spent(scene: Scene, draft: Draft, execution: Execution) -> None:
    """Tell where an execution spent the budget that ran out."""
    kind = ran_out(execution)
    draft.data["budget"] = kind
    if kind in ("tokens", "cost"):
        _say_calls(scene, draft, execution)
        return
    visits = scene.visits(execution.execution_id)
    if not visits:
        return
    uris = [Ref(uri=visit.uri, why="a visit") for visit in visits[-TOLD:]]
    if kind == "deadline":
        took: dict[str, float] = defaultdict(float)
        for visit in visits:
            took[visit.node] += visit.duration_ms or 0.0
        ranked = sorted(took, key=lambda node: -took[node])
        told = listed((f"{node} ({duration(took[node])})" for node in ranked), most=TOLD)
        draft.data["spent"] = {node: took[node] for node in ranked}
    else:
        ran = Counter(visit.node for visit in visits)
        told = listed((f"{node} {times(n)}" for node, n in ran.most_common()), most=TOLD)
        draft.data["spent"] = dict(ran)
    history = Ref(uri=execution_uri(execution.execution_id, "history"), why="all visits")
    draft.say(f"It was spent on {told}.", *uris, history)


def _say_calls(scene: Scene, draft: Draft, execution: Execution) -> None:
    spent = why_cost.by_node(scene, execution)
    draft.data["spent"] = {node: one.tokens for node, one in spent.items()}
    for node, one in sorted(spent.items(), key=lambda item: -item[1].tokens)[:TOLD]:
        draft.say(
            f"{node} spent {one.tokens:,} tokens in {count(one.calls, 'model call')}, {one.money}.",
            Ref(uri=one.uri, why="a call of it"),
        )
