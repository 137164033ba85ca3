"""The functional way: entry points and tasks."""

import asyncio
from typing import Any

from langchain_core.runnables import RunnableConfig

from tests.langgraph.scenarios.telling import (
    araised,
    history,
    listed,
    raised,
    thread,
    told,
    unordered,
    waiting,
)


def an_entrypoint_runs_tasks(lib):
    @lib.task
    def double(n: int) -> int:
        return n * 2

    @lib.entrypoint()
    def flow(numbers: list[int]) -> list[int]:
        return [future.result() for future in [double(n) for n in numbers]]

    return [flow.invoke([1, 2, 3]), unordered(flow.stream([1, 2]))]


async def an_async_entrypoint_runs_tasks(lib):
    @lib.task
    async def double(n: int) -> int:
        await asyncio.sleep(0)
        return n * 2

    @lib.entrypoint()
    async def flow(numbers: list[int]) -> list[int]:
        return list(await asyncio.gather(*[double(n) for n in numbers]))

    return [await flow.ainvoke([1, 2, 3]), unordered(await listed(flow.astream([1, 2])))]


def values_of_an_entrypoint_are_its_result(lib):
    @lib.entrypoint()
    def flow(text: str) -> str:
        return text + "!"

    modes = ["values", "updates"]
    return [flow.invoke("a"), list(flow.stream("a", stream_mode=modes))]


def an_entrypoint_remembers_what_it_gave(lib):
    @lib.entrypoint(checkpointer=lib.InMemorySaver())
    def flow(n: int, *, previous: Any = None) -> int:
        return n + (previous or 0)

    return [flow.invoke(1, thread()), flow.invoke(2, thread()), flow.invoke(5, thread("2"))]


def what_is_kept_may_differ_from_what_is_given(lib):
    @lib.entrypoint(checkpointer=lib.InMemorySaver())
    def flow(n: int, *, previous: Any = None) -> Any:
        return lib.entrypoint.final(value=previous or 0, save=n * 10)

    return [flow.invoke(1, thread()), flow.invoke(2, thread()), told(flow.get_state(thread()))]


def a_task_is_done_once_across_a_question(lib):
    calls: list[str] = []

    @lib.task
    def step(name: str) -> str:
        calls.append(name)
        return f"did {name}"

    @lib.entrypoint(checkpointer=lib.InMemorySaver())
    def flow(text: str) -> Any:
        calls.append("flow")
        one = step("one").result()
        answer = lib.interrupt("go on?")
        return [one, answer, step("two").result()]

    first = flow.invoke("x", thread())
    state = told(flow.get_state(thread()))
    return [first, state, flow.invoke(lib.Command(resume="yes"), thread()), calls]


def chunks_of_an_entrypoint_with_a_question(lib):
    @lib.task
    def step(name: str) -> str:
        return f"did {name}"

    @lib.entrypoint(checkpointer=lib.InMemorySaver())
    def flow(text: str) -> Any:
        return [step("one").result(), lib.interrupt("go on?")]

    return [
        list(flow.stream("x", thread())),
        list(flow.stream(lib.Command(resume="yes"), thread())),
    ]


def a_question_in_a_task(lib):
    @lib.task
    def ask(name: str) -> str:
        return f"{name}: {lib.interrupt(name)}"

    @lib.entrypoint(checkpointer=lib.InMemorySaver())
    def flow(text: str) -> Any:
        return [ask("one").result(), ask("two").result()]

    return [
        waiting(flow.invoke("x", thread())),
        waiting(flow.invoke(lib.Command(resume="1"), thread())),
        flow.invoke(lib.Command(resume="2"), thread()),
    ]


def questions_of_tasks_at_once(lib):
    @lib.task
    def ask(name: str) -> str:
        return f"{name}: {lib.interrupt(name)}"

    @lib.entrypoint(checkpointer=lib.InMemorySaver())
    def flow(text: str) -> Any:
        futures = [ask("one"), ask("two")]
        return [future.result() for future in futures]

    first = flow.invoke("x", thread())
    answers = {one.id: f"to {one.value}" for one in first["__interrupt__"]}
    return [
        sorted(waiting(first)),
        raised(lambda: flow.invoke(lib.Command(resume=answers), thread())),
    ]


def a_failed_entrypoint_does_not_repeat_its_tasks(lib):
    calls: list[str] = []

    @lib.task
    def step() -> str:
        calls.append("step")
        return "did"

    @lib.entrypoint(checkpointer=lib.InMemorySaver())
    def flow(text: str) -> Any:
        calls.append("flow")
        done = step().result()
        if len(calls) < 3:
            raise ValueError("first")
        return done

    return [raised(lambda: flow.invoke("x", thread())), flow.invoke(None, thread()), calls]


def tasks_are_retried(lib):
    calls: list[int] = []
    policy = lib.RetryPolicy(initial_interval=0.001, jitter=False, retry_on=ValueError)

    @lib.task(retry_policy=policy)
    def flaky() -> str:
        calls.append(1)
        if len(calls) < 3:
            raise ValueError("not yet")
        return "done"

    @lib.entrypoint()
    def flow(text: str) -> Any:
        return flaky().result()

    return [flow.invoke("x"), len(calls)]


def an_error_of_a_task_may_be_caught(lib):
    @lib.task
    def fails() -> str:
        raise ValueError("because")

    @lib.entrypoint()
    def flow(text: str) -> Any:
        try:
            return fails().result()
        except ValueError as error:
            return f"caught {error}"

    @lib.entrypoint()
    def loose(text: str) -> Any:
        return fails().result()

    return [flow.invoke("x"), raised(lambda: loose.invoke("x"), "because")]


