"""Streams: what each mode tells, alone and together."""

import operator
import warnings
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

from langchain_core.runnables import RunnableConfig
from langchain_core.tools import tool
from pydantic import BaseModel

from tests.langgraph.scenarios.telling import listed, raised, thread, unordered, until_raised


class State(TypedDict, total=False):
    a: str
    log: Annotated[list[str], operator.add]


def _log(name: str) -> Any:
    return lambda state: {"log": [name]}


def _chain(lib: Any, **options: Any) -> Any:
    graph = lib.StateGraph(State).add_sequence([("one", _log("one")), ("two", _log("two"))])
    return graph.add_edge(lib.START, "one").compile(**options)


def _untimed(chunks: Any) -> list[Any]:
    return [{**chunk, "timestamp": None} for chunk in chunks]


def tasks_tell_begin_and_end(lib):
    return list(_chain(lib).stream({"a": "x"}, stream_mode="tasks"))


def tasks_of_failing_nodes_tell_the_error(lib):
    def fails(state: State) -> Any:
        raise ValueError("because")

    graph = lib.StateGraph(State).add_node(fails).add_edge(lib.START, "fails").compile()
    return until_raised(graph.stream({}, stream_mode="tasks"))


def tasks_of_several_writes_tell_all(lib):
    updates = [lib.Command(update={"log": ["one"]}), lib.Command(update={"log": ["two"]})]
    graph = lib.StateGraph(State).add_node("node", lambda state: updates)
    return list(graph.add_edge(lib.START, "node").compile().stream({}, stream_mode="tasks"))


def checkpoints_tell_each_saved_state(lib):
    graph = _chain(lib, checkpointer=lib.InMemorySaver())
    return list(graph.stream({"a": "x"}, thread(), stream_mode="checkpoints"))


def checkpoints_without_a_checkpointer_are_told_all_the_same(lib):
    chunks = list(_chain(lib).stream({"a": "x"}, stream_mode="checkpoints"))
    return [(chunk["values"], chunk["next"], chunk["metadata"]["step"]) for chunk in chunks]


def debug_tells_checkpoints_and_tasks(lib):
    graph = _chain(lib, checkpointer=lib.InMemorySaver())
    return _untimed(graph.stream({"a": "x"}, thread(), stream_mode="debug"))


def debug_without_a_checkpointer(lib):
    chunks = list(_chain(lib).stream({"a": "x"}, stream_mode="debug"))
    return [(chunk["step"], chunk["type"], sorted(chunk["payload"])) for chunk in chunks]


def custom_gives_what_nodes_write(lib):
    def node(state: State, writer):
        writer("one")
        writer({"two": 2})
        lib.get_stream_writer()(3)
        return {"log": ["node"]}

    graph = lib.StateGraph(State).add_node("node", node).add_edge(lib.START, "node").compile()
    return [
        list(graph.stream({}, stream_mode="custom")),
        list(graph.stream({}, stream_mode=["custom", "updates"])),
        graph.invoke({}),
    ]


def a_writer_is_known_by_its_type_too(lib):
    def node(state: State, *, writer: lib.StreamWriter) -> Any:
        writer("typed")

    graph = lib.StateGraph(State).add_node("node", node).add_edge(lib.START, "node").compile()
    return list(graph.stream({}, stream_mode="custom"))


async def async_nodes_write_too(lib):
    async def node(state: State, writer):
        writer("one")
        return {"log": ["node"]}

    graph = lib.StateGraph(State).add_node("node", node).add_edge(lib.START, "node").compile()
    return await listed(graph.astream({}, stream_mode=["custom", "values"]))


def routers_write_too(lib):
    def route(state: State) -> str:
        lib.get_stream_writer()("deciding")
        return lib.END

    graph = lib.StateGraph(State).add_node("one", _log("one")).add_edge(lib.START, "one")
    graph.add_conditional_edges("one", route)
    return list(graph.compile().stream({}, stream_mode="custom"))


def several_modes_name_each_chunk(lib):
    modes = ["values", "updates", "tasks"]
    return list(_chain(lib).stream({"a": "x"}, stream_mode=modes))


def one_mode_in_a_list_is_named(lib):
    return list(_chain(lib).stream({"a": "x"}, stream_mode=["values"]))


