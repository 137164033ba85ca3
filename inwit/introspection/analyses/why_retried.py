"""Why was it tried again: the errors before each retry."""

from __future__ import annotations

from collections import Counter

from inwit import events
from inwit.introspection.analyses.why_failed import CHAIN_TOLD
from inwit.introspection.analyses.why_visits import nothing_recorded
from inwit.introspection.claims import Draft, Ref, short, times
from inwit.introspection.quotes import failed_with
from inwit.introspection.scene import Scene
from inwit.introspection.stats import exactly
from inwit.introspection.which import choose


def explain(scene: Scene) -> Draft:
    """Say why a node was tried again: the errors before each retry."""
    draft = Draft(data={"causes": []})
    choice = choose(scene, fits=lambda one: one.retries > 0, fitting="with retries")
    if choice is None:
        return nothing_recorded(scene, draft)
    execution = choice.execution
    draft.data["execution_id"] = execution.execution_id
    found = [
        event
        for event in scene.events(execution.execution_id)
        if isinstance(event, events.NodeFailed | events.RetryScheduled)
        and (not scene.nodes or event.node in scene.nodes)
    ]
    scheduled = Counter(one.node for one in found if isinstance(one, events.RetryScheduled))
    if not scheduled:
        whom = scene.node or "No node"
        said = f"{whom} was not tried again" if scene.node else f"{whom} was tried again"
        draft.say(f"{said} in {choice.words}.", execution.uri)
        return draft
    for node, number in scheduled.most_common():
        errors = [e for e in found if isinstance(e, events.NodeFailed) and e.node == node]
        refs = [Ref(uri=e.uri, why="what made the retry") for e in errors[:CHAIN_TOLD]]
        kinds = ", ".join(dict.fromkeys(failed_with(e.error) for e in errors))
        draft.say(
            f"{node} was tried again {times(number)} in {choice.words}, because of {short(kinds, 300)}.",
            *refs,
        )
        draft.data["causes"].append(
            {"node": node, "kind": "retries", "confirmed": True, "error": short(kinds, 300)}
            | {"effect": exactly(number, "retries")}
        )
    return draft
