"""Breakpoints: stopping before or after a node without the node's doing."""

import operator
from typing import Annotated, Any, TypedDict

from tests.langgraph.scenarios.telling import listed, raised, thread, told, waiting


class State(TypedDict, total=False):
    log: Annotated[list[str], operator.add]


def _graph(lib: Any, names: str = "abc", **options: Any) -> Any:
    graph = lib.StateGraph(State)
    graph.add_sequence([(name, lambda s, n=name: {"log": [n]}) for name in names])
    return graph.add_edge(lib.START, names[0]).compile(checkpointer=lib.InMemorySaver(), **options)


def stopping_before_a_node(lib):
    graph = _graph(lib, interrupt_before=["b"])
    first = graph.invoke({}, thread())
    state = told(graph.get_state(thread()))
    return [first, state, graph.invoke(None, thread()), told(graph.get_state(thread()))]


def stopping_after_a_node(lib):
    graph = _graph(lib, interrupt_after=["a"])
    first = graph.invoke({}, thread())
    return [first, told(graph.get_state(thread())), graph.invoke(None, thread())]


def chunks_of_a_breakpoint(lib):
    graph = _graph(lib, interrupt_before=["b"])
    modes = ["values", "updates"]
    return [
        list(graph.stream({"log": ["in"]}, thread(), stream_mode=modes)),
        list(graph.stream(None, thread(), stream_mode=modes)),
    ]


async def chunks_of_a_breakpoint_async(lib):
    graph = _graph(lib, interrupt_after=["a"])
    return [
        await listed(graph.astream({"log": ["in"]}, thread())),
        await listed(graph.astream(None, thread())),
        told(await graph.aget_state(thread())),
    ]


def stopping_everywhere(lib):
    graph = _graph(lib, interrupt_before="*")
    found = [graph.invoke({}, thread())]
    for _ in "abc":
        found.append(graph.invoke(None, thread()))
    return [found, told(graph.get_state(thread()))["next"]]


def stopping_after_everything(lib):
    graph = _graph(lib, interrupt_after="*")
    found = [graph.invoke({}, thread())]
    while graph.get_state(thread()).next:
        found.append(graph.invoke(None, thread()))
    return found


def stopping_where_the_call_says(lib):
    graph = _graph(lib)
    return [
        graph.invoke({}, thread(), interrupt_before=["b"]),
        graph.invoke(None, thread(), interrupt_after=["b"]),
        graph.invoke(None, thread()),
        list(graph.stream({}, thread("2"), interrupt_before="*")),
    ]


def the_call_goes_before_what_was_compiled(lib):
    graph = _graph(lib, interrupt_before=["b"])
    return graph.invoke({}, thread(), interrupt_before=["c"])


def an_empty_list_at_the_call(lib):
    graph = _graph(lib, interrupt_before=["b"])
    return graph.invoke({}, thread(), interrupt_before=[])


def changing_the_state_at_a_breakpoint(lib):
    graph = _graph(lib, interrupt_before=["b"])
    graph.invoke({}, thread())
    graph.update_state(thread(), {"log": ["person"]})
    return [told(graph.get_state(thread())), graph.invoke(None, thread())]


def standing_in_for_the_node_at_a_breakpoint(lib):
    graph = _graph(lib, interrupt_before=["b"])
    graph.invoke({}, thread())
    graph.update_state(thread(), {"log": ["person"]}, as_node="b")
    return [told(graph.get_state(thread())), graph.invoke(None, thread())]


def a_command_goes_on_from_a_breakpoint(lib):
    graph = _graph(lib, interrupt_before=["b"])
    graph.invoke({}, thread())
    return graph.invoke(lib.Command(update={"log": ["command"]}), thread())


def an_answer_goes_on_from_a_breakpoint(lib):
    graph = _graph(lib, interrupt_before=["b"])
    graph.invoke({}, thread())
    return raised(lambda: graph.invoke(lib.Command(resume="x"), thread()))


def new_input_at_a_breakpoint_begins_anew(lib):
    graph = _graph(lib, interrupt_before=["b"])
    graph.invoke({}, thread())
    return [graph.invoke({"log": ["again"]}, thread()), told(graph.get_state(thread()))["next"]]


def a_breakpoint_in_a_cycle_stops_each_time(lib):
    graph = lib.StateGraph(State).add_node("a", lambda s: {"log": ["a"]}).add_edge(lib.START, "a")
    graph.add_conditional_edges("a", lambda s: lib.END if len(s["log"]) > 2 else "a")
    app = graph.compile(checkpointer=lib.InMemorySaver(), interrupt_before=["a"])
    return [app.invoke({}, thread()), *(app.invoke(None, thread()) for _ in range(3))]


def a_breakpoint_before_one_of_two_stops_both(lib):
    graph = lib.StateGraph(State)
    for name in "ab":
        graph.add_node(name, lambda s, n=name: {"log": [n]}).add_edge(lib.START, name)
    app = graph.compile(checkpointer=lib.InMemorySaver(), interrupt_before=["b"])
    return [app.invoke({}, thread()), app.invoke(None, thread())]


def breakpoints_without_a_checkpointer(lib):
    graph = lib.StateGraph(State).add_node("a", lambda s: {"log": ["a"]}).add_edge(lib.START, "a")
    app = graph.compile(interrupt_before=["a"])
    return raised(lambda: app.invoke({"log": ["in"]}))


def a_breakpoint_at_an_unknown_node_is_refused(lib):
    return raised(lambda: _graph(lib, interrupt_before=["nope"]), "nope")


def breakpoints_and_questions_together(lib):
    graph = lib.StateGraph(State).add_node("a", lambda s: {"log": ["a"]})
    graph.add_node("ask", lambda s: {"log": [lib.interrupt("?")]}).add_edge(lib.START, "a")
    app = graph.add_edge("a", "ask").compile(
        checkpointer=lib.InMemorySaver(), interrupt_before=["ask"]
    )
    return [
        app.invoke({}, thread()),
        waiting(app.invoke(None, thread())),
        app.invoke(lib.Command(resume="so"), thread()),
    ]


def breakpoints_inside_a_subgraph(lib):
    inner = lib.StateGraph(State)
    inner.add_sequence([(name, lambda s, n=name: {"log": [n]}) for name in ("x", "y")])
    child = inner.add_edge(lib.START, "x").compile(interrupt_before=["y"])
    graph = lib.StateGraph(State).add_node("child", child).add_edge(lib.START, "child")
    app = graph.compile(checkpointer=lib.InMemorySaver())
    first = list(app.stream({}, thread(), subgraphs=True))
    state = told(app.get_state(thread(), subgraphs=True))
    return [first, state, app.invoke(None, thread())]
