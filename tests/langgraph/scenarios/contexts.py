"""What a node is given beside the state: config, runtime, store."""

import operator
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

from langchain_core.runnables import RunnableConfig

from tests.langgraph.scenarios.telling import raised, thread


class State(TypedDict, total=False):
    log: Annotated[list[Any], operator.add]


@dataclass
class Deps:
    who: str
    n: int = 1


def _single(lib: Any, node: Any, schema: Any = None, **options: Any) -> Any:
    graph = lib.StateGraph(State, schema) if schema else lib.StateGraph(State)
    return graph.add_node("node", node).add_edge(lib.START, "node").compile(**options)


def a_node_reads_its_config(lib):
    def node(state: State, config: RunnableConfig) -> Any:
        return {"log": [config["configurable"]["who"]]}

    return _single(lib, node).invoke({}, {"configurable": {"who": "ada"}})


def a_node_finds_its_config_by_name(lib):
    def node(state, config):
        return {"log": [config["configurable"]["who"]]}

    return _single(lib, node).invoke({}, {"configurable": {"who": "ada"}})


def the_config_may_be_asked_for(lib):
    def node(state: State) -> Any:
        return {"log": [lib.get_config()["configurable"]["who"]]}

    return _single(lib, node).invoke({}, {"configurable": {"who": "ada"}})


def the_config_is_there_without_one(lib):
    def node(state: State, config: RunnableConfig) -> Any:
        return {"log": ["thread_id" in config["configurable"], config.get("tags")]}

    return _single(lib, node).invoke({})


def outside_of_a_graph_there_is_no_config(lib):
    return [raised(lib.get_config), raised(lib.get_store), raised(lib.get_stream_writer)]


def a_runtime_holds_the_context(lib):
    def node(state: State, runtime: lib.Runtime[Deps]) -> Any:
        return {"log": [runtime.context.who, runtime.context.n, type(runtime.context).__name__]}

    graph = _single(lib, node, Deps)
    return [
        graph.invoke({}, context=Deps("ada")),
        graph.invoke({}, context={"who": "bob", "n": 2}),
        raised(lambda: graph.invoke({}, context={"nope": 1})),
    ]


def a_context_may_be_a_plain_dict(lib):
    class Ctx(TypedDict):
        who: str

    def node(state: State, runtime: lib.Runtime[Ctx]) -> Any:
        return {"log": [runtime.context["who"]]}

    return _single(lib, node, Ctx).invoke({}, context={"who": "ada"})


def a_runtime_without_a_context(lib):
    def node(state: State, runtime: lib.Runtime) -> Any:
        return {"log": [runtime.context, runtime.store, runtime.previous]}

    return _single(lib, node).invoke({})


def a_runtime_writes_to_the_stream(lib):
    def node(state: State, runtime: lib.Runtime) -> Any:
        runtime.stream_writer("written")

    return list(_single(lib, node).stream({}, stream_mode="custom"))


def the_runtime_may_be_asked_for(lib):
    def node(state: State) -> Any:
        return {"log": [lib.get_runtime(Deps).context.who]}

    return _single(lib, node, Deps).invoke({}, context=Deps("ada"))


def a_context_reaches_subgraphs(lib):
    def inner(state: State, runtime: lib.Runtime[Deps]) -> Any:
        return {"log": [runtime.context.who]}

    child = _single(lib, inner, Deps)
    return _single(lib, child, Deps).invoke({}, context=Deps("ada"))


def a_context_reaches_graphs_called_in_a_node(lib):
    def inner(state: State, runtime: lib.Runtime[Deps]) -> Any:
        return {"log": [runtime.context.who]}

    child = _single(lib, inner, Deps)
    return _single(lib, lambda s: {"log": child.invoke({})["log"]}, Deps).invoke(
        {}, context=Deps("a")
    )


def a_router_gets_the_runtime(lib):
    def route(state: State, runtime: lib.Runtime[Deps]) -> str:
        return runtime.context.who

    graph = lib.StateGraph(State, Deps).add_node("a", lambda s: {"log": ["a"]})
    graph.add_node("b", lambda s: {"log": ["b"]}).add_conditional_edges(lib.START, route)
    return graph.compile().invoke({}, context=Deps("b"))


