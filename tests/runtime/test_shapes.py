"""Graphs of every small shape: what is known and refused of each is what trying all ways finds."""

from __future__ import annotations

import asyncio
import functools
import itertools
import math
import random
import threading
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any, Literal, TypedDict

import msgspec
import pytest
from msgspec import Raw

from inwit import END, START, Context, InMemoryCheckpointer, MessagesState, StateGraph
from inwit.errors import StoreFullError
from inwit.runtime import waits
from inwit.runtime.diff import Diff, PathChange
from inwit.runtime.manifest import GraphManifest, to_json
from inwit.runtime.messages import AIMessage
from inwit.runtime.program import literal_returns
from inwit.runtime.reach import Reach
from inwit.runtime.source import tools_of, unwrap
from inwit.runtime.updates import Packet
from inwit.runtime.views import bucket_ms, quantile_ms
from inwit.runtime.visits import pack_ways, unpack_ways

NAMES = ("a", "b", "c", "d")
Edge = tuple[str, str]


class State(TypedDict, total=False):
    x: int


def drawn(number: int) -> set[Edge]:
    """Two ways to the end, and a few edges more."""
    chance = random.Random(number)
    ways = {(START, "a"), ("a", "b"), ("b", END), (START, "c"), ("c", "d"), ("d", END)}
    possible = [*itertools.product(NAMES, (*NAMES, END))]
    return ways | {*chance.sample(possible, number % 4)}


SHAPES = [drawn(number) for number in range(16)]


def graph_of(edges: set[Edge], saver: Any = None) -> Any:
    graph: Any = StateGraph(State)
    for name in NAMES:
        graph.add_node(name, lambda _: None)
    for source, target in sorted(edges):
        graph.add_edge(source, target)
    return graph.compile(saver, name="shape")


def reached(edges: set[Edge], begin: set[str]) -> set[str]:
    """What is behind these, however far."""
    found = {target for source, target in edges if source in begin}
    return found if found <= begin else reached(edges, found | begin) | found


@pytest.mark.parametrize("edges", SHAPES)
def test_what_is_told_of_a_shape_is_what_its_edges_say(edges: set[Edge], project: Any) -> None:
    manifest = graph_of(edges).manifest()

    assert {(edge.source, edge.target) for edge in manifest.edges} == edges
    assert manifest.has_cycles is any(name in reached(edges, {name}) for name in NAMES)
    assert set(manifest.entry_points) == {target for source, target in edges if source == START}
    assert set(manifest.terminal_nodes) == {source for source, target in edges if target == END}
    assert all(one.name and one.description for one in manifest.features)
    for node in manifest.nodes:
        assert node.is_entry_point is (node.name in manifest.entry_points)
        assert node.is_terminal is (node.name in manifest.terminal_nodes)


@pytest.mark.parametrize("edges", SHAPES)
def test_who_may_lead_to_whom_is_found_edge_by_edge(edges: set[Edge], project: Any) -> None:
    app = graph_of(edges)
    reach = Reach(app.program, app.builder.nodes)
    index = {name: app.program.by_name[name] for name in NAMES}

    for begin in NAMES:
        there, within = {begin}, {begin}
        for far in range(6):
            assert reach.exactly(index[begin], far) == sum(1 << index[name] for name in there)
            assert reach.within(index[begin], far) == sum(1 << index[name] for name in within)
            there = {end for source, end in edges if source in there and end != END}
            within |= there


@pytest.mark.parametrize(("nodes", "is_parallel"), [("a", False), ("ab", True), ("abcd", True)])
def test_several_entries_are_parallel_ways(nodes: str, is_parallel: bool, project: Any) -> None:
    graph: Any = StateGraph(State)
    for name in nodes:
        graph.add_node(name, lambda _: None).add_edge(START, name).add_edge(name, END)

    assert graph.compile(name="entries").manifest().has_parallel_paths is is_parallel


def test_a_manifest_that_is_kept_says_only_what_its_graph_has(project: Any) -> None:
    graph: Any = StateGraph(State).add_node("a", lambda _: None)
    manifest = graph.add_edge(START, "a").add_edge("a", END).compile(name="line").manifest()

    kept = to_json(manifest)

    assert {"has_cycles", "has_parallel_paths", "metadata"}.isdisjoint(kept)
    assert msgspec.convert(kept, GraphManifest) == manifest


