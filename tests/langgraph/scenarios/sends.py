"""Sends and commands: nodes chosen while running, with an input of their own."""

import operator
from typing import Annotated, Any, Literal, TypedDict

from langchain_core.runnables import RunnableConfig

from tests.langgraph.scenarios.telling import araised, history, raised, thread, told, unordered


class State(TypedDict, total=False):
    items: list[str]
    log: Annotated[list[str], operator.add]


def _log(name: str) -> Any:
    return lambda state: {"log": [name]}


def _fan(lib: Any) -> Any:
    graph = lib.StateGraph(State).add_node("plan", _log("plan"))
    graph.add_node("work", lambda state: {"log": [f"work {state}"]}).add_node("join", _log("join"))
    graph.add_conditional_edges(
        "plan", lambda state: [lib.Send("work", item) for item in state["items"]], ["work"]
    )
    return graph.add_edge(lib.START, "plan").add_edge("work", "join")


def sends_fan_out_with_an_input_each(lib):
    return _fan(lib).compile().invoke({"items": ["a", "b", "c"]})


async def sends_fan_out_async(lib):
    return await _fan(lib).compile().ainvoke({"items": ["a", "b", "c"]})


def no_sends_end_there(lib):
    return _fan(lib).compile().invoke({"items": []})


def sends_from_the_beginning(lib):
    graph = lib.StateGraph(State).add_node("work", lambda state: {"log": [state["word"]]})
    graph.add_conditional_edges(
        lib.START, lambda state: [lib.Send("work", {"word": i}) for i in state["items"]]
    )
    return graph.compile().invoke({"items": ["a", "b"]})


def sends_beside_names(lib):
    graph = _fan(lib).add_node("other", _log("other"))
    graph.add_conditional_edges("work", lambda state: ["other", lib.Send("join", {})])
    return graph.compile().invoke({"items": ["a", "b"]})


def sends_apply_after_edges_and_in_their_order(lib):
    graph = lib.StateGraph(State).add_node("a", _log("a")).add_node("z", _log("z"))
    graph.add_node("work", lambda state: {"log": [f"work {state}"]})
    graph.add_edge(lib.START, "a").add_edge("a", "z")
    graph.add_conditional_edges("a", lambda state: [lib.Send("work", n) for n in (3, 1, 2)])
    return graph.compile().invoke({})


def sends_of_several_nodes(lib):
    graph = lib.StateGraph(State).add_node("work", lambda state: {"log": [f"work {state}"]})
    for name in ("b", "a"):
        graph.add_node(name, _log(name)).add_edge(lib.START, name)
        graph.add_conditional_edges(name, lambda s, n=name: [lib.Send("work", n + i) for i in "12"])
    return graph.compile().invoke({})


def a_send_to_an_unknown_node_is_refused(lib):
    graph = lib.StateGraph(State).add_node("a", _log("a")).add_edge(lib.START, "a")
    graph.add_conditional_edges("a", lambda state: lib.Send("nope", {}))
    return raised(lambda: graph.compile().invoke({}))


def a_send_to_the_end_is_refused(lib):
    graph = lib.StateGraph(State).add_node("a", _log("a")).add_edge(lib.START, "a")
    graph.add_conditional_edges("a", lambda state: lib.Send(lib.END, {}))
    return raised(lambda: graph.compile().invoke({}))


def sends_may_lead_to_sends(lib):
    graph = lib.StateGraph(State).add_node("down", lambda state: {"log": [f"down {state}"]})
    seen: list[Any] = []

    def again(state: Any) -> Any:
        seen.append(state)
        return [lib.Send("leaf", n) for n in range(2)]

    graph.add_node("leaf", lambda state: {"log": [f"leaf {state}"]})
    graph.add_conditional_edges(lib.START, lambda state: [lib.Send("down", i) for i in "ab"])
    graph.add_conditional_edges("down", again)
    return [graph.compile().invoke({}), len(seen)]


def sends_in_a_stream(lib):
    graph = _fan(lib).compile()
    return [
        unordered(graph.stream({"items": ["a", "b"]})),
        list(graph.stream({"items": ["a", "b"]}, stream_mode="values")),
    ]


def sends_in_a_thread(lib):
    graph = _fan(lib).compile(checkpointer=lib.InMemorySaver())
    graph.invoke({"items": ["a", "b"]}, thread())
    return history(graph, thread())


