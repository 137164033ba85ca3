"""Threads: reading, changing and listing what was saved."""

import operator
from itertools import pairwise
from typing import Annotated, Any, TypedDict

from tests.langgraph.scenarios.telling import history, raised, thread, told


class State(TypedDict, total=False):
    a: str
    log: Annotated[list[str], operator.add]


def _log(name: str) -> Any:
    return lambda state: {"log": [name]}


def _graph(lib: Any, names: str = "abc", **options: Any) -> Any:
    graph = lib.StateGraph(State).add_sequence([(name, _log(name)) for name in names])
    return graph.add_edge(lib.START, names[0]).compile(checkpointer=lib.InMemorySaver(), **options)


def the_state_of_a_finished_thread(lib):
    graph = _graph(lib)
    graph.invoke({"a": "x"}, thread())
    state = graph.get_state(thread())
    return [told(state), state.config, state.parent_config]


def the_state_of_an_unknown_thread(lib):
    return [told(_graph(lib).get_state(thread())), _graph(lib).get_state(thread()).config]


def the_history_of_a_thread(lib):
    graph = _graph(lib)
    graph.invoke({"a": "x"}, thread())
    graph.invoke({"a": "y"}, thread())
    return history(graph, thread())


async def the_history_of_a_thread_async(lib):
    graph = _graph(lib)
    await graph.ainvoke({"a": "x"}, thread())
    return [told(state) async for state in graph.aget_state_history(thread())]


def a_history_may_be_limited(lib):
    graph = _graph(lib)
    graph.invoke({"a": "x"}, thread())
    return history(graph, thread(), limit=2)


def a_history_may_be_that_before_a_checkpoint(lib):
    graph = _graph(lib)
    graph.invoke({"a": "x"}, thread())
    second = [*graph.get_state_history(thread())][2]
    return history(graph, thread(), before=second.config)


def a_history_may_be_filtered(lib):
    graph = _graph(lib)
    graph.invoke({"a": "x"}, thread())
    return [
        history(graph, thread(), filter={"source": "input"}),
        history(graph, thread(), filter={"step": 2}),
        history(graph, thread(), filter={"source": "nope"}),
    ]


def the_state_at_a_checkpoint(lib):
    graph = _graph(lib)
    graph.invoke({"a": "x"}, thread())
    states = [*graph.get_state_history(thread())]
    return [told(graph.get_state(state.config)) == told(state) for state in states]


def checkpoints_are_chained_by_their_parents(lib):
    graph = _graph(lib)
    graph.invoke({"a": "x"}, thread())
    states = [*graph.get_state_history(thread())]
    return [late.parent_config == early.config for late, early in pairwise(states)]


def metadata_of_the_call_is_kept(lib):
    graph = _graph(lib)
    config = {**thread(user="ada"), "metadata": {"mine": 1}}
    graph.invoke({"a": "x"}, config)
    return dict(graph.get_state(thread()).metadata)


def updating_a_finished_thread(lib):
    graph = _graph(lib)
    graph.invoke({"a": "x"}, thread())
    config = graph.update_state(thread(), {"a": "new", "log": ["u"]})
    return [
        sorted(config["configurable"]),
        told(graph.get_state(thread())),
        told(graph.get_state(config)) == told(graph.get_state(thread())),
    ]


def updating_as_a_node_leads_on_from_it(lib):
    graph = _graph(lib)
    graph.invoke({"a": "x"}, thread())
    graph.update_state(thread(), {"log": ["u"]}, as_node="a")
    return [told(graph.get_state(thread())), graph.invoke(None, thread())]


def updating_a_fresh_thread(lib):
    graph = _graph(lib)
    return [
        raised(lambda: graph.update_state(thread(), {"log": ["u"]})),
        raised(lambda: graph.update_state(thread("2"), {"log": ["u"]}, as_node="b")) is not None,
        told(graph.get_state(thread("2"))),
        graph.invoke(None, thread("2")),
    ]


def updating_as_the_start_is_an_input(lib):
    graph = _graph(lib)
    graph.update_state(thread(), {"a": "x", "log": ["in"]}, as_node=lib.START)
    return [told(graph.get_state(thread())), graph.invoke(None, thread())]


def updating_as_an_unknown_node_is_refused(lib):
    graph = _graph(lib)
    graph.invoke({"a": "x"}, thread())
    return raised(lambda: graph.update_state(thread(), {"log": ["u"]}, as_node="nope"), "nope")