class Described(TypedDict, total=False):
    """What is passed on.

    And more.
    """

    x: int
    y: int


def says(state: Described) -> Described:
    """Say it."""
    return {"x": state["y"]}


def says_more(state: Described) -> Any:
    return {"x": state["x"], "z": 1}


def says_anything(state: Described) -> Described:
    return helped(state)


def helped(state: Described) -> Described:
    return state


def test_nodes_are_told_with_what_is_known_of_them(project: Any) -> None:
    graph: Any = StateGraph(Described)
    for node in (says, says_more, says_anything):
        graph.add_node(node)
    graph.add_edge(START, "says").add_edge("says", "says_more")
    graph.add_edge("says_more", "says_anything").add_edge("says_anything", END)

    found = graph.compile(name="told").manifest()

    assert found.description == "What is passed on."
    assert [
        (one.description, one.reads, one.writes, one.reads_known, one.writes_known, one.left_out)
        for one in found.nodes
    ] == [
        ("Say it.", ("y",), ("x",), True, True, ()),
        ("", (), (), False, False, ()),
        ("", ("x",), ("x",), True, False, ("z",)),
    ]


@pytest.mark.parametrize("counts", [{9: 1}, {40: 3, 80: 2}, {8: 1, 16: 1, 200: 5}])
def test_a_quantile_is_that_of_all_that_was_counted(counts: dict[int, int]) -> None:
    every = sorted(bucket_ms(index) for index, many in counts.items() for _ in range(many))

    for q in (0.0, 0.25, 0.5, 0.75, 1.0):
        assert quantile_ms(counts, q) == every[math.floor(q * (len(every) - 1))]
    assert quantile_ms({}, 0.5) is None


# Functions beneath others


def plain(state: State) -> State:
    return state


class Called:
    def __call__(self, state: State) -> State:
        return state

    def method(self, state: State) -> State:
        return state


@functools.wraps(plain)
def wrapped(*args: Any) -> Any:
    return plain(*args)


def test_the_function_is_found_beneath_whatever_is_around_it() -> None:
    assert unwrap(plain) is plain
    assert unwrap(wrapped) is plain
    assert unwrap(functools.partial(plain)) is plain
    assert unwrap(functools.partial(functools.partial(wrapped, 1), 2)) is plain
    assert unwrap(Called()) is Called.__call__
    assert unwrap(Called().method) is Called.method
    assert unwrap(functools.partial(Called().method)) is Called.method
    assert unwrap(len) is len
    assert unwrap(3) == 3


def search(query: str) -> str:
    return query


def uses(state: State, ctx: Context) -> State:
    state.copy()
    ctx.emit("seen")
    repr(state)
    ctx.tool()  # type: ignore[call-arg]
    ctx.tool("fetch", {})
    for one in ("x",):
        ctx.tool(search, one)
        ctx.tool(Called.method, one)
        ctx.tool(one + one, one)
    return {"x": 1 if ctx.tool("fetch") else 2}


def test_tools_are_found_among_other_calls_each_once() -> None:
    for function in (uses, functools.partial(uses)):
        assert sorted(tools_of(function)) == ["fetch", "method", "search"]
    assert tools_of(functools.partial(plain)) == ()


def test_tools_that_are_given_to_what_is_called_are_its_tools() -> None:
    class Given(Called):
        tools_by_name = {"one": 1, "two": 2}  # noqa: RUF012 - as frameworks write it

    assert tools_of(Given()) == tools_of(Given().method) == ("one", "two")
    assert tools_of(functools.partial(Given().method)) == ("one", "two")


def test_what_a_name_that_nobody_knows_stands_for_is_unknown() -> None:
    def known(state: State) -> Literal["x", "y"]:
        return "x"

    def unknown(state: State) -> Nobody:  # type: ignore[name-defined]  # noqa: F821
        return state

    def wrong(state: State) -> Literal["x"](1):  # type: ignore[valid-type]
        return state

    assert literal_returns(known) == ("x", "y")
    assert literal_returns(unknown) is None
    assert literal_returns(wrong) is None
    assert literal_returns(plain) is None


