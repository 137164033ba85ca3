"""Streams: a reader and the graph it reads keep step; nothing piles up; what leaves is cleaned up."""

from __future__ import annotations

import operator
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, TypedDict

import anyio
import pytest

from inwit import END, START, CompiledGraph, StateGraph, StreamGap, get_stream_writer, interrupt
from inwit.errors import MalformedInputError
from inwit.runtime.delivery import HARD_LIMIT, LIMIT
from tests.runtime.capture.record import recorded


class State(TypedDict, total=False):
    n: int
    log: Annotated[list[str], operator.add]


def chain(*nodes: Any, **how: Any) -> CompiledGraph[Any]:
    graph = StateGraph(State)
    graph.add_sequence([(node.__name__, node) for node in nodes])
    return graph.add_edge(START, nodes[0].__name__).compile(name="chain", **how)


def counter(stop_at: int, done: threading.Event | None = None) -> CompiledGraph[Any]:
    """A loop that counts, and says when it has come to its end."""

    async def count(state: State) -> State:
        n = state["n"] + 1
        if n == stop_at and done is not None:
            done.set()
        return {"n": n}

    graph = StateGraph(State).add_node("count", count).add_edge(START, "count")
    graph.add_conditional_edges("count", lambda s: END if s["n"] >= stop_at else "count")
    return graph.compile(name="counter")


def told(calls: list[str], name: str) -> Any:
    def node(state: State) -> State:
        calls.append(name)
        return {"log": [name]}

    node.__name__ = name
    return node


def test_a_graph_goes_no_further_than_its_reader(project: Path) -> None:
    calls: list[str] = []
    stream = chain(*(told(calls, name) for name in "abc")).stream({})

    assert next(stream) == {"a": {"log": ["a"]}}
    assert calls == ["a"]
    assert next(stream) == {"b": {"log": ["b"]}}
    assert calls == ["a", "b"]
    assert list(stream) == [{"c": {"log": ["c"]}}]


@pytest.mark.anyio
async def test_a_graph_goes_no_further_than_its_async_reader(project: Path) -> None:
    calls: list[str] = []
    seen = []

    async for chunk in chain(*(told(calls, name) for name in "abc")).astream({}):
        await anyio.lowlevel.checkpoint()
        seen.append((list(chunk), len(calls)))

    assert seen == [(["a"], 1), (["b"], 2), (["c"], 3)]


def test_a_reader_that_breaks_off_leaves_the_rest_undone(project: Path) -> None:
    calls: list[str] = []

    for _ in chain(*(told(calls, name) for name in "abc")).stream({}):
        break

    assert calls == ["a"]


def writes_many(count: int, written: list[int]) -> Any:
    def write(state: State) -> State:
        writer = get_stream_writer()
        for number in range(count):
            writer(number)
            written.append(number)
        return {}

    return write


@pytest.mark.anyio
async def test_a_thread_that_writes_waits_for_a_slow_reader(project: Path) -> None:
    written: list[int] = []
    most = 0
    seen = []

    with anyio.fail_after(30):
        async for chunk in chain(writes_many(3 * LIMIT, written)).astream({}, stream_mode="custom"):
            seen.append(chunk)
            most = max(most, len(written) - len(seen))

    assert seen == list(range(3 * LIMIT))
    assert most <= LIMIT + 1


def test_what_a_sync_node_writes_arrives_while_it_runs(project: Path) -> None:
    go_on = threading.Event()

    def node(state: State) -> State:
        get_stream_writer()("first")
        assert go_on.wait(30)
        return {}

    stream = chain(node).stream({}, stream_mode="custom")

    assert next(stream) == "first"
    go_on.set()
    assert list(stream) == []


@pytest.mark.anyio
async def test_a_node_that_holds_the_loop_loses_its_oldest_at_the_hard_limit(project: Path) -> None:
    total = HARD_LIMIT + 500

    async def flood(state: State) -> State:
        for number in range(total):
            get_stream_writer()(number)
        return {}

    seen = [chunk async for chunk in chain(flood).astream({}, stream_mode="custom")]

    gap, kept = seen[0], seen[1:]
    assert isinstance(gap, StreamGap)
    assert gap.lost == 500
    assert kept == list(range(500, total))


@pytest.mark.anyio
async def test_a_graph_that_drops_waits_for_nobody_and_says_what_was_lost(project: Path) -> None:
    done, steps = threading.Event(), 3 * LIMIT
    stream = counter(steps, done).astream(
        {"n": 0}, {"recursion_limit": steps + 1}, stream_mode="values", on_slow="drop"
    )

    first = await anext(stream)
    with anyio.fail_after(30):
        await anyio.to_thread.run_sync(done.wait)
    rest = [chunk async for chunk in stream]

    gaps = [one.lost for one in rest if isinstance(one, StreamGap)]
    kept = [one["n"] for one in rest if not isinstance(one, StreamGap)]
    assert first == {"log": [], "n": 0}
    assert len(kept) <= LIMIT
    assert sum(gaps) + len(kept) == steps
    assert kept == list(range(steps - len(kept) + 1, steps + 1))


