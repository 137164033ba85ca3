"""Nodes with a cache: when they run, what is streamed and recorded of a result from it."""

from __future__ import annotations

import operator
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any, TypedDict

import langgraph.cache.memory
import langgraph.graph
import langgraph.types
import pytest

import inwit
from inwit import (
    END,
    START,
    CachePolicy,
    Command,
    Context,
    InMemoryCache,
    RetryPolicy,
    Send,
    SqliteCache,
    StateGraph,
)
from inwit.errors import NoCacheError, StoreFullError, UnserialisableError
from tests.runtime.policies.recorded import events_of, noted


class State(TypedDict, total=False):
    n: int
    said: Annotated[list[Any], operator.add]


def counting(**policy: Any) -> tuple[StateGraph[State], list[Any]]:
    """A graph of a cached node and one after it; and the inputs of the cached one's calls."""
    calls: list[Any] = []

    def cached(state: State) -> dict[str, Any]:
        calls.append(state.get("n"))
        return {"said": [f"call {len(calls)}"]}

    graph = StateGraph(State)
    graph.add_node("cached", cached, cache_policy=CachePolicy(**policy))
    graph.add_node("after", lambda state: {"said": ["after"]})
    graph.add_edge(START, "cached")
    graph.add_edge("cached", "after")
    return graph, calls


@pytest.mark.parametrize("kind", [InMemoryCache, SqliteCache])
@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.anyio
async def test_equal_inputs_are_answered_from_the_cache(
    kind: Any, is_async: bool, project: Path
) -> None:
    graph, calls = counting()
    app = graph.compile(name="cached", cache=kind())

    async def run(n: int) -> Any:
        return (await app.ainvoke({"n": n}) if is_async else app.invoke({"n": n}))["said"]

    assert await run(1) == await run(1) == ["call 1", "after"]
    assert await run(2) == ["call 2", "after"]
    assert calls == [1, 2]


def test_a_hit_is_recorded_and_nothing_else_is_told_of_it(project: Path) -> None:
    graph, _ = counting()
    app = graph.compile(name="told", cache=InMemoryCache())
    app.invoke({"n": 1})
    assert events_of(app, "cache_hit") == []

    app.invoke({"n": 1})
    [hit] = events_of(app, "cache_hit")
    assert (hit.node, hit.visit, hit.attempt) == ("cached", 1, 1)
    assert [event.node for event in events_of(app, "node_exited")] == ["cached", "after"]


def test_the_stream_is_langgraphs(project: Path) -> None:
    streams = []
    for library in ("theirs", "ours"):
        is_ours = library == "ours"
        graph: Any = (inwit if is_ours else langgraph.graph).StateGraph(State)
        policy: Any = (inwit if is_ours else langgraph.types).CachePolicy
        cache: Any = (inwit if is_ours else langgraph.cache.memory).InMemoryCache
        calls: list[int] = []

        def cached(state: State, calls: list[int] = calls) -> Any:
            calls.append(1)
            return {"said": [len(calls)]}

        graph.add_node("cached", cached, cache_policy=policy(ttl=60))
        graph.add_node("other", lambda state: {"said": ["other"]})
        graph.add_node("after", lambda state: {"said": ["after"]})
        graph.add_edge(START, "cached")
        graph.add_edge("cached", "other")
        graph.add_edge("other", "after")
        app = graph.compile(cache=cache())
        modes = ["updates", "values"]
        streams.append([list(app.stream({"said": []}, stream_mode=modes)) for _ in range(2)])
        app.clear_cache(["other"])
        streams[-1].append(list(app.stream({"said": []}, stream_mode="updates")))
        app.clear_cache(["cached"])
        streams[-1].append(list(app.stream({"said": []}, stream_mode="updates")))

    assert streams[0] == streams[1]


def test_a_cached_branch_says_so_and_others_do_not(project: Path) -> None:
    graph, calls = counting()
    graph.add_node("beside", lambda state: {"said": ["beside"]})
    graph.add_edge(START, "beside")
    app = graph.compile(name="branches", cache=InMemoryCache())
    list(app.stream({"n": 1}))

    chunks = list(app.stream({"n": 1}))

    assert {"cached": {"said": ["call 1"]}, "__metadata__": {"cached": True}} in chunks
    assert sum("__metadata__" in chunk for chunk in chunks) == 1
    assert calls == [1]


