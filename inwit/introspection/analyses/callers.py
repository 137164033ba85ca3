"""Who started an execution: the graph that it ran within, and what its caller gave with it."""

from __future__ import annotations

from typing import Final

from inwit.events import ExecutionStarted
from inwit.introspection.analyses.why_visits import nothing_recorded
from inwit.introspection.claims import Draft, Ref, capitalised, told_value
from inwit.introspection.scene import Scene
from inwit.introspection.which import choose

_STARTED: Final = r"(?:called|started|invoked|triggered|launched|kicked off|ran)"
_WHOM: Final = r"(?:it|this|that|(?:(?:the|this|that|my) )?(?:\w+ ){0,2}(?:execution|run|invocation|one|thread)s?)\b"
ASKED: Final = (
    rf"^\W*(?:so |and )?(?:who|which (?:client|program|process|caller|user|graph|host)|what (?:client|program|process))\b"
    rf" (?:has |have |was it that )?{_STARTED}\W*(?:{_WHOM}|$)|\bwho(?:'s| is| was|s) the (?:caller|client)\b"
    rf"|\bby whom\b|\bwhere (?:was|is|were) (?:it|this|that)\b.*\b{_STARTED} from\b"
)


def answer(scene: Scene) -> Draft | None:
    """Tell what is recorded of who called the execution that is meant; None of a tool or a node."""
    if scene.nodes or scene.named("tool"):
        return None
    draft, choice = Draft(data={"values": {}}), choose(scene)
    if choice is None:
        return nothing_recorded(scene, draft)
    one = choice.execution
    draft.data["execution_id"] = one.execution_id
    begun = next(
        iter(scene.store.events(one.execution_id, types=("execution_started",), limit=1)), None
    )
    start = Ref(uri=begun.uri, why="how it was called") if begun else one.uri
    if one.parent_execution_id is not None:
        parent = scene.store.execution(one.parent_execution_id)
        draft.data["values"]["parent"] = parent.execution_id
        draft.say(
            f"{capitalised(choice.words)} was called by {parent.graph_name}, within its execution "
            f"{parent.execution_id}.",
            parent.uri, start,
        )  # fmt: skip
        return draft
    config = begun.config if isinstance(begun, ExecutionStarted) and begun.config else {}
    given = {name: config[name] for name in ("metadata", "tags", "run_name") if config.get(name)}
    draft.data["values"] = {"thread_id": one.thread_id, **given}
    draft.say(
        f"{capitalised(choice.words)} was called by a program from outside, by no other graph, at "
        f"{one.started_at}{f' in thread {one.thread_id}' if one.thread_id != one.execution_id else ''}.",
        start,
    )
    if given:
        draft.say(f"Its caller gave {told_value(given, 240)}.", start)
    else:
        draft.admit("Who that was is in no record: its caller gave no metadata and no tags.")
    return draft