def an_unknown_mode_gives_nothing_or_fails(lib):
    return raised(lambda: list(_chain(lib).stream({"a": "x"}, stream_mode=[])))


def values_are_given_only_where_something_was_written(lib):
    graph = lib.StateGraph(State).add_sequence([("one", lambda s: None), ("two", _log("two"))])
    app = graph.add_edge(lib.START, "one").compile()
    return [list(app.stream(given, stream_mode="values")) for given in ({"a": "x"}, {})]


def values_of_a_state_that_stays_empty(lib):
    class Bare(TypedDict, total=False):
        a: str

    graph = (
        lib.StateGraph(Bare).add_node("one", lambda s: None).add_edge(lib.START, "one").compile()
    )
    return [graph.invoke({}), list(graph.stream({}, stream_mode="values"))]


def parallel_nodes_give_an_update_each(lib):
    graph = lib.StateGraph(State)
    for name in ("b", "a"):
        graph.add_node(name, _log(name)).add_edge(lib.START, name)
    app = graph.compile()
    return [unordered(app.stream({})), list(app.stream({}, stream_mode="values"))]


def tasks_of_a_parallel_step_begin_together(lib):
    graph = lib.StateGraph(State)
    for name in ("b", "a"):
        graph.add_node(name, _log(name)).add_edge(lib.START, name)
    chunks = list(graph.compile().stream({}, stream_mode="tasks"))
    return [[chunk["name"] for chunk in chunks if "input" in chunk], "input" in chunks[1]]


def hidden_tags_hide_a_node(lib):
    from langchain_core.runnables import RunnableLambda

    hidden = RunnableLambda(_log("hidden")).with_config(tags=["langsmith:hidden"])
    graph = lib.StateGraph(State).add_sequence([("hidden", hidden), ("two", _log("two"))])
    return list(graph.add_edge(lib.START, "hidden").compile().stream({}))


def metadata_of_a_node_reaches_its_config(lib):
    def node(state: State, config: RunnableConfig) -> Any:
        return {"log": [config["metadata"]["mine"], config["metadata"]["langgraph_node"]]}

    graph = lib.StateGraph(State).add_node("node", node, metadata={"mine": "m"})
    return graph.add_edge(lib.START, "node").compile().invoke({})


def config_tells_where_a_node_runs(lib):
    def node(state: State, config: RunnableConfig) -> Any:
        keys = ("langgraph_step", "langgraph_node", "langgraph_triggers", "langgraph_path")
        found = {key: config["metadata"].get(key) for key in keys}
        return {"log": [str(found), str(config["tags"]), str(config["recursion_limit"])]}

    graph = lib.StateGraph(State).add_sequence([("one", _log("one")), ("node", node)])
    app = graph.add_edge(lib.START, "one").compile()
    return app.invoke({}, {"tags": ["t"], "recursion_limit": 9, "metadata": {"m": 1}})


def subgraphs_name_where_a_chunk_comes_from(lib):
    child = _chain(lib)
    graph = lib.StateGraph(State).add_node("child", child).add_edge(lib.START, "child").compile()
    return [
        list(graph.stream({"a": "x"}, subgraphs=True)),
        list(graph.stream({"a": "x"}, subgraphs=True, stream_mode=["values", "updates"])),
        list(graph.stream({"a": "x"}, stream_mode=["values", "updates"])),
        list(graph.stream({"a": "x"}, subgraphs=True, version="v2")),
    ]


def subgraphs_called_in_a_node_stream_too(lib):
    child = _chain(lib)

    def node(state: State) -> Any:
        return {"log": child.invoke({"log": ["in"]})["log"]}

    graph = lib.StateGraph(State).add_node("node", node).add_edge(lib.START, "node").compile()
    return [list(graph.stream({}, subgraphs=True)), list(graph.stream({}))]


async def subgraphs_stream_async(lib):
    child = _chain(lib)
    graph = lib.StateGraph(State).add_node("child", child).add_edge(lib.START, "child").compile()
    return await listed(graph.astream({"a": "x"}, subgraphs=True, stream_mode=["updates", "tasks"]))


