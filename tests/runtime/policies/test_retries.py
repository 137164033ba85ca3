"""Retries, time-outs, fallbacks and handlers of errors, as a graph runs them."""

from __future__ import annotations

import asyncio
import operator
import time
from collections.abc import Callable
from typing import Annotated, Any, TypedDict
from unittest.mock import patch

import langgraph.errors
import langgraph.graph
import langgraph.runtime
import langgraph.types
import pytest

import inwit
from inwit import (
    END,
    START,
    Command,
    Context,
    NodeError,
    NodeTimeoutError,
    RetryPolicy,
    Runtime,
    Send,
    StateGraph,
    TimeoutPolicy,
    interrupt,
)
from inwit.errors import NodeCancelledError, UnknownNodeError
from tests.runtime.policies.recorded import events_of, noted


class State(TypedDict, total=False):
    said: Annotated[list[str], operator.add]
    n: int


class OwnError(Exception):
    pass


def failing(times: int, error: type[Exception] = OwnError) -> Callable[[State], dict[str, Any]]:
    """A node that fails so often and then tells how often it was called."""
    calls: list[int] = []

    def node(state: State) -> dict[str, Any]:
        calls.append(1)
        if len(calls) <= times:
            raise error(f"failure {len(calls)}")
        return {"n": len(calls)}

    return node


def one(node: Any, *, name: str = "one", **policy: Any) -> Any:
    graph = StateGraph(State)
    graph.add_node("node", node, **policy)
    graph.add_edge(START, "node")
    graph.add_edge("node", END)
    return graph.compile(name=name)


AT_ONCE = RetryPolicy(initial_interval=0, jitter=False)
THEIRS = (langgraph.graph.StateGraph, langgraph.types.RetryPolicy)
OURS = (inwit.StateGraph, inwit.RetryPolicy)


@pytest.mark.parametrize("error", [OwnError, ValueError, KeyError, ConnectionError, RuntimeError])
@pytest.mark.parametrize("retry_on", [None, KeyError, (KeyError, ValueError), bool])
def test_a_node_is_called_as_often_as_langgraph_calls_it(
    error: type[Exception], retry_on: Any, project: Any
) -> None:
    told = []
    for graph_type, policy_type in (THEIRS, OURS):
        calls: list[int] = []

        def node(state: State, calls: list[int] = calls) -> Any:
            calls.append(1)
            raise error("no")

        given = {} if retry_on is None else {"retry_on": retry_on}
        policies = [
            policy_type(max_attempts=2, initial_interval=0.01, jitter=False, retry_on=TypeError),
            policy_type(max_attempts=4, initial_interval=0.25, backoff_factor=3.0, jitter=False,
                        max_interval=1.0, **given),
        ]  # fmt: skip
        graph: Any = graph_type(State)
        graph.add_node("node", node, retry_policy=policies)
        graph.add_edge(START, "node")
        with patch("time.sleep") as sleep, pytest.raises(error):
            graph.compile().invoke({"n": 0})
        told.append((len(calls), [call.args[0] for call in sleep.call_args_list]))

    assert told[0] == told[1]


def test_attempts_are_counted_and_the_first_is_dated_once(project: Any) -> None:
    seen: list[tuple[int, float | None]] = []

    def node(state: State, runtime: Runtime[None], ctx: Context) -> dict[str, Any]:
        info = runtime.execution_info
        assert info is not None
        assert info.node_attempt == ctx.attempt
        seen.append((info.node_attempt, info.node_first_attempt_time))
        if len(seen) < 3:
            raise OwnError
        return {"n": 1}

    before = time.time()
    app = one(node, retry_policy=AT_ONCE, name="counted")
    app.invoke({})

    assert [attempt for attempt, _ in seen] == [1, 2, 3]
    [dated] = {moment for _, moment in seen}
    assert dated is not None and before - 0.1 < dated <= time.time()
    assert [event.attempt for event in events_of(app, "node_failed")] == [1, 2]
    assert [event.attempt for event in events_of(app, "node_exited")] == [3]


@pytest.mark.anyio
async def test_a_node_in_parallel_is_tried_again_by_its_own_policy(project: Any) -> None:
    flaky, calls = failing(2), []

    async def steady(state: State) -> dict[str, Any]:
        calls.append(1)
        return {"said": ["steady"]}

    graph = StateGraph(State)
    graph.add_node("flaky", flaky, retry_policy=[AT_ONCE._replace(max_attempts=3)])
    graph.add_node("steady", steady)
    graph.add_parallel_edges(START, ["flaky", "steady"])

    assert (await graph.compile(name="both").ainvoke({}))["n"] == 3
    assert calls == [1]


