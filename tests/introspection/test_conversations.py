"""Questions of one conversation may lean on the one before."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

import pytest

import inwit
from inwit import END, START, StateGraph
from inwit.errors import MalformedIdError
from inwit.introspection.conversations import Turn, completed
from inwit.introspection.router import Catalogue, Router

NAMES = Catalogue(
    graphs=("librarian", "shop"),
    nodes={"librarian": ("search", "rerank", "write_answer"), "shop": ("charge_card",)},
    state_keys=("passages",),
)
ROUTER = Router.load(None)
RUN = "0011223344556677"


def lean(before: str, question: str, run: str | None = None) -> str:
    turn = Turn(question=before, entities=ROUTER.route(before, NAMES).entities, execution_id=run)
    return completed(question, ROUTER.route(question, NAMES).entities, turn)


@pytest.mark.parametrize(
    ("before", "question", "whole"),
    [
        (
            "Why did the last execution of librarian fail?",
            "and the time before?",
            "Why did the previous execution of librarian fail?",
        ),
        ("why is search slow", "and before that?", "why is search slow in the previous execution?"),
        ("Why did search run 3 times?", "and write_answer?", "Why did write_answer run 3 times?"),
        ("how many runs failed today", "and yesterday?", "how many runs failed yesterday"),
        ("how many runs failed", "what about last week?", "how many runs failed last week?"),
        ("is librarian healthy", "and for shop?", "is shop healthy"),
        ("how long does search take", "same for rerank", "how long does rerank take"),
        ("did search fail today", "why?", "why did search fail today?"),
        ("When did search fail?", "and why", "why did search fail?"),
        ("why did search run 3 times", "how long did it take?", "how long did search take?"),
        ("what does write_answer do", "who calls it?", "who calls write_answer?"),
        ("why did search fail in run 7f3a", "how long?", "how long did search take?"),
        ("what is passages", "who writes it", "who writes passages"),
        ("how long does search take", "is that normal?", "is search normal?"),
        ("how many runs failed today", "how many yesterday?", "how many runs failed yesterday"),
        (
            "what happens between search and rerank",
            "and between rerank and write_answer?",
            "what happens between rerank and write_answer",
        ),
        (
            "Why did the last execution fail?",
            "and in run 7f3a?",
            "Why did execution 7f3a fail?",
        ),
    ],
)
def test_a_leaning_question_is_completed(before: str, question: str, whole: str) -> None:
    assert lean(before, question) == whole


def test_it_is_the_execution_that_was_told_of_where_no_node_was_named() -> None:
    whole = lean("Why did the last execution fail?", "how long did it take?", RUN)

    assert whole == f"how long did execution {RUN} take?"


@pytest.mark.parametrize(
    "question",
    [
        "Why did rerank fail?",
        "What graphs do I have?",
        "How do I add a conditional edge?",
        "and what happens after rerank?",
        "what is running now",
    ],
)
def test_a_whole_question_stays_as_it_is(question: str) -> None:
    assert lean("Why did search run 3 times?", question, RUN) == question


class State(TypedDict, total=False):
    n: int


def test_a_conversation_goes_on_from_question_to_question(project: Path) -> None:
    graph = StateGraph(State)
    graph.add_node("double", lambda state: {"n": state["n"] * 2})
    graph.add_node("halve", lambda state: {"n": state["n"] // 2})
    graph.add_edge(START, "double")
    graph.add_edge("double", "halve")
    graph.add_edge("halve", END)
    app = graph.compile(name="numbers")
    for number in (4, 5):
        app.invoke({"n": number})

    first = app.ask("How many times did double run in the last execution?", conversation_id="c-1")
    second = app.ask("and halve?", conversation_id="c-1")
    third = app.ask("and the time before?", conversation_id="c-1")
    other = app.ask("and the time before?", conversation_id="c-2")

    assert "read_as" not in first.data
    assert second.data["read_as"] == "How many times did halve run in the last execution?"
    assert second.text.startswith("[read as: ")
    assert third.data["read_as"] == "How many times did halve run in the previous execution?"
    assert third.data.get("execution_id") != second.data.get("execution_id")
    assert "read_as" not in other.data


def test_a_conversation_needs_an_id(project: Path) -> None:
    with pytest.raises(MalformedIdError):
        inwit.project().ask("what is running?", conversation_id="a b\n")
