"""Explaining one execution: why, what if, or how it could be better."""

from __future__ import annotations

from collections import Counter
from typing import Literal

import msgspec

from inwit.answers import Answer
from inwit.errors import MalformedInputError
from inwit.introspection.introspector import Introspector, checked
from inwit.introspection.router import Entity
from inwit.introspection.scene import Query
from inwit.runtime.store import Journal

Mode = Literal["why", "whatif", "howcan"]
_QUESTIONS = {"why": "Why did it go so?", "howcan": "How could it be faster?"}


def explain(
    introspector: Introspector, execution_id: str, mode: str = "why", change: str | None = None
) -> Answer:
    """Explain one execution; `whatif` takes the change in words, such as "search were cached".

    Raises:
        UnknownExecutionError: There is none of that id.
        MalformedInputError: The mode is none, or `whatif` has no change.
    """
    if mode not in ("why", "whatif", "howcan"):
        raise MalformedInputError(f"No mode {mode!r}.", hint="Modes: why, whatif, howcan.")
    if mode == "whatif" and not change:
        raise MalformedInputError(
            "A what-if needs a change.", hint='Give one in words, such as "search were cached".'
        )
    Journal.of(introspector.project).flush()
    execution = introspector.store.execution(execution_id)
    text = checked(f"What if {change}?" if mode == "whatif" else change or _QUESTIONS[mode])
    entities: tuple[Entity, ...] = introspector.route(text).entities if change else ()
    intents: dict[str, Mode] = {"why": "why", "whatif": "whatif", "howcan": "howcan"}
    query = Query(
        text=text, level="live", intent=intents[mode], entities=entities,
        execution_id=execution.execution_id,
    )  # fmt: skip
    answer = introspector.answer(query)
    if mode != "why":
        return answer
    visits = Counter(one.node for one in introspector.store.visits(execution.execution_id))
    return msgspec.structs.replace(answer, data=answer.data | {"visits": dict(visits)})
