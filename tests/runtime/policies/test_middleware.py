"""Functions around every node call."""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

import pytest

from inwit import (
    START,
    CachePolicy,
    Context,
    InMemoryCache,
    Middleware,
    RetryPolicy,
    StateGraph,
)
from tests.runtime.policies.recorded import noted


class State(TypedDict, total=False):
    n: int
    said: Annotated[list[str], operator.add]


def graph(*, is_async: bool = False, **policy: Any) -> StateGraph[State]:
    def node(state: State) -> dict[str, Any]:
        return {"said": [f"node {state.get('n')}"]}

    async def anode(state: State) -> dict[str, Any]:
        return node(state)

    made = StateGraph(State)
    made.add_node("node", anode if is_async else node, **policy)
    made.add_edge(START, "node")
    return made


class Log:
    """Writes down what passes it; sync."""

    def __init__(self, name: str, lines: list[str]) -> None:
        self.name = name
        self.lines = lines

    def __call__(self, node: str, state: Any, ctx: Context, call_next: Any) -> Any:
        self.lines.append(f"{self.name} before {node} {ctx.visit}.{ctx.attempt}")
        try:
            return call_next(state)
        finally:
            self.lines.append(f"{self.name} after {node}")


async def alog(node: str, state: Any, ctx: Context, call_next: Any) -> Any:
    update = await call_next(state)
    return {"said": [*update["said"], "async"]}


def test_the_first_is_outermost_and_each_sees_node_state_and_context(project: Any) -> None:
    lines: list[str] = []
    made = graph()
    made.add_node("second", lambda state: {"said": ["second"]})
    made.add_edge("node", "second")
    app = made.compile(name="logged", middleware=[Log("a", lines), Log("b", lines)])

    assert app.invoke({"n": 1})["said"] == ["node 1", "second"]
    assert lines == [
        "a before node 1.1", "b before node 1.1", "b after node", "a after node",
        "a before second 1.1", "b before second 1.1", "b after second", "a after second",
    ]  # fmt: skip
    assert noted(app, "middleware") == []


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.anyio
async def test_an_async_one_goes_around_sync_and_async_nodes(is_async: bool, project: Any) -> None:
    app = graph(is_async=is_async).compile(name="around", middleware=[alog])

    assert (await app.ainvoke({"n": 1}))["said"] == ["node 1", "async"]
    assert app.without_introspection().invoke({"n": 2})["said"] == ["node 2", "async"]


@pytest.mark.anyio
async def test_a_sync_one_hands_on_what_an_async_node_gives(project: Any) -> None:
    def passes(node: str, state: Any, ctx: Context, call_next: Any) -> Any:
        return call_next({**state, "n": 7})

    app = graph(is_async=True).compile(name="handed", middleware=[passes, alog, passes])

    assert (await app.ainvoke({"n": 1}))["said"] == ["node 7", "async"]


def test_it_may_change_the_state_and_the_update_and_the_record_tells(project: Any) -> None:
    def shout(node: str, state: Any, ctx: Context, call_next: Any) -> Any:
        update = call_next({**state, "n": 9})
        return {"said": [text.upper() for text in update["said"]]}

    app = graph().compile(name="shouting", middleware=[shout])

    assert app.invoke({"n": 1})["said"] == ["NODE 9"]
    assert noted(app, "middleware") == [
        {"name": "shout", "did": ["changed the state", "changed the update"]}
    ]


def test_it_may_answer_instead_of_the_node_or_call_it_again(project: Any) -> None:
    def instead(node: str, state: Any, ctx: Context, call_next: Any) -> Any:
        return {"said": ["instead"]}

    def twice(node: str, state: Any, ctx: Context, call_next: Any) -> Any:
        call_next(state)
        return call_next(state)

    first = graph().compile(name="instead", middleware=[instead])
    assert first.invoke({})["said"] == ["instead"]
    assert noted(first, "middleware") == [{"name": "instead", "did": ["answered instead"]}]
    second = graph().compile(name="twice", middleware=[twice])
    assert second.invoke({})["said"] == ["node None"]
    assert noted(second, "middleware") == [{"name": "twice", "did": ["called again"]}]


def test_an_error_passes_through_it_and_each_attempt_goes_through_it(project: Any) -> None:
    lines: list[str] = []

    def failing(state: State) -> dict[str, Any]:
        raise ConnectionError

    made = StateGraph(State)
    made.add_node("node", failing, retry_policy=RetryPolicy(initial_interval=0, jitter=False))
    made.add_edge(START, "node")

    with pytest.raises(ConnectionError):
        made.compile(name="failing", middleware=[Log("a", lines)]).invoke({})
    assert [line for line in lines if "before" in line] == [
        f"a before node 1.{attempt}" for attempt in (1, 2, 3)
    ]


def test_a_result_from_the_cache_passes_none_of_it(project: Any) -> None:
    lines: list[str] = []
    app = graph(cache_policy=CachePolicy()).compile(
        name="cached", middleware=[Log("a", lines)], cache=InMemoryCache()
    )
    app.invoke({"n": 1})
    app.invoke({"n": 1})

    assert lines == ["a before node 1.1", "a after node"]


def test_a_function_of_that_shape_is_a_middleware() -> None:
    one: Middleware = Log("a", [])
    other: Middleware = alog

    assert callable(one)
    assert other is alog
