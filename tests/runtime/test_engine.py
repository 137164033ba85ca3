"""Running graphs: order, merging, limits, retries, cancellation."""

from __future__ import annotations

import asyncio
import operator
import threading
from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict

import anyio
import anyio.lowlevel
import pydantic
import pytest

from inwit import END, START, Context, RetryPolicy, StateGraph
from inwit.errors import (
    ExecutionTimeoutError,
    GraphRecursionError,
    InvalidRouteError,
    InvalidStateError,
    InvalidUpdateError,
    MalformedInputError,
    NodeTimeoutError,
)


class State(TypedDict, total=False):
    n: int
    text: str
    log: Annotated[list[str], operator.add]


def logger(name: str, **update: Any) -> Any:
    async def node(state: State) -> dict[str, Any]:
        return {"log": [name], **update}

    return node


def sync_logger(name: str, **update: Any) -> Any:
    def node(state: State) -> dict[str, Any]:
        return {"log": [name], **update}

    return node


def diamond(make: Any) -> Any:
    graph = StateGraph(State)
    for name in ("plan", "left", "right", "join"):
        graph.add_node(name, make(name))
    graph.set_entry_point("plan")
    graph.add_parallel_edges("plan", ["right", "left"])
    graph.add_edge(["left", "right"], "join")
    graph.set_finish_point("join")
    return graph.compile(name="diamond")


@pytest.mark.parametrize("make", [logger, sync_logger])
def test_a_join_runs_once_and_updates_merge_in_the_order_of_names(make: Any, project: Any) -> None:
    result = diamond(make).invoke({})

    assert result["log"] == ["plan", "left", "right", "join"]


def test_two_branches_that_write_one_key_are_both_named(project: Any) -> None:
    graph = StateGraph(State)
    graph.add_node("a", sync_logger("a", n=1))
    graph.add_node("b", sync_logger("b", n=2))
    graph.add_edge(START, "a")
    graph.add_edge(START, "b")

    with pytest.raises(InvalidUpdateError, match="'a' and 'b' both wrote 'n'"):
        graph.compile(name="conflict").invoke({})


def test_a_join_waits_for_branches_of_different_length(project: Any) -> None:
    graph = StateGraph(State)
    for name in ("a", "b1", "b2", "join"):
        graph.add_node(name, logger(name))
    graph.add_edge(START, "a")
    graph.add_edge(START, "b1")
    graph.add_edge("b1", "b2")
    graph.add_edge(["a", "b2"], "join")

    assert graph.compile(name="uneven").invoke({})["log"] == ["a", "b1", "b2", "join"]


def count_up(state: State) -> dict[str, Any]:
    return {"n": state["n"] + 1}


def until_five(state: State) -> str:
    return "more" if state["n"] < 5 else "done"


def loop(limit: int = 100) -> Any:
    graph = StateGraph(State)
    graph.add_node("count", count_up)
    graph.set_entry_point("count")
    graph.add_conditional_edges("count", until_five, {"more": "count", "done": END})
    return graph.compile(name="loop")


def test_a_loop_ends_by_its_router(project: Any) -> None:
    assert loop().invoke({"n": 0})["n"] == 5


def test_a_loop_over_the_recursion_limit_raises_and_names_the_execution(project: Any) -> None:
    app = loop()

    with pytest.raises(GraphRecursionError) as caught:
        app.invoke({"n": -1000}, {"recursion_limit": 10})

    assert caught.value.execution_id == app.last_execution_id


def test_a_router_that_answers_nonsense_is_refused(project: Any) -> None:
    graph = StateGraph(State)
    graph.add_node("a", count_up)
    graph.set_entry_point("a")
    graph.add_conditional_edges("a", lambda state: f"x{state['n']}", {"more": "a", "done": END})

    with pytest.raises(InvalidRouteError, match="'x1'"):
        graph.compile(name="nonsense").invoke({"n": 0})


def test_a_conditional_entry_chooses_where_to_begin(project: Any) -> None:
    graph = StateGraph(State)
    graph.add_node("a", sync_logger("a"))
    graph.add_node("b", sync_logger("b"))
    graph.set_conditional_entry_point(lambda state: state["text"], {"x": "a", "y": "b"})

    assert graph.compile(name="entry").invoke({"text": "y"})["log"] == ["b"]


@pytest.mark.parametrize("answer", [[1, 2], "text", 7])
def test_a_node_that_returns_no_update_is_refused_by_name(answer: Any, project: Any) -> None:
    graph = StateGraph(State)
    graph.add_node("odd", lambda state: answer)
    graph.set_entry_point("odd")

    with pytest.raises(InvalidUpdateError, match="'odd' returned a"):
        graph.compile(name="odd").invoke({})