@pytest.mark.anyio
async def test_a_gap_has_a_mode_and_a_place_of_its_own_among_several(project: Path) -> None:
    total = HARD_LIMIT + 1

    async def flood(state: State) -> State:
        for number in range(total):
            get_stream_writer()(number)
        return {}

    app = chain(flood)
    pairs = [one async for one in app.astream({}, stream_mode=["custom", "values"])]
    dicts = [one async for one in app.astream({}, stream_mode="custom", version="v2")]

    assert pairs[0] == ("gap", StreamGap(1))
    assert dicts[0] == {"type": "gap", "ns": (), "data": StreamGap(1)}


def test_a_policy_that_is_none_is_refused(project: Path) -> None:
    with pytest.raises(MalformedInputError, match="No policy 'dorp'"):
        counter(3).stream({"n": 0}, on_slow="dorp")


@pytest.mark.anyio
async def test_a_reader_that_goes_away_cancels_the_graph_and_waits_for_its_clean_up(
    project: Path,
) -> None:
    cleaned: list[str] = []

    async def fast(state: State) -> State:
        return {"log": ["fast"]}

    async def slow(state: State) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.lowlevel.checkpoint()
            cleaned.append("slow")

    graph = StateGraph(State).add_node(fast).add_node(slow)
    app = graph.add_edge(START, "fast").add_edge(START, "slow").compile(name="leaving")
    stream = app.astream({})
    with anyio.fail_after(30):
        await anext(stream)
        await stream.aclose()

    assert cleaned == ["slow"]
    (end,) = recorded(app, "execution_cancelled")
    assert end["reason"] == "The reader of its stream went away."


def test_a_sync_reader_that_goes_away_ends_the_execution(project: Path) -> None:
    app = counter(1_000)
    stream: Iterator[Any] = app.stream({"n": 0}, {"recursion_limit": 1_001})

    next(stream)
    stream.close()  # type: ignore[attr-defined]

    (end,) = recorded(app, "execution_cancelled")
    assert end["reason"] == "The reader of its stream went away."


@pytest.mark.anyio
async def test_a_sync_stream_inside_a_loop_is_read_step_by_step(project: Path) -> None:
    calls: list[str] = []
    stream = chain(*(told(calls, name) for name in "ab")).stream({})

    assert next(stream) == {"a": {"log": ["a"]}}
    assert calls == ["a"]
    assert list(stream) == [{"b": {"log": ["b"]}}]


@pytest.mark.anyio
async def test_a_graph_that_an_async_node_invokes_in_sync_streams_more_than_the_limit(
    project: Path,
) -> None:
    written: list[int] = []
    child = chain(writes_many(2 * LIMIT, written))

    async def call(state: State) -> State:
        child.invoke({})
        return {}

    app = chain(call)
    with anyio.fail_after(30):
        stream = app.astream({}, stream_mode="custom", subgraphs=True)
        seen = [value async for _, value in stream]

    assert seen == list(range(2 * LIMIT))


def test_what_subgraphs_in_threads_write_comes_in_order(project: Path) -> None:
    def inner(state: State) -> State:
        for number in range(3):
            get_stream_writer()(number)
        return {"log": ["inner"]}

    child = chain(inner)

    def call(state: State) -> State:
        get_stream_writer()("before")
        child.invoke({})
        get_stream_writer()("after")
        return {}

    chunks = list(chain(call).stream({}, stream_mode="custom", subgraphs=True))

    assert [value for _, value in chunks] == ["before", 0, 1, 2, "after"]
    assert [len(place) for place, _ in chunks] == [0, 1, 1, 1, 0]


def test_each_question_of_a_step_is_told_as_it_is_asked(project: Path) -> None:
    def ask_one(state: State) -> State:
        return {"log": [interrupt("one")]}

    def ask_two(state: State) -> State:
        return {"log": [interrupt("two")]}

    graph = StateGraph(State).add_node(ask_one).add_node(ask_two)
    app = graph.add_edge(START, "ask_one").add_edge(START, "ask_two").compile(name="asking")

    chunks = list(app.stream({"n": 1}, thread_id="t"))

    assert [[one.value for one in chunk["__interrupt__"]] for chunk in chunks] == [["one"], ["two"]]


def test_the_second_version_names_mode_and_place(project: Path) -> None:
    def ask(state: State) -> State:
        return {"log": [interrupt("why?")]}

    chunks = list(chain(ask).stream({"n": 1}, thread_id="t", stream_mode="values", version="v2"))

    assert chunks[0] == {"type": "values", "ns": (), "data": {"log": [], "n": 1}, "interrupts": ()}
    assert [one.value for one in chunks[1]["interrupts"]] == ["why?"]
    assert "__interrupt__" not in chunks[1]["data"]


LEFT_OPEN = """
from typing import TypedDict
from inwit import START, StateGraph, get_stream_writer

class State(TypedDict, total=False):
    n: int

def node(state: State) -> State:
    for number in range(100_000):
        get_stream_writer()(number)
    return {}

app = StateGraph(State).add_node("node", node).add_edge(START, "node").compile(name="left")
reader = app.stream({}, stream_mode="custom")
print(next(reader))
"""


def test_a_stream_that_is_left_open_does_not_hold_the_interpreter(project: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", LEFT_OPEN], check=False, capture_output=True, text=True, timeout=60
    )

    assert (ran.returncode, ran.stdout) == (0, "0\n")
