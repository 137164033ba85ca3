"""How facts of the record are quoted."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

import pytest

from inwit import END, StateGraph
from inwit.introspection.quotes import decision


class State(TypedDict):
    n: int


def count(state: State) -> dict[str, int]:
    return {"n": state["n"] + 1}


@pytest.mark.parametrize(
    ("edge", "quoted"),
    [
        ({"read": {"n": 1}}, "n=1"),
        ({"read": {}, "unread": "its source is not at hand"},
         "values that are not known, since its source is not at hand"),
        ({"read": {"n": 1}, "unread": "it reads a key that is computed"},
         "n=1, perhaps more, since it reads a key that is computed"),
        ({}, ""),
    ],
)  # fmt: skip
def test_what_a_decision_read_is_told_with_what_cannot_be_known(edge, quoted) -> None:
    assert decision(edge) == quoted


def test_an_answer_about_a_router_without_source_says_that_it_cannot_know(project: Path) -> None:
    graph = StateGraph(State)
    graph.add_node("count", count)
    graph.set_entry_point("count")
    router = eval("lambda state: state['n'] < 2")
    graph.add_conditional_edges("count", router, {True: "count", False: END})
    app = graph.compile(name="sourceless")
    app.invoke({"n": 0})

    answer = app.ask("Why did count run 2 times?")

    assert "having read values that are not known, since its source is not at hand" in answer.text
