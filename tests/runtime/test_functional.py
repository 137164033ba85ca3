"""Entry points and tasks: functions as graphs, beside what LangGraph's do (tests/langgraph)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypedDict

import anyio
import pytest

from inwit import (
    END,
    START,
    CachePolicy,
    Command,
    Context,
    InMemoryCache,
    InMemorySaver,
    RetryPolicy,
    SqliteCheckpointer,
    StateGraph,
    entrypoint,
    get_stream_writer,
    interrupt,
    task,
)
from inwit.errors import ExecutionCancelledError, NodeTimeoutError, OutsideNodeError
from tests.runtime.capture.record import recorded

AT_ONCE = RetryPolicy(initial_interval=0.0, jitter=False, retry_on=ValueError)


@task
def double(n: int) -> int:
    return n * 2


@task
async def adouble(n: int) -> int:
    await anyio.lowlevel.checkpoint()
    return n * 2


def test_tasks_of_sync_code_run_at_the_same_time(project: Path) -> None:
    together = threading.Barrier(3)

    @task
    def meet(n: int) -> int:
        together.wait(30)
        return n

    @entrypoint()
    def flow(count: int) -> list[int]:
        return [future.result() for future in [meet(n) for n in range(count)]]

    assert flow.invoke(3) == [0, 1, 2]


@pytest.mark.anyio
async def test_tasks_of_async_code_run_at_the_same_time(project: Path) -> None:
    arrived: list[int] = []
    all_here = anyio.Event()

    @task
    async def meet(n: int) -> int:
        arrived.append(n)
        if len(arrived) == 3:
            all_here.set()
        await all_here.wait()
        return n

    @entrypoint()
    async def flow(count: int) -> list[int]:
        return list(await asyncio.gather(*[meet(n) for n in range(count)]))

    with anyio.fail_after(30):
        assert await flow.ainvoke(3) == [0, 1, 2]


def test_no_more_tasks_run_at_once_than_the_config_allows(project: Path) -> None:
    go_on = threading.Event()
    begun: list[int] = []

    @task
    def hold(n: int) -> int:
        begun.append(n)
        assert go_on.wait(30)
        return n

    @task
    def look(n: int) -> list[int]:
        return list(begun)

    @entrypoint()
    def flow(_: int) -> list[int]:
        held = [hold(n) for n in range(3)]
        go_on.set()
        return [future.result() for future in held]

    @entrypoint()
    def narrow(_: int) -> list[int]:
        seen = look(0)
        held = hold(1)
        assert seen.result() == [0, 1, 2]
        return [held.result()]

    assert flow.invoke(0) == [0, 1, 2]
    assert narrow.invoke(0, {"max_concurrency": 1}) == [1]


@pytest.mark.parametrize("body", ["sync", "async"])
@pytest.mark.parametrize("work", [double, adouble])
@pytest.mark.anyio
async def test_any_task_may_be_called_by_any_entry_point_in_a_loop(
    project: Path, body: str, work: Any
) -> None:
    @entrypoint()
    def sync(n: int) -> int:
        found: int = work(n).result()
        return found

    @entrypoint()
    async def awaiting(n: int) -> int:
        found: int = await work(n)
        return found

    flow = sync if body == "sync" else awaiting
    with anyio.fail_after(30):
        assert await flow.ainvoke(2) == 4


@pytest.mark.parametrize("work", [double, adouble])
def test_any_task_may_be_called_where_no_loop_runs(project: Path, work: Any) -> None:
    @entrypoint()
    def flow(n: int) -> int:
        found: int = work(n).result()
        return found

    assert flow.invoke(2) == 4
    assert list(flow.stream(2)) == [{work.name: 4}, {"flow": 4}]


@pytest.mark.anyio
async def test_a_sync_node_of_a_graph_in_a_loop_may_call_tasks(project: Path) -> None:
    class State(TypedDict):
        n: int

    def node(state: State) -> State:
        return {"n": double(state["n"]).result() + adouble(state["n"]).result()}

    graph = StateGraph(State).add_node("node", node).add_edge(START, "node")

    with anyio.fail_after(30):
        assert await graph.compile(name="g").ainvoke({"n": 1}) == {"n": 4}


def test_a_task_that_is_done_is_not_run_again_by_another_process(project: Path) -> None:
    calls: list[str] = []

    def build() -> Any:
        @task
        def charge(order: str) -> str:
            calls.append(order)
            return f"charged {order}"

        @entrypoint(checkpointer=SqliteCheckpointer(project / "threads.db"))
        def flow(order: str) -> list[str]:
            return [charge(order).result(), interrupt("ship?")]

        return flow

    asked = build().invoke("tea", thread_id="t")
    result = build().invoke(Command(resume="yes"), thread_id="t")

    assert [one.value for one in asked["__interrupt__"]] == ["ship?"]
    assert result == ["charged tea", "yes"]
    assert calls == ["tea"]


def test_a_task_within_a_task_is_not_run_again(project: Path) -> None:
    calls: list[str] = []

    @task
    def low() -> str:
        calls.append("low")
        return "low"

    @task
    def high() -> str:
        done = low().result()
        calls.append("high")
        return f"{done} {interrupt('go on?')}"

    @entrypoint(checkpointer=InMemorySaver())
    def flow(_: str) -> str:
        return str(high().result())

    flow.invoke("", thread_id="t")
    result = flow.invoke(Command(resume="on"), thread_id="t")

    assert result == "low on"
    assert calls == ["low", "high", "high"]


def test_calls_are_known_by_their_name_and_number(project: Path) -> None:
    calls: list[int] = []

    @task
    def note(n: int) -> int:
        calls.append(n)
        return n

    @entrypoint(checkpointer=InMemorySaver())
    def flow(numbers: list[int]) -> list[int]:
        done = [note(n).result() for n in numbers]
        interrupt("more?")
        return [*done, note(99).result()]

    flow.invoke([1, 2], thread_id="t")
    result = flow.invoke(Command(resume=True), thread_id="t")

    assert result == [1, 2, 99]
    assert calls == [1, 2, 99]


def test_each_attempt_of_the_entry_point_is_given_the_tasks_of_the_last(project: Path) -> None:
    calls: list[str] = []

    @task
    def once() -> str:
        calls.append("task")
        return "done"

    @entrypoint(retry_policy=AT_ONCE)
    def flow(_: str) -> str:
        done = str(once().result())
        calls.append("flow")
        if calls.count("flow") < 3:
            raise ValueError("not yet")
        return done

    assert flow.invoke("") == "done"
    assert calls == ["task", "flow", "flow", "flow"]


def test_a_result_that_cannot_be_kept_matters_only_where_there_is_a_thread(project: Path) -> None:
    @task
    def opaque() -> Any:
        return threading.Lock()

    def body(_: str) -> str:
        return type(opaque().result()).__name__

    assert entrypoint(name="loose")(body).invoke("") == "lock"
    with pytest.raises(Exception, match="lock"):
        entrypoint(checkpointer=InMemorySaver())(body).invoke("", thread_id="t")


def test_tasks_that_nobody_waits_for_are_waited_for(project: Path) -> None:
    go_on, ended = threading.Event(), []

    @task
    def late() -> None:
        assert go_on.wait(30)
        ended.append("late")

    @entrypoint()
    def flow(_: str) -> str:
        late()
        go_on.set()
        return "done"

    assert flow.invoke("") == "done"
    assert ended == ["late"]


@pytest.mark.anyio
async def test_a_failing_entry_point_cancels_its_tasks_and_waits_for_their_clean_up(
    project: Path,
) -> None:
    begun, cleaned = anyio.Event(), []

    @task
    async def forever() -> None:
        begun.set()
        try:
            await anyio.sleep_forever()
        finally:
            cleaned.append("forever")

    @entrypoint()
    async def flow(_: str) -> None:
        forever()
        await begun.wait()
        raise KeyError("because")

    with anyio.fail_after(30), pytest.raises(KeyError, match="because"):
        await flow.ainvoke("")
    assert cleaned == ["forever"]


@pytest.mark.anyio
async def test_a_stop_reaches_running_tasks(project: Path) -> None:
    begun, cleaned = anyio.Event(), []

    @task
    async def forever() -> None:
        begun.set()
        try:
            await anyio.sleep_forever()
        finally:
            cleaned.append("forever")

    @entrypoint()
    async def flow(_: str) -> None:
        await forever()

    async def stop() -> None:
        await begun.wait()
        await flow.acancel(execution_id="e")
        assert cleaned == ["forever"]

    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(stop)
            with pytest.raises(ExecutionCancelledError):
                await flow.ainvoke("", execution_id="e")


@pytest.mark.anyio
async def test_an_async_task_has_a_time_out(project: Path) -> None:
    @task(timeout=0.01, retry_policy=RetryPolicy(max_attempts=1))
    async def forever() -> None:
        await anyio.sleep_forever()

    @entrypoint()
    async def flow(_: str) -> None:
        await forever()

    with pytest.raises(NodeTimeoutError, match="forever"):
        await flow.ainvoke("")


def test_a_sync_task_cannot_have_a_time_out() -> None:
    with pytest.raises(ValueError, match="'double' is sync"):
        task(timeout=1.0)(double.func)


def test_a_cache_keeps_tasks_by_their_arguments_until_it_is_cleared(project: Path) -> None:
    cache: InMemoryCache[Any] = InMemoryCache()
    calls: list[int] = []

    @task(cache_policy=CachePolicy())
    def add(n: int, *, to: int = 0) -> int:
        calls.append(n)
        return n + to

    @entrypoint(cache=cache)
    def flow(n: int) -> list[int]:
        return [add(n).result(), add(n, to=5).result(), add(n).result()]

    assert flow.invoke(1) == [1, 6, 1]
    assert len(calls) == 2
    add.clear_cache(cache)
    assert flow.invoke(1) == [1, 6, 1]
    assert len(calls) == 4


def test_the_record_tells_each_call_as_a_visit_with_what_it_gave(project: Path) -> None:
    @task(retry_policy=AT_ONCE)
    def flaky(n: int, seen: list[int]) -> int:
        seen.append(n)
        if len(seen) < 2:
            raise ValueError("not yet")
        return n

    @entrypoint()
    def flow(n: int) -> int:
        return int(flaky(n, []).result()) + int(flaky(n, [0]).result())

    flow.invoke(2)

    visits = [(one["type"], one["visit"], one["attempt"]) for one in recorded(flow) if
              one.get("node") == "flaky" and one["type"] != "custom"]  # fmt: skip
    assert visits == [
        ("node_entered", 1, 1),
        ("node_failed", 1, 1),
        ("retry_scheduled", 1, 1),
        ("node_entered", 1, 2),
        ("node_exited", 1, 2),
        ("node_entered", 2, 1),
        ("node_exited", 2, 1),
    ]
    told = [one["data"] for one in recorded(flow, "custom") if one.get("name") == "task"]
    assert told[1] == {"given": {"0": 2, "1": [0, 2]}, "result": 2}


def test_an_entry_point_is_a_graph_that_can_be_asked_about(project: Path) -> None:
    @entrypoint(name="shop")
    def flow(order: str) -> str:
        """Take an order."""
        return order

    flow.invoke("tea")

    manifest = flow.manifest()
    assert (manifest.name, [node.name for node in manifest.nodes]) == ("shop", ["flow"])
    assert {field.name for field in manifest.fields} == {"input", "output", "saved"}
    assert "flow" in flow.get_graph().draw_mermaid()
    assert flow.get_input_jsonschema() == {"title": "shopInput", "type": "string"}
    assert flow.get_output_jsonschema() == {"title": "shopOutput", "type": "string"}
    (end,) = recorded(flow, "execution_completed")
    assert end["graph_name"] == "shop"


def test_what_tasks_write_is_streamed_in_order(project: Path) -> None:
    @task
    def say(text: str, ctx: Context) -> str:
        get_stream_writer()(text)
        ctx.stream(text.upper())
        return text

    @entrypoint()
    def flow(_: str) -> list[str]:
        return [str(say(text).result()) for text in ("a", "b")]  # type: ignore[call-arg]  # it is filled in

    assert list(flow.stream("", stream_mode="custom")) == ["a", "A", "b", "B"]


def test_final_types_are_told_apart(project: Path) -> None:
    @entrypoint()
    def flow(n: int) -> entrypoint.final[str, int]:
        return entrypoint.final(value=str(n), save=n)

    assert flow.get_output_jsonschema()["type"] == "string"
    assert flow.invoke(1) == "1"
    with pytest.raises(TypeError, match="Annotate both"):
        entrypoint()(_returning_half)


def _returning_half(n: int) -> entrypoint.final[int]:  # type: ignore[type-arg]
    raise NotImplementedError


def test_a_task_needs_something_that_runs_around_it() -> None:
    with pytest.raises(OutsideNodeError, match="The task 'double'"):
        double(1)


def test_several_questions_of_tasks_are_answered_one_after_another(project: Path) -> None:
    @task
    def ask(name: str) -> str:
        return f"{name}: {interrupt(name)}"

    @entrypoint(checkpointer=InMemorySaver())
    def flow(names: list[str]) -> list[str]:
        return [str(future.result()) for future in [ask(name) for name in names]]

    answered: Any = flow.invoke(["one", "two"], thread_id="t")
    for answer in ("1", "2"):
        assert len(answered["__interrupt__"]) == 1
        answered = flow.invoke(Command(resume=answer), thread_id="t")

    assert answered == ["one: 1", "two: 2"]


def test_an_entry_point_within_a_graph_keeps_its_tasks_across_a_question(project: Path) -> None:
    calls: list[str] = []

    class State(TypedDict):
        text: str

    @task
    def note(text: str) -> str:
        calls.append(text)
        return text

    @entrypoint()
    def flow(state: State) -> State:
        return {"text": f"{note(state['text']).result()} {interrupt('and?')}"}

    graph = StateGraph(State).add_node("flow", flow).add_edge(START, "flow")
    app = graph.compile(name="around", checkpointer=InMemorySaver())
    app.invoke({"text": "a"}, thread_id="t")
    result = app.invoke(Command(resume="b"), thread_id="t")

    assert result == {"text": "a b"}
    assert calls == ["a"]


def test_decorated_functions_keep_their_name_and_words() -> None:
    def charge(order: str) -> str:
        """Take money."""
        return order

    made: Callable[..., Any] = task(charge)

    assert (made.__name__, made.__doc__) == ("charge", "Take money.")


def test_a_thread_s_memory_of_an_entry_point_can_be_changed(project: Path) -> None:
    @entrypoint(checkpointer=InMemorySaver())
    def flow(n: int, *, previous: int | None = None) -> int:
        return n + (previous or 0)

    config = {"configurable": {"thread_id": "t"}}
    flow.invoke(1, config)
    flow.update_state(config, 40)

    assert flow.get_state(config).values == 40
    assert flow.invoke(2, config) == 42


def test_a_question_is_told_once_though_nothing_was_returned_yet(project: Path) -> None:
    @entrypoint(checkpointer=InMemorySaver())
    def flow(_: str) -> Any:
        return interrupt("why?")

    flow.invoke("", thread_id="t")
    chunks = list(flow.stream(None, thread_id="t", stream_mode=["values", "updates"]))

    assert [(mode, list(chunk or ())) for mode, chunk in chunks] == [
        ("values", []),
        ("updates", ["__interrupt__"]),
        ("values", ["__interrupt__"]),
    ]


def test_what_earlier_visits_of_a_node_have_called_is_not_given_to_later_ones(
    project: Path,
) -> None:
    class State(TypedDict):
        n: int

    def node(state: State) -> State:
        if state["n"] == 3:
            interrupt("on?")
        return {"n": double(state["n"]).result() // 2 + 1}

    graph = StateGraph(State).add_node("node", node).add_edge(START, "node")
    graph.add_conditional_edges("node", lambda s: END if s["n"] > 4 else "node")
    app = graph.compile(name="visits")
    app.invoke({"n": 1}, execution_id="e")

    assert app.invoke(Command(resume=True), thread_id="e") == {"n": 5}


def test_a_node_that_calls_tasks_again_and_again_keeps_none_of_them(project: Path) -> None:
    class State(TypedDict):
        n: int

    kept: list[int] = []

    def node(state: State, ctx: Context) -> State:
        n: int = double(state["n"]).result() // 2
        assert ctx.scope is not None
        kept.append(len(ctx.scope._open))
        return {"n": n + 1}

    graph = StateGraph(State).add_node("node", node).add_edge(START, "node")
    graph.add_conditional_edges("node", lambda s: END if s["n"] > 50 else "node")

    graph.compile(name="again").invoke({"n": 1}, {"recursion_limit": 60})

    assert max(kept) <= 1