def tasks_have_names(lib):
    @lib.task(name="other")
    def step() -> str:
        return "did"

    @lib.entrypoint()
    def flow(text: str) -> Any:
        return step().result()

    return list(flow.stream("x"))


def tasks_call_tasks(lib):
    @lib.task
    def low(n: int) -> int:
        return n + 1

    @lib.task
    def high(n: int) -> int:
        return low(n).result() * 2

    @lib.entrypoint()
    def flow(n: int) -> Any:
        return high(n).result()

    return [flow.invoke(1), list(flow.stream(1))]


def tasks_in_a_node(lib):
    from typing import TypedDict

    class State(TypedDict):
        n: int

    @lib.task
    def double(n: int) -> int:
        return n * 2

    def node(state: State) -> State:
        return {"n": double(state["n"]).result()}

    graph = lib.StateGraph(State).add_node("node", node).add_edge(lib.START, "node").compile()
    return [graph.invoke({"n": 2}), list(graph.stream({"n": 2}))]


def tasks_need_a_graph_around_them(lib):
    @lib.task
    def double(n: int) -> int:
        return n * 2

    return raised(lambda: double(1))


def an_entrypoint_is_given_config_store_and_writer(lib):
    store = lib.InMemoryStore()

    @lib.entrypoint(store=store)
    def flow(text: str, config: RunnableConfig, *, store: lib.BaseStore, writer) -> Any:
        store.put(("a",), "k", {"v": text})
        writer("written")
        return [config["configurable"]["who"], store.get(("a",), "k").value]

    config = {"configurable": {"who": "ada"}}
    return [flow.invoke("x", config), list(flow.stream("x", config, stream_mode="custom"))]


def an_entrypoint_is_given_a_runtime(lib):
    from dataclasses import dataclass

    @dataclass
    class Deps:
        who: str

    @lib.entrypoint(context_schema=Deps)
    def flow(text: str, runtime: lib.Runtime[Deps]) -> Any:
        return runtime.context.who

    return flow.invoke("x", context=Deps("ada"))


def an_entrypoint_without_parameters_is_refused(lib):
    def bare() -> str:
        return "x"

    return raised(lambda: lib.entrypoint()(bare), "parameter")


def an_entrypoint_may_not_generate(lib):
    def flow(text: str) -> Any:
        yield text

    return raised(lambda: lib.entrypoint()(flow))


async def sync_tasks_in_an_async_entrypoint(lib):
    @lib.task
    def double(n: int) -> int:
        return n * 2

    @lib.entrypoint()
    async def flow(n: int) -> Any:
        return await double(n)

    return await flow.ainvoke(2)


async def an_async_entrypoint_with_a_question(lib):
    calls: list[int] = []

    @lib.task
    async def step(n: int) -> int:
        calls.append(n)
        return n + 1

    @lib.entrypoint(checkpointer=lib.InMemorySaver())
    async def flow(n: int) -> Any:
        one = await step(n)
        return [one, lib.interrupt("?"), await step(one)]

    first = await flow.ainvoke(1, thread())
    return [first, await flow.ainvoke(lib.Command(resume="so"), thread()), calls]


async def an_async_error_of_a_task(lib):
    @lib.task
    async def fails() -> str:
        raise ValueError("because")

    @lib.entrypoint()
    async def flow(text: str) -> Any:
        return await fails()

    return await araised(flow.ainvoke("x"), "because")


def cached_tasks_are_done_once(lib):
    calls: list[int] = []

    @lib.task(cache_policy=lib.CachePolicy())
    def step(n: int) -> int:
        calls.append(n)
        return n + 1

    @lib.entrypoint(cache=lib.InMemoryCache())
    def flow(n: int) -> Any:
        return step(n).result()  # once: LangGraph keeps a result some time after it gives it

    return [flow.invoke(1), flow.invoke(1), len(calls)]


def an_entrypoint_is_a_node(lib):
    from typing import TypedDict

    class State(TypedDict):
        n: int

    @lib.entrypoint()
    def flow(state: State) -> State:
        return {"n": state["n"] + 1}

    graph = lib.StateGraph(State).add_node("flow", flow).add_edge(lib.START, "flow").compile()
    return graph.invoke({"n": 1})


def an_entrypoint_calls_a_graph(lib):
    from typing import TypedDict

    class State(TypedDict):
        n: int

    graph = lib.StateGraph(State).add_node("up", lambda s: {"n": s["n"] + 1})
    app = graph.add_edge(lib.START, "up").compile()

    @lib.entrypoint()
    def flow(n: int) -> Any:
        return app.invoke({"n": n})["n"]

    return [flow.invoke(1), list(flow.stream(1, subgraphs=True))]


def the_history_of_an_entrypoint(lib):
    @lib.entrypoint(checkpointer=lib.InMemorySaver())
    def flow(n: int) -> int:
        return n + 1

    flow.invoke(1, thread())
    flow.invoke(2, thread())
    return [
        (one["values"], one["step"], one["source"], one["next"]) for one in history(flow, thread())
    ]


def kinds_of_tasks_are_told(lib):
    @lib.task
    def step(n: int) -> int:
        return n + 1

    @lib.entrypoint()
    def flow(n: int) -> int:
        return step(n).result()

    chunks = list(flow.stream(1, stream_mode="tasks"))
    return [(chunk["name"], chunk.get("input"), chunk.get("result")) for chunk in chunks]