def test_a_result_lasts_its_seconds(project: Path) -> None:
    class Clock:
        now = 1000.0

        def __call__(self) -> float:
            return self.now

    clock = Clock()
    graph, calls = counting(ttl=10)
    app = graph.compile(name="lasting", cache=InMemoryCache(clock=clock))
    for _ in range(3):
        app.invoke({"n": 1})
        clock.now += 6

    assert calls == [1, 1]


def test_a_key_function_says_what_counts(project: Path) -> None:
    graph, calls = counting(key_func=lambda state: str(state["n"] % 2))
    app = graph.compile(name="keyed", cache=InMemoryCache())
    for n in (1, 3, 2, 4):
        app.invoke({"n": n})

    assert calls == [1, 2]


def test_without_a_cache_the_policy_costs_and_changes_nothing(project: Path) -> None:
    graph, calls = counting(key_func=lambda state: 1 / 0)
    app = graph.compile(name="none")
    app.invoke({"n": 1})
    app.invoke({"n": 1})

    assert calls == [1, 1]
    assert app.cache is None
    with pytest.raises(NoCacheError):
        app.clear_cache()
    with pytest.raises(ValueError, match="No cache is set"):
        app.clear_cache(["cached"])


def test_a_commands_way_is_kept_with_its_update(project: Path) -> None:
    calls: list[int] = []

    def decides(state: State) -> Any:
        calls.append(1)
        return Command(update={"said": ["decided"]}, goto=[Send("aside", {"n": 7}), "aside"])

    graph = StateGraph(State)
    graph.add_node("decides", decides, cache_policy=CachePolicy(), destinations=("aside",))
    graph.add_node("aside", lambda state: {"said": [state.get("n")]})
    graph.add_edge(START, "decides")
    app = graph.compile(name="commands", cache=SqliteCache())

    first = app.invoke({"n": 1})
    assert app.invoke({"n": 1}) == first
    assert (calls, sorted(first["said"], key=str)) == ([1], [1, 7, "decided"])


def test_sent_inputs_have_keys_of_their_own(project: Path) -> None:
    calls: list[int] = []

    def work(given: Any) -> dict[str, Any]:
        calls.append(given["n"])
        return {"said": [given["n"] * 10]}

    graph = StateGraph(State)
    graph.add_node("work", work, cache_policy=CachePolicy())
    graph.add_conditional_edges(START, lambda state: [Send("work", {"n": n}) for n in (1, 2, 1)])
    app = graph.compile(name="sent", cache=InMemoryCache())

    assert app.invoke({})["said"] == [10, 20, 10]
    assert app.invoke({})["said"] == [10, 20, 10]
    assert calls in ([1, 2], [1, 2, 1])


def test_a_failure_is_not_kept_and_neither_is_what_stands_in_for_it(project: Path) -> None:
    calls: list[int] = []

    def flaky(state: State) -> dict[str, Any]:
        calls.append(1)
        if len(calls) < 3:
            raise ValueError
        return {"said": ["right"]}

    graph = StateGraph(State)
    graph.add_node("flaky", flaky, cache_policy=CachePolicy(), fallback=lambda _: {"said": ["no"]})
    graph.add_edge(START, "flaky")
    app = graph.compile(name="flaky", cache=InMemoryCache())

    assert [app.invoke({"n": 1})["said"] for _ in range(4)] == [
        ["no"],
        ["no"],
        ["right"],
        ["right"],
    ]
    assert len(calls) == 3


def test_a_result_that_cannot_be_kept_is_refused_by_its_type(project: Path) -> None:
    graph = StateGraph(State)
    graph.add_node("odd", lambda state: {"n": object()}, cache_policy=CachePolicy())
    graph.add_edge(START, "odd")

    with pytest.raises(UnserialisableError, match="object"):
        graph.compile(name="odd", cache=InMemoryCache()).invoke({})


