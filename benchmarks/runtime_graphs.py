"""The same graphs written for each library that `benchmarks/runtime.py` compares.

Every maker gives an async function that runs the graph once. The node functions are the same; "bare"
awaits them by hand, with the same dict merges.
"""

from __future__ import annotations

import asyncio
import itertools
import operator
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypedDict

Run = Callable[[], Awaitable[Any]]
LIMIT = {"recursion_limit": 5000}


class Plain(TypedDict):
    n: int


class Gathering(TypedDict, total=False):
    n: int
    done: Annotated[list[int], operator.add]


async def increment(state: Any) -> dict[str, Any]:
    return {"n": state["n"] + 1}


async def note(state: Any) -> dict[str, Any]:
    return {"done": [1]}


def is_odd(state: Any) -> str:
    return "odd" if state["n"] % 2 else "even"


def until(limit: int) -> Callable[[Any], str]:
    def more(state: Any) -> str:
        return "again" if state["n"] < limit else "end"

    return more


# Graph libraries with the same API: ours and LangGraph's


def chain(library: Any, length: int) -> Any:
    graph = library.StateGraph(Plain)
    for i in range(length):
        graph.add_node(f"n{i:03}", increment)
    graph.add_edge(library.START, "n000")
    for i in range(length - 1):
        graph.add_edge(f"n{i:03}", f"n{i + 1:03}")
    graph.add_edge(f"n{length - 1:03}", library.END)
    return graph


def _conditional(library: Any) -> Any:
    graph = library.StateGraph(Plain)
    for name in ("first", "odd", "even"):
        graph.add_node(name, increment)
    graph.add_edge(library.START, "first")
    graph.add_conditional_edges("first", is_odd, {"odd": "odd", "even": "even"})
    graph.add_edge("odd", library.END)
    graph.add_edge("even", library.END)
    return graph


def _loop(library: Any, times: int) -> Any:
    graph = library.StateGraph(Plain)
    graph.add_node("count", increment)
    graph.add_edge(library.START, "count")
    graph.add_conditional_edges("count", until(times), {"again": "count", "end": library.END})
    return graph


def _fan_out(library: Any, width: int) -> Any:
    graph = library.StateGraph(Gathering)
    graph.add_node("plan", increment)
    graph.add_node("join", increment)
    graph.add_edge(library.START, "plan")
    names = [f"b{i:03}" for i in range(width)]
    for name in names:
        graph.add_node(name, note)
        graph.add_edge("plan", name)
    graph.add_edge(names, "join")
    graph.add_edge("join", library.END)
    return graph


SHAPES = (
    "chain of 3", "chain of 10", "chain of 100", "conditional", "loop of 1,000", "fan-out 3",
    "fan-out 10", "fan-out 100",
)  # fmt: skip
_KINDS: dict[str, Callable[..., Any]] = {"chain of": chain, "loop of": _loop, "fan-out": _fan_out}


def written(library: Any, shape: str) -> Any:
    """A graph of a shape: its kind and its size."""
    kind, size = parts(shape)
    return _KINDS[kind](library, size) if kind else _conditional(library)


def parts(shape: str) -> tuple[str, int]:
    """The kind of a shape, "" for the conditional, and its size."""
    kind, _, size = shape.rpartition(" ")
    return kind, int(size.replace(",", "")) if kind else 0


def langgraph(shape: str, checkpointer: Any = None) -> Run:
    import langgraph.graph as library

    app = written(library, shape).compile(checkpointer=checkpointer)
    return lambda: app.ainvoke({"n": 0}, _config(checkpointer))


def inwit(shape: str, checkpointer: Any = None) -> Run:
    import inwit as library

    name = shape.replace(" ", "_").replace(",", "")
    app = written(library, shape).compile(name=name, checkpointer=checkpointer)
    return lambda: app.ainvoke({"n": 0}, _config(checkpointer))


_threads = itertools.count()


def _config(checkpointer: Any) -> dict[str, Any]:
    if checkpointer is None:
        return LIMIT
    return {**LIMIT, "configurable": {"thread_id": str(next(_threads))}}


# By hand


def bare(shape: str) -> Run:
    kind, count = parts(shape)
    if kind == "chain of":
        return lambda: _bare_chain(count)
    if kind == "loop of":
        return lambda: _bare_loop(count)
    if kind == "fan-out":
        return lambda: _bare_fan_out(count)
    return _bare_conditional


async def _bare_chain(length: int) -> dict[str, Any]:
    state = {"n": 0}
    for _ in range(length):
        state.update(await increment(state))
    return state


async def _bare_loop(times: int) -> dict[str, Any]:
    state, more = {"n": 0}, until(times)
    while True:
        state.update(await increment(state))
        if more(state) == "end":
            return state


async def _bare_conditional() -> dict[str, Any]:
    state = {"n": 0}
    state.update(await increment(state))
    if is_odd(state) == "odd":
        state.update(await increment(state))
    else:
        state.update(await increment(state))
    return state


async def _bare_fan_out(width: int) -> dict[str, Any]:
    state: dict[str, Any] = {"n": 0, "done": []}
    state.update(await increment(state))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(note(state)) for _ in range(width)]
    for task in tasks:
        state["done"] = state["done"] + task.result()["done"]
    state.update(await increment(state))
    return state
