"""Sync nodes of one step: those that block do so at the same time."""

from __future__ import annotations

import asyncio
import operator
import threading
import time
from contextvars import ContextVar
from typing import Annotated, Any, TypedDict

import pytest

from inwit import END, START, Command, Context, InMemoryCheckpointer, Send, StateGraph, interrupt
from inwit.errors import NodeTimeoutError

pytestmark = pytest.mark.parametrize("scheduling", ["steps", "dataflow"])
TOGETHER_S = 5


class State(TypedDict, total=False):
    log: Annotated[list[str], operator.add]


def graph_of(**nodes: Any) -> Any:
    """Nodes that run beside each other, after one that is alone."""
    graph: Any = StateGraph(State).add_node("first", lambda _: None).add_edge(START, "first")
    for name, function in nodes.items():
        graph.add_node(name, function).add_edge("first", name).add_edge(name, END)
    return graph


def meeting(count: int) -> Any:
    """A function that returns when as many run at once."""
    barrier = threading.Barrier(count, timeout=TOGETHER_S)

    def node(_: Any, ctx: Context) -> State:
        barrier.wait()
        return {"log": [ctx.node]}

    return node


@pytest.mark.parametrize("call", ["invoke", "ainvoke", "stream"])
def test_nodes_that_wait_for_each_other_meet(call: str, scheduling: Any, project: Any) -> None:
    node = meeting(3)
    app = graph_of(a=node, b=node, c=node).compile(name="meets", scheduling=scheduling)

    if call == "invoke":
        found = app.invoke({})["log"]
    elif call == "ainvoke":
        found = asyncio.run(app.ainvoke({}))["log"]
    else:
        found = [*app.stream({}, stream_mode="values")][-1]["log"]

    assert found == ["a", "b", "c"]


def test_what_is_sent_meets_as_well(scheduling: Any, project: Any) -> None:
    graph: Any = StateGraph(State).add_node("node", meeting(4))
    graph.add_conditional_edges(START, lambda _: [Send("node", {}) for _ in range(4)], ["node"])

    app = graph.compile(name="sent", scheduling=scheduling)

    assert app.invoke({})["log"] == ["node"] * 4


def test_a_sync_node_does_not_hold_an_async_one_up(scheduling: Any, project: Any) -> None:
    told = threading.Event()

    async def tells(_: Any) -> None:
        await asyncio.sleep(0.01)
        told.set()

    def waits(_: Any) -> State:
        return {"log": [str(told.wait(TOGETHER_S))]}

    app = graph_of(a=waits, b=tells).compile(name="mixed", scheduling=scheduling)

    assert app.invoke({})["log"] == ["True"]


def test_a_node_alone_runs_where_it_is_called_and_so_do_those_that_say_so(
    scheduling: Any, project: Any
) -> None:
    threads: dict[str, int] = {}

    def node(_: Any, ctx: Context) -> None:
        threads[ctx.node] = threading.get_ident()

    graph = graph_of(b=node, c=node)
    graph.add_node("alone", node, defer=True).add_edge("b", "alone")
    graph.set_node_defaults(thread=False)
    app = graph.compile(name="places", scheduling=scheduling)

    asyncio.run(app.ainvoke({}))

    assert threads == dict.fromkeys(("alone", "b", "c"), threading.get_ident())


def test_no_more_run_at_once_than_are_allowed(scheduling: Any, project: Any) -> None:
    lock, running, most = threading.Lock(), [0], [0]

    def node(_: Any) -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.01)
        with lock:
            running[0] -= 1

    nodes = {f"n{number}": node for number in range(9)}
    app = graph_of(**nodes).compile(name="gated", scheduling=scheduling)

    app.invoke({}, {"max_concurrency": 3})

    assert 1 < most[0] <= 3


def test_who_begins_when_another_has_ended_has_nothing_of_its_context(
    scheduling: Any, project: Any
) -> None:
    who: ContextVar[str] = ContextVar("who", default="nobody")

    async def node(_: Any, ctx: Context) -> State:
        found = who.get()
        who.set(ctx.node)
        return {"log": [found]}

    app = graph_of(a=node, b=node, c=node).compile(name="apart", scheduling=scheduling)

    assert app.invoke({}, {"max_concurrency": 1})["log"] == ["nobody"] * 3


def test_a_failure_waits_for_those_that_run_and_begins_no_others(
    scheduling: Any, project: Any
) -> None:
    ended: list[str] = []
    both = threading.Barrier(2, timeout=TOGETHER_S)

    def fails(_: Any) -> None:
        both.wait()
        raise LookupError("no")

    def runs(_: Any) -> None:
        both.wait()
        time.sleep(0.05)
        ended.append("runs")

    def later(_: Any) -> None:
        ended.append("later")

    app = graph_of(a=fails, b=runs, c=later).compile(name="fails", scheduling=scheduling)

    with pytest.raises(LookupError):
        app.invoke({}, {"max_concurrency": 2})
    assert ended == ["runs"]


@pytest.mark.anyio
async def test_who_is_cancelled_waits_for_the_nodes_that_run(scheduling: Any, project: Any) -> None:
    begun, ended = threading.Barrier(3, timeout=TOGETHER_S), []

    def node(_: Any, ctx: Context) -> None:
        begun.wait()
        time.sleep(0.05)
        ended.append(ctx.node)

    app = graph_of(a=node, b=node).compile(name="cancelled", scheduling=scheduling)
    task = asyncio.create_task(app.ainvoke({}))
    await asyncio.to_thread(begun.wait)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert sorted(ended) == ["a", "b"]


def test_questions_of_sync_nodes_are_answered_one_by_one(scheduling: Any, project: Any) -> None:
    def asks(_: Any, ctx: Context) -> State:
        return {"log": [f"{ctx.node} {interrupt(ctx.node)}"]}

    graph = graph_of(a=asks, b=asks, c=meeting(1))
    app = graph.compile(InMemoryCheckpointer(), name="asks", scheduling=scheduling)
    config = {"configurable": {"thread_id": "t"}}

    asked = {one.value: one.id for one in app.invoke({}, config)["__interrupt__"]}
    [left] = app.invoke(Command(resume={asked["b"]: 2}), config)["__interrupt__"]

    assert left.value == "a"
    assert app.invoke(Command(resume=1), config)["log"] == ["a 1", "b 2", "c"]


def test_a_node_that_overruns_in_a_thread_fails(scheduling: Any, project: Any) -> None:
    def slow(_: Any) -> None:
        time.sleep(0.05)

    graph = graph_of(a=slow, b=lambda _: None).set_node_defaults(timeout=0.01, retry_policy=[])
    app = graph.compile(name="overruns", scheduling=scheduling)

    with pytest.raises(NodeTimeoutError):
        app.invoke({})


def test_what_raises_stop_iteration_fails_as_what_it_is(scheduling: Any, project: Any) -> None:
    def stops(_: Any) -> None:
        next(iter(()))

    app = graph_of(a=stops, b=lambda _: None).compile(name="stops", scheduling=scheduling)

    with pytest.raises(Exception, match="StopIteration"):
        app.invoke({})
