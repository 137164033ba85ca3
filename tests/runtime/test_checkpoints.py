"""Threads: memory across executions, resuming, reading saved states."""

from __future__ import annotations

import operator
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest

from inwit import START, Checkpointer, InMemoryCheckpointer, SqliteCheckpointer, StateGraph
from inwit.errors import CheckpointingOffError, InvalidStateError, UnserialisableError
from inwit.runtime.checkpoints.codec import decode, encode


class State(TypedDict, total=False):
    n: int
    pair: Any
    log: Annotated[list[Any], operator.add]


BACKENDS: dict[str, Callable[[Path], Checkpointer]] = {
    "memory": lambda folder: InMemoryCheckpointer(),
    "file": lambda folder: SqliteCheckpointer(folder / "own.db"),
    "record": lambda folder: SqliteCheckpointer(),
}


@pytest.fixture(params=list(BACKENDS))
def checkpointer(request: pytest.FixtureRequest, project: Any, tmp_path: Path) -> Checkpointer:
    return BACKENDS[request.param](tmp_path)


def chain(checkpointer: Checkpointer, *nodes: Any, name: str = "chain") -> Any:
    graph = StateGraph(State)
    graph.add_sequence([(f"n{i:02}", node) for i, node in enumerate(nodes)])
    graph.set_entry_point("n00")
    return graph.compile(name=name, checkpointer=checkpointer)


def add(state: State) -> dict[str, Any]:
    return {"n": state["n"] + 1, "log": [state["n"]], "pair": (1, {2})}


def test_a_thread_remembers_and_values_keep_their_types(checkpointer: Checkpointer) -> None:
    app = chain(checkpointer, add, add)

    app.invoke({"n": 0}, thread_id="t")
    result = app.invoke({"n": 10}, thread_id="t")

    assert result == {"n": 12, "log": [0, 1, 10, 11], "pair": (1, {2})}
    assert app.get_state({"configurable": {"thread_id": "t"}}).values == result
    assert app.invoke({"n": 0}, thread_id="other")["log"] == [0, 1]


def test_every_step_of_a_long_thread_can_be_read(checkpointer: Checkpointer) -> None:
    app = chain(checkpointer, *[add] * 20)
    config = {"configurable": {"thread_id": "t"}, "recursion_limit": 100}
    for _ in range(4):
        app.invoke({"n": 0}, config)

    history = list(app.get_state_history(config))

    assert len(history) == 4 * 22  # the input, 20 steps, and what was before the input
    assert [len(snapshot.values.get("log", [])) for snapshot in history[:3]] == [80, 79, 78]
    assert history[0].next == ()
    assert [one.next for one in history[-2:]] == [("n00",), ("__start__",)]


def test_a_failed_execution_goes_on_where_it_stopped(checkpointer: Checkpointer) -> None:
    calls: list[str] = []

    def first(state: State) -> dict[str, Any]:
        calls.append("first")
        return {"n": 1}

    def second(state: State) -> dict[str, Any]:
        calls.append("second")
        if calls.count("second") == 1:
            raise ValueError("once")
        return {"n": 2}

    app = chain(checkpointer, first, second)
    with pytest.raises(ValueError, match="once"):
        app.invoke({"n": 0}, thread_id="t")

    assert app.invoke(None, thread_id="t")["n"] == 2
    assert calls == ["first", "second", "second"]


@pytest.mark.parametrize("durability", ["sync", "async", "exit"])
def test_each_durability_keeps_the_final_state(checkpointer: Checkpointer, durability: Any) -> None:
    app = chain(checkpointer, add, add)

    app.invoke({"n": 0}, thread_id="t", durability=durability)

    assert app.get_state({"configurable": {"thread_id": "t"}}).values["n"] == 2