def test_a_declared_side_effect_is_tried_again_only_by_its_own_policy(project: Any) -> None:
    with pytest.raises(ConnectionError):
        one(failing(1, ConnectionError), side_effects=True).invoke({})
    again = one(failing(1, ConnectionError), side_effects=True, retry_policy=AT_ONCE)
    assert again.invoke({})["n"] == 2


def test_with_langgraphs_defaults_a_policy_takes_only_what_langgraph_takes(project: Any) -> None:
    def graph() -> StateGraph[State]:
        made = StateGraph(State)
        made.add_node("node", failing(1, TimeoutError), retry_policy=AT_ONCE)
        made.add_edge(START, "node")
        return made

    assert graph().compile(name="ours").invoke({})["n"] == 2
    with pytest.raises(TimeoutError):
        graph().compile(name="theirs", defaults="langgraph").invoke({})


def test_a_graphs_defaults_are_for_nodes_that_say_nothing(project: Any) -> None:
    graph = StateGraph(State)
    graph.add_node("early", failing(2))
    graph.set_node_defaults(retry_policy=AT_ONCE)
    graph.add_node("own", failing(1), retry_policy=AT_ONCE._replace(max_attempts=1))
    graph.add_edge(START, "early")
    graph.add_edge("early", "own")

    with pytest.raises(OwnError, match="failure 1") as raised:
        graph.compile(name="defaults").invoke({})
    assert raised.value.__inwit_node__ == "own"  # type: ignore[attr-defined]


# Time-outs


async def never(state: State) -> dict[str, Any]:
    await asyncio.Event().wait()
    return {}


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("given", "kind", "limits"),
    [
        (0.02, "run", (0.02, None)),
        (TimeoutPolicy(idle_timeout=0.02), "idle", (None, 0.02)),
        (TimeoutPolicy(run_timeout=0.02, idle_timeout=5), "run", (0.02, 5.0)),
        (TimeoutPolicy(run_timeout=5, idle_timeout=0.02), "idle", (5.0, 0.02)),
    ],
)
async def test_a_time_out_says_which_limit_was_reached(
    given: Any, kind: str, limits: tuple[Any, Any], project: Any
) -> None:
    app = one(never, timeout=given, retry_policy=AT_ONCE._replace(max_attempts=1))

    with pytest.raises(NodeTimeoutError) as raised:
        await app.ainvoke({})

    error = raised.value
    assert (error.node, error.kind) == ("node", kind)
    assert (error.run_timeout, error.idle_timeout) == limits
    assert error.timeout == 0.02 and error.elapsed >= 0.015


@pytest.mark.anyio
async def test_a_sign_of_progress_keeps_an_idle_node_running(project: Any) -> None:
    async def writes(state: State, ctx: Context) -> dict[str, Any]:
        for number in range(4):
            await asyncio.sleep(0.03)
            ctx.stream({"at": number})
        return {"n": 1}

    async def beats(state: State, runtime: Runtime[None]) -> dict[str, Any]:
        for _ in range(4):
            await asyncio.sleep(0.03)
            runtime.heartbeat()
        return {"n": 2}

    idle = TimeoutPolicy(idle_timeout=0.06)
    assert (await one(writes, timeout=idle).ainvoke({}))["n"] == 1
    only = TimeoutPolicy(idle_timeout=0.06, refresh_on="heartbeat")
    assert (await one(beats, timeout=only).ainvoke({}))["n"] == 2
    with pytest.raises(NodeTimeoutError):
        await one(writes, timeout=only, retry_policy=AT_ONCE._replace(max_attempts=1)).ainvoke({})


@pytest.mark.anyio
async def test_a_node_that_does_not_let_itself_be_cancelled_is_over_time_all_the_same(
    project: Any,
) -> None:
    async def stubborn(state: State) -> dict[str, Any]:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
        return {"n": 1}

    app = one(stubborn, timeout=0.02, retry_policy=AT_ONCE._replace(max_attempts=1))
    with pytest.raises(NodeTimeoutError):
        await app.ainvoke({})


@pytest.mark.anyio
async def test_a_time_out_of_the_nodes_own_making_is_not_the_policys(project: Any) -> None:
    async def node(state: State) -> dict[str, Any]:
        raise TimeoutError("inner")

    app = one(node, timeout=5, retry_policy=AT_ONCE._replace(retry_on=NodeTimeoutError))
    with pytest.raises(TimeoutError, match="inner"):
        await app.ainvoke({})


@pytest.mark.anyio
async def test_a_timed_out_attempt_is_tried_again(project: Any) -> None:
    calls: list[int] = []

    async def node(state: State) -> dict[str, Any]:
        calls.append(1)
        if len(calls) == 1:
            await asyncio.Event().wait()
        return {"n": len(calls)}

    app = one(node, timeout=TimeoutPolicy(idle_timeout=0.02), retry_policy=AT_ONCE)
    assert (await app.ainvoke({}))["n"] == 2