def test_a_cache_that_fails_is_told_and_the_node_runs(project: Path) -> None:
    class Full(InMemoryCache[Any]):
        def get(self, keys: Any) -> Any:
            raise StoreFullError(project, "no room")

        set = get  # type: ignore[assignment]

    graph, calls = counting()
    app = graph.compile(name="full", cache=Full())

    assert app.invoke({"n": 1})["said"] == ["call 1", "after"]
    assert calls == [1]
    assert len(noted(app, "cache_failed")) == 1 + 1


def test_the_graph_can_be_cleared_as_a_whole_and_node_by_node(project: Path) -> None:
    graph, calls = counting()
    app = graph.compile(name="cleared", cache=InMemoryCache())
    for nodes in (["after"], None, ["cached"], []):
        app.invoke({"n": 1})
        app.clear_cache(nodes)

    assert len(calls) == 3


@pytest.mark.anyio
async def test_the_graph_can_be_cleared_asynchronously(project: Path) -> None:
    graph, calls = counting()
    app = graph.compile(name="acleared", cache=SqliteCache())
    await app.ainvoke({"n": 1})
    await app.aclear_cache()
    await app.ainvoke({"n": 1})

    assert calls == [1, 1]


def test_graphs_that_share_a_cache_do_not_mix_nodes_that_differ_in_what_they_hold(
    project: Path,
) -> None:
    def times(factor: int) -> Any:
        def node(state: State) -> dict[str, Any]:
            return {"n": state["n"] * factor}

        graph = StateGraph(State)
        graph.add_node("node", node, cache_policy=CachePolicy())
        graph.add_edge(START, "node")
        return graph

    cache: InMemoryCache[Any] = InMemoryCache()
    double, triple = (
        times(2).compile(name="d", cache=cache),
        times(3).compile(name="t", cache=cache),
    )

    assert (double.invoke({"n": 5})["n"], triple.invoke({"n": 5})["n"]) == (10, 15)


def test_a_graphs_default_policy_caches_all_nodes(project: Path) -> None:
    calls: list[str] = []

    def first(state: State) -> dict[str, Any]:
        calls.append("first")
        return {"n": 1}

    graph = StateGraph(State)
    graph.set_node_defaults(cache_policy=CachePolicy())
    graph.add_node(first)
    graph.add_edge(START, "first")
    graph.add_edge("first", END)
    app = graph.compile(name="all", cache=InMemoryCache())
    app.invoke({})
    app.invoke({})

    assert calls == ["first"]


def test_a_retried_node_is_kept_once_it_succeeds(project: Path) -> None:
    attempts: list[int] = []

    def node(state: State, ctx: Context) -> dict[str, Any]:
        attempts.append(ctx.attempt)
        if len(attempts) == 1:
            raise ConnectionError
        return {"n": 1}

    graph = StateGraph(State)
    graph.add_node(
        "node", node, cache_policy=CachePolicy(),
        retry_policy=RetryPolicy(initial_interval=0, jitter=False),
    )  # fmt: skip
    graph.add_edge(START, "node")
    app = graph.compile(name="retried", cache=InMemoryCache())
    app.invoke({})
    app.invoke({})

    assert attempts == [1, 2]


PROGRAM = """
from typing import TypedDict
from inwit import START, CachePolicy, SqliteCache, StateGraph

class State(TypedDict):
    tags: set
    n: int

def node(state):
    print("called")
    return {"n": len(state["tags"])}

graph = StateGraph(State)
graph.add_node("node", node, cache_policy=CachePolicy())
graph.add_edge(START, "node")
app = graph.compile(name="shared", cache=SqliteCache("cache.db"))
print(app.invoke({"tags": {"a", "b", "c"}, "n": 0})["n"])
"""


def test_another_process_finds_what_one_has_kept(project: Path) -> None:
    (project / "program.py").write_text(PROGRAM)

    def run(seed: str) -> str:
        root = str(Path(__file__).parents[3])
        return subprocess.run(
            [sys.executable, "program.py"], cwd=project, check=True, capture_output=True, text=True,
            env={"PYTHONPATH": root, "PYTHONHASHSEED": seed, "HOME": str(project)},
        ).stdout  # fmt: skip

    assert run("1") == "called\n3\n"
    assert run("2") == "3\n"
    program = (project / "program.py").read_text().replace('len(state["tags"])', "9")
    (project / "program.py").write_text(program)
    assert run("3") == "called\n9\n"
