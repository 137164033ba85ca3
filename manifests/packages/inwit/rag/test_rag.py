from __future__ import annotations

from typing import Any

from inwit.registry.packages import load

PASSAGES = {
    "cats": "Cats sleep sixteen hours a day. They hunt at dawn.",
    "dogs": "Dogs bark at strangers. A dog sleeps twelve hours.",
    "bees": "Bees dance to tell each other where flowers grow.",
}


def test_the_answer_quotes_the_passage_that_holds_it() -> None:
    app = load("inwit/rag")(PASSAGES).compile(name="animals")

    result = app.invoke({"question": "Why do bees dance?"})

    assert "[bees]" in result["answer"]
    assert result["citations"] == ["bees"]


def test_what_no_passage_speaks_of_is_answered_without_a_citation() -> None:
    app = load("inwit/rag")(PASSAGES).compile(name="animals")

    result = app.invoke({"question": "What is the interest rate of Swiss mortgages?"})

    assert result["citations"] == []
    assert result["answer"] == "The passages say nothing about that."


def test_the_search_is_widened_by_the_missing_words_until_they_are_covered() -> None:
    asked: list[tuple[str, int]] = []

    async def one_at_a_time(query: str, limit: int) -> list[tuple[str, str]]:
        asked.append((query, limit))
        return (
            [("bees", PASSAGES["bees"])]
            if "bees" in query.lower()
            else [("cats", PASSAGES["cats"])]
        )

    app = load("inwit/rag")(one_at_a_time, limit=1, enough=1.0).compile(name="animals")

    result = app.invoke({"question": "Do bees dance while cats hunt?"})

    assert asked == [("Do bees dance while cats hunt?", 1), ("cats hunt", 2)]
    assert result["coverage"] == 1.0
    assert result["rounds"] == 2


def test_an_uncovered_question_ends_after_the_last_round() -> None:
    app = load("inwit/rag")(lambda *_: [], max_rounds=2).compile(name="empty")

    result = app.invoke({"question": "Anything?"})

    assert result["rounds"] == 2
    assert result["coverage"] == 0.0


def test_an_own_writer_is_given_the_passages_and_its_citations_are_read() -> None:
    def write(question: str, passages: list[Any]) -> str:
        assert {"cats", "dogs"} <= {passage["id"] for passage in passages}
        return "Sixteen hours [cats], says one of them [nobody]."

    app = load("inwit/rag")(PASSAGES, write=write).compile(name="animals")

    result = app.invoke({"question": "How many hours do cats and dogs sleep?"})

    assert result["citations"] == ["cats"]
