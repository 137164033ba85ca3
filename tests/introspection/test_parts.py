"""Two questions in one are answered each for what it names, or for what the first part told of."""

from __future__ import annotations

from typing import Any

import pytest

from inwit import CompiledGraph
from tests.introspection import forged


@pytest.fixture
def app() -> CompiledGraph[Any]:
    return forged.rounds()


def parts(app: CompiledGraph[Any], question: str) -> list[str]:
    return [one["answer"] for one in app.ask(question).data["parts"]]


def test_each_part_is_answered_for_what_it_names(app: CompiledGraph[Any]) -> None:
    first, second = parts(app, "who writes answer and what does judge do?")

    assert first == "reply writes answer."
    assert second.startswith("judge is a decision of")


def test_two_questions_of_a_kind_are_answered_apart(app: CompiledGraph[Any]) -> None:
    first, second = parts(app, "How long does search take, and how long does reply take?")

    assert first.startswith("search takes")
    assert second.startswith("reply takes")


def test_it_is_what_the_part_before_names(app: CompiledGraph[Any]) -> None:
    _, second = parts(app, "What does judge do and when did it last run?")

    assert second.startswith("judge last ran at")


def test_it_is_the_execution_that_the_part_before_told_of(app: CompiledGraph[Any]) -> None:
    first, second = parts(app, "which execution was the slowest and how many rounds did it do")

    slowest = first.splitlines()[1].split()[0]
    assert f"execution {slowest}" in second


def test_an_execution_that_one_part_names_is_meant_by_both(app: CompiledGraph[Any]) -> None:
    answer = app.ask("In the first execution, how often did search run and what was the answer?")

    assert [one["part"] for one in answer.data["parts"]][1] == (
        "what was the answer in the first execution?"
    )
    assert all("the first of" in one["answer"] for one in answer.data["parts"])


def test_a_part_is_read_by_its_words_as_if_asked_alone(app: CompiledGraph[Any]) -> None:
    question = "what are the inputs of search and where does the time go?"
    second = app.ask(question).data["parts"][1]

    alone = app.ask("where does the time go?")

    assert (second["intent"], second["answer"]) == (alone.intent, alone.text)
