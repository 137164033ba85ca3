"""Slow executions as a crowd: which they are, where their time went, and whether it is better now."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from inwit.answers import Answer
from tests.introspection.planting import Forged, Step, chaining, evidence_holds, settled


def planted(*medians_ms: tuple[int, float]) -> list[str]:
    """Executions of clean → web → docs → join: so many each, with web at about so many ms."""
    forged, chance = Forged(chaining("shop")), random.Random(7)
    return [
        forged.run(
            Step("clean", 2 * chance.uniform(0.9, 1.1), {"text": "x"}),
            Step("web", web * chance.uniform(0.9, 1.1), {"web": "w"}),
            Step("docs", 3 * chance.uniform(0.9, 1.1), {"docs": "d"}),
            Step("join", 0.1),
        )
        for number, web in medians_ms
        for _ in range(number)
    ]


def latency(answer: Answer) -> str:
    return next(
        str(o["verdict"]) for o in answer.data["verdicts"] if o["metric"].startswith("latency")
    )


@pytest.mark.parametrize(
    "question",
    [
        "Which executions of shop were slow?",
        "Show me the slow runs of shop",
        "What do the slow executions of shop have in common?",
        "Why were the last 6 executions of shop slow?",
    ],
)
def test_slow_executions_are_named_with_the_node_that_took_the_time(
    project: Path, question: str
) -> None:
    ids = planted((30, 3), (6, 90))

    answer = settled().ask(question)

    assert "6 of the last 36 completed executions of shop were slow" in str(answer)
    assert ids[-1] in str(answer)
    assert ids[0] not in str(answer)
    assert [cause["node"] for cause in answer.data["causes"]] == ["web"]
    assert answer.data["causes"][0]["effect"]["point"] == pytest.approx(87, abs=9)
    assert evidence_holds(answer)


@pytest.mark.parametrize(
    "question", ["Why are executions of shop slow lately?", "Why are the runs of shop so slow?"]
)
def test_executions_that_are_slow_of_late_are_a_change_of_a_node(
    project: Path, question: str
) -> None:
    planted((40, 10), (12, 16))

    answer = settled().ask(question)

    assert [cause["node"] for cause in answer.data["causes"]] == ["web"]
    assert evidence_holds(answer)


def test_where_none_was_slow_that_is_said(project: Path) -> None:
    planted((30, 3))

    answer = settled().ask("Which executions of shop were slow?")

    assert "None of the last 30 completed executions of shop stands out as slow" in str(answer)


def test_slower_than_before_agrees_with_since_when(project: Path) -> None:
    """The change came amid what is looked at as the last executions."""
    planted((30, 3), (16, 90))

    worse = settled().ask("Is shop slower than before?")
    since = settled().ask("Since when is shop slower?")

    assert latency(worse) == "worse"
    assert "in the last 16 against" in str(worse)
    assert "rose from" in str(since)


def test_what_was_just_mended_is_seen_though_it_proves_nothing(project: Path) -> None:
    planted((30, 3), (12, 90), (5, 3))

    answer = settled().ask("Is shop better now?")

    assert "The last 5 are all below the 12 before them" in str(answer)
    assert "too few to call it a change" in str(answer)
    assert latency(answer) != "usual"


def test_one_nodes_latency_is_judged_by_its_own_visits(project: Path) -> None:
    planted((30, 3), (20, 90))

    web = settled().ask("Is web slower than before?", graph="shop")
    docs = settled().ask("Is docs slower than before?", graph="shop")

    assert "Latency of web: worse" in str(web)
    assert "Latency of docs: usual" in str(docs)


def test_the_last_execution_is_compared_with_the_last_of_a_status(project: Path) -> None:
    app = chaining("shop")
    with pytest.raises(AttributeError):
        app.invoke({"text": 1}, execution_id="failed-one")
    app.invoke({"text": "tea"}, execution_id="good-one")
    for question in (
        "Compare the last run with the last failed run of shop",
        "What is different between the last successful and the last failed run of shop?",
    ):
        answer = settled().ask(question)

        assert "The first, failed-one of shop, has failed" in str(answer)
        assert "The second, good-one of shop, is completed" in str(answer)


@pytest.mark.parametrize(
    "question", ["What happened in the last run of shop?", "What happened in execution good-one?"]
)
def test_what_happened_is_told_with_the_way_and_the_end(project: Path, question: str) -> None:
    chaining("shop").invoke({"text": "tea"}, execution_id="good-one")

    answer = settled().ask(question)

    assert "is completed" in str(answer)
    assert "It ran clean, web, docs, join, in " in str(answer)
    assert "text = tea" in str(answer)