def test_a_value_that_cannot_be_kept_is_refused_when_it_enters_the_state(
    checkpointer: Checkpointer,
) -> None:
    app = chain(checkpointer, lambda state: {"pair": lambda: 0})

    with pytest.raises(UnserialisableError, match="function"):
        app.invoke({"n": 0}, thread_id="t")


def test_a_list_that_is_changed_later_is_kept_as_it_was_returned(
    checkpointer: Checkpointer,
) -> None:
    shared: list[int] = [1]

    def give(state: State) -> dict[str, Any]:
        return {"pair": shared}

    def change(state: State) -> dict[str, Any]:
        shared.append(2)
        return {"n": 1}

    app = chain(checkpointer, give, change)
    app.invoke({"n": 0}, thread_id="t")

    states = list(app.get_state_history({"configurable": {"thread_id": "t"}}))

    assert states[1].values["pair"] == [1]


def test_another_connection_reads_what_was_durable(project: Any, tmp_path: Path) -> None:
    path = tmp_path / "own.db"
    chain(SqliteCheckpointer(path), add).invoke({"n": 0}, thread_id="t", durability="sync")

    again = chain(SqliteCheckpointer(path), add)

    assert again.get_state({"configurable": {"thread_id": "t"}}).values["n"] == 1


def test_a_checkpoint_survives_its_encoding() -> None:
    saver = InMemoryCheckpointer()
    chain(saver, add).invoke({"n": 0}, thread_id="t")

    for checkpoint in saver.history("t"):
        assert encode(decode(encode(checkpoint))) == encode(checkpoint)


def test_nothing_to_resume_and_nothing_kept_are_said(project: Any) -> None:
    app = chain(InMemoryCheckpointer(), add)

    with pytest.raises(InvalidStateError, match="nothing to resume"):
        app.invoke(None, thread_id="empty")
    with pytest.raises(CheckpointingOffError):
        app.without_checkpointing().get_state({"configurable": {"thread_id": "t"}})


def test_durability_exit_keeps_one_checkpoint_a_call(checkpointer: Checkpointer) -> None:
    graph = StateGraph(State).add_sequence([(name, lambda state: {"n": 1}) for name in "abc"])
    graph.set_entry_point("a")
    app = graph.compile(name="stops", checkpointer=checkpointer, interrupt_after="*")
    config = {"configurable": {"thread_id": "t"}}

    app.invoke({}, config, durability="exit")
    app.invoke(None, config, durability="exit")

    assert [found.next for found in app.get_state_history(config)] == [("c",), ("b",)]


def test_durability_exit_has_no_checkpoints_to_tell_of_on_the_way(
    checkpointer: Checkpointer,
) -> None:
    graph = StateGraph(State).add_sequence([(name, lambda state: {"n": 1}) for name in "ab"])
    graph.set_entry_point("a")
    app = graph.compile(name="told", checkpointer=checkpointer)
    config = {"configurable": {"thread_id": "t"}}

    told = [one["type"] for one in app.stream({}, config, stream_mode="debug", durability="exit")]

    assert told == ["task", "task_result", "task", "task_result"]


def test_a_graph_within_that_had_not_run_yet_begins_anew_there(project: Any) -> None:
    class Outer(TypedDict, total=False):
        n: int

    seen: list[list[str]] = []

    def look(state: State) -> State:
        seen.append(list(state["log"]))
        return {"log": ["x"]}

    within = StateGraph(State).add_node("look", look).add_edge(START, "look")
    graph = StateGraph(Outer).add_node("before", lambda _: {"n": 1})
    graph.add_node("within", within.compile(checkpointer=True))
    graph.add_edge(START, "before").add_edge("before", "within")
    app = graph.compile(InMemoryCheckpointer(), name="around")
    config: Any = {"configurable": {"thread_id": "t"}}
    for _ in range(2):
        app.invoke({"n": 0}, config)
    *_, first = [one for one in app.get_state_history(config) if one.next == ("before",)]

    app.invoke(None, first.config)

    assert seen == [[], ["x"], []]