# Ways that were decided


def test_ways_that_were_decided_come_back_as_they_were(project: Any) -> None:
    execution: Any = SimpleNamespace(program=graph_of(SHAPES[0]).program)
    sent = Packet.made(2, {"x": [1]}, None)
    decided: Any = [
        (1, ("b", "yes", {"x": 1, "y": Raw(b"\x01")}, None)),
        (-1, (END, "no", {}, "it hands the whole state on")),
        (sent, ("c", "", {}, None)),
    ]

    one, end, packet = unpack_ways(execution, pack_ways(execution, decided))

    assert (one, end) == (decided[0], decided[1])
    assert isinstance(one[1][2]["y"], Raw)
    assert isinstance(packet[0], Packet)
    assert (packet[0].index, packet[0].arg, packet[1]) == (2, {"x": [1]}, decided[2][1])


def test_a_change_may_be_given_without_a_node(project: Any) -> None:
    app = graph_of({(START, "a"), *itertools.pairwise((*NAMES, END))}, InMemoryCheckpointer())
    config: Any = {"configurable": {"thread_id": "t"}}

    app.bulk_update_state(config, [[({"x": 1}, "a")], [({"x": 2},)]])

    state = app.get_state(config)
    assert (state.values, state.next) == ({"x": 2}, ("a",))


def test_a_message_tells_the_tags_of_its_execution(project: Any) -> None:
    graph: Any = StateGraph(MessagesState)
    graph.add_node("says", lambda _: {"messages": [AIMessage(content="yes")]})
    graph.add_edge(START, "says").add_edge("says", END)
    app = graph.compile(name="says")

    for tags in (["one", "two"], []):
        [(_, place)] = app.stream({"messages": []}, {"tags": tags}, stream_mode="messages")
        assert place.get("tags", []) == tags


# Waiting for the disk


async def _waited(done: Future[None], act: Any, *, is_blocking: bool = False) -> None:
    execution: Any = SimpleNamespace(is_blocking=is_blocking)
    threading.Thread(target=act, daemon=True).start()
    async with asyncio.timeout(30):
        await waits.durable(execution, done)


@pytest.mark.anyio
@pytest.mark.parametrize("is_blocking", [False, True])
async def test_who_waits_goes_on_when_another_thread_has_written(is_blocking: bool) -> None:
    done: Future[None] = Future()

    await _waited(done, lambda: done.set_result(None), is_blocking=is_blocking)

    assert done.done()


@pytest.mark.anyio
async def test_who_waits_lets_the_loop_go_on() -> None:
    done: Future[None] = Future()
    asyncio.get_running_loop().call_soon(done.set_result, None)

    await _waited(done, int)

    assert done.done()


@pytest.mark.anyio
@pytest.mark.parametrize("is_late", [False, True])
async def test_who_waits_is_told_that_writing_failed(is_late: bool) -> None:
    done: Future[None] = Future()

    def fails() -> None:
        done.set_exception(StoreFullError("/disk"))

    if not is_late:
        fails()
    with pytest.raises(StoreFullError):
        await _waited(done, fails if is_late else int)


@pytest.mark.anyio
async def test_who_is_cancelled_while_waiting_takes_nothing_back() -> None:
    done: Future[None] = Future()
    execution: Any = SimpleNamespace(is_blocking=False)
    waiting = asyncio.ensure_future(waits.durable(execution, done))
    await asyncio.sleep(0)
    waiting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiting
    done.set_result(None)
    await asyncio.sleep(0)

    assert done.result() is None


# What differs


@pytest.mark.parametrize(
    "one",
    [
        {"path": (PathChange(step=1, before=("a",), after=("b",)),)}, {"visits": {"a": (1, 2)}},
        {"state": [{"op": "remove", "path": "/x"}]}, {"output": [{"op": "remove", "path": "/x"}]},
        {"status": ("completed", "failed")}, {"error": ("", "E: no")}, {},
    ],
)  # fmt: skip
def test_any_one_difference_is_one(one: dict[str, Any]) -> None:
    assert Diff(before="1", after="2", **one).is_same is (not one)