def updating_with_nothing_keeps_the_state(lib):
    graph = _graph(lib)
    graph.invoke({"a": "x"}, thread())
    graph.update_state(thread(), None)
    return told(graph.get_state(thread()))


def updating_with_nothing_as_the_end_clears_what_waits(lib):
    graph = _graph(lib, interrupt_before=["b"])
    graph.invoke({"a": "x"}, thread())
    graph.update_state(thread(), None, as_node=lib.END)
    return told(graph.get_state(thread()))


def updating_as_a_node_with_a_decision_decides(lib):
    graph = lib.StateGraph(State).add_node("a", _log("a")).add_node("b", _log("b"))
    graph.add_node("c", _log("c")).add_edge(lib.START, "a")
    graph.add_conditional_edges("a", lambda state: state["a"])
    app = graph.compile(checkpointer=lib.InMemorySaver())
    app.invoke({"a": "b"}, thread())
    app.update_state(thread(), {"a": "c"}, as_node="a")
    return [told(app.get_state(thread())), app.invoke(None, thread())]


def updating_at_a_breakpoint_decides_again_and_keeps_what_waits(lib):
    graph = lib.StateGraph(State).add_node("a", _log("a")).add_node("b", _log("b"))
    graph.add_node("c", _log("c")).add_edge(lib.START, "a")
    graph.add_conditional_edges("a", lambda state: state["a"])
    app = graph.compile(checkpointer=lib.InMemorySaver(), interrupt_before=["b"])
    app.invoke({"a": "b"}, thread())
    app.update_state(thread(), {"a": "c"})
    return [told(app.get_state(thread())), app.invoke(None, thread())]


def updating_as_one_of_two_that_wait(lib):
    graph = lib.StateGraph(State)
    for name in "abc":
        graph.add_node(name, _log(name))
    graph.add_edge(lib.START, "a").add_edge(lib.START, "b").add_edge("a", "c")
    app = graph.compile(checkpointer=lib.InMemorySaver(), interrupt_before="*")
    app.invoke({"a": "x"}, thread())
    app.update_state(thread(), {"log": ["u"]}, as_node="a")
    return [told(app.get_state(thread())), app.invoke(None, thread())]


def an_update_after_parallel_nodes_must_say_as_which(lib):
    graph = lib.StateGraph(State)
    for name in "ab":
        graph.add_node(name, _log(name)).add_edge(lib.START, name)
    app = graph.compile(checkpointer=lib.InMemorySaver())
    app.invoke({}, thread())
    return [
        raised(lambda: app.update_state(thread(), {"log": ["u"]}), "mbiguous"),
        raised(lambda: app.update_state(thread(), {"log": ["u"]}, as_node="a")) is not None,
        told(app.get_state(thread())),
    ]


def several_updates_at_once(lib):
    graph = _graph(lib)
    update = lib.StateUpdate
    graph.bulk_update_state(
        thread(),
        [
            [update({"a": "x", "log": ["in"]}, lib.START)],
            [update({"log": ["u1"]}, "a"), update({"log": ["u2"]}, "b")],
            [update({"log": ["u3"]}, "b")],
        ],
    )
    return [history(graph, thread()), graph.invoke(None, thread())]


def updates_with_nothing_in_them_are_refused(lib):
    graph = _graph(lib)
    return [
        raised(lambda: graph.bulk_update_state(thread(), [])),
        raised(lambda: graph.bulk_update_state(thread(), [[]])),
    ]


async def updating_async(lib):
    graph = _graph(lib)
    await graph.ainvoke({"a": "x"}, thread())
    await graph.aupdate_state(thread(), {"log": ["u"]}, as_node="b")
    state = told(await graph.aget_state(thread()))
    return [state, await graph.ainvoke(None, thread())]


def an_update_may_overwrite(lib):
    graph = _graph(lib)
    graph.invoke({"a": "x"}, thread())
    graph.update_state(thread(), {"log": lib.Overwrite(["fresh"])})
    return told(graph.get_state(thread()))["values"]


def updates_need_a_checkpointer(lib):
    graph = lib.StateGraph(State).add_node("a", _log("a")).add_edge(lib.START, "a").compile()
    return [
        raised(lambda: graph.update_state(thread(), {}), "checkpointer"),
        raised(lambda: list(graph.get_state_history(thread())), "checkpointer"),
    ]


