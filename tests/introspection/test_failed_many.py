"""Questions about failures in general tell their kinds, and what each has in common."""

from __future__ import annotations

from typing import Any, TypedDict

import pytest

from inwit import END, START, CompiledGraph, StateGraph


class Order(TypedDict):
    tenant: str
    amount: int


def check(state: Order) -> dict[str, Any]:
    if state["amount"] < 0:
        raise ValueError("the amount is negative")
    return {}


def charge(state: Order) -> dict[str, Any]:
    if state["tenant"] == "acme":
        raise PermissionError("card declined")
    return {}


@pytest.fixture
def orders(project) -> CompiledGraph[Order]:
    graph = StateGraph(Order)
    graph.add_node("check", check).add_node("charge", charge)
    graph.add_edge(START, "check").add_edge("check", "charge").add_edge("charge", END)
    app = graph.compile(name="orders")
    given = [("acme" if n % 4 == 1 else f"shop{n % 3}", -1 if n == 30 else n) for n in range(32)]
    for tenant, amount in given:
        try:
            app.invoke({"tenant": tenant, "amount": amount})
        except (ValueError, PermissionError):
            continue
    return app


@pytest.mark.parametrize(
    "question",
    [
        "What do the failed executions of orders have in common?",
        "Why does orders fail?",
        "Why does orders keep failing?",
        "Why are so many runs failing?",
        "Why do executions of orders fail?",
    ],
)
def test_failures_are_told_by_their_kinds(orders, question) -> None:
    answer = orders.ask(question)

    assert "9 of the last 32 executions" in answer.text
    assert "8 of 9 failed in charge" in answer.text
    assert "1 of 9 failed in check" in answer.text
    assert "tenant = acme" in answer.text
    assert [one["node"] for one in answer.data["causes"]] == ["charge", "check"]
    assert all(orders.resolve(one.uri) for one in answer.evidence)


@pytest.mark.parametrize(
    "question", ["Why did the last execution fail?", "Why did the last failed run of orders fail?"]
)
def test_one_failure_is_told_by_itself(orders, question) -> None:
    answer = orders.ask(question)

    assert [one["node"] for one in answer.data["causes"]] == ["check"]
    assert "of 9 failed" not in answer.text
