"""What takes over from a node that has failed: recorded, streamed and resumed as what it is."""

from __future__ import annotations

import asyncio
import operator
from pathlib import Path
from typing import Annotated, Any, TypedDict

import langgraph.graph
import pytest

import inwit
from inwit import (
    END,
    START,
    Command,
    Context,
    NodeError,
    RetryPolicy,
    SqliteCheckpointer,
    StateGraph,
    interrupt,
)
from inwit.runtime.project import Project
from inwit.runtime.store.reader import Store
from tests.runtime.policies.recorded import events_of

AT_ONCE = RetryPolicy(initial_interval=0, jitter=False, retry_on=ValueError)


class State(TypedDict, total=False):
    said: Annotated[list[str], operator.add]


def fails(state: State) -> dict[str, Any]:
    raise ValueError("no")


def handles(state: State, error: NodeError) -> Command[Any]:
    return Command(update={"said": [f"{error.node}: {error.error}"]}, goto="after")


def graph_of(node: Any = fails, **policy: Any) -> StateGraph[State]:
    graph = StateGraph(State).add_node("node", node, **policy).add_edge(START, "node")
    graph.add_node("after", lambda state: {"said": ["after"]})
    return graph.add_edge("node", "after")


def beside(graph: StateGraph[State]) -> StateGraph[State]:
    """The same with a branch beside the node."""
    return graph.add_node("beside", lambda state: {"said": ["beside"]}).add_edge(START, "beside")


@pytest.mark.parametrize("in_parallel", [False, True])
def test_a_handler_is_a_visit_of_its_own_that_a_labelled_edge_leads_to(
    in_parallel: bool, project: Any
) -> None:
    graph = graph_of(error_handler=handles, retry_policy=AT_ONCE)
    app = (beside(graph) if in_parallel else graph).compile(name="handled")

    app.invoke({})

    events: list[Any] = [one for one in events_of(app) if one.node not in (None, "beside", "after")]
    edges = [(one.node, one.target, one.label) for one in events if one.type == "edge_taken"]
    assert edges == [
        ("node", "__error_handler__node", "failed"),
        ("__error_handler__node", "after", "goto"),
    ]
    entered = [(one.node, one.visit, one.attempt) for one in events if one.type == "node_entered"]
    assert entered == [("node", 1, n) for n in (1, 2, 3)] + [("__error_handler__node", 1, 1)]
    changed = [one.node for one in events if one.type == "state_changed"]
    assert changed == ["__error_handler__node"]


def test_what_takes_over_is_no_attempt_and_no_time_of_the_node(project: Any) -> None:
    async def slow(state: State) -> dict[str, Any]:
        await asyncio.sleep(0.03)
        return {"said": ["instead"]}

    app = graph_of(fallback=slow).compile(name="relieved")

    app.invoke({})

    events_of(app)
    visits = Store.of(Project.find()).visits(str(app.last_execution_id))
    assert [(one.node, one.status, one.attempts) for one in visits] == [
        ("node", "failed", 1), ("__fallback__node", "completed", 1), ("after", "completed", 1),
    ]  # fmt: skip
    first, second = (one.duration_ms or 0 for one in visits[:2])
    assert first < 30 <= second


@pytest.mark.parametrize("mode", ["updates", "tasks"])
def test_a_handler_is_streamed_as_in_langgraph(mode: str, project: Any) -> None:
    def streamed(library: Any, **compiled: Any) -> list[Any]:
        graph = library.StateGraph(State)
        graph.add_node("node", fails, error_handler=lambda state: {"said": ["handled"]})
        graph.add_node("after", lambda state: {"said": ["after"]})
        graph.add_edge(START, "node").add_edge("node", "after")
        found = list(graph.compile(**compiled).stream({}, stream_mode=mode))
        return [repr({**one, "id": ""}) for one in found]

    assert streamed(inwit, name="streamed") == streamed(langgraph.graph)


def test_what_a_fallback_gave_is_streamed_as_the_nodes(project: Any) -> None:
    app = graph_of(fallback=lambda state: {"said": ["instead"]}).compile(name="instead")

    found = list(app.stream({}, stream_mode="updates"))

    assert found == [{"node": {"said": ["instead"]}}, {"after": {"said": ["after"]}}]


@pytest.mark.parametrize("way", ["error_handler", "fallback"])
@pytest.mark.parametrize("in_parallel", [False, True])
def test_an_answer_to_a_nodes_question_is_none_to_that_of_what_took_over(
    in_parallel: bool, way: str, tmp_path: Path, project: Any
) -> None:
    def compiled() -> Any:
        def asks(state: State) -> dict[str, Any]:
            raise ValueError(interrupt("the node asks"))

        def asks_too(state: State, error: NodeError) -> dict[str, Any]:
            return {"said": [str(error.error), interrupt("what took over asks")]}

        graph = graph_of(asks, **{way: asks_too})
        graph = beside(graph) if in_parallel else graph
        return graph.compile(name="asking", checkpointer=SqliteCheckpointer(tmp_path / "t.db"))

    config = {"configurable": {"thread_id": "t"}}
    compiled().invoke({}, config)
    second = compiled().invoke(Command(resume="first"), config)
    waiting = compiled().get_state(config)
    result = compiled().invoke(Command(resume="second"), config)

    assert [one.value for one in second["__interrupt__"]] == ["what took over asks"]
    assert [one.value for task in waiting.tasks for one in task.interrupts] == [
        "what took over asks"
    ]
    assert [one for one in result["said"] if one in ("first", "second")] == ["first", "second"]


