"""Failures: what is kept, what runs again, retries, time-outs, handlers."""

import asyncio
import operator
from typing import Annotated, Any, TypedDict

from tests.langgraph.scenarios.telling import (
    araised,
    raised,
    thread,
    told,
    unordered,
)


class State(TypedDict, total=False):
    log: Annotated[list[str], operator.add]


class Flaky:
    """A node that fails a number of times."""

    def __init__(self, times: int, error: Exception) -> None:
        self.times, self.error, self.calls = times, error, 0

    def __call__(self, state: State) -> Any:
        self.calls += 1
        if self.calls <= self.times:
            raise self.error
        return {"log": [f"done at call {self.calls}"]}


def _policy(lib: Any, **options: Any) -> Any:
    return lib.RetryPolicy(initial_interval=0.001, jitter=False, **options)


def _single(lib: Any, node: Any, **options: Any) -> Any:
    graph = lib.StateGraph(State).add_node("node", node, **options)
    return graph.add_edge(lib.START, "node").compile()


def _two(lib: Any, node: Any, calls: list[str]) -> Any:
    def fine(state: State) -> Any:
        calls.append("fine")
        return {"log": ["fine"]}

    graph = lib.StateGraph(State).add_node("fine", fine).add_node("node", node)
    graph.add_edge(lib.START, "fine").add_edge(lib.START, "node")
    graph.add_node("join", lambda s: {"log": ["join"]}).add_edge(["fine", "node"], "join")
    return graph.compile(checkpointer=lib.InMemorySaver())


def a_failed_execution_goes_on_where_it_failed(lib):
    flaky = Flaky(1, ValueError("first"))
    graph = (
        lib.StateGraph(State).add_node("pre", lambda s: {"log": ["pre"]}).add_node("node", flaky)
    )
    app = (
        graph.add_edge(lib.START, "pre")
        .add_edge("pre", "node")
        .compile(checkpointer=lib.InMemorySaver())
    )
    return [
        raised(lambda: app.invoke({}, thread())),
        told(app.get_state(thread())),
        app.invoke(None, thread()),
        told(app.get_state(thread())),
    ]


async def what_a_sibling_finished_is_kept(lib):
    calls: list[str] = []
    begun = asyncio.Event()

    async def fine(state: State) -> Any:
        calls.append("fine")
        begun.set()
        return {"log": ["fine"]}

    fails = [True]

    async def node(state: State) -> Any:
        await begun.wait()
        await asyncio.sleep(0.01)
        if fails and fails.pop():
            raise ValueError("first")
        return {"log": ["node"]}

    graph = lib.StateGraph(State).add_node("fine", fine).add_node("node", node)
    graph.add_edge(lib.START, "fine").add_edge(lib.START, "node")
    app = graph.compile(checkpointer=lib.InMemorySaver())
    error = await araised(app.ainvoke({}, thread()))
    state = told(await app.aget_state(thread()))
    return [error, state, await app.ainvoke(None, thread()), calls]


def new_input_after_a_failure_begins_anew(lib):
    flaky = Flaky(1, ValueError("first"))
    graph = lib.StateGraph(State).add_node("node", flaky).add_edge(lib.START, "node")
    app = graph.compile(checkpointer=lib.InMemorySaver())
    raised(lambda: app.invoke({"log": ["one"]}, thread()))
    return app.invoke({"log": ["two"]}, thread())


def the_error_of_a_limit_leaves_a_thread_to_go_on(lib):
    graph = (
        lib.StateGraph(State).add_node("node", lambda s: {"log": ["x"]}).add_edge(lib.START, "node")
    )
    graph.add_conditional_edges("node", lambda s: lib.END if len(s["log"]) > 4 else "node")
    app = graph.compile(checkpointer=lib.InMemorySaver())
    return [
        raised(lambda: app.invoke({}, {**thread(), "recursion_limit": 3})),
        told(app.get_state(thread())),
        app.invoke(None, thread()),
    ]


def retries_until_it_works(lib):
    flaky = Flaky(2, ConnectionError("x"))
    found = _single(lib, flaky, retry_policy=_policy(lib)).invoke({})
    return [found, flaky.calls]


def retries_run_out(lib):
    flaky = Flaky(9, ConnectionError("x"))
    app = _single(lib, flaky, retry_policy=_policy(lib, max_attempts=4))
    return [raised(lambda: app.invoke({})), flaky.calls]


def retries_are_for_what_the_policy_names(lib):
    found = []
    for retry_on, error in (
        (KeyError, KeyError("k")),
        (KeyError, ConnectionError("c")),
        ((KeyError, ValueError), ValueError("v")),
        ([ValueError], ValueError("v")),
        (lambda e: "yes" in str(e), RuntimeError("yes")),
        (lambda e: "yes" in str(e), RuntimeError("no")),
    ):
        flaky = Flaky(1, error)
        app = _single(lib, flaky, retry_policy=_policy(lib, retry_on=retry_on))
        found.append((raised(lambda a=app: a.invoke({})), flaky.calls))
    return found


def retries_by_default_leave_programming_errors_alone(lib):
    found = []
    for error in (ValueError("v"), TypeError("t"), LookupError("l"), RuntimeError("r"), OSError("o"),
                  ConnectionError("c"), TimeoutError("t"), Exception("e"), ArithmeticError("a")):  # fmt: skip
        flaky = Flaky(1, error)
        app = _single(lib, flaky, retry_policy=_policy(lib))
        raised(lambda a=app: a.invoke({}))
        found.append((type(error).__name__, flaky.calls))
    return found


def the_first_policy_that_fits_counts(lib):
    flaky = Flaky(9, ValueError("v"))
    policies = [
        _policy(lib, max_attempts=5, retry_on=KeyError),
        _policy(lib, max_attempts=2, retry_on=ValueError),
    ]
    app = _single(lib, flaky, retry_policy=policies)
    return [raised(lambda: app.invoke({})), flaky.calls]


