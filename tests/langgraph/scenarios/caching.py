"""Caching: results of nodes kept for equal inputs."""

import operator
from typing import Annotated, Any, TypedDict

from tests.langgraph.scenarios.telling import listed, thread


class State(TypedDict, total=False):
    a: str
    log: Annotated[list[str], operator.add]


def _graph(lib: Any, calls: list[Any], cache: Any = None, **policy: Any) -> Any:
    def slow(state: State) -> Any:
        calls.append(state.get("a"))
        return {"log": [f"call {len(calls)}"]}

    graph = lib.StateGraph(State).add_node("slow", slow, cache_policy=lib.CachePolicy(**policy))
    return graph.add_edge(lib.START, "slow").compile(cache=cache)


def equal_inputs_are_computed_once(lib):
    calls: list[Any] = []
    graph = _graph(lib, calls, lib.InMemoryCache())
    found = [graph.invoke({"a": a}) for a in ("x", "x", "y", "x")]
    return [found, calls]


def cached_updates_are_marked(lib):
    graph = _graph(lib, [], lib.InMemoryCache())
    return [list(graph.stream({"a": "x"})) for _ in range(2)]


async def caching_async(lib):
    calls: list[Any] = []
    graph = _graph(lib, calls, lib.InMemoryCache())
    first = await listed(graph.astream({"a": "x"}))
    return [first, await listed(graph.astream({"a": "x"})), calls]


def a_key_of_ones_own(lib):
    calls: list[Any] = []
    graph = _graph(lib, calls, lib.InMemoryCache(), key_func=lambda state: "always")
    return [[graph.invoke({"a": a}) for a in "xy"], calls]


def without_a_cache_a_policy_does_nothing(lib):
    calls: list[Any] = []
    graph = _graph(lib, calls)
    return [[graph.invoke({"a": "x"}) for _ in range(2)], calls]


def caches_are_cleared(lib):
    calls: list[Any] = []
    graph = _graph(lib, calls, lib.InMemoryCache())
    graph.invoke({"a": "x"})
    graph.clear_cache()
    graph.invoke({"a": "x"})
    graph.clear_cache(nodes=["slow"])
    graph.invoke({"a": "x"})
    return calls


def errors_are_not_cached(lib):
    calls: list[Any] = []

    def fails(state: State) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise ValueError("first")
        return {"log": ["done"]}

    graph = lib.StateGraph(State).add_node("fails", fails, cache_policy=lib.CachePolicy())
    app = graph.add_edge(lib.START, "fails").compile(cache=lib.InMemoryCache())
    for _ in range(3):
        try:
            app.invoke({"a": "x"})
        except ValueError:
            calls.append("failed")
    return calls


def sends_are_cached_each(lib):
    calls: list[Any] = []

    def work(state: Any) -> Any:
        calls.append(state)
        return {"log": [state]}

    graph = lib.StateGraph(State).add_node("work", work, cache_policy=lib.CachePolicy())
    graph.add_conditional_edges(lib.START, lambda s: [lib.Send("work", i) for i in s["a"]])
    app = graph.compile(cache=lib.InMemoryCache())
    return [app.invoke({"a": "ab"}), app.invoke({"a": "abc"}), sorted(calls)]


def a_cached_command_goes_where_it_went(lib):
    calls: list[Any] = []

    def decide(state: State) -> Any:
        calls.append(1)
        return lib.Command(update={"log": ["decide"]}, goto="b")

    graph = lib.StateGraph(State).add_node("decide", decide, cache_policy=lib.CachePolicy())
    graph.add_node("b", lambda s: {"log": ["b"]}).add_edge(lib.START, "decide")
    app = graph.compile(cache=lib.InMemoryCache())
    return [app.invoke({"a": "x"}), app.invoke({"a": "x"}), len(calls)]


def caches_in_a_thread(lib):
    calls: list[Any] = []
    graph = lib.StateGraph(State)
    graph.add_node("slow", lambda s: calls.append(1), cache_policy=lib.CachePolicy(ttl=60))
    app = graph.add_edge(lib.START, "slow").compile(
        cache=lib.InMemoryCache(), checkpointer=lib.InMemorySaver()
    )
    app.invoke({"a": "x"}, thread("1"))
    app.invoke({"a": "x"}, thread("2"))
    return len(calls)