def test_a_step_of_what_took_over_is_not_the_nodes_of_the_same_name(project: Any) -> None:
    async def charges(state: State, ctx: Context) -> dict[str, Any]:
        await ctx.step("charge", lambda: "the node's")
        raise ValueError("no")

    async def charges_too(state: State, ctx: Context) -> dict[str, Any]:
        return {"said": [await ctx.step("charge", lambda: "the fallback's")]}

    app = graph_of(charges, fallback=charges_too).compile(name="charging")

    assert app.invoke({})["said"] == ["the fallback's", "after"]


def test_a_sync_graph_has_an_async_handler(project: Any) -> None:
    async def later(state: State, error: NodeError) -> Command[Any]:
        await asyncio.sleep(0)
        return Command(update={"said": ["later"]}, goto=END)

    app = graph_of(error_handler=later).compile(name="later")

    assert app.invoke({}) == {"said": ["later"]}


@pytest.mark.parametrize("run", [None, (), ("node",)])
@pytest.mark.parametrize(
    "policy",
    [{"error_handler": handles}, {"fallback": lambda state: {"said": ["instead"]}},
     {"fallback": "after"}],
)  # fmt: skip
def test_a_replay_takes_over_as_it_was_recorded(policy: Any, run: Any, project: Any) -> None:
    app = graph_of(**policy).compile(name="replayed")
    app.invoke({})

    replay = app.replay(str(app.last_execution_id), run=run)

    assert replay.divergence is None
    assert replay.path[1] in ("__error_handler__node", "__fallback__node")


def test_what_takes_over_and_fails_names_the_node_where_the_thread_goes_on(project: Any) -> None:
    calls: list[int] = []

    def worse(state: State, error: NodeError) -> dict[str, Any]:
        calls.append(1)
        if len(calls) == 1:
            raise OSError("worse")
        return {"said": ["better"]}

    app = graph_of(error_handler=worse).compile(name="worse")
    config = {"configurable": {"thread_id": "t"}}

    with pytest.raises(OSError, match="worse"):
        app.invoke({}, config)

    assert [(task.name, task.error) for task in app.get_state(config).tasks] == [
        ("node", "OSError('worse')")
    ]
    assert app.invoke(None, config)["said"] == ["better"]


class OddError(Exception):
    """An error that a message alone does not make."""

    def __init__(self, code: int, *, where: str) -> None:
        super().__init__(f"{code} at {where}")


@pytest.mark.anyio
@pytest.mark.parametrize("scheduling", ["steps", "dataflow"])
@pytest.mark.parametrize("way", ["error_handler", "fallback"])
@pytest.mark.parametrize("in_parallel", [False, True])
async def test_a_node_that_was_given_up_is_not_called_again_where_another_process_goes_on(
    in_parallel: bool, way: str, scheduling: Any, tmp_path: Path, project: Any
) -> None:
    calls: list[str] = []

    def compiled() -> Any:
        async def charges(state: State, ctx: Context) -> dict[str, Any]:
            calls.append("node")
            await ctx.step("charge", calls.append, "charge")
            raise OddError(7, where=interrupt("where?"))

        async def instead(state: State, error: NodeError, ctx: Context) -> dict[str, Any]:
            await ctx.step("charge", calls.append, "charge instead")
            if "died" not in calls:
                calls.append("died")
                raise OSError("died")
            return {"said": [f"{error.node}: {error.error}", interrupt("sure?")]}

        graph = graph_of(charges, **{way: instead})
        graph = beside(graph) if in_parallel else graph
        saver = SqliteCheckpointer(tmp_path / "t.db")
        return graph.compile(name="given-up", checkpointer=saver, scheduling=scheduling)

    config = {"configurable": {"thread_id": "t"}}
    await compiled().ainvoke({}, config)
    with pytest.raises(OSError, match="died"):
        await compiled().ainvoke(Command(resume="there"), config)
    asked = await compiled().ainvoke(None, config)
    result = await compiled().ainvoke(Command(resume="yes"), config)

    assert [one.value for one in asked["__interrupt__"]] == ["sure?"]
    assert [one for one in result["said"] if one not in ("beside", "after")] == [
        "node: OddError: 7 at there", "yes",
    ]  # fmt: skip
    assert calls == ["node", "charge", "node", "charge instead", "died"]
