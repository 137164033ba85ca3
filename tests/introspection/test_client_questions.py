"""What an AI client asks of a project that it does not know."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

import pytest

from inwit import END, START, CompiledGraph, StateGraph
from inwit.answers import Answer
from inwit.introspection import Introspector
from inwit.introspection.analyses.raised import places_of
from inwit.plans import DAEMON, Effect, Plan, Principal, Validation
from inwit.runtime.project import Project
from inwit.runtime.store import Journal, Store
from inwit.self_improve import life
from inwit.self_improve.plans import PlanBook


class Order(TypedDict, total=False):
    item: str
    stock: int
    price: float
    tries: int


def look_up(state: Order) -> Order:
    """Look the price up in the catalogue."""
    return {"price": {"tea": 4.5}[state["item"]], "tries": state.get("tries", 0) + 1}


def thank(state: Order) -> Order:
    return {}


@pytest.fixture
def orders(project: Path) -> CompiledGraph[Order]:
    graph = StateGraph(Order)
    graph.add_node("look_up", look_up)
    graph.add_node("thank", thank)
    graph.add_edge(START, "look_up")
    graph.add_conditional_edges(
        "look_up", lambda state: state["tries"] < 2, {True: "look_up", False: "thank"}
    )
    graph.add_edge("thank", END)
    app = graph.compile(name="orders")
    with pytest.raises(KeyError):
        app.invoke({"item": "scone"}, execution_id="bad")
    app.invoke({"item": "tea"}, execution_id="good")
    return app


def a_plan_that_ada_approved(app: CompiledGraph[Order]) -> str:
    Journal.of(Project.find()).flush()
    book = PlanBook.of(Store.of(Project.find()))
    action = {
        "type": "node_config", "graph": app.name, "node": "look_up",
        "set": {"cache": {"scope": "execution"}}, "previous": {"cache": None},
    }  # fmt: skip
    effect = Effect(point=0.5, low=0.4, high=0.6, unit="share of calls", method="counted")
    made = Plan(
        id="0123456789abcdef", fingerprint="f" * 32, title="Cache look_up",
        hypothesis="look_up can be cached.", category="repeated_calls", graph_name=app.name,
        evidence=(), baseline={}, candidate={}, effect=effect, expected_gain=None, confidence=0.9,
        actions=(action,), risk="", validation=Validation(command="", expected=""), rollback="",
    )  # fmt: skip
    kept = book.enter(made).plan
    life.move(book, kept.id, "validated", DAEMON)
    life.move(book, kept.id, "approved", Principal("person", "ada"), reason="seen")
    return kept.id


def ask(question: str) -> Answer:
    return Introspector.of(Project.find()).ask(question)


@pytest.mark.parametrize(
    "question",
    ["Why did the last failed execution fail?", "Which line of code raised the error?",
     "Show me the stack trace of the failed execution"],
)  # fmt: skip
def test_a_failure_is_told_with_its_line_and_its_input(
    orders: CompiledGraph[Order], question: str
) -> None:
    answer = ask(question)

    line = look_up.__code__.co_firstlineno + 2
    assert f"test_client_questions.py, line {line}" in answer.text
    assert "'scone'" in answer.text
    assert "execution://bad/events/1" in [one.uri for one in answer.evidence]
    assert answer.data["raised_at"]["function"] == "look_up"


def test_the_place_of_an_error_is_in_the_users_code_where_any_is() -> None:
    library = str(Path(pytest.__file__))
    trace = (
        'Traceback (most recent call last):\n  File "/srv/a/app.py", line 3, in node\n'
        f'    parse(text)\n    ^^^^^^^^^^^\n  File "{library}", line 9, in parse\n    raise X\nX: no\n'
    )

    (place,) = places_of(trace)

    assert (place.file, place.line, place.function) == ("/srv/a/app.py", 3, "node")
    assert place.code == "parse(text)"


def test_what_failed_is_named_with_how_many_did(orders: CompiledGraph[Order]) -> None:
    answer = ask("How many executions failed?")

    assert "bad" in answer.text
    assert "KeyError: 'scone'" in answer.text


def test_a_graph_that_says_nothing_of_itself_is_told_by_its_nodes(
    orders: CompiledGraph[Order],
) -> None:
    about, loop = ask("What is this project about?"), ask("Which nodes are in a loop?")
    place = ask("Which file defines the graph orders?")

    assert "Look the price up in the catalogue." in about.text
    assert "a loop through look_up" in loop.text
    assert f"compiled in {__file__}, line " in place.text


@pytest.mark.parametrize(
    "question",
    ["Who approved the plan?", "Why was the plan for look_up proposed?",
     "What happened to plan {}?", "Are there proposed improvements?"],
)  # fmt: skip
def test_a_plan_is_told_with_why_and_who(orders: CompiledGraph[Order], question: str) -> None:
    plan_id = a_plan_that_ada_approved(orders)

    answer = ask(question.format(plan_id))

    assert [one.uri for one in answer.evidence] == [f"plan://{plan_id}"]
    assert "Why: look_up can be cached." in answer.text
    assert "person:ada made it approved" in answer.text


@pytest.mark.parametrize(
    "question",
    ["What caused the KeyError?", "What should I do to fix KeyError 'scone'?",
     "Why did it fail with KeyError: 'scone'?"],
)  # fmt: skip
def test_an_error_that_is_quoted_is_looked_for_among_all_failures(
    orders: CompiledGraph[Order], question: str
) -> None:
    with pytest.raises(TypeError):
        orders.invoke({"item": ["later"]}, execution_id="later")

    answer = ask(question)

    assert answer.data["execution_id"] == "bad"
    assert "KeyError: 'scone'" in answer.text


@pytest.mark.parametrize("question", ["How do I run orders?", "Can you run orders for me?"])
def test_how_a_graph_is_run_is_told_with_what_it_takes(
    orders: CompiledGraph[Order], question: str
) -> None:
    answer = ask(question)

    assert f"inwit run {__file__}" in answer.text
    assert "run_graph" in answer.text
    assert "item: str" in answer.text


def test_an_overview_of_a_project_is_of_all_its_graphs(orders: CompiledGraph[Order]) -> None:
    graph = StateGraph(Order)
    graph.add_node("thank", thank)
    graph.add_edge(START, "thank")
    thanks = graph.compile(name="thanks")

    answer = ask("Give me an overview of the project")

    assert thanks.name == "thanks"
    assert "2 graphs: orders and thanks" in answer.text