async def async_nodes_are_retried(lib):
    calls: list[int] = []

    async def node(state: State) -> Any:
        calls.append(1)
        if len(calls) < 3:
            raise ConnectionError("x")
        return {"log": ["done"]}

    return [await _single(lib, node, retry_policy=_policy(lib)).ainvoke({}), len(calls)]


def nobody_is_retried_without_a_policy(lib):
    flaky = Flaky(1, KeyError("x"))
    return [raised(lambda: _single(lib, flaky).invoke({})), flaky.calls]


def writes_of_a_failed_attempt_do_not_count(lib):
    calls: list[int] = []

    def node(state: State, writer):
        calls.append(1)
        writer(len(calls))
        if len(calls) < 2:
            raise ConnectionError("x")
        return {"log": ["done"]}

    app = _single(lib, node, retry_policy=_policy(lib))
    return list(app.stream({}, stream_mode=["custom", "updates"]))


def policies_are_values(lib):
    policy = lib.RetryPolicy()
    shown = [policy.initial_interval, policy.backoff_factor, policy.max_interval]
    return [
        *shown,
        policy.max_attempts,
        policy.jitter,
        lib.RetryPolicy(0.1, 1.0, 2.0, 7).max_attempts,
    ]


def defaults_for_all_nodes(lib):
    flaky = Flaky(1, ConnectionError("x"))
    graph = lib.StateGraph(State).set_node_defaults(retry_policy=_policy(lib))
    return graph.add_node("node", flaky).add_edge(lib.START, "node").compile().invoke({})


async def an_async_node_has_a_time_limit(lib):
    async def slow(state: State) -> Any:
        await asyncio.sleep(5)

    app = _single(lib, slow, timeout=0.02)
    return await araised(app.ainvoke({}))


async def a_time_limit_may_be_retried(lib):
    calls: list[int] = []

    async def slow(state: State) -> Any:
        calls.append(1)
        if len(calls) < 2:
            await asyncio.sleep(5)
        return {"log": ["fast"]}

    policy = lib.TimeoutPolicy(run_timeout=0.05)
    app = _single(lib, slow, timeout=policy, retry_policy=_policy(lib))
    return [await app.ainvoke({}), len(calls)]


def a_handler_answers_for_a_failed_node(lib):
    def handle(state: State, error: lib.NodeError) -> Any:
        return {"log": [f"{error.node} {error.error}"]}

    app = _single(lib, Flaky(9, ValueError("because")), error_handler=handle)
    return app.invoke({"log": ["in"]})


def a_handler_may_go_elsewhere(lib):
    def handle(state: State, error: lib.NodeError) -> Any:
        return lib.Command(update={"log": ["handled"]}, goto="after")

    graph = lib.StateGraph(State).add_node("node", Flaky(9, ValueError("v")), error_handler=handle)
    graph.add_node("next", lambda s: {"log": ["next"]}).add_node(
        "after", lambda s: {"log": ["after"]}
    )
    return graph.add_edge(lib.START, "node").add_edge("node", "next").compile().invoke({})


def a_handler_that_fails_fails_the_execution(lib):
    def handle(state: State, error: lib.NodeError) -> Any:
        raise KeyError("handler")

    app = _single(lib, Flaky(9, ValueError("because")), error_handler=handle)
    return raised(lambda: app.invoke({}))


def a_handler_comes_after_the_retries(lib):
    flaky = Flaky(9, ConnectionError("c"))
    app = _single(
        lib, flaky, retry_policy=_policy(lib), error_handler=lambda s: {"log": ["handled"]}
    )
    return [app.invoke({}), flaky.calls]


def two_failures_at_once_give_one(lib):
    graph = lib.StateGraph(State)
    for name in "ab":
        graph.add_node(name, Flaky(9, ValueError("v"))).add_edge(lib.START, name)
    return raised(lambda: graph.compile().invoke({}))


def a_failure_beside_a_question(lib):
    flaky = Flaky(1, ValueError("v"))
    graph = lib.StateGraph(State).add_node("flaky", flaky).add_edge(lib.START, "flaky")
    graph.add_node("ask", lambda s: {"log": [lib.interrupt("?")]})
    app = graph.add_edge(lib.START, "ask").compile(checkpointer=lib.InMemorySaver())
    return raised(lambda: app.invoke({}, thread()))


def a_resumed_parallel_step_shows_what_was_done_before(lib):
    calls: list[str] = []
    graph = _two(lib, lambda s: {"log": [lib.interrupt("?")]}, calls)
    graph.invoke({}, thread())
    return [unordered(graph.stream(lib.Command(resume="a"), thread())), calls]


async def a_failure_ends_a_stream(lib):
    async def fails(state: State) -> Any:
        raise ValueError("v")

    seen: list[Any] = []
    try:
        async for chunk in _single(lib, fails).astream({}, stream_mode=["values", "updates"]):
            seen.append(chunk)
    except ValueError as error:
        seen.append(str(error))
    return seen


async def a_cancelled_stream_cancels_its_nodes(lib):
    seen: list[str] = []
    begun = asyncio.Event()

    async def slow(state: State) -> Any:
        begun.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    app = _single(lib, slow)
    running = asyncio.create_task(app.ainvoke({}))
    await begun.wait()
    running.cancel()
    found = await asyncio.gather(running, return_exceptions=True)
    return [type(found[0]).__name__, seen]


def errors_name_their_node(lib):
    app = _single(lib, Flaky(1, ValueError("v")))
    try:
        app.invoke({})
    except ValueError as error:
        return any("node" in note for note in getattr(error, "__notes__", []))
