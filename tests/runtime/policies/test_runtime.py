"""What nodes are handed besides their state: runtime, config, store, writer."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

import langgraph.config
import langgraph.graph
import langgraph.runtime
import langgraph.store.memory
import langgraph.types
import pydantic
import pytest
from langchain_core.runnables import RunnableConfig

import inwit
from inwit import (
    START,
    BaseStore,
    ExecutionInfo,
    InMemoryStore,
    RunControl,
    Runtime,
    SqliteStore,
    StateGraph,
    get_config,
    get_runtime,
    get_store,
    get_stream_writer,
)
from inwit.errors import OutsideNodeError
from inwit.runtime.runtime import DEFAULT_RUNTIME


class State(TypedDict, total=False):
    message: str
    n: int


@dataclass
class Dependencies:
    user: str
    limit: int = 3


class Model(pydantic.BaseModel):
    user: str
    limit: int = 3


class Typed(TypedDict):
    user: str


def one(node: Any, *, context_schema: Any = None, **options: Any) -> Any:
    graph = StateGraph(State, context_schema=context_schema)
    graph.add_node("node", node)
    graph.add_edge(START, "node")
    return graph.compile(name="one", **options)


def by_parameter(state: State, runtime: Runtime[Dependencies]) -> dict[str, Any]:
    return {"message": f"{runtime.context.user} {runtime.context.limit}"}


def by_type(state: State, rt: Runtime[Dependencies]) -> dict[str, Any]:
    return {"message": f"{rt.context.user} {rt.context.limit}"}


def by_call(state: State) -> dict[str, Any]:
    context = get_runtime(Dependencies).context
    return {"message": f"{context.user} {context.limit}"}


async def in_async(state: State, runtime: Runtime[Dependencies]) -> dict[str, Any]:
    return {"message": f"{runtime.context.user} {get_runtime(Dependencies).context.limit}"}


@pytest.mark.parametrize("node", [by_parameter, by_type, by_call, in_async])
@pytest.mark.parametrize("schema", [Dependencies, Model])
@pytest.mark.parametrize("is_dict", [False, True])
def test_a_node_is_handed_the_calls_context_as_the_graphs_class(
    node: Any, schema: Any, is_dict: bool, project: Any
) -> None:
    given = {"user": "ada", "limit": 5} if is_dict else schema(user="ada", limit=5)

    app = one(node, context_schema=schema)

    assert app.invoke({}, context=given)["message"] == "ada 5"


def test_a_context_that_does_not_fit_is_refused_by_its_class(project: Any) -> None:
    with pytest.raises(TypeError, match="name"):
        one(by_parameter, context_schema=Dependencies).invoke({}, context={"name": "ada"})
    with pytest.raises(pydantic.ValidationError):
        one(by_parameter, context_schema=Model).invoke({}, context={"user": 7})


def test_a_typed_dict_and_no_class_take_the_context_as_it_is(project: Any) -> None:
    def node(state: State, runtime: Runtime[Any]) -> dict[str, Any]:
        return {"message": repr(runtime.context)}

    assert one(node, context_schema=Typed).invoke({}, context={"user": "a"})["message"] == (
        "{'user': 'a'}"
    )
    assert one(node).invoke({}, context=7)["message"] == "7"
    assert one(node).invoke({})["message"] == "None"


def test_a_graph_within_is_handed_the_context_around_it(project: Any) -> None:
    inner = one(by_parameter, context_schema=Dependencies)
    outer = one(inner, context_schema=Dependencies)

    assert outer.invoke({}, context=Dependencies("ada"))["message"] == "ada 3"


def test_config_writer_and_store_are_found_as_in_langgraph(project: Any) -> None:
    told = []
    for is_ours in (False, True):
        graph_type: Any = inwit.StateGraph if is_ours else langgraph.graph.StateGraph
        config_of: Any = get_config if is_ours else langgraph.config.get_config
        store_of: Any = get_store if is_ours else langgraph.config.get_store
        writer_of: Any = get_stream_writer if is_ours else langgraph.config.get_stream_writer
        store: Any = InMemoryStore() if is_ours else langgraph.store.memory.InMemoryStore()
        store.put(("users",), "ada", {"likes": "tea"})

        def node(
            state: State, c: Any = config_of, s: Any = store_of, w: Any = writer_of
        ) -> dict[str, Any]:
            w()({"at": c()["metadata"]["langgraph_node"]})
            found = c()["configurable"]
            return {"message": f"{s().get(('users',), 'ada').value} {found['mine']}"}

        graph = graph_type(State)
        graph.add_node("node", node)
        graph.add_edge(START, "node")
        app = graph.compile(store=store)
        config = {"configurable": {"thread_id": "t", "mine": 3}}
        told.append(list(app.stream({}, config, stream_mode=["custom", "values"])))

    assert told[0] == told[1]


@pytest.mark.parametrize("ask", [get_runtime, get_config, get_store, get_stream_writer])
def test_outside_of_a_node_there_is_nothing_to_ask(ask: Any) -> None:
    with pytest.raises(OutsideNodeError, match=ask.__name__):
        ask()
    with pytest.raises(RuntimeError):
        ask()


@pytest.mark.parametrize("kind", [InMemoryStore, SqliteStore])
def test_threads_share_what_nodes_keep_in_the_store(kind: Any, project: Any) -> None:
    def keep(state: State, store: BaseStore) -> dict[str, Any]:
        known = store.get(("counts",), "n")
        count = 1 if known is None else known.value["n"] + 1
        store.put(("counts",), "n", {"n": count})
        return {"n": count}

    app = one(keep, store=kind())

    assert [app.invoke({}, thread_id=thread)["n"] for thread in ("a", "b", "a")] == [1, 2, 3]


@pytest.mark.anyio
async def test_an_async_node_keeps_and_searches_without_holding_the_loop(project: Any) -> None:
    async def node(state: State, runtime: Runtime[None]) -> dict[str, Any]:
        assert runtime.store is not None
        await runtime.store.aput(("notes",), "one", {"text": "tea"})
        found = await runtime.store.asearch(("notes",))
        return {"message": found[0].value["text"]}

    app = one(node, store=SqliteStore())

    assert (await app.ainvoke({}))["message"] == "tea"


def test_it_says_where_in_the_execution_the_node_runs(project: Any) -> None:
    seen: list[ExecutionInfo] = []

    def node(state: State, runtime: Runtime[None]) -> dict[str, Any]:
        assert runtime.execution_info is not None
        seen.append(runtime.execution_info)
        return {"n": 1}

    app = one(node)
    app.invoke({}, {"configurable": {"thread_id": "t"}})

    [info] = seen
    assert info.thread_id == "t" and info.run_id == app.last_execution_id
    assert info.task_id and info.checkpoint_id and info.node_attempt == 1
    assert info.checkpoint_ns == f"node:{info.task_id}"


def test_a_runtime_is_changed_by_making_another_as_in_langgraph() -> None:
    def writer(_: Any) -> None:
        pass

    shown = []
    for kind, info_kind in (
        (langgraph.runtime.Runtime, langgraph.runtime.ExecutionInfo),
        (Runtime, ExecutionInfo),
    ):
        made: Any = kind(context="a", stream_writer=writer)
        info: Any = info_kind(checkpoint_id="c", checkpoint_ns="", task_id="t")
        other: Any = kind(previous=3, execution_info=info)
        merged = made.merge(other).patch_execution_info(node_attempt=2)
        shown.append((
            merged.context, merged.previous, merged.stream_writer is writer,
            merged.execution_info.node_attempt, merged.execution_info.task_id,
            merged.override(context="b").context, merged.drain_requested, merged.drain_reason,
        ))  # fmt: skip
        with pytest.raises(RuntimeError):
            made.patch_execution_info(node_attempt=2)

    assert shown[0] == shown[1]
    DEFAULT_RUNTIME.heartbeat()
    DEFAULT_RUNTIME.stream_writer("unheard")


def test_a_node_is_told_its_place_among_those_that_were_sent_as_in_langgraph() -> None:
    class Sent(TypedDict, total=False):
        log: Annotated[list[Any], operator.add]

    def node(_: Any, config: RunnableConfig) -> Sent:
        return {"log": [config["metadata"]["langgraph_path"]]}

    def paths(lib: Any) -> list[Any]:
        graph = lib.StateGraph(Sent).add_node("node", node)
        send = langgraph.types.Send if lib is langgraph.graph else inwit.Send
        graph.add_conditional_edges(START, lambda _: [send("node", {})] * 2, ["node"])
        return list(graph.compile().invoke({"log": []})["log"])

    assert (
        paths(inwit)
        == paths(langgraph.graph)
        == [("__pregel_push", 0, False), ("__pregel_push", 1, False)]
    )


def test_a_runtime_that_is_merged_keeps_what_the_other_lacks() -> None:
    def alive() -> None:
        pass

    info = ExecutionInfo(checkpoint_id="c", checkpoint_ns="", task_id="t")
    full: Runtime[Any] = Runtime(
        context="a", store=InMemoryStore(), stream_writer=print, heartbeat=alive, previous=3,
        execution_info=info, server_info="server", control=RunControl(),
    )  # fmt: skip

    empty: Runtime[Any] = Runtime()

    assert full.merge(empty) == full
    assert empty.merge(full) == full


def test_an_execution_can_be_asked_to_stop() -> None:
    control = RunControl()
    runtime: Runtime[None] = Runtime(control=control)
    control.request_drain("tired")

    assert (runtime.drain_requested, runtime.drain_reason) == (True, "tired")