def a_sent_state_is_built_as_the_nodes_schema(lib):
    from pydantic import BaseModel

    class Item(BaseModel):
        word: str

    def work(state: Item) -> Any:
        return {"log": [f"{type(state).__name__}"]}

    graph = lib.StateGraph(State).add_node(work)
    graph.add_conditional_edges(lib.START, lambda state: [lib.Send("work", Item(word="a"))])
    return graph.compile().invoke({})


def sends_are_values(lib):
    return [
        lib.Send("a", 1) == lib.Send("a", 1),
        lib.Send("a", 1) == lib.Send("b", 1),
        hash(lib.Send("a", 1)) == hash(lib.Send("a", 1)),
        repr(lib.Send("a", {"b": 1})),
    ]


def commands_are_values(lib):
    command = lib.Command
    return [
        command(update={"a": 1}) == command(update={"a": 1}),
        repr(command(update={"a": 1}, goto="x")),
        repr(command(resume="yes")),
        [command().goto, command().update, command().resume, command().graph],
        command.PARENT,
        raised(lambda: command("x")),
    ]


def a_command_updates_and_goes_on(lib):
    def a(state: State) -> lib.Command[Literal["c"]]:
        return lib.Command(update={"log": ["a"]}, goto="c")

    graph = lib.StateGraph(State).add_node(a).add_node("c", _log("c")).add_edge(lib.START, "a")
    return [graph.compile().invoke({}), list(graph.compile().stream({}))]


def a_command_goes_beside_the_edges(lib):
    graph = lib.StateGraph(State).add_node(
        "a", lambda s: lib.Command(goto="c", update={"log": ["a"]})
    )
    graph.add_node("b", _log("b")).add_node("c", _log("c")).add_edge(lib.START, "a").add_edge(
        "a", "b"
    )
    return graph.compile().invoke({})


def a_command_to_the_end_stops(lib):
    graph = lib.StateGraph(State).add_node("a", lambda s: lib.Command(goto=lib.END))
    return graph.add_node("b", _log("b")).add_edge(lib.START, "a").compile().invoke({"log": ["in"]})


def a_command_may_go_to_several_and_send(lib):
    goto = ["b", lib.Send("c", {"x": 1}), lib.Send("c", {"x": 2})]
    graph = lib.StateGraph(State).add_node("a", lambda s: lib.Command(goto=goto))
    graph.add_node("b", _log("b")).add_node("c", lambda s: {"log": [f"c {s['x']}"]})
    return graph.add_edge(lib.START, "a").compile().invoke({})


def a_command_may_send_once(lib):
    graph = lib.StateGraph(State).add_node("a", lambda s: lib.Command(goto=lib.Send("c", {"x": 1})))
    graph.add_node("c", lambda s: {"log": [f"c {s['x']}"]})
    return graph.add_edge(lib.START, "a").compile().invoke({})


def a_node_may_give_several_commands(lib):
    def a(state: State) -> Any:
        return [
            lib.Command(update={"log": ["one"]}, goto="b"),
            {"log": ["plain"]},
            lib.Command(update={"log": ["two"]}, goto="c"),
        ]

    graph = lib.StateGraph(State).add_node(a).add_node("b", _log("b")).add_node("c", _log("c"))
    graph.add_edge(lib.START, "a")
    return [graph.compile().invoke({}), unordered(graph.compile().stream({}))]


def updates_of_a_command_may_be_pairs(lib):
    pairs = [("log", ["one"]), ("items", ["i"]), ("log", ["two"])]
    graph = lib.StateGraph(State).add_node("a", lambda s: lib.Command(update=pairs))
    app = graph.add_edge(lib.START, "a").compile()
    return [app.invoke({}), list(app.stream({}))]


def a_command_without_anything_changes_nothing(lib):
    graph = lib.StateGraph(State).add_node("a", lambda s: lib.Command()).add_edge(lib.START, "a")
    return [graph.compile().invoke({"log": ["in"]}), list(graph.compile().stream({"log": ["in"]}))]


def a_command_to_an_unknown_node_is_let_go(lib):
    graph = lib.StateGraph(State).add_node(
        "a", lambda s: lib.Command(goto="nope", update={"log": ["a"]})
    )
    return graph.add_edge(lib.START, "a").compile().invoke({})