def what_a_subgraph_writes_reaches_the_parents_custom_stream(lib):
    def inner(state: State, writer):
        writer("inner")

    child = lib.StateGraph(State).add_node("inner", inner).add_edge(lib.START, "inner").compile()
    graph = lib.StateGraph(State).add_node("child", child).add_edge(lib.START, "child").compile()
    return [
        list(graph.stream({}, stream_mode="custom")),
        list(graph.stream({}, stream_mode="custom", subgraphs=True)),
    ]


def deeper_subgraphs_give_longer_places(lib):
    low = lib.StateGraph(State).add_node("leaf", _log("leaf")).add_edge(lib.START, "leaf").compile()
    mid = lib.StateGraph(State).add_node("low", low).add_edge(lib.START, "low").compile()
    top = lib.StateGraph(State).add_node("mid", mid).add_edge(lib.START, "mid").compile()
    return list(top.stream({"a": "x"}, subgraphs=True))


def debug_of_subgraphs(lib):
    graph = lib.StateGraph(State).add_node("child", _chain(lib)).add_edge(lib.START, "child")
    app = graph.compile(checkpointer=lib.InMemorySaver())
    chunks = app.stream({"a": "x"}, thread(), stream_mode="debug", subgraphs=True)
    return [(ns, chunk["step"], chunk["type"], sorted(chunk["payload"])) for ns, chunk in chunks]


def _typed(lib, cls, ask=False):
    def node(state):
        if ask:
            lib.interrupt("sure?")
        return {"text": state.text + "!"}

    graph = lib.StateGraph(cls).add_node("node", node).add_edge(lib.START, "node")
    return graph.compile(checkpointer=lib.InMemorySaver())


def _shown(value):
    return [type(value).__name__, value.text, value.more] if hasattr(value, "text") else value


def _parts_of_a_typed_state(lib, cls, ask=False):
    graph, found = _typed(lib, cls, ask), []
    modes = ["values", "updates"]
    for part in graph.stream({"text": "a"}, thread(), stream_mode=modes, version="v2"):
        asked = [one.value for one in part.get("interrupts", ())]
        found.append((part["type"], asked, _shown(part["data"]) if part["type"] == "values" else 0))
    result = graph.invoke({"text": "b"}, thread("2"), version="v2")
    return [found, _shown(result.value), [one.value for one in result.interrupts]]


def _classes():
    @dataclass
    class Data:
        text: str = ""
        more: int = 3

    class Model(BaseModel):
        text: str = ""
        more: int = 3

    return Data, Model


def states_are_objects_in_the_second_version(lib):
    return [_parts_of_a_typed_state(lib, cls) for cls in _classes()]


def states_that_wait_are_objects_in_the_second_version(lib):
    return [_parts_of_a_typed_state(lib, cls, ask=True) for cls in _classes()]


def checkpoints_hold_objects_in_the_second_version(lib):
    found = []
    for cls in _classes():
        graph = _typed(lib, cls)
        for mode in ("checkpoints", "debug"):
            for part in graph.stream({"text": "a"}, thread(mode), stream_mode=mode, version="v2"):
                data = part["data"].get("payload", part["data"])
                if "values" in data:
                    found.append(_shown(data["values"]))
    return found


def results_of_the_second_version_by_their_keys(lib):
    result = _typed(lib, _classes()[0], ask=True).invoke({"text": "a"}, thread(), version="v2")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        asked = [one.value for one in result["__interrupt__"]]
        return [result["text"], "text" in result, "other" in result, asked]


@tool
def shout(text: str) -> str:
    """Say it louder."""
    return text.upper()


@tool
def fail(text: str) -> str:
    """Give up."""
    raise ValueError(text)


def _of_tools(lib, node):
    graph = lib.StateGraph(State).add_node("node", node).add_edge(lib.START, "node").compile()
    parts, found = graph.stream({"a": "x"}, stream_mode=["tools", "updates"]), []
    try:
        for mode, part in parts:
            plain = dict(part)
            if mode == "tools":
                plain["tool_call_id"] = type(plain["tool_call_id"]).__name__
            found.append((mode, plain))
    except ValueError as error:
        found.append(str(error))
    return found


def tools_tell_what_they_do(lib):
    return _of_tools(lib, lambda state: {"a": shout.invoke({"text": state["a"]})})


def tools_tell_why_they_fail(lib):
    return _of_tools(lib, lambda state: {"a": fail.invoke({"text": state["a"]})})
