"""Plans on record: which there are, why they were proposed, who decided, and what came of them."""

from __future__ import annotations

import re
from typing import get_args

from inwit.introspection.claims import Draft, count, platform_uri, quoted
from inwit.introspection.plan_rows import plans
from inwit.introspection.scene import Scene
from inwit.plans import OPEN_PLAN_STATUSES, Plan, PlanStatus

ASKED = r"plans?\b|improvements?\b|proposals?\b"
SHOWN = 8
TOLD = 2
"""Plans whose story is told; of more only the titles are."""
_FATE = (
    r"why|who|whom|when|was|were|has|have|did|does|what happened|outcome|result|history|evidence"
)
_ID = re.compile(r"\b[0-9a-f]{8,32}\b")


def answer(scene: Scene) -> Draft:
    """List the plans that are meant, by id, graph, node or status; tell the story of few."""
    draft = Draft(data={"results": []})
    status = _status(scene)
    is_open = scene.says(r"open|pending|undecided|waiting")
    kept = [one for one in _meant(scene) if _fits(scene, one, status)]
    if is_open:
        kept = [one for one in kept if one.status in OPEN_PLAN_STATUSES]
    draft.data["results"] = [
        {"uri": f"plan://{one.id}", "title": one.title, "kind": "plan", "status": one.status}
        for one in kept
    ]
    said = "open " if is_open else f"{status} " if status and status != "proposed" else ""
    if not kept:
        draft.say(
            f"No {said}plan is on record; `inwit self-improve analyze` reads the traces and proposes.",
            platform_uri("features", "self-improvement"),
        )
        return draft
    draft.say(f"{count(len(kept), f'{said}plan')}:", *(f"plan://{one.id}" for one in kept[:SHOWN]))
    for one in kept[:SHOWN]:
        draft.say(f"{one.title} ({one.graph_name}, {one.status}).", f"plan://{one.id}")
        if len(kept) <= TOLD:
            _tell(draft, one)
    return draft


def _meant(scene: Scene) -> list[Plan]:
    """The plans that are named by their ids; else those of the nodes and graphs that are named."""
    every = plans(scene.store)
    ids = _ID.findall(scene.query.text.lower())
    if named := [one for one in every if any(one.id.startswith(given) for given in ids)]:
        return named
    graphs, nodes = scene.named("graph"), set(scene.named("node"))
    every = [one for one in every if not graphs or one.graph_name in graphs]
    about = [one for one in every if nodes & {str(act.get("node")) for act in one.actions}]
    return about or every


def _status(scene: Scene) -> PlanStatus | None:
    said_so = (one for one in get_args(PlanStatus) if scene.says(one.replace("_", "[ _]")))
    return next(said_so, None)


def _fits(scene: Scene, one: Plan, status: PlanStatus | None) -> bool:
    """Whether a plan is of a status, or was once where that is asked."""
    # Every plan was proposed once, so "what was proposed" asks for all.
    if status in (None, "proposed", one.status):
        return True
    return scene.says(_FATE) and any(move.target == status for move in one.history)


def _tell(draft: Draft, one: Plan) -> None:
    uri = f"plan://{one.id}"
    draft.say(f"Why: {one.hypothesis}", uri)
    gain = one.expected_gain
    if gain is not None:
        draft.say(
            f"It should gain {gain.point:.3g} {gain.unit} ({gain.low:.3g} to {gain.high:.3g}).", uri
        )
    for move in one.history:
        why = f": {quoted(move.reason, 140)}" if move.reason else ""
        draft.say(f"{move.at}: {move.actor} made it {move.target}{why}.", uri)
    if one.outcome and (verdict := one.outcome.get("verdict")):
        draft.say(f"What was measured: {verdict}.", uri)