def commands_make_cycles(lib):
    def a(state: State) -> Any:
        return lib.Command(update={"log": ["a"]}, goto="a" if len(state["log"]) < 3 else lib.END)

    return lib.StateGraph(State).add_node(a).add_edge(lib.START, "a").compile().invoke({})


async def async_nodes_give_commands(lib):
    async def a(state: State) -> Any:
        return lib.Command(update={"log": ["a"]}, goto="b")

    graph = lib.StateGraph(State).add_node(a).add_node("b", _log("b")).add_edge(lib.START, "a")
    return await graph.compile().ainvoke({})


def a_command_as_input_writes_and_goes(lib):
    graph = lib.StateGraph(State).add_node("a", _log("a")).add_node("b", _log("b"))
    graph.add_conditional_edges("a", lambda s: s.get("items", [lib.END]), ["b", lib.END])
    app = graph.add_edge(lib.START, "a").compile(checkpointer=lib.InMemorySaver())
    first = app.invoke({}, thread())
    return [
        first,
        app.invoke(lib.Command(goto="b"), thread()),
        app.invoke(lib.Command(update={"log": ["u"]}), thread()),
        app.invoke(lib.Command(update={"log": ["v"]}, goto=["a", "b"]), thread()),
        told(app.get_state(thread())),
    ]


def a_command_to_a_parent_that_is_not_there_is_refused(lib):
    command = lib.Command(goto="x", graph=lib.Command.PARENT)
    graph = (
        lib.StateGraph(State).add_node("a", lambda s: command).add_edge(lib.START, "a").compile()
    )
    return [raised(lambda: graph.invoke({})), raised(lambda: graph.invoke(command))]


async def a_command_to_a_parent_async(lib):
    async def leave(state: State) -> Any:
        return lib.Command(goto="b", update={"log": ["left"]}, graph=lib.Command.PARENT)

    child = lib.StateGraph(State).add_node(leave).add_edge(lib.START, "leave").compile()
    graph = lib.StateGraph(State).add_node("child", child).add_node("b", _log("b"))
    app = graph.add_edge(lib.START, "child").compile()
    return [await app.ainvoke({}), await araised(child.ainvoke({}))]


def a_command_to_a_parent(lib):
    def leave(state: State) -> Any:
        return lib.Command(goto="b", update={"log": ["left"]}, graph=lib.Command.PARENT)

    child = lib.StateGraph(State).add_node(leave).add_node("after", _log("after"))
    child = child.add_edge(lib.START, "leave").add_edge("leave", "after").compile()
    graph = lib.StateGraph(State).add_node("child", child).add_node("b", _log("b"))
    app = graph.add_edge(lib.START, "child").compile()
    return [app.invoke({"log": ["in"]}), list(app.stream({"log": ["in"]}))]


def a_command_to_a_parent_with_sends(lib):
    def leave(state: State) -> Any:
        sends = [lib.Send("b", {"x": 1}), lib.Send("b", {"x": 2})]
        return lib.Command(goto=sends, graph=lib.Command.PARENT)

    child = lib.StateGraph(State).add_node(leave).add_edge(lib.START, "leave").compile()
    graph = lib.StateGraph(State).add_node("child", child)
    graph.add_node("b", lambda s: {"log": [f"b {s['x']}"]}).add_edge(lib.START, "child")
    return graph.compile().invoke({})


def a_command_two_floors_up_reaches_the_next_parent_only(lib):
    def leave(state: State) -> Any:
        return lib.Command(goto="there", update={"log": ["left"]}, graph=lib.Command.PARENT)

    low = lib.StateGraph(State).add_node(leave).add_edge(lib.START, "leave").compile()
    mid = lib.StateGraph(State).add_node("low", low).add_node("there", _log("mid there"))
    mid = mid.add_edge(lib.START, "low").compile()
    top = lib.StateGraph(State).add_node("mid", mid).add_node("there", _log("top there"))
    return top.add_edge(lib.START, "mid").compile().invoke({})


def sends_read_the_config_of_the_invocation(lib):
    def work(state: Any, config: RunnableConfig) -> Any:
        return {"log": [f"{state} {config['configurable']['who']}"]}

    graph = lib.StateGraph(State).add_node(work)
    graph.add_conditional_edges(lib.START, lambda s: [lib.Send("work", i) for i in "ab"])
    return graph.compile().invoke({}, {"configurable": {"who": "ada"}})
