"""Invoking: what goes in, what comes out, sync and async."""

import io
import operator
from contextlib import redirect_stdout
from typing import Annotated, Any, TypedDict

from langchain_core.runnables import RunnableConfig

from tests.langgraph.scenarios.telling import araised, listed, raised, thread, until_raised


class State(TypedDict, total=False):
    a: str
    n: int
    log: Annotated[list[str], operator.add]


def _one(state: State) -> State:
    return {"a": "one", "log": ["one"]}


def _two(state: State) -> State:
    return {"log": [f"two after {state['a']}"]}


def _chain(lib: Any, **options: Any) -> Any:
    graph = lib.StateGraph(State).add_sequence([("one", _one), ("two", _two)])
    return graph.add_edge(lib.START, "one").compile(**options)


def invoke_gives_the_final_state(lib):
    return _chain(lib).invoke({"a": "x", "n": 1, "log": ["in"]})


def keys_that_nobody_wrote_are_absent_but_reducers_begin_empty(lib):
    return _chain(lib).invoke({"a": "x"})


async def ainvoke_gives_the_final_state(lib):
    return await _chain(lib).ainvoke({"a": "x"})


def input_keys_unknown_to_the_state_are_ignored(lib):
    return _chain(lib).invoke({"a": "x", "nope": 1})


def an_empty_dict_is_an_input(lib):
    graph = lib.StateGraph(State).add_node("only", lambda state: {"log": [repr(dict(state))]})
    return graph.add_edge(lib.START, "only").compile().invoke({})


def no_input_is_refused(lib):
    return raised(lambda: _chain(lib).invoke(None), "no input")


def no_input_on_a_fresh_thread_is_refused(lib):
    return raised(lambda: _chain(lib, checkpointer=lib.InMemorySaver()).invoke(None, thread()))


def an_input_that_is_no_dict_is_refused(lib):
    return [raised(lambda v=v: _chain(lib).invoke(v), "Expected dict") for v in (["a"], "a", 5)]


def output_keys_choose_what_comes_back(lib):
    graph = _chain(lib)
    return [
        graph.invoke({"a": "x"}, output_keys=["a"]),
        graph.invoke({"a": "x"}, output_keys="a"),
        list(graph.stream({"a": "x"}, output_keys=["log"], stream_mode="values")),
        list(graph.stream({"a": "x"}, output_keys="a", stream_mode="values")),
        list(graph.stream({"a": "x"}, output_keys=["a"], stream_mode="updates")),
        raised(lambda: graph.invoke({"a": "x"}, output_keys=["nope"])),
    ]


def invoke_takes_a_stream_mode_and_gives_its_chunks(lib):
    graph = _chain(lib)
    return [
        graph.invoke({"a": "x"}, stream_mode="updates"),
        graph.invoke({"a": "x"}, stream_mode="values"),
        graph.invoke({"a": "x"}, stream_mode=["values", "updates"]),
    ]


def the_second_version_of_results_is_typed(lib):
    found = _chain(lib).invoke({"a": "x"}, version="v2")
    return [type(found).__name__, found.value, found.interrupts]


def the_second_version_of_chunks_names_mode_and_place(lib):
    modes = ["values", "updates", "custom"]
    return list(_chain(lib).stream({"a": "x"}, stream_mode=modes, version="v2"))


def streams_give_updates_unless_asked_otherwise(lib):
    return list(_chain(lib).stream({"a": "x"}))


async def astream_gives_what_stream_gives(lib):
    graph = _chain(lib)
    return [
        await listed(graph.astream({"a": "x"})),
        await listed(graph.astream({"a": "x"}, stream_mode="values")),
        await listed(graph.astream({"a": "x"}, stream_mode=["updates", "values"])),
    ]


def batch_runs_each_input(lib):
    return _chain(lib).batch([{"a": "x"}, {"a": "y", "log": ["in"]}])


async def abatch_runs_each_input(lib):
    return await _chain(lib).abatch([{"a": "x"}, {"a": "y", "log": ["in"]}])


def batch_takes_one_config_each(lib):
    graph = _chain(lib, checkpointer=lib.InMemorySaver())
    found = graph.batch([{"a": "x"}, {"a": "y"}], [thread("1"), thread("2")])
    return [found, graph.get_state(thread("2")).values, graph.get_state(thread("1")).values]


def with_config_binds_a_config(lib):
    def node(state: State, config: RunnableConfig) -> State:
        return {"log": [config["configurable"]["who"], *config["tags"]]}

    graph = lib.StateGraph(State).add_node("node", node).add_edge(lib.START, "node").compile()
    bound = graph.with_config({"configurable": {"who": "ada"}, "tags": ["t"]})
    return [bound.invoke({}), bound.invoke({}, {"configurable": {"who": "bob"}})]


