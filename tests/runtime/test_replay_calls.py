"""How an execution was called is in its record, and a replay is called the same."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, TypedDict

import pytest

from inwit import END, START, Context, Runtime, StateGraph, mapped
from inwit.errors import UnreplayableError
from tests.runtime.policies.recorded import events_of


class State(TypedDict, total=False):
    n: int
    said: str


class Outer(TypedDict, total=False):
    text: str
    loud: str


@dataclass
class Person:
    name: str


@dataclass
class Connected:
    name: str
    lock: Any


def greet(state: State, config: dict[str, Any], runtime: Runtime[Any]) -> dict[str, Any]:
    return {"said": f"{config['configurable']['greeting']}, {runtime.context.name}!"}


def greeting(node: Any = greet) -> Any:
    graph = StateGraph(State, context_schema=Person).add_node("greet", node)
    return graph.add_edge(START, "greet").add_edge("greet", END).compile(name="greeting")


CALL = {"configurable": {"greeting": "Hello", "thread_id": "t", "api_key": "sk-1234567890abcdef"}}


def test_a_replay_has_the_config_and_the_context_of_the_record(project: Any) -> None:
    app = greeting()
    app.invoke({"n": 1}, CALL, context=Person("Ada"))

    replay = app.replay(str(app.last_execution_id))

    assert replay.divergence is None
    assert replay.state["said"] == "Hello, Ada!"


def test_what_a_replay_is_given_counts_instead(project: Any) -> None:
    app = greeting()
    app.invoke({"n": 1}, CALL, context=Person("Ada"))

    replay = app.replay(
        app.last_execution_id, context=Person("Eve"), config={"configurable": {"greeting": "Bye"}}
    )

    assert replay.state["said"] == "Bye, Eve!"


def test_readers_see_how_it_was_called_without_its_secrets(project: Any) -> None:
    app = greeting()
    app.invoke({"n": 1}, {**CALL, "tags": ["one"], "callbacks": []}, context=Person("Ada"))

    started: Any = events_of(app, "execution_started")[0]

    assert started.config["configurable"]["greeting"] == "Hello"
    assert set(started.config) == {"configurable", "tags"}
    assert "thread_id" not in started.config["configurable"]
    assert "sk-1234567890abcdef" not in str(started.config)
    assert started.context == {"name": "Ada"}


def test_a_context_that_cannot_be_kept_is_missed_only_where_it_is_read(project: Any) -> None:
    app = greeting()
    app.invoke({"n": 1}, CALL, context=Connected("Ada", threading.Lock()))

    refused = app.replay(str(app.last_execution_id))
    given = app.replay(str(app.last_execution_id), context=Person("Ada"))

    assert isinstance(refused.error, UnreplayableError)
    assert "a Connected, cannot be kept, and 'name' of it is read" in str(refused.error)
    assert given.divergence is None


def test_an_execution_that_was_allowed_more_steps_may_take_them_again(project: Any) -> None:
    graph = StateGraph(State).add_node("more", lambda state: {"n": state["n"] + 1})
    graph.add_edge(START, "more")
    graph.add_conditional_edges("more", lambda state: "more" if state["n"] < 40 else END)
    app = graph.compile(name="long")
    app.invoke({"n": 0}, {"recursion_limit": 50})

    assert app.replay(str(app.last_execution_id)).divergence is None


def test_a_graph_with_another_state_within_is_replayed_and_run_again(project: Any) -> None:
    calls: list[str] = []

    def shout(state: State) -> dict[str, Any]:
        calls.append(state["said"])
        return {"said": state["said"].upper()}

    inner = StateGraph(State).add_node("shout", shout).add_edge(START, "shout")
    within = mapped(inner.compile(name="shouting"), {"said": "text"}, {"loud": "said"})
    outer = StateGraph(Outer).add_node("loud", within).add_edge(START, "loud")
    app = outer.compile(name="talking")
    app.invoke({"text": "hello"})

    given = app.replay(str(app.last_execution_id))
    again = app.replay(str(app.last_execution_id), run=["loud"])

    assert (given.divergence, again.divergence, again.state["loud"]) == (None, None, "HELLO")
    assert len(calls) == 2


@pytest.mark.parametrize("config", [None, {}, {"configurable": {"thread_id": "t"}}])
def test_a_plain_call_has_nothing_more_in_its_record(config: Any, project: Any) -> None:
    def plain(state: State, ctx: Context) -> dict[str, Any]:
        return {"said": ctx.thread_id}

    app = greeting(plain)
    app.invoke({"n": 1}, config)

    started: Any = events_of(app, "execution_started")[0]

    assert (started.config, started.context) == (None, None)
