"""What waits for a person, why, what it asks, and what followed the answer: planted, then asked."""

from __future__ import annotations

import operator
from pathlib import Path
from typing import Annotated, TypedDict

import pytest

from inwit import END, START, Command, InMemoryCheckpointer, StateGraph, interrupt
from inwit.events import InterruptRaised
from inwit.introspection import live
from tests.introspection.planted import Order, ordering
from tests.introspection.planting import asked, evidence_holds, introspector, looping, settled, uris


def event(execution_id: str | None, kind: str) -> str:
    """The uri of an execution's only event of a kind."""
    (found,) = settled().store.events(str(execution_id), types=(kind,))
    return found.uri


def test_what_waits_is_listed_with_what_each_asks(project: Path) -> None:
    app = ordering()
    app.invoke({"item": "tea"}, thread_id="t1")
    first = app.last_execution_id
    app.invoke({"item": "cake"}, thread_id="t2")
    second = app.last_execution_id
    looping().invoke(asked())

    answer = introspector().ask("What is waiting for me?")

    executions = answer.data["values"]["executions"]
    assert [one["execution_id"] for one in executions] == [second, first]
    assert [one["interrupts"][0]["value"]["question"] for one in executions] == [
        "Pay 40 EUR for cake?", "Pay 40 EUR for tea?",
    ]  # fmt: skip
    assert {event(first, "interrupt_raised"), event(second, "interrupt_raised")} <= set(
        uris(answer)
    )
    assert evidence_holds(answer)


@pytest.mark.parametrize(
    "question",
    ["Why does it wait?", "Why is orders stuck?", "Why did it stop?", "Why is it paused?"],
)
def test_why_it_waits_is_the_question_that_a_node_asked(project: Path, question: str) -> None:
    app = ordering()
    app.invoke({"item": "tea"}, thread_id="t1")

    answer = introspector().ask(question)

    assert (answer.level, answer.intent) == ("live", "why")
    (cause,) = answer.data["causes"]
    assert (cause["node"], cause["kind"]) == ("sign", "interrupt")
    assert event(app.last_execution_id, "interrupt_raised") in uris(answer)
    assert "Pay 40 EUR for tea?" in answer.text and "high risk" in answer.text
    assert evidence_holds(answer)


@pytest.mark.parametrize(
    "question", ["What does it ask?", "What is orders asking?", "What am I asked?", "What is the open question?"]
)  # fmt: skip
def test_what_it_asks_is_the_value_of_the_interrupt(project: Path, question: str) -> None:
    app = ordering()
    app.invoke({"item": "tea"}, thread_id="t1")

    answer = introspector().ask(question)

    (value,) = answer.data["values"].values()
    assert value == {"question": "Pay 40 EUR for tea?", "risk": "high"}
    assert uris(answer) == [event(app.last_execution_id, "interrupt_raised")]


def test_a_node_that_asks_waits_for_a_person_and_not_for_a_node(project: Path) -> None:
    app = ordering()
    app.invoke({"item": "tea"}, thread_id="t1")

    answer = introspector().ask("What is sign waiting for?")

    assert event(app.last_execution_id, "interrupt_raised") in uris(answer)


def test_what_followed_the_answer_begins_with_the_node_that_asked(project: Path) -> None:
    app = ordering()
    app.invoke({"item": "tea"}, thread_id="t1")
    app.invoke(Command(resume=True), thread_id="t1")

    answer = introspector().ask("What happened after the approval?")

    assert answer.data["execution_id"] == app.last_execution_id
    assert answer.data["values"] == {"order": ["sign", "pay"], "status": "completed"}
    assert event(app.last_execution_id, "interrupt_resumed") in uris(answer)
    assert "the decision was 'yes'" in answer.text and evidence_holds(answer)


def test_what_follows_an_open_question_is_told_by_the_edges(project: Path) -> None:
    ordering().invoke({"item": "tea"}, thread_id="t1")

    answer = introspector().ask("What happens after I approve?")

    assert "After sign comes pay or END" in answer.text
    assert answer.data["values"] == {}


@pytest.mark.parametrize("question", ["What did I answer?", "Was it approved?", "Who approved it?"])
def test_the_answer_of_a_person_is_told_with_its_question(project: Path, question: str) -> None:
    app = ordering()
    app.invoke({"item": "tea"}, thread_id="t1")
    app.invoke(Command(resume=False), thread_id="t1")

    answer = introspector().ask(question)

    assert list(answer.data["values"].values()) == [False]
    assert uris(answer) == [
        event(app.last_execution_id, "interrupt_raised"),
        event(app.last_execution_id, "interrupt_resumed"),
    ]


def test_a_node_that_asked_ran_again_because_of_the_answer(project: Path) -> None:
    app = ordering()
    app.invoke({"item": "tea"}, thread_id="t1")
    app.invoke(Command(resume=True), thread_id="t1")

    answer = introspector().ask("Why did sign run twice?")

    assert answer.data["visits"] == {"sign": 2}
    assert "Visit 2: it was called again after the answer True" in answer.text
    assert event(app.last_execution_id, "interrupt_resumed") in uris(answer)