def threads_are_apart(lib):
    graph = _graph(lib)
    graph.invoke({"log": ["1"]}, thread("1"))
    graph.invoke({"log": ["2"]}, thread("2"))
    return [graph.get_state(thread(name)).values for name in "12"]


def graphs_may_share_a_checkpointer(lib):
    saver = lib.InMemorySaver()
    builder = lib.StateGraph(State).add_node("a", _log("a")).add_edge(lib.START, "a")
    builder.compile(checkpointer=saver).invoke({}, thread())
    return builder.compile(checkpointer=saver).invoke({}, thread())


def going_on_after_the_end_changes_nothing(lib):
    graph = _graph(lib)
    graph.invoke({"a": "x"}, thread())
    return [
        graph.invoke(None, thread()),
        list(graph.stream(None, thread())),
        len(history(graph, thread())),
    ]


def a_thread_may_be_deleted(lib):
    saver = lib.InMemorySaver()
    graph = lib.StateGraph(State).add_node("a", _log("a")).add_edge(lib.START, "a")
    app = graph.compile(checkpointer=saver)
    app.invoke({}, thread())
    saver.delete_thread("1")
    return [told(app.get_state(thread())), app.invoke({}, thread())]


def durabilities_keep_different_histories(lib):
    found = []
    for durability in ("sync", "async", "exit"):
        graph = _graph(lib)
        graph.invoke({"a": "x"}, thread(), durability=durability)
        found.append(history(graph, thread()))
    return found


def what_failed_at_exit_is_kept(lib):
    def fails(state: State) -> Any:
        raise ValueError("because")

    graph = lib.StateGraph(State).add_sequence([("a", _log("a")), ("fails", fails)])
    app = graph.add_edge(lib.START, "a").compile(checkpointer=lib.InMemorySaver())
    raised(lambda: app.invoke({}, thread(), durability="exit"))
    return [told(app.get_state(thread())), len(history(app, thread()))]


def a_new_invocation_of_a_finished_thread_counts_steps_on(lib):
    graph = _graph(lib, names="a")
    graph.invoke({"a": "x"}, thread())
    graph.invoke({"a": "y"}, thread())
    return [(one["step"], one["source"], one["next"]) for one in history(graph, thread())]


def savers_list_what_histories_tell(lib):
    saver, config = lib.InMemorySaver(), {"configurable": {"thread_id": "t"}}
    graph = lib.StateGraph(Plain).add_node("one", lambda state: {"b": "1"})
    graph.add_node("two", lambda state: {"b": lib.interrupt("?")}).add_edge(lib.START, "one")
    app = graph.add_edge("one", "two").compile(saver)
    app.invoke({"a": "x"}, config)
    app.invoke(lib.Command(resume="y"), config)
    app.invoke({"a": "z"}, config)
    app.update_state(config, {"b": "u"})

    found = [*saver.list(config)]
    ids = [one.config["configurable"]["checkpoint_id"] for one in found]
    parents = [one.parent_config and one.parent_config["configurable"] for one in found]
    before = found[-1].config
    return [
        [(one.metadata["step"], one.metadata["source"], _values(one)) for one in found],
        [one and ids.index(one["checkpoint_id"]) for one in parents],
        [one.metadata["step"] for one in saver.list(config, filter={"source": "input"})],
        [one.metadata["step"] for one in saver.list(config, before=found[2].config, limit=3)],
        _values(saver.get_tuple(before)),
        [[key, value] for _, key, value in found[-1].pending_writes if key == "a"],
        [
            one.config == other.config
            for one, other in zip(found, app.get_state_history(config), strict=True)
        ],
    ]


def savers_list_what_entry_points_keep(lib):
    saver, config = lib.InMemorySaver(), {"configurable": {"thread_id": "t"}}

    @lib.entrypoint(saver)
    def flow(number: int) -> int:
        return number + 1

    flow.invoke(1, config)
    flow.invoke(2, config)
    return [(one.metadata["step"], one.metadata["source"]) for one in saver.list(config)]


class Plain(TypedDict, total=False):
    a: str
    b: str


def _values(found: Any) -> dict[str, Any]:
    held = found.checkpoint["channel_values"]
    return {key: value for key, value in held.items() if key in {"a", "b"}}