# Fallbacks and handlers


@pytest.mark.parametrize("is_async", [False, True])
def test_a_fallback_takes_over_after_the_last_attempt_and_the_graph_goes_on(
    is_async: bool, project: Any
) -> None:
    def instead(state: State, ctx: Context) -> dict[str, Any]:
        return {"said": [f"{ctx.node}, attempt {ctx.attempt}"]}

    async def ainstead(state: State, ctx: Context) -> dict[str, Any]:
        return instead(state, ctx)

    graph = StateGraph(State)
    graph.add_node(
        "node", failing(9), retry_policy=AT_ONCE, fallback=ainstead if is_async else instead
    )
    graph.add_node("after", lambda state: {"said": ["after"]})
    graph.add_edge(START, "node")
    graph.add_edge("node", "after")
    app = graph.compile(name="saved")

    assert app.invoke({})["said"] == ["__fallback__node, attempt 1", "after"]
    assert app.invoke({})["said"] == ["__fallback__node, attempt 1", "after"]
    assert noted(app, "fallback") == [{"to": "ainstead" if is_async else "instead"}]
    assert [event.attempt for event in events_of(app, "node_failed")] == [1, 2, 3]
    ended = [(event.node, event.attempt) for event in events_of(app, "node_exited")]
    assert ended == [("__fallback__node", 1), ("after", 1)]


def test_a_fallback_may_be_another_node_of_the_graph_that_nothing_else_leads_to(
    project: Any,
) -> None:
    graph = StateGraph(State)
    graph.add_node("node", failing(9), fallback="cheap")
    graph.add_node("cheap", lambda state: {"said": ["cheap"]})
    graph.add_edge(START, "node")
    graph.add_edge("node", END)

    assert graph.compile(name="named").invoke({})["said"] == ["cheap"]


def test_a_fallback_that_does_not_exist_is_refused_when_compiled(project: Any) -> None:
    graph = StateGraph(State)
    graph.add_node("node", failing(9), fallback="chaep")
    graph.add_node("cheap", lambda state: {})
    graph.add_edge(START, "node")
    graph.add_edge("node", "cheap")

    with pytest.raises(UnknownNodeError, match=r"chaep.*cheap"):
        graph.compile(name="wrong")


def test_a_fallback_that_fails_fails_the_execution_and_the_next_call_begins_anew(
    project: Any,
) -> None:
    def worse(state: State) -> dict[str, Any]:
        raise RuntimeError("worse")

    app = one(failing(1), fallback=worse, name="worse")
    with pytest.raises(RuntimeError, match="worse"):
        app.invoke({})
    assert app.invoke({})["n"] == 2


@pytest.mark.anyio
async def test_a_fallback_takes_over_in_a_branch_too_and_others_are_not_disturbed(
    project: Any,
) -> None:
    graph = StateGraph(State)
    graph.add_node("a", failing(9), fallback=lambda state: {"said": ["for a"]})
    graph.add_node("b", lambda state: {"said": ["b"]})
    graph.add_parallel_edges(START, ["a", "b"])

    assert (await graph.compile(name="pair").ainvoke({}))["said"] == ["for a", "b"]


def test_a_question_to_a_person_is_no_failure(project: Any) -> None:
    def asks(state: State) -> dict[str, Any]:
        return {"said": [interrupt("go on?")]}

    app = one(
        asks, fallback=lambda state: {"said": ["fallback"]}, retry_policy=AT_ONCE, name="asking"
    )
    config = {"configurable": {"thread_id": "t"}}
    assert "__interrupt__" in app.invoke({}, config)
    assert app.invoke(Command(resume="yes"), config)["said"] == ["yes"]


@pytest.mark.parametrize("way", ["update", "goto", "nothing", "fails", "async"])
def test_a_handler_of_errors_does_what_it_does_in_langgraph(way: str, project: Any) -> None:
    results = [_handled(way, langgraph), _handled(way, inwit)]

    assert results[0] == results[1]


