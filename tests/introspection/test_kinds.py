"""Questions about kinds of executions: the slowest, a share of them, those of one value or another."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TypedDict

import pytest

from inwit import END, CompiledGraph, StateGraph
from inwit.runtime.project import Project
from inwit.runtime.store import Journal
from tests.introspection.chosen import Clock, chosen_times
from tests.introspection.planting import evidence_holds


class Order(TypedDict, total=False):
    order: int
    country: str
    stock: str
    decision: str


clocks: list[Clock] = []
"""The clock of the world that is recorded."""


def check(state: Order) -> dict[str, Any]:
    clocks[-1].takes(0.1)
    return {"stock": "missing" if state["order"] % 4 == 0 else "there"}


def rate(state: Order) -> dict[str, Any]:
    clocks[-1].takes(5 if state["country"] == "BR" else 0.1)
    if state["country"] == "NG" and state["order"] % 3 == 0:
        raise TimeoutError("the rating did not answer")
    return {"decision": "reject" if state["stock"] == "missing" else "accept"}


def ship(state: Order) -> dict[str, Any]:
    clocks[-1].takes(100 if state["order"] == 57 else 0.1)
    return {}


COUNTRIES = ("DE", "BR", "NG", "FR")


@pytest.fixture
def shop(project: Path) -> CompiledGraph[Order]:
    """80 orders: those of BR are slow in `rate`, some of NG fail, one of 57 is slow in `ship`."""
    graph = StateGraph(Order)
    graph.add_node("check", check)
    graph.add_node("rate", rate)
    graph.add_node("ship", ship)
    graph.add_node("refuse", lambda state: {})
    graph.set_entry_point("check")
    graph.add_edge("check", "rate")
    graph.add_conditional_edges(
        "rate", lambda state: state["decision"], {"accept": "ship", "reject": "refuse"}
    )
    graph.add_edge("ship", END)
    graph.add_edge("refuse", END)
    app = graph.compile(name="shop").without_retries()
    with chosen_times() as clock:
        clocks.append(clock)
        for number in range(80):
            clock.takes(1)
            try:
                app.invoke({"order": number, "country": COUNTRIES[number // 2 % 4]})
            except TimeoutError:
                assert COUNTRIES[number // 2 % 4] == "NG"
        Journal.of(Project.find()).flush()
    return app


@pytest.mark.parametrize(
    "question",
    ["Why was the slowest execution so slow?", "Why did the longest run take so long?",
     "What was the slowest run and why?", "Which execution was the slowest and why?"],
)  # fmt: skip
def test_the_slowest_execution_is_the_one_that_took_longest(
    shop: CompiledGraph[Order], question: str
) -> None:
    answer = shop.ask(question)

    assert re.search("the (slowest|longest)", answer.text) and "ship" in answer.text
    assert [one["node"] for one in answer.data["causes"]][:1] == ["ship"]
    assert evidence_holds(answer)


@pytest.mark.parametrize(
    ("question", "told"),
    [
        ("What share of executions ends in refuse?", "17 of the last 80 executions of shop came to refuse, 21.2%"),
        ("What percentage of runs reach ship?", "came to ship"),
        ("How many executions went to refuse?", "17 of the last 80 executions of shop came to refuse"),
    ],
)  # fmt: skip
def test_a_share_of_executions_is_of_those_that_came_to_a_node(
    shop: CompiledGraph[Order], question: str, told: str
) -> None:
    answer = shop.ask(question)

    assert told in answer.text
    assert evidence_holds(answer)


@pytest.mark.parametrize(
    "question",
    ["What percentage of executions of shop fail?", "What fraction of runs failed?",
     "What share of the executions ends with an error?"],
)  # fmt: skip
def test_a_share_of_failures_is_told_as_a_rate(shop: CompiledGraph[Order], question: str) -> None:
    answer = shop.ask(question)

    assert "6 failed, an error rate of 7.5%" in answer.text


@pytest.mark.parametrize(
    "question",
    [
        "Which countries fail most?",
        "Which country fails most often?",
        "Is country related to failures?",
    ],
)
def test_a_ranking_of_values_is_of_the_attribute_that_is_named(
    shop: CompiledGraph[Order], question: str
) -> None:
    answer = shop.ask(question)

    told = answer.text.splitlines()
    assert told[0].startswith("By input.country, the share that failed")
    assert told[1].startswith("NG: 30% failed")


@pytest.mark.parametrize(
    "question",
    ["Do BR orders take longer than DE orders?", "Compare BR and DE", "Are BR runs slower than DE runs?",
     "How do BR and DE executions differ?"],
)  # fmt: skip
def test_two_values_are_compared(shop: CompiledGraph[Order], question: str) -> None:
    answer = shop.ask(question)

    assert "input.country = BR" in answer.text and "input.country = DE" in answer.text
    assert answer.data["values"]["BR"]["median_ms"] > 5 * answer.data["values"]["DE"]["median_ms"]
    assert "rate" in answer.text
    assert evidence_holds(answer)


def test_what_makes_those_of_a_value_slow_is_told_of_them(shop: CompiledGraph[Order]) -> None:
    answer = shop.ask("What makes BR orders slow?")

    assert "input.country = BR" in answer.text and "rate" in answer.text


def test_how_many_there_are_of_a_value_is_counted(shop: CompiledGraph[Order]) -> None:
    answer = shop.ask("How many orders came from NG?")

    assert "20 of the last 80 executions" in answer.text and "6 of them failed" in answer.text


def test_the_most_common_error_is_told_of_all_failures(shop: CompiledGraph[Order]) -> None:
    answer = shop.ask("What's the most common error?")

    assert "6 of the last 80 executions" in answer.text and "TimeoutError" in answer.text


def test_some_that_are_slow_are_told_together(shop: CompiledGraph[Order]) -> None:
    answer = shop.ask("Why are some orders slow?")

    assert "were slow: they took" in answer.text and "input.country = BR" in answer.text


def test_whether_a_node_is_the_bottleneck_is_told_by_the_critical_path(
    shop: CompiledGraph[Order],
) -> None:
    answer = shop.ask("Is rate the bottleneck?")

    assert answer.text.startswith("On the critical path of") and "rate" in answer.data["values"]
