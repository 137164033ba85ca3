"""Callbacks of langchain-core: they are told of a call, its nodes, its graphs within and its tasks."""

from typing import Any, TypedDict

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.runnables import RunnableLambda


class State(TypedDict, total=False):
    text: str


class Listener(BaseCallbackHandler):
    """Writes down what begins and ends, and within what."""

    run_inline = True

    def __init__(self) -> None:
        self.names: dict[Any, str] = {}
        self.heard: list[Any] = []

    def on_chain_start(
        self, serialized: Any, inputs: Any, *, run_id: Any, parent_run_id: Any = None, **more: Any
    ) -> None:
        self.names[run_id] = more["name"]
        self.heard.append(("begins", more["name"], self.names.get(parent_run_id), inputs))

    def on_chain_end(self, outputs: Any, *, run_id: Any, **_: Any) -> None:
        self.heard.append(("ends", self.names[run_id], outputs))

    def on_chain_error(self, error: BaseException, *, run_id: Any, **_: Any) -> None:
        self.heard.append(("fails", self.names[run_id], type(error).__name__))


def _graph(lib: Any, node: Any) -> Any:
    within = lib.StateGraph(State).add_node("deep", node).add_edge(lib.START, "deep")
    around = lib.StateGraph(State).add_node("first", lambda state: {"text": state["text"] + "1"})
    around.add_node("within", lambda state: within.compile(name="graph").invoke(state))
    return around.add_edge(lib.START, "first").add_edge("first", "within").compile(name="graph")


def _told(lib: Any, node: Any) -> Any:
    listener = Listener()
    graph = _graph(lib, node)
    config = {"callbacks": [listener], "run_name": "call"}
    try:
        graph.invoke({"text": "a"}, config)
    except ValueError:
        listener.heard.append("failed")
    return listener.heard


def callbacks_hear_of_nodes(lib):
    return _told(lib, lambda state: {"text": state["text"] + "2"})


def callbacks_hear_of_failures(lib):
    def node(state: State) -> Any:
        raise ValueError("no")

    return _told(lib, node)


def callbacks_hear_of_what_nodes_call(lib):
    chain = RunnableLambda(lambda text: text + "!").with_config(run_name="chain")
    return _told(lib, lambda state: {"text": chain.invoke(state["text"])})


def callbacks_hear_of_routers_and_of_what_they_call(lib):
    judge = RunnableLambda(lambda text: text == "a1").with_config(run_name="judge")

    def route(state: State) -> str:
        return "one" if judge.invoke(state["text"]) else lib.END

    graph = lib.StateGraph(State).add_node("one", lambda state: {"text": state["text"] + "1"})
    graph.add_edge(lib.START, "one").add_conditional_edges("one", route)
    listener = Listener()
    graph.compile(name="graph").invoke({"text": "a"}, {"callbacks": [listener]})
    return sorted(map(str, ((one[0], one[1], one[-1]) for one in listener.heard)))


async def callbacks_hear_of_async_nodes(lib):
    async def node(state: State) -> Any:
        return {"text": state["text"] + "2"}

    listener = Listener()
    graph = lib.StateGraph(State).add_node("node", node).add_edge(lib.START, "node").compile()
    await graph.ainvoke({"text": "a"}, {"callbacks": [listener], "run_name": "call"})
    return listener.heard


def bound_callbacks_and_those_of_a_call_both_hear(lib):
    bound, given = Listener(), Listener()
    graph = _graph(lib, lambda state: {"text": "b"}).with_config(callbacks=[bound])
    graph.invoke({"text": "a"}, {"callbacks": [given], "run_name": "call"})
    return [bound.heard, given.heard]


async def events_of_langchain_core(lib):
    graph = _graph(lib, lambda state: {"text": state["text"] + "2"})
    config = {"run_name": "call"}
    return [
        (event["event"], event["name"], event["data"].get("output"))
        async for event in graph.astream_events({"text": "a"}, config, version="v2")
        if event["event"] in ("on_chain_start", "on_chain_end")
    ]


async def events_of_langchain_core_stream_what_each_node_gave(lib):
    async def two(state: State) -> Any:
        return {"text": state["text"] + "2"}

    inner = _graph(lib, lambda state: {"text": state["text"] + "1"})
    graph = lib.StateGraph(State).add_node("inner", inner).add_node("two", two)
    graph.add_node("none", lambda state: None).add_edge(lib.START, "inner")
    graph.add_edge("inner", "two").add_edge("two", "none")
    return [
        (event["event"], event["name"], event["data"], len(event["parent_ids"]), event["tags"])
        async for event in graph.compile().astream_events(
            {"text": "a"}, {"run_name": "call"}, version="v2"
        )
        if event["name"] in ("call", "first", "two", "none")
    ]


async def events_of_langchain_core_tell_what_an_entry_point_gave(lib):
    @lib.entrypoint()
    async def flow(number: int) -> Any:
        return {"output": number + 1}

    return [
        (event["event"], event["data"])
        async for event in flow.astream_events(1, version="v2")
        if event["name"] == "flow"
    ]


def a_graph_in_a_chain(lib):
    graph = _graph(lib, lambda state: {"text": state["text"] + "2"})
    chain = graph | RunnableLambda(lambda state: state["text"])
    return [
        chain.invoke({"text": "a"}),
        (RunnableLambda(dict) | graph.invoke).invoke({"text": "b"}),
    ]
