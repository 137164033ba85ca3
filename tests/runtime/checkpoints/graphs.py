"""A graph to keep checkpoints of."""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

from inwit import Checkpointer, StateGraph


class State(TypedDict, total=False):
    n: int
    note: str
    log: Annotated[list[int], operator.add]


def counting(
    checkpointer: Checkpointer, *, steps: int = 3, fails_at: int | None = None, size_bytes: int = 0
) -> Any:
    """Adds one at each step, and a note of some size; raises at one of them."""

    def add(state: State) -> dict[str, Any]:
        if state["n"] == fails_at:
            raise ValueError("planted")
        note = {"note": "x" * size_bytes} if size_bytes else {}
        return {"n": state["n"] + 1, "log": [state["n"]], **note}

    graph = StateGraph(State)
    graph.add_sequence([(f"n{at:02}", add) for at in range(steps)])
    graph.set_entry_point("n00")
    return graph.compile(name="counting", checkpointer=checkpointer)
