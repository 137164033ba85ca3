"""Am I well: declared objectives with their error budgets, and drift of inputs, routes and outputs."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any, TypedDict

import pytest

from inwit import END, CompiledGraph, StateGraph
from inwit.answers import Answer
from inwit.introspection.objectives import declared
from tests.introspection.planting import evidence_holds


class Ticket(TypedDict, total=False):
    text: str
    tenant: str
    score: float


def desk(metadata: dict[str, Any] | None = None) -> CompiledGraph[Ticket]:
    """Read → (hard: expert | easy: reply); a text of "boom" fails."""

    def read(state: Ticket) -> dict[str, Any]:
        if state["text"] == "boom":
            raise ValueError("boom")
        return {"score": 0.2 if "hard" in state["text"] else 0.9}

    def expert(state: Ticket) -> dict[str, Any]:
        return {}

    graph = StateGraph(Ticket)
    graph.add_node("read", read)
    graph.add_node("expert", expert)
    graph.set_entry_point("read")
    graph.add_conditional_edges(
        "read", lambda s: "hard" if s["score"] < 0.5 else "easy", {"hard": "expert", "easy": END}
    )
    return graph.compile(name="desk", metadata=metadata)


def run(app: CompiledGraph[Ticket], text: str, tenant: str = "a") -> None:
    try:
        app.invoke({"text": text, "tenant": tenant})
    except ValueError:
        assert text == "boom"


def verdicts(answer: Answer) -> dict[str, str]:
    return {one["metric"]: one["verdict"] for one in answer.data["verdicts"]}


def test_objectives_are_judged_with_what_is_left_of_the_error_budget(project: Path) -> None:
    app = desk({"slo": {"success": 0.8, "p95_ms": 60_000}})
    for number in range(20):
        run(app, "boom" if number in (3, 7) else "easy")

    answer = app.ask("Do I meet my SLO?")

    found = verdicts(answer)
    assert found["slo_success"] == "kept" and found["slo_p95"] == "kept"
    budget = next(
        one["budget"] for one in answer.data["verdicts"] if one["metric"] == "slo_success"
    )
    assert budget["allowed"] == pytest.approx(4) and budget["spent"] == 2
    assert budget["left_share"] == pytest.approx(0.5)
    assert evidence_holds(answer)


def test_a_broken_objective_is_not_well(project: Path) -> None:
    app = desk({"slo": {"success": 0.99}})
    for number in range(20):
        run(app, "boom" if number % 5 == 0 else "easy")

    answer = app.ask("Am I healthy?")

    assert verdicts(answer)["slo_success"] == "broken" and answer.data["healthy"] is False
    assert "20.0 times the error budget" in answer.text


def test_a_graph_without_objectives_says_how_they_are_declared(project: Path) -> None:
    app = desk()
    run(app, "easy")

    answer = app.ask("Do I meet my SLO?")

    assert "declares no objective" in answer.text


def test_what_says_nothing_among_objectives_is_named() -> None:
    found = declared({"slo": {"success": 1.5, "p95_ms": "fast", "latency_ms": {"p99": 5}}})

    assert [one.metric for one in found.each] == ["p99"]
    assert found.unknown == ("success=1.5", "p95_ms='fast'")


def test_drift_of_inputs_routes_and_outputs_is_told(project: Path) -> None:
    app, dice = desk(), random.Random(3)
    for number in range(80):
        late = number >= 60
        hard = dice.random() < (0.9 if late else 0.1)
        run(app, "hard one" if hard else "easy", tenant="b" if late else "a")

    answer = app.ask("Have my inputs drifted?")

    found = verdicts(answer)
    assert (found["inputs"], found["routes"], found["quality"]) == ("drifted", "drifted", "drifted")
    assert "input.tenant = b" in answer.text and "'hard'" in answer.text
    assert evidence_holds(answer)


def test_what_is_as_ever_has_not_drifted(project: Path) -> None:
    app, dice = desk(), random.Random(4)
    for _ in range(80):
        run(app, "hard one" if dice.random() < 0.3 else "easy", tenant=dice.choice("ab"))

    answer = app.ask("Is anything drifting?")

    found = verdicts(answer)
    assert (found["inputs"], found["routes"], found["quality"]) == ("usual", "usual", "usual")


class Order(TypedDict, total=False):
    order_id: int
    turn: int
    price: float


def orders() -> CompiledGraph[Order]:
    """Gives each order the price that its turn has."""
    graph = StateGraph(Order)
    graph.add_node("value", lambda state: {"price": 10.0 + state["turn"] % 3})
    graph.set_entry_point("value")
    return graph.compile(name="orders")


def test_numbers_that_count_executions_have_not_drifted(project: Path) -> None:
    app = orders()
    for turn in range(80):
        app.invoke({"order_id": 1000 + 7 * turn + turn % 2, "turn": turn})

    answer = app.ask("Have my inputs drifted?")

    assert (verdicts(answer)["inputs"], verdicts(answer)["quality"]) == ("usual", "usual")


def test_a_number_that_grows_has_drifted_although_it_always_grew(project: Path) -> None:
    graph = StateGraph(Order)
    graph.add_node("value", lambda state: {"price": 10.0 + 0.25 * state["turn"]})
    graph.set_entry_point("value")
    app = graph.compile(name="orders")
    for turn in range(80):
        app.invoke({"order_id": turn, "turn": turn})

    answer = app.ask("Have my inputs drifted?")

    assert verdicts(answer)["quality"] == "drifted" and "price is" in answer.text


def test_few_executions_say_that_drift_needs_more(project: Path) -> None:
    app = desk()
    run(app, "easy")

    answer = app.ask("Have my inputs drifted?")

    assert "Drift needs 15 completed executions" in answer.text
