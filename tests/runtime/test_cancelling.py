"""Stopping executions from outside: by their id, by their thread, from any thread."""

from __future__ import annotations

import asyncio
import operator
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any, TypedDict

import anyio
import pytest

from inwit import START, CompiledGraph, InMemorySaver, RetryPolicy, StateGraph, interrupt
from inwit.errors import ExecutionCancelledError, MalformedInputError
from tests.runtime.capture.record import recorded


class State(TypedDict, total=False):
    n: int
    log: Annotated[list[str], operator.add]


class Held:
    """An async node that waits to be cancelled, and then cleans up for a while."""

    def __init__(self, name: str) -> None:
        self.__name__ = name
        self.begun = anyio.Event()
        self.calls = 0
        self.is_clean = False

    async def __call__(self, state: State) -> None:
        self.calls += 1
        self.begun.set()
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.lowlevel.checkpoint()
                await anyio.lowlevel.checkpoint()
            self.is_clean = True


def of_nodes(*nodes: Any, **how: Any) -> CompiledGraph[Any]:
    """Nodes that all begin at once."""
    graph = StateGraph(State)
    for node in nodes:
        graph.add_node(getattr(node, "__name__", "child"), node)
        graph.add_edge(START, getattr(node, "__name__", "child"))
    return graph.compile(name="held", **how)


async def run_until_cancelled(app: CompiledGraph[Any], *held: Held, **how: Any) -> tuple[Any, ...]:
    """Invoke, stop it once its nodes wait, and give the ids that were stopped."""
    stopped: tuple[Any, ...] = ()

    async def stop() -> None:
        nonlocal stopped
        for one in held:
            await one.begun.wait()
        stopped = await app.acancel(**how)
        assert all(one.is_clean for one in held)

    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(stop)
            with pytest.raises(ExecutionCancelledError):
                await app.ainvoke({}, thread_id="t", execution_id="e")
    return stopped


@pytest.mark.anyio
async def test_an_execution_is_stopped_by_its_id_and_recorded_with_the_reason(
    project: Path,
) -> None:
    held = Held("held")
    app = of_nodes(held)

    stopped = await run_until_cancelled(app, held, execution_id="e", reason="Enough.")

    assert stopped == ("e",)
    (end,) = recorded(app, "execution_cancelled")
    assert end["reason"] == "Enough."


@pytest.mark.anyio
async def test_a_threads_execution_is_stopped_in_all_its_parallel_branches(project: Path) -> None:
    one, two = Held("one"), Held("two")

    stopped = await run_until_cancelled(of_nodes(one, two), one, two, thread_id="t")

    assert stopped == ("e",)


@pytest.mark.anyio
async def test_a_stop_reaches_a_subgraph_which_is_recorded_with_the_same_reason(
    project: Path,
) -> None:
    held = Held("held")
    child = of_nodes(held)

    await run_until_cancelled(of_nodes(child), held, execution_id="e", reason="Enough.")

    (end,) = recorded(child, "execution_cancelled")
    assert end["reason"] == "Enough."


@pytest.mark.anyio
async def test_what_was_stopped_is_not_tried_again_and_has_no_fallback(project: Path) -> None:
    held = Held("held")
    graph = StateGraph(State).add_edge(START, "held")
    policy = RetryPolicy(initial_interval=0.0, retry_on=Exception)
    graph.add_node("held", held, retry_policy=policy, fallback=lambda s: {"log": ["instead"]})

    await run_until_cancelled(graph.compile(name="again"), held, execution_id="e")

    assert held.calls == 1


@pytest.mark.anyio
async def test_another_thread_stops_what_runs_in_a_loop(project: Path) -> None:
    held = Held("held")
    app = of_nodes(held)

    async def stop() -> None:
        await held.begun.wait()
        assert await anyio.to_thread.run_sync(lambda: app.cancel(execution_id="e")) == ("e",)
        assert held.is_clean

    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(stop)
            with pytest.raises(ExecutionCancelledError, match="cancelled"):
                await app.ainvoke({}, execution_id="e")


def in_a_thread(app: CompiledGraph[Any], begun: threading.Event, go_on: threading.Event) -> Any:
    """Invoke in another thread, stop it while a node holds that thread, then let the node end."""
    with ThreadPoolExecutor(2) as pool:
        invoked = pool.submit(app.invoke, {}, thread_id="t", execution_id="e")
        assert begun.wait(30)
        stopped = pool.submit(app.cancel, thread_id="t", reason="Enough.")
        while not app_is_told(app):
            pass
        go_on.set()
        assert stopped.result(5) == ("e",)
        with pytest.raises(ExecutionCancelledError, match="Enough"):
            invoked.result(5)


def app_is_told(app: CompiledGraph[Any]) -> bool:
    from inwit.runtime.cancelling import running

    return any(one.stopping is not None for one, _ in running())


def test_a_sync_execution_ends_after_the_node_that_runs(project: Path) -> None:
    begun, go_on, calls = threading.Event(), threading.Event(), []

    def first(state: State) -> State:
        begun.set()
        assert go_on.wait(30)
        calls.append("first")
        return {"log": ["first"]}

    def second(state: State) -> State:
        calls.append("second")
        return {}

    graph = StateGraph(State).add_sequence([("first", first), ("second", second)])
    app = graph.add_edge(START, "first").compile(name="sync", checkpointer=InMemorySaver())

    in_a_thread(app, begun, go_on)

    assert calls == ["first"]
    (end,) = recorded(app, "execution_cancelled")
    assert end["reason"] == "Enough."