def test_a_misspelt_key_is_refused_with_the_nearest(project: Any) -> None:
    graph = StateGraph(State)
    graph.add_node("a", lambda state: {"txt": "x"})
    graph.set_entry_point("a")
    app = graph.compile(name="keys")

    with pytest.raises(InvalidUpdateError, match="Did you mean 'text'"):
        app.invoke({})
    with pytest.raises(InvalidStateError, match="Did you mean 'text'"):
        app.invoke({"txt": 1})
    with pytest.raises(InvalidStateError):
        app.invoke(["no", "mapping"])


def test_keys_that_are_like_none_of_the_state_are_left_out(project: Any) -> None:
    graph = StateGraph(State)
    graph.add_node("a", lambda state: {"text": "x", "usage_metadata": 3, "texts": ["y"]})
    graph.set_entry_point("a")
    app = graph.compile(name="extras")

    assert app.invoke({"text": "", "market": "DE"})["text"] == "x"
    assert "market" not in app.invoke({"market": "DE"})


@dataclass
class Data:
    n: int = 0
    log: Annotated[list[str], operator.add] = field(default_factory=list)


class Model(pydantic.BaseModel):
    n: int = 0
    log: Annotated[list[str], operator.add] = []


@pytest.mark.parametrize("schema", [Data, Model])
def test_state_may_be_a_dataclass_or_a_model(schema: Any, project: Any) -> None:
    def node(state: Any) -> Any:
        assert isinstance(state, schema)
        return {"n": state.n + 1, "log": ["x"]}

    graph = StateGraph(schema)
    graph.add_node("a", node)
    graph.add_node("b", node)
    graph.set_entry_point("a")
    graph.add_edge("a", "b")
    app = graph.compile(name="typed")

    assert app.invoke(schema(n=3)) == {"n": 5, "log": ["x", "x"]}
    assert app.invoke({"n": 1}) == {"n": 3, "log": ["x", "x"]}


def test_a_model_refuses_what_does_not_fit(project: Any) -> None:
    graph = StateGraph(Model)
    graph.add_node("a", lambda state: {"n": "many"})
    graph.set_entry_point("a")
    app = graph.compile(name="strict")

    with pytest.raises(InvalidUpdateError, match="'n'"):
        app.invoke({"n": 1})
    with pytest.raises(InvalidStateError):
        app.invoke({"n": "many"})


def test_a_transient_error_is_tried_again_three_times(project: Any) -> None:
    calls: list[int] = []

    def flaky(state: State, ctx: Context) -> dict[str, Any]:
        calls.append(ctx.attempt)
        if len(calls) < 3:
            raise ConnectionError("reset")
        return {"n": 1}

    graph = StateGraph(State)
    graph.add_node("flaky", flaky, retry_policy=RetryPolicy(initial_interval=0.001))
    graph.set_entry_point("flaky")

    assert graph.compile(name="flaky").invoke({})["n"] == 1
    assert calls == [1, 2, 3]