def a_context_schema_by_its_name(lib):
    graph = lib.StateGraph(State, context_schema=Deps).add_node("node", lambda s: None)
    return raised(lambda: graph.add_edge(lib.START, "node").compile().invoke({}, context=Deps("a")))


def execution_info_says_where_it_runs(lib):
    def node(state: State, runtime: lib.Runtime) -> Any:
        info = runtime.execution_info
        return {"log": [info.thread_id, info.node_attempt, bool(info.task_id)]}

    app = _single(lib, node, checkpointer=lib.InMemorySaver())
    return app.invoke({}, thread("t"))


def a_store_is_shared_by_threads(lib):
    def node(state: State, *, store) -> Any:
        found = store.get(("users",), "ada")
        store.put(("users",), "ada", {"n": 1 if found is None else found.value["n"] + 1})
        return {"log": [found and found.value]}

    app = _single(lib, node, store=lib.InMemoryStore(), checkpointer=lib.InMemorySaver())
    return [app.invoke({}, thread("1")), app.invoke({}, thread("2"))]


def a_store_is_known_by_its_type(lib):
    def node(state: State, config: RunnableConfig, *, store: lib.BaseStore) -> Any:
        store.put(("a",), "k", {"v": 1})
        return {"log": [store.get(("a",), "k").value]}

    return _single(lib, node, store=lib.InMemoryStore()).invoke({})


def a_store_may_be_asked_for(lib):
    def node(state: State, runtime: lib.Runtime) -> Any:
        lib.get_store().put(("a",), "k", {"v": 1})
        return {"log": [runtime.store.get(("a",), "k").value]}

    return _single(lib, node, store=lib.InMemoryStore()).invoke({})


def a_store_reaches_subgraphs(lib):
    def inner(state: State, *, store: lib.BaseStore) -> Any:
        return {"log": [store.get(("a",), "k").value]}

    store = lib.InMemoryStore()
    store.put(("a",), "k", {"v": 1})
    return _single(lib, _single(lib, inner), store=store).invoke({})


def stores_put_get_search_and_list(lib):
    store = lib.InMemoryStore()
    store.put(("docs", "a"), "1", {"kind": "x", "n": 1})
    store.put(("docs", "a"), "2", {"kind": "y", "n": 2})
    store.put(("docs", "b"), "3", {"kind": "x", "n": 3})
    store.delete(("docs", "a"), "nope")
    item = store.get(("docs", "a"), "1")
    found = [
        [item.key, item.namespace, item.value],
        store.get(("docs", "a"), "9"),
        sorted(one.key for one in store.search(("docs",))),
        sorted(one.key for one in store.search(("docs",), filter={"kind": "x"})),
        sorted(one.key for one in store.search(("docs",), filter={"n": {"$gt": 1}})),
        len(store.search(("docs",), limit=2)),
        sorted(store.list_namespaces()),
        sorted(store.list_namespaces(prefix=("docs",), max_depth=1)),
        sorted(store.list_namespaces(suffix=("b",))),
    ]
    store.delete(("docs", "a"), "1")
    return [found, store.get(("docs", "a"), "1")]


async def stores_async(lib):
    store = lib.InMemoryStore()
    await store.aput(("a",), "k", {"v": 1})
    found = await store.aget(("a",), "k")
    searched = await store.asearch(("a",))
    await store.adelete(("a",), "k")
    return [
        found.value,
        len(searched),
        await store.aget(("a",), "k"),
        await store.alist_namespaces(),
    ]


def stores_refuse_bad_namespaces(lib):
    store = lib.InMemoryStore()
    return [
        raised(lambda: store.put((), "k", {})),
        raised(lambda: store.put(("a.b",), "k", {})),
        raised(lambda: store.put(("",), "k", {})),
    ]


def a_drain_stops_between_steps(lib):
    control = lib.RunControl()

    def first(state: State) -> Any:
        control.request_drain("because")
        return {"log": ["first"]}

    graph = lib.StateGraph(State).add_sequence([first, ("second", lambda s: {"log": ["second"]})])
    app = graph.add_edge(lib.START, "first").compile(checkpointer=lib.InMemorySaver())
    return [
        raised(lambda: app.invoke({}, thread(), control=control)),
        app.get_state(thread()).next,
        app.invoke(None, thread()),
    ]
