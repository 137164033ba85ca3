"""Questions about records with chosen times: what lies off the path, many nodes apart, one slow visit of many."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypedDict

import pytest

from inwit import END, START, StateGraph
from tests.introspection.planting import (
    Forged,
    Step,
    chaining,
    evidence_holds,
    fanning,
    looping,
    settled,
)


class Order(TypedDict, total=False):
    country: str


NODES = tuple(f"step-{letter}" for letter in "abcdefghijkl")


def test_of_the_nodes_of_all_graphs_those_off_the_path_take_no_time(project: Path) -> None:
    fan, chain = Forged(fanning()), Forged(chaining())
    for _ in range(5):
        fan.run(
            Step("clean", 4, {"text": "rain"}, ("web", "docs")),
            [Step("web", 30, {"web": "w"}), Step("docs", 25, {"docs": "d"})],
            Step("join", 2, {"total": ["w", "d"]}, ("__end__",)),
        )
        chain.run(
            Step("clean", 3, {"text": "rain"}, ("web",)), Step("web", 20, {"web": "w"}, ("docs",)),
            Step("docs", 9, {"docs": "d"}, ("join",)), Step("join", 1, None, ("__end__",)),
        )  # fmt: skip

    answer = settled().ask("Which node is the slowest?")

    assert list(answer.data["values"].items())[:3] == [
        ("web of fan", 30.0), ("web of chain", 20.0), ("docs of chain", 9.0)
    ]  # fmt: skip
    assert "docs of fan" not in answer.data["values"]
    assert evidence_holds(answer)


def test_one_node_of_many_whose_times_lie_wholly_apart_is_named(project: Path) -> None:
    graph = StateGraph(Order)
    for node in NODES:
        graph.add_node(node, lambda state: {})
    for one, two in zip((START, *NODES), (*NODES, END), strict=True):
        graph.add_edge(one, two)
    forged = Forged(graph.compile(name="orders"))
    for number in range(30):
        country, slow = (("BR", 40.0), ("DE", 20.0))[number % 2]
        forged.run(
            *(
                Step(one, slow + number % 7 if one == "step-c" else 3 + number % 3, None, (two,))
                for one, two in zip(NODES, (*NODES[1:], "__end__"), strict=True)
            ),
            given={"country": country},
        )

    answer = settled().ask("Are BR orders slower than DE orders?")

    assert "step-c took 43.0 ms at the median with input.country = BR and 23.0 ms" in answer.text
    assert [one.get("node") for one in answer.data["differences"]] == ["step-c"]
    assert evidence_holds(answer)


def test_one_slow_visit_of_many_is_the_cause_without_the_others(project: Path) -> None:
    forged = Forged(looping())

    def run(*took: float) -> None:
        steps: list[Any] = [Step("plan", 3, {"query": "rain"}, ("search",))]
        for number, ms in enumerate(took, 1):
            way: Any = ("reply", "done") if number == len(took) else ("search", "again")
            edge = (*way, {"coverage": number / len(took)}, None)
            steps += [
                Step("search", ms, {"rounds": number}, ("judge",)),
                Step("judge", 2, {"coverage": number / len(took)}, (edge,)),
            ]
        forged.run(*steps, Step("reply", 7, {"answer": "so"}, ("__end__",)))

    for number in range(40):
        run(*[(8.0, 12.0)[number % 2]] * 8)
    run(*[8.0] * 7, 26.0)

    answer = settled().ask("Why was the last execution slow?")

    (cause,) = answer.data["causes"]
    assert (cause["node"], cause["kind"]) == ("search", "slower")
    assert cause["effect"]["point"] == pytest.approx(16, abs=0.01)
    assert "search took 26.0 ms where 10.0 ms is usual" in answer.text
    assert evidence_holds(answer)
