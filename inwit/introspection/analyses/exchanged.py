"""What an execution was called with, or what it returned."""

from __future__ import annotations

from inwit.introspection.analyses.why_visits import nothing_recorded
from inwit.introspection.claims import Draft, Ref, told_value
from inwit.introspection.quotes import being
from inwit.introspection.scene import Scene
from inwit.introspection.which import choose

_CALLED_WITH = r"inputs?\b|(?:call|start|invok)(?:ed)? with|arguments?\b"
_RETURNED = r"outputs?\b|return(?:s|ed)?\b|(?:final )?results?\b"
ASKED = rf"{_CALLED_WITH}|{_RETURNED}"


def answer(scene: Scene, draft: Draft) -> Draft:
    """Tell the one that is asked for, of the execution that is meant."""
    choice = choose(scene)
    if choice is None:
        return nothing_recorded(scene, draft)
    one = choice.execution
    is_input = scene.says(_CALLED_WITH)
    wanted = "execution_started" if is_input else "execution_completed"
    found = next(iter(scene.store.events(one.execution_id, types=(wanted,))), None)
    draft.data["execution_id"] = one.execution_id
    if found is None:
        draft.say(
            f"{choice.words[:1].upper()}{choice.words[1:]} {being(one)}: it returned nothing.",
            one.uri,
        )
        return draft
    value = getattr(found, "input" if is_input else "output")
    draft.data["values"] = value if isinstance(value, dict) else {"value": value}
    verb = "was called with" if is_input else "returned"
    draft.say(
        f"{choice.words[:1].upper()}{choice.words[1:]} {verb} {told_value(value, 400)}.",
        Ref(uri=found.uri, why=wanted),
    )
    return draft