@pytest.mark.parametrize(
    ("error", "side_effects", "expected"),
    [(ConnectionError(), False, 3), (ConnectionError(), True, 1), (ValueError(), False, 1)],
)
def test_only_transient_errors_of_nodes_without_side_effects_are_tried_again(
    error: Exception,
    side_effects: bool,
    expected: int,
    project: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[int] = []

    def failing(state: State) -> dict[str, Any]:
        calls.append(1)
        raise error

    monkeypatch.setattr("inwit.runtime.graph.DEFAULT_RETRY", RetryPolicy(initial_interval=0.001))
    graph = StateGraph(State)
    graph.add_node("failing", failing, side_effects=side_effects)
    graph.set_entry_point("failing")

    with pytest.raises(type(error)):
        graph.compile(name="failing").invoke({})

    assert len(calls) == expected


@pytest.mark.anyio
async def test_the_first_failing_branch_cancels_the_others_and_waits_for_them(project: Any) -> None:
    cleaned = []

    async def slow(state: State) -> dict[str, Any]:
        try:
            await anyio.sleep_forever()
        finally:
            cleaned.append("slow")
        return {}

    async def bad(state: State) -> dict[str, Any]:
        await anyio.lowlevel.checkpoint()
        raise ValueError("bad")

    graph = StateGraph(State)
    graph.add_node("slow", slow)
    graph.add_node("bad", bad)
    graph.add_edge(START, "slow")
    graph.add_edge(START, "bad")

    with anyio.fail_after(30), pytest.raises(ValueError, match="bad"):
        await graph.compile(name="failing").ainvoke({})

    assert cleaned == ["slow"]


@pytest.mark.anyio
async def test_cancelling_reaches_the_node(project: Any) -> None:
    entered = anyio.Event()

    async def slow(state: State) -> dict[str, Any]:
        entered.set()
        await anyio.sleep_forever()
        return {}

    graph = StateGraph(State)
    graph.add_node("slow", slow)
    graph.set_entry_point("slow")
    task = asyncio.create_task(graph.compile(name="cancelled").ainvoke({}))
    with anyio.fail_after(30):
        await entered.wait()
        task.cancel()

        with pytest.raises(asyncio.CancelledError):
            await task


async def sleep_long(state: State) -> dict[str, Any]:
    await asyncio.sleep(60)
    return {}


def block_long(state: State) -> dict[str, Any]:
    threading.Event().wait(1.0)
    return {}


@pytest.mark.parametrize("node", [sleep_long, block_long])
def test_a_declared_time_out_ends_a_node(node: Any, project: Any) -> None:
    graph = StateGraph(State)
    graph.add_node("slow", node, timeout_s=0.02, retry_policy=RetryPolicy(max_attempts=1))
    graph.set_entry_point("slow")

    with pytest.raises(NodeTimeoutError, match="'slow'"):
        graph.compile(name="slow").invoke({})


@pytest.mark.parametrize("wide", [False, True])
def test_an_execution_over_its_time_is_ended(wide: bool, project: Any) -> None:
    graph = StateGraph(State)
    graph.add_node("slow", sleep_long)
    graph.set_entry_point("slow")
    if wide:
        graph.add_node("also", sleep_long)
        graph.set_entry_point("also")

    with pytest.raises(ExecutionTimeoutError):
        graph.compile(name="slow").invoke({}, {"timeout_s": 0.05})


@pytest.mark.anyio
async def test_invoke_inside_a_running_loop_works(project: Any) -> None:
    assert diamond(logger).invoke({})["log"][0] == "plan"


@pytest.mark.anyio
async def test_a_stream_gives_updates_and_values_in_order(project: Any) -> None:
    app = loop()

    updates = [item async for item in app.astream({"n": 3})]
    both = [item async for item in app.astream({"n": 3}, stream_mode=["values", "updates"])]

    assert updates == [{"count": {"n": 4}}, {"count": {"n": 5}}]
    assert [value["n"] for mode, value in both if mode == "values"] == [3, 4, 5]


def test_a_stream_is_read_from_sync_code(project: Any) -> None:
    assert list(diamond(logger).stream({})) == [
        {"plan": {"log": ["plan"]}},
        {"left": {"log": ["left"]}},
        {"right": {"log": ["right"]}},
        {"join": {"log": ["join"]}},
    ]


@pytest.mark.anyio
async def test_a_stream_that_is_left_early_ends_the_execution(project: Any) -> None:
    app = loop()

    stream = app.astream({"n": -10_000}, {"recursion_limit": 100_000})
    async for _ in stream:
        break
    with anyio.fail_after(30):
        await stream.aclose()


def test_custom_data_is_streamed(project: Any) -> None:
    async def talk(state: State, ctx: Context) -> dict[str, Any]:
        ctx.stream({"said": "hello"})
        await asyncio.sleep(0)
        return {}

    graph = StateGraph(State)
    graph.add_node("talk", talk)
    graph.set_entry_point("talk")

    assert list(graph.compile(name="talk").stream({}, stream_mode="custom")) == [{"said": "hello"}]


def test_wide_steps_run_at_most_so_many_at_once(project: Any) -> None:
    running: list[int] = [0, 0]

    async def busy(state: State) -> dict[str, Any]:
        running[0] += 1
        running[1] = max(running)
        await asyncio.sleep(0)
        running[0] -= 1
        return {"log": ["x"]}

    graph = StateGraph(State)
    for number in range(200):
        graph.add_node(f"n{number}", busy)
        graph.add_edge(START, f"n{number}")

    result = graph.compile(name="wide").invoke({})

    assert len(result["log"]) == 200
    assert running[1] <= 64


@pytest.mark.anyio
async def test_events_are_streamed_to_the_last(project: Any) -> None:
    app = loop()

    types = [event.type async for event in app.astream({"n": 3}, stream_mode="events")]

    assert types[0] == "execution_started"
    assert types[-1] == "execution_completed"
    assert types.count("node_exited") == 2


def test_a_stream_mode_that_is_unknown_says_so(project: Any) -> None:
    with pytest.raises(MalformedInputError, match="No stream mode 'vales'"):
        loop().stream({"n": 0}, stream_mode="vales")


def test_a_stream_that_nobody_reads_runs_nothing(project: Any) -> None:
    app = loop()

    app.stream({"n": 0})

    assert app.invoke({"n": 0})["n"] == 5