def test_a_stop_reaches_a_graph_that_a_sync_node_invokes(project: Path) -> None:
    begun, go_on, calls = threading.Event(), threading.Event(), []

    def inner(state: State) -> State:
        begun.set()
        assert go_on.wait(30)
        return {}

    graph = StateGraph(State)
    graph.add_sequence([("inner", inner), ("after", lambda s: calls.append("after"))])
    child = graph.add_edge(START, "inner").compile(name="child")

    def outer(state: State) -> Any:
        return child.invoke({})

    in_a_thread(of_nodes(outer), begun, go_on)

    assert calls == []


@pytest.mark.anyio
async def test_a_sync_execution_of_another_thread_is_stopped_from_an_event_loop(
    project: Path,
) -> None:
    begun, go_on, calls = threading.Event(), threading.Event(), list[str]()

    def first(state: State) -> State:
        begun.set()
        assert go_on.wait(30)
        return {}

    graph = StateGraph(State)
    graph.add_sequence([("first", first), ("second", lambda s: calls.append("second"))])
    app = graph.add_edge(START, "first").compile(name="blocking")

    with anyio.fail_after(30):
        invoked = asyncio.create_task(asyncio.to_thread(app.invoke, {}, execution_id="e"))
        await asyncio.to_thread(begun.wait, 30)
        stopping = asyncio.create_task(app.acancel(execution_id="e"))
        await asyncio.sleep(0)
        go_on.set()
        stopped = await stopping
        with pytest.raises(ExecutionCancelledError):
            await invoked

    assert (stopped, calls) == (("e",), [])


def test_who_stops_an_execution_of_its_own_event_loop_is_not_held_up(project: Path) -> None:
    held, stopped = Held("held"), list[tuple[str, ...]]()
    app = of_nodes(held)

    async def stop() -> None:
        task = asyncio.create_task(app.ainvoke({}, execution_id="e"))
        await held.begun.wait()
        stopped.append(app.cancel(execution_id="e"))
        with pytest.raises(ExecutionCancelledError):
            await task

    thread = threading.Thread(target=lambda: asyncio.run(stop()), daemon=True)
    thread.start()
    thread.join(10)

    assert (stopped, thread.is_alive(), held.is_clean) == ([("e",)], False, True)


def test_a_node_stops_its_own_execution(project: Path) -> None:
    calls: list[str] = []

    def first(state: State) -> State:
        app.cancel(execution_id="e")
        calls.append("first")
        return {}

    graph = StateGraph(State)
    graph.add_sequence([("first", first), ("second", lambda s: calls.append("second"))])
    app = graph.add_edge(START, "first").compile(name="own")

    with pytest.raises(ExecutionCancelledError):
        app.invoke({}, execution_id="e")

    assert calls == ["first"]


def test_what_waits_for_a_person_is_closed(project: Path) -> None:
    app = of_nodes(asking, checkpointer=InMemorySaver())
    app.invoke({}, thread_id="t", execution_id="e")

    stopped = app.cancel(thread_id="t", reason="Nobody answers.")

    assert stopped == ("e",)
    (end,) = recorded(app, "execution_cancelled")
    assert end["reason"] == "Nobody answers."
    assert app.cancel(thread_id="t") == ()


def nothing(state: State) -> State:
    return {}


def asking(state: State) -> State:
    return {"log": [interrupt("why?")]}


def test_what_does_not_run_is_not_stopped(project: Path) -> None:
    app = of_nodes(nothing)
    app.invoke({}, execution_id="e")

    assert app.cancel(execution_id="e") == ()
    assert app.cancel(thread_id="unknown") == ()


def test_a_stop_has_to_say_what_is_meant(project: Path) -> None:
    with pytest.raises(MalformedInputError, match="not told what to stop"):
        of_nodes(asking).cancel()


@pytest.mark.anyio
async def test_a_thread_that_was_stopped_goes_on_when_it_is_invoked_again(project: Path) -> None:
    held = Held("held")
    calls: list[str] = []

    async def first(state: State) -> State:
        calls.append("first")
        return {"log": ["first"]}

    graph = StateGraph(State).add_node(first).add_node("held", held)
    graph.add_edge(START, "first").add_edge("first", "held")
    app = graph.compile(name="on", checkpointer=InMemorySaver())
    await run_until_cancelled(app, held, thread_id="t")

    assert app.get_state({"configurable": {"thread_id": "t"}}).next == ("held",)
    assert calls == ["first"]


def test_an_execution_whose_loop_was_closed_under_it_is_passed_over() -> None:
    node = Held("node")
    app = of_nodes(node)
    loop = asyncio.new_event_loop()
    task = loop.create_task(app.ainvoke({}, thread_id="t"))
    loop.run_until_complete(node.begun.wait())
    loop.close()

    assert app.cancel(thread_id="t") == ()

    task._log_destroy_pending = False  # type: ignore[attr-defined] # it is left as it is on purpose
