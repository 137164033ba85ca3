"""Graphs within, tools, caches, budgets, maps and commands: planted, then asked, by evidence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from inwit import CompiledGraph, StateGraph
from inwit.errors import StepBudgetError
from tests.introspection.planted import Trip, caching, crawling, guiding, spending, writing
from tests.introspection.planting import asked, evidence_holds, introspector, looping, settled, uris


def test_the_subgraph_that_failed_is_named_with_its_own_first_failure(project: Path) -> None:
    app = writing()
    with pytest.raises(ValueError, match="snow"):
        app.invoke({"text": "snow"})
    store = settled().store
    (child,) = store.executions(parent_id=app.last_execution_id).items
    (failed,) = store.events(child.execution_id, types=("node_failed",))

    answer = introspector().ask("Which subgraph failed?")

    assert answer.data["execution_id"] == app.last_execution_id
    (told,) = answer.data["values"]["executions"]
    assert (told["graph_name"], told["error_node"]) == ("translator", "render")
    assert failed.uri in uris(answer) and evidence_holds(answer)
    assert "node translate of letters" in answer.text


@pytest.mark.parametrize(
    "question", ["Why did it fail?", "Why did letters fail?", "Why did it stop?"]
)
def test_a_failure_within_is_told_of_the_execution_that_was_invoked(
    project: Path, question: str
) -> None:
    app = writing()
    with pytest.raises(ValueError, match="snow"):
        app.invoke({"text": "snow"})
    (child,) = settled().store.executions(parent_id=app.last_execution_id).items
    (failed,) = settled().store.events(child.execution_id, types=("node_failed",))

    answer = introspector().ask(question)

    assert answer.data["execution_id"] == app.last_execution_id
    (cause,) = answer.data["causes"]
    assert (cause["node"], cause["execution_id"]) == ("render", child.execution_id)
    assert failed.uri in uris(answer) and "failed in translate" in answer.text
    assert evidence_holds(answer)


def test_where_no_subgraph_failed_that_is_said(project: Path) -> None:
    app = writing()
    app.invoke({"text": "rain"})

    answer = introspector().ask("Which subgraph failed?")

    assert answer.text.startswith("None of the 1 graph")
    assert answer.data["values"]["executions"] == []


def test_the_graphs_that_an_execution_called_are_listed(project: Path) -> None:
    app = writing()
    app.invoke({"text": "rain"})

    answer = introspector().ask("Which subgraphs were called?")

    (told,) = answer.data["values"]["executions"]
    assert (told["graph_name"], told["status"]) == ("translator", "completed")


def test_tool_calls_are_counted_and_told_with_what_they_gave(project: Path) -> None:
    app = guiding()
    app.invoke({"cities": ["Oslo", "Rome"], "told": []})

    answer = introspector().ask("Which tools did the agent call?")

    assert answer.data["values"] == {"weather": 2, "clock": 1}
    assert [one["output"] for one in answer.data["calls"]] == [
        "rain in Oslo", "rain in Rome", "noon in UTC",
    ]  # fmt: skip
    events = settled().store.events(str(app.last_execution_id), types=("tool_started",))
    assert {one.uri for one in events} <= set(uris(answer)) and evidence_holds(answer)


def test_a_tool_that_was_called_two_graphs_down_is_found(project: Path) -> None:
    app = within("outer", within("middle", guiding()))
    app.invoke({"cities": ["Oslo"], "told": []})
    looping().invoke(asked())

    answer = introspector().ask("Which tools were called?")

    assert answer.data["execution_id"] == app.last_execution_id
    assert answer.data["values"] == {"weather": 1, "clock": 1}


def within(name: str, inner: CompiledGraph[Any]) -> CompiledGraph[Any]:
    """A graph that only calls another."""
    graph = StateGraph(Trip)
    graph.add_node("call", inner)
    graph.set_entry_point("call")
    graph.set_finish_point("call")
    return graph.compile(name=name)


def test_a_tool_call_that_failed_is_told_with_its_error(project: Path) -> None:
    app = guiding()
    with pytest.raises(LookupError):
        app.invoke({"cities": ["Atlantis"], "told": []})

    answer = introspector().ask("Which tools were called?")

    (call,) = answer.data["calls"]
    assert call["outcome"] == "failed" and "no such city" in call["error"]


def test_no_tool_is_invented(project: Path) -> None:
    app = looping()
    app.invoke(asked())

    answer = introspector().ask("Which tools were called?")

    assert answer.text.startswith("No tool was called") and answer.data["values"] == {}


@pytest.mark.parametrize(
    "question",
    ["Was anything served from the cache?", "How many cache hits were there?", "Which nodes were cached?",
     "Did square come from the cache?"],
)  # fmt: skip
def test_what_came_from_the_cache_is_counted_by_its_events(project: Path, question: str) -> None:
    app = caching()
    app.invoke({"n": 3})
    app.invoke({"n": 3})
    (hit,) = settled().store.events(str(app.last_execution_id), types=("cache_hit",))

    answer = introspector().ask(question)

    values = answer.data["values"]
    assert (values["hits"], values["visits"], values["by_node"]) == (1, 1, {"square": 1})
    assert values["rates"] == {"square": 0.5}
    assert hit.uri in uris(answer) and evidence_holds(answer)


def test_what_was_computed_did_not_come_from_the_cache(project: Path) -> None:
    app = caching()
    app.invoke({"n": 3})

    answer = introspector().ask("Was anything served from the cache?")

    assert answer.data["values"]["hits"] == 0 and answer.text.startswith("Nothing came")


@pytest.mark.parametrize(
    "question", ["Why did it stop?", "Which budget ran out?", "Why did spender stop?", "Did it exceed its budget?"]
)  # fmt: skip
def test_a_budget_that_ran_out_is_named_with_where_it_went(project: Path, question: str) -> None:
    app = spending(steps=4)
    with pytest.raises(StepBudgetError):
        app.invoke({"n": 0})
    (failed,) = settled().store.events(str(app.last_execution_id), types=("execution_failed",))

    answer = introspector().ask(question)

    assert (answer.data["budget"], answer.data["spent"]) == ("steps", {"turn": 4})
    assert answer.data["causes"][0]["kind"] == "budget"
    assert failed.uri in uris(answer) and "budget of 4 steps" in answer.text
    assert evidence_holds(answer)


def test_where_no_budget_ran_out_that_is_said(project: Path) -> None:
    spending(steps=200).invoke({"n": 90})

    answer = introspector().ask("Which budget ran out?")

    assert answer.text.startswith("No budget of execution") and answer.data["causes"] == []


def test_a_node_that_was_sent_to_n_times_ran_n_times(project: Path) -> None:
    app = crawling()
    app.invoke({"urls": ["a", "b", "c"], "texts": []})

    answer = introspector().ask("Why did fetch run 3 times?")

    assert answer.data["visits"] == {"fetch": 3}
    (cause,) = answer.data["causes"]
    assert (cause["node"], cause["effect"]["point"]) == ("split", 3)
    taken = settled().store.events(str(app.last_execution_id), types=("edge_taken",), node="split")
    assert {one.uri for one in taken} <= set(uris(answer)) and len(taken) == 3


@pytest.mark.parametrize("question", ["Why did notify run?", "Why did it go from merge to notify?"])
def test_a_way_that_a_node_commanded_is_told_as_a_command(project: Path, question: str) -> None:
    crawling().invoke({"urls": ["a"], "texts": []})

    answer = introspector().ask(question)

    assert "merge (visit 1) returned Command(goto='notify')" in answer.text
    assert answer.data["causes"][0]["kind"] == "command"
    quotes = [one.quote for one in answer.evidence if "Command(goto='notify')" in one.quote]
    assert quotes and evidence_holds(answer)