class Papers(TypedDict, total=False):
    signed: Annotated[list[str], operator.add]


@pytest.mark.parametrize("at_once", [1, 2])
def test_of_nodes_that_asked_at_once_each_ran_again_because_of_its_answer(
    project: Path, at_once: int
) -> None:
    graph = StateGraph(Papers)
    graph.add_node("begin", lambda state: {})
    for name in ("sign", "seal"):
        graph.add_node(name, lambda state, name=name: {"signed": [interrupt(f"{name} it?")]})
        graph.add_edge(name, END)
    graph.add_edge(START, "begin").add_parallel_edges("begin", ["sign", "seal"])
    app = graph.compile(name="papers")
    app.invoke({}, {"max_concurrency": at_once}, thread_id="t1")
    asked_for = settled().store.events(str(app.last_execution_id), types=("interrupt_raised",))
    replies = {
        one.interrupt_id: f"by {one.node}" for one in asked_for if isinstance(one, InterruptRaised)
    }
    app.invoke(Command(resume=replies), {"max_concurrency": at_once}, thread_id="t1")

    for name in ("sign", "seal"):
        answer = introspector().ask(f"Why did {name} run twice?")

        assert f"Visit 2: it was called again after the answer by {name} to" in answer.text
        assert evidence_holds(answer)


def test_a_visit_that_asked_is_interrupted_and_not_running(project: Path) -> None:
    app = ordering()
    app.invoke({"item": "tea"}, thread_id="t1")
    app.invoke(Command(resume=True), thread_id="t1")
    store = settled().store

    outcomes = [one["outcome"] for one in live.history(store, str(app.last_execution_id))["steps"]]

    assert outcomes == ["completed", "interrupted", "completed", "completed"]


def test_what_waits_is_not_said_to_run(project: Path) -> None:
    ordering().invoke({"item": "tea"}, thread_id="t1")

    answer = introspector().ask("What is running now?")

    assert answer.text.startswith("Nothing is running; 1 execution waits for input")
    assert answer.data["values"]["active_count"] == 1


def test_an_execution_that_is_to_stop_before_a_node_asks_nobody(project: Path) -> None:
    app = ordering("careful", interrupt_before=["pay"])
    app.invoke({"item": "tea"}, thread_id="t1")
    app.invoke(Command(resume=True), thread_id="t1")

    answer = introspector().ask("Why does it wait?")

    (cause,) = answer.data["causes"]
    assert (cause["node"], cause["kind"], cause["effect"]["point"]) == ("pay", "paused", 1)
    assert "is paused before pay: nobody is asked" in answer.text and evidence_holds(answer)


def test_a_node_that_still_waits_for_another_is_not_what_an_execution_stopped_before(
    project: Path,
) -> None:
    graph = StateGraph(Papers)
    for name in ("begin", "sign", "seal", "stamp", "post"):
        graph.add_node(name, lambda state: {})
    graph.add_edge(START, "begin").add_parallel_edges("begin", ["sign", "seal"])
    graph.add_edge("seal", "stamp").add_edge(["sign", "stamp"], "post").add_edge("post", END)
    app = graph.compile(
        name="papers", checkpointer=InMemoryCheckpointer(), interrupt_before=["stamp", "post"]
    )

    app.invoke({}, thread_id="t1")
    first = introspector().ask("Why does it wait?")
    app.invoke(None, thread_id="t1")
    second = introspector().ask("Why does it wait?")

    assert [one["node"] for one in first.data["causes"]] == ["stamp"]
    assert [one["node"] for one in second.data["causes"]] == ["post"]


def test_an_execution_that_stops_before_it_begins_has_no_node_to_name(project: Path) -> None:
    ordering("careful", interrupt_before=["price"]).invoke({"item": "tea"}, thread_id="t1")

    answer = introspector().ask("Why does it wait?")

    assert [one["node"] for one in answer.data["causes"]] == [""]
    assert "is paused: nobody is asked" in answer.text and evidence_holds(answer)


def test_what_a_subgraph_asked_is_not_asked_any_more_when_it_stops_further_on(
    project: Path,
) -> None:
    graph = StateGraph(Order)
    graph.add_node("buy", ordering("within", interrupt_before=["pay"]))
    graph.add_edge(START, "buy").add_edge("buy", END)
    app = graph.compile(name="around", checkpointer=InMemoryCheckpointer())
    app.invoke({"item": "tea"}, thread_id="t1")
    first = introspector().ask("Why does around wait?")
    app.invoke(Command(resume=True), thread_id="t1")

    answer = introspector().ask("Why does around wait?")

    assert "buy (visit 1) asks 'Pay 40 EUR for tea?'" in first.text
    assert "is paused before pay: nobody is asked" in answer.text
    assert [(one["node"], one["kind"]) for one in answer.data["causes"]] == [("pay", "paused")]
    assert evidence_holds(answer)


def test_where_nobody_was_asked_that_is_said(project: Path) -> None:
    looping().invoke(asked())

    for question in ("What is waiting for me?", "What does it ask?", "What did I answer?",
                     "What happened after the approval?"):  # fmt: skip
        answer = introspector().ask(question)

        assert answer.text.startswith("No execution") and evidence_holds(answer), question