def a_thread_id_in_a_bound_config_counts(lib):
    graph = _chain(lib, checkpointer=lib.InMemorySaver())
    bound = graph.with_config({"configurable": {"thread_id": "t"}})
    bound.invoke({"a": "x"})
    return [bound.invoke({"a": "y"}), graph.get_state(thread("t")).values]


def a_thread_keeps_its_state_between_invocations(lib):
    graph = _chain(lib, checkpointer=lib.InMemorySaver())
    return [
        graph.invoke({"a": "x"}, thread()),
        graph.invoke({"n": 2}, thread()),
        graph.invoke({"n": 2}, thread("2")),
    ]


def a_checkpointer_needs_a_thread(lib):
    graph = _chain(lib, checkpointer=lib.InMemorySaver())
    return [
        raised(lambda: graph.invoke({"a": "x"}), "thread_id"),
        raised(lambda: graph.invoke({"a": "x"}, {"configurable": {}}), "thread_id"),
    ]


def graphs_without_a_checkpointer_remember_nothing(lib):
    graph = _chain(lib)
    graph.invoke({"a": "x"}, thread())
    return [graph.invoke({}, thread()), raised(lambda: graph.get_state(thread()), "checkpointer")]


def a_compiled_graph_says_its_name(lib):
    return [_chain(lib).name, _chain(lib, name="mine").name, _chain(lib, name="mine").get_name()]


def one_builder_compiles_to_many(lib):
    builder = lib.StateGraph(State).add_node("one", _one).add_edge(lib.START, "one")
    first = builder.compile()
    builder.add_node("two", _two).add_edge("one", "two")
    return [first.invoke({}), builder.compile().invoke({})]


def the_input_is_left_as_it_was(lib):
    given = {"a": "x", "log": ["in"]}
    _chain(lib).invoke(given)
    return given


def a_node_may_change_its_copy_of_the_state(lib):
    def sly(state: State) -> State:
        state["a"] = "changed"
        return {"n": 1}

    graph = lib.StateGraph(State).add_node("sly", sly).add_edge(lib.START, "sly").compile()
    return graph.invoke({"a": "x"})


async def async_nodes_run_beside_sync_ones(lib):
    async def later(state: State) -> State:
        return {"log": ["later"]}

    graph = lib.StateGraph(State).add_sequence([_one, later, _two]).set_entry_point("_one")
    return await graph.compile().ainvoke({})


def async_nodes_need_async_methods(lib):
    async def later(state: State) -> State:
        return {"log": ["later"]}

    graph = lib.StateGraph(State).add_node(later).set_entry_point("later").compile()
    return raised(lambda: graph.invoke({}))


def an_error_of_a_node_comes_out_as_it_is(lib):
    def fails(state: State) -> State:
        raise ZeroDivisionError("because")

    graph = lib.StateGraph(State).add_sequence([_one, fails]).set_entry_point("_one").compile()
    return [
        raised(lambda: graph.invoke({}), "because"),
        until_raised(graph.stream({})),
        until_raised(graph.stream({}, stream_mode="values")),
    ]


async def an_error_of_an_async_node_comes_out_as_it_is(lib):
    async def fails(state: State) -> State:
        raise ZeroDivisionError("because")

    graph = lib.StateGraph(State).add_node(fails).set_entry_point("fails").compile()
    return await araised(graph.ainvoke({}), "because")


def a_stream_may_be_left_early(lib):
    chunks = _chain(lib).stream({"a": "x"})
    first = next(chunks)
    chunks.close()
    return first


def print_mode_prints_and_changes_nothing(lib):
    said = io.StringIO()
    with redirect_stdout(said):
        given = _chain(lib).invoke({"a": "x"}, print_mode=["updates"])
        streamed = list(_chain(lib).stream({"a": "x"}, print_mode="values", debug=False))
        _chain(lib).invoke({"a": "x"}, debug=True)
    modes = [found for found in ("updates", "values") for _ in range(said.getvalue().count(found))]
    return given, streamed, modes


def falsy_values_are_values(lib):
    def node(state: State) -> State:
        return {"a": "", "n": 0, "log": []}

    graph = lib.StateGraph(State).add_node("node", node).add_edge(lib.START, "node").compile()
    return [graph.invoke({"a": "x", "n": 1}), list(graph.stream({"a": "x", "n": 1}))]


def a_node_that_writes_nothing_gives_none_as_its_update(lib):
    graph = lib.StateGraph(State).add_node("idle", lambda state: None).set_entry_point("idle")
    return [graph.compile().invoke({"a": "x"}), list(graph.compile().stream({"a": "x"}))]


def an_empty_update_is_none_too(lib):
    graph = lib.StateGraph(State).add_node("idle", lambda state: {}).set_entry_point("idle")
    return [graph.compile().invoke({"a": "x"}), list(graph.compile().stream({"a": "x"}))]
