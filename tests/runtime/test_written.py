"""What history tells of a task is what it wrote, not what a reducer made of it."""

from __future__ import annotations

import dataclasses
import operator
from typing import Annotated, Any, TypedDict

import pytest

from inwit import END, START, Command, InMemorySaver, Send, StateGraph
from inwit.runtime.serial import pack, unpack


class Total(TypedDict):
    total: Annotated[int, operator.add]
    text: str


def _results(graph: StateGraph[Any], given: dict[str, Any]) -> list[dict[str, Any]]:
    app = graph.compile(checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "t"}}
    app.invoke(given, config)
    history = list(app.get_state_history(config))
    return [{task.name: task.result for task in one.tasks} for one in reversed(history)]


def test_a_lone_node_tells_what_it_wrote_to_a_summed_key() -> None:
    graph = StateGraph(Total)
    graph.add_node("add", lambda _: {"total": 5, "text": "x"})
    graph.add_edge(START, "add").add_edge("add", END)

    assert _results(graph, {"total": 2})[1] == {"add": {"total": 5, "text": "x"}}


def test_parallel_nodes_tell_each_their_own_part() -> None:
    graph = StateGraph(Total)
    graph.add_node("one", lambda _: {"total": 1})
    graph.add_node("two", lambda _: {"total": 2})
    for name in ("one", "two"):
        graph.add_edge(START, name).add_edge(name, END)

    assert _results(graph, {"total": 10})[1] == {"one": {"total": 1}, "two": {"total": 2}}


def test_several_writes_to_one_key_are_told_as_a_list() -> None:
    graph = StateGraph(Total)
    graph.add_node("add", lambda _: [{"total": 1}, Command(update={"total": 2})])
    graph.add_edge(START, "add").add_edge("add", END)

    assert _results(graph, {"total": 0})[1] == {"add": {"total": {"$writes": [1, 2]}}}


@pytest.mark.parametrize("given", [0, 7])
def test_the_state_is_what_the_reducer_made(given: int) -> None:
    graph = StateGraph(Total)
    graph.add_node("add", lambda _: {"total": 5})
    graph.add_edge(START, "add").add_edge("add", END)

    assert graph.compile().invoke({"total": given})["total"] == given + 5


def test_a_command_can_be_changed_as_a_dataclass_and_held_by_a_state() -> None:
    command: Command[Any] = Command(update={"a": 1}, goto=[Send("n", {"x": 1}), "m"])

    assert dataclasses.replace(command, goto="z") == Command(update={"a": 1}, goto="z")
    assert unpack(pack(command)) == command