def _handled(way: str, library: Any) -> Any:
    is_ours = library is inwit
    graph_type: Any = inwit.StateGraph if is_ours else langgraph.graph.StateGraph
    Command: Any = inwit.Command if is_ours else langgraph.types.Command  # noqa: N806
    told: Any = inwit.NodeError if is_ours else langgraph.errors.NodeError
    policy: Any = inwit.RetryPolicy if is_ours else langgraph.types.RetryPolicy

    def handler(state, error):
        if way == "fails":
            raise RuntimeError("the handler too")
        if way == "nothing":
            return None
        said = {"said": [f"{error.node}: {error.error!r}, {state.get('n')}"]}
        return Command(update=said, goto="aside") if way == "goto" else said

    async def ahandler(state, error):
        return handler(state, error)

    for one_of in (handler, ahandler):
        one_of.__annotations__ |= {"error": told, "return": Command}
    graph = graph_type(State)
    graph.add_node(
        "node", failing(9), error_handler=ahandler if way == "async" else handler,
        retry_policy=policy(max_attempts=2, initial_interval=0, jitter=False),
    )  # fmt: skip
    graph.add_node("next", lambda state: {"said": ["next"]})
    graph.add_node("aside", lambda state: {"said": ["aside"]})
    graph.add_edge(START, "node")
    graph.add_edge("node", "next")
    graph.add_edge("aside", END)
    app = graph.compile()
    try:
        return (
            asyncio.run(app.ainvoke({"n": 3, "said": []}))
            if way == "async"
            else app.invoke({"n": 3, "said": []})
        )
    except Exception as exc:  # noqa: BLE001 - what is compared
        return repr(exc)


def test_a_handler_by_default_takes_over_for_all_nodes_but_those_with_their_own(
    project: Any,
) -> None:
    graph = StateGraph(State)
    graph.set_node_defaults(error_handler=lambda state, error: Command(
        update={"said": [f"default for {error.node}"]}, goto="own"
    ))  # fmt: skip
    graph.add_node("plain", failing(9))
    graph.add_node("own", failing(9), error_handler=lambda state: {"said": ["own"]})
    graph.add_edge(START, "plain")

    app = graph.compile(name="handlers")
    assert app.invoke({})["said"] == ["default for plain", "own"]


def test_a_handler_is_told_of_a_graph_within_that_failed(project: Any) -> None:
    seen: list[NodeError] = []

    def handler(state: State, error: NodeError) -> dict[str, Any]:
        seen.append(error)
        return {"said": ["handled"]}

    inner = StateGraph(State)
    inner.add_node("deep", failing(9))
    inner.add_edge(START, "deep")
    app = one(inner.compile(name="inner"), error_handler=handler, name="outer")

    assert app.invoke({})["said"] == ["handled"]
    assert [(one.node, str(one.error)) for one in seen] == [("node", "failure 1")]


@pytest.mark.anyio
@pytest.mark.parametrize("own", [None, TimeoutPolicy(idle_timeout=5), 0.001])
async def test_a_node_that_is_sent_to_with_a_time_out_has_that_and_not_its_own(
    own: Any, project: Any
) -> None:
    async def waits(state: State) -> dict[str, Any]:
        await asyncio.sleep(0.02 if state["n"] == 1 else 60)
        return {"said": ["done"]}

    def send(n: int, timeout_s: float) -> Any:
        graph = StateGraph(State)
        given = {} if own is None else {"timeout": own}
        once = AT_ONCE._replace(max_attempts=1)
        graph.add_node("waits", waits, retry_policy=once, **given)
        graph.add_conditional_edges(
            START, lambda state: [Send("waits", {"n": n}, timeout=timeout_s)], ["waits"]
        )
        return graph.compile(name="sent")

    assert (await send(1, 5).ainvoke({}))["said"] == ["done"]
    with pytest.raises(NodeTimeoutError) as raised:
        await send(2, 0.03).ainvoke({})
    assert (raised.value.run_timeout, raised.value.idle_timeout) == (0.03, None)
    with pytest.raises(ValueError, match="greater than 0"):
        Send("waits", {}, timeout=0)


@pytest.mark.parametrize("is_async", [False, True])
def test_a_node_that_cancels_itself_has_failed(is_async: bool, project: Any) -> None:
    def node(state: State) -> dict[str, Any]:
        raise asyncio.CancelledError

    async def anode(state: State) -> dict[str, Any]:
        return node(state)

    with pytest.raises(NodeCancelledError, match="'node'"):
        one(anode if is_async else node).invoke({})
    saved = one(anode if is_async else node, fallback=lambda state: {"n": 1})
    assert saved.invoke({})["n"] == 1


@pytest.mark.anyio
async def test_an_execution_that_is_cancelled_is_not_saved_by_a_fallback(project: Any) -> None:
    begun, saved = asyncio.Event(), []

    async def node(state: State) -> dict[str, Any]:
        begun.set()
        await asyncio.Event().wait()
        return {}

    app = one(node, fallback=lambda state: saved.append(1), retry_policy=AT_ONCE)
    running = asyncio.create_task(app.ainvoke({}))
    await begun.wait()
    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
    assert saved == []
