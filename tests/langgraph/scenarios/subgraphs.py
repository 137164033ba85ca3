"""Subgraphs: graphs as nodes and in nodes, their memory, their questions."""

import operator
from typing import Annotated, Any, TypedDict

from tests.langgraph.scenarios.telling import (
    history,
    listed,
    raised,
    thread,
    told,
    unordered,
    waiting,
)


class State(TypedDict, total=False):
    a: str
    log: Annotated[list[str], operator.add]


class Other(TypedDict, total=False):
    word: str
    words: Annotated[list[str], operator.add]


def _log(name: str) -> Any:
    return lambda state: {"log": [name]}


def _child(lib: Any, node: Any, schema: Any = State, **options: Any) -> Any:
    graph = lib.StateGraph(schema).add_node("inner", node).add_edge(lib.START, "inner")
    return graph.compile(**options)


def _parent(lib: Any, child: Any, **options: Any) -> Any:
    graph = lib.StateGraph(State).add_sequence([("pre", _log("pre")), ("child", child)])
    graph.add_node("post", _log("post")).add_edge(lib.START, "pre").add_edge("child", "post")
    return graph.compile(**options)


def _asking(lib: Any) -> Any:
    return lambda state: {"log": [f"inner {lib.interrupt('inner?')}"]}


def a_graph_is_a_node(lib):
    return _parent(lib, _child(lib, _log("inner"))).invoke({"a": "x", "log": ["in"]})


async def a_graph_is_a_node_async(lib):
    return await _parent(lib, _child(lib, _log("inner"))).ainvoke({"a": "x"})


def a_graph_of_other_keys_shares_what_it_can(lib):
    class Partly(TypedDict, total=False):
        a: str
        own: int

    def inner(state: Partly) -> Any:
        return {"a": state["a"] + "!", "own": 1}

    graph = _parent(lib, _child(lib, inner, Partly))
    return [graph.invoke({"a": "x"}), list(graph.stream({"a": "x"}, subgraphs=True))]


def a_graph_of_other_keys_is_called_in_a_node(lib):
    child = _child(lib, lambda state: {"words": [state["word"] + "!"]}, Other)

    def call(state: State) -> Any:
        return {"log": child.invoke({"word": state["a"]})["words"]}

    return _parent(lib, call).invoke({"a": "x"})


def a_graph_with_its_own_output(lib):
    class Out(TypedDict):
        log: list[str]

    inner = lib.StateGraph(State, output_schema=Out).add_node(
        "inner", lambda s: {"log": ["i"], "a": "n"}
    )
    child = inner.add_edge(lib.START, "inner").compile()
    return _parent(lib, child).invoke({"a": "x"})


def a_question_in_a_subgraph(lib):
    graph = _parent(lib, _child(lib, _asking(lib)), checkpointer=lib.InMemorySaver())
    first = graph.invoke({"a": "x"}, thread())
    states = [told(graph.get_state(thread(), subgraphs=deep)) for deep in (False, True)]
    return [first, states, graph.invoke(lib.Command(resume="so"), thread())]


def chunks_of_a_question_in_a_subgraph(lib):
    graph = _parent(lib, _child(lib, _asking(lib)), checkpointer=lib.InMemorySaver())
    modes = ["values", "updates"]
    return [
        list(graph.stream({"a": "x"}, thread(), stream_mode=modes, subgraphs=True)),
        list(graph.stream(lib.Command(resume="so"), thread(), stream_mode=modes, subgraphs=True)),
    ]


async def a_question_in_a_subgraph_async(lib):
    async def ask(state: State) -> Any:
        return {"log": [lib.interrupt("inner?")]}

    graph = _parent(lib, _child(lib, ask), checkpointer=lib.InMemorySaver())
    first = await listed(graph.astream({"a": "x"}, thread(), subgraphs=True))
    state = told(await graph.aget_state(thread(), subgraphs=True))
    return [first, state, await graph.ainvoke(lib.Command(resume="so"), thread())]


def what_a_subgraph_did_before_its_question_is_kept(lib):
    calls: list[str] = []
    inner = lib.StateGraph(State).add_node("first", lambda s: calls.append("first"))
    inner.add_node("ask", _asking(lib)).add_edge(lib.START, "first").add_edge("first", "ask")
    graph = _parent(lib, inner.compile(), checkpointer=lib.InMemorySaver())
    graph.invoke({}, thread())
    return [graph.invoke(lib.Command(resume="so"), thread()), calls]


def a_question_in_a_graph_called_in_a_node(lib):
    child = _child(lib, lambda s: {"words": [lib.interrupt("inner?")]}, Other)
    calls: list[str] = []

    def call(state: State) -> Any:
        calls.append("call")
        return {"log": child.invoke({"word": "w"})["words"]}

    graph = _parent(lib, call, checkpointer=lib.InMemorySaver())
    first = graph.invoke({}, thread())
    state = told(graph.get_state(thread()))
    return [first, state, graph.invoke(lib.Command(resume="so"), thread()), calls]


def two_graphs_called_in_one_node_ask_in_turn(lib):
    one = _child(lib, lambda s: {"words": [lib.interrupt("one?")]}, Other)
    two = _child(lib, lambda s: {"words": [lib.interrupt("two?")]}, Other)

    def call(state: State) -> Any:
        return {"log": one.invoke({"word": "w"})["words"] + two.invoke({"word": "w"})["words"]}

    graph = _parent(lib, call, checkpointer=lib.InMemorySaver())
    return [
        waiting(graph.invoke({}, thread())),
        waiting(graph.invoke(lib.Command(resume="1"), thread())),
        graph.invoke(lib.Command(resume="2"), thread()),
    ]


def questions_three_floors_down(lib):
    low = _child(lib, _asking(lib))
    mid = lib.StateGraph(State).add_node("low", low).add_edge(lib.START, "low").compile()
    graph = _parent(lib, mid, checkpointer=lib.InMemorySaver())
    first = graph.invoke({}, thread())
    state = told(graph.get_state(thread(), subgraphs=True))
    return [first, state, graph.invoke(lib.Command(resume="so"), thread())]


def questions_of_subgraphs_side_by_side(lib):
    graph = lib.StateGraph(State)
    for name in ("one", "two"):
        child = _child(lib, lambda s, n=name: {"log": [f"{n} {lib.interrupt(n)}"]})
        graph.add_node(name, child).add_edge(lib.START, name)
    app = graph.compile(checkpointer=lib.InMemorySaver())
    first = app.invoke({}, thread())
    answers = {i.id: f"to {i.value}" for i in first["__interrupt__"]}
    return [sorted(waiting(first)), app.invoke(lib.Command(resume=answers), thread())]


def questions_of_sent_subgraphs(lib):
    child = _child(lib, lambda s: {"log": [f"{s['log'][0]} {lib.interrupt(s['log'][0])}"]})
    graph = lib.StateGraph(State).add_node("child", child)
    graph.add_conditional_edges(
        lib.START, lambda s: [lib.Send("child", {"log": [n]}) for n in "12"]
    )
    app = graph.compile(checkpointer=lib.InMemorySaver())
    first = app.invoke({}, thread())
    answers = {i.id: f"to {i.value}" for i in first["__interrupt__"]}
    return [sorted(waiting(first)), app.invoke(lib.Command(resume=answers), thread())]


def subgraphs_forget_between_invocations(lib):
    inner = _child(lib, lambda s: {"words": [str(len(s["words"]))]}, Other)
    seen: list[Any] = []
    graph = _parent(
        lib, lambda s: seen.append(inner.invoke({"word": "w"})), checkpointer=lib.InMemorySaver()
    )
    graph.invoke({}, thread())
    graph.invoke({}, thread())
    return seen


def subgraphs_with_a_memory_of_their_own_remember(lib):
    inner = _child(lib, lambda s: {"words": [str(len(s["words"]))]}, Other, checkpointer=True)
    seen: list[Any] = []
    graph = _parent(
        lib, lambda s: seen.append(inner.invoke({"word": "w"})), checkpointer=lib.InMemorySaver()
    )
    graph.invoke({}, thread())
    graph.invoke({}, thread())
    graph.invoke({}, thread("2"))
    return seen


def a_remembering_subgraph_as_a_node(lib):
    child = _child(lib, lambda s: {"log": [f"inner after {len(s['log'])}"]}, checkpointer=True)
    graph = lib.StateGraph(State).add_node("child", child).add_edge(lib.START, "child")
    app = graph.compile(checkpointer=lib.InMemorySaver())
    return [app.invoke({"log": ["in"]}, thread()), app.invoke({"log": ["in"]}, thread())]


def subgraphs_without_memory_lose_their_question(lib):
    child = _child(lib, _asking(lib), checkpointer=False)
    graph = _parent(lib, child, checkpointer=lib.InMemorySaver())
    return [
        graph.invoke({}, thread()),
        raised(lambda: graph.invoke(lib.Command(resume="so"), thread())),
    ]


def a_memory_of_its_own_needs_a_parent(lib):
    child = _child(lib, _log("inner"), checkpointer=True)
    return raised(lambda: child.invoke({}, thread()))


def a_checkpointer_of_its_own(lib):
    saver = lib.InMemorySaver()
    child = _child(lib, _log("inner"), checkpointer=saver)
    graph = _parent(lib, child, checkpointer=lib.InMemorySaver())
    return [graph.invoke({}, thread()), graph.invoke({}, thread())]


def states_of_a_finished_subgraph(lib):
    graph = _parent(lib, _child(lib, _log("inner")), checkpointer=lib.InMemorySaver())
    graph.invoke({}, thread())
    return [told(graph.get_state(thread(), subgraphs=True)), history(graph, thread())]


def a_subgraphs_history_is_its_own(lib):
    graph = _parent(lib, _child(lib, _asking(lib)), checkpointer=lib.InMemorySaver())
    graph.invoke({}, thread())
    place = graph.get_state(thread()).tasks[0].state
    return [sorted(place["configurable"]), history(graph, place), told(graph.get_state(place))]


def a_subgraphs_state_may_be_changed(lib):
    inner = lib.StateGraph(State).add_sequence([("one", _log("one")), ("two", _log("two"))])
    child = inner.add_edge(lib.START, "one").compile(interrupt_before=["two"])
    graph = _parent(lib, child, checkpointer=lib.InMemorySaver())
    graph.invoke({}, thread())
    place = graph.get_state(thread(), subgraphs=True).tasks[0].state.config
    graph.update_state(place, {"log": ["person"]})
    return [told(graph.get_state(thread(), subgraphs=True)), graph.invoke(None, thread())]


def an_error_in_a_subgraph_is_resumed_inside_it(lib):
    calls: list[str] = []

    def flaky(state: State) -> Any:
        calls.append("flaky")
        if len(calls) < 3:
            raise ValueError("not yet")
        return {"log": ["done"]}

    inner = lib.StateGraph(State).add_node("first", lambda s: calls.append("first"))
    inner.add_node("flaky", flaky).add_edge(lib.START, "first").add_edge("first", "flaky")
    graph = _parent(lib, inner.compile(), checkpointer=lib.InMemorySaver())
    return [
        raised(lambda: graph.invoke({}, thread())),
        told(graph.get_state(thread(), subgraphs=True)),
        graph.invoke(None, thread()),
        calls,
    ]


def subgraphs_are_listed(lib):
    low = _child(lib, _log("low"))
    mid = lib.StateGraph(State).add_node("low", low).add_edge(lib.START, "low").compile()
    graph = _parent(lib, mid)
    return [
        [name for name, _ in graph.get_subgraphs()],
        [name for name, _ in graph.get_subgraphs(recurse=True)],
        [name for name, _ in graph.get_subgraphs(namespace="child")],
    ]


def a_limit_counts_for_the_subgraph_by_itself(lib):
    inner = lib.StateGraph(State).add_node("spin", _log("spin")).add_edge(lib.START, "spin")
    inner.add_conditional_edges("spin", lambda s: lib.END if len(s["log"]) > 4 else "spin")
    graph = lib.StateGraph(State).add_node("child", inner.compile()).add_edge(lib.START, "child")
    app = graph.compile()
    return [
        raised(lambda: app.invoke({}, {"recursion_limit": 4})),
        app.invoke({}, {"recursion_limit": 10}),
    ]


def one_subgraph_in_two_branches(lib):
    child = _child(lib, lambda s: {"log": ["inner"]})
    graph = lib.StateGraph(State).add_node("one", child).add_node("two", child)
    app = graph.add_edge(lib.START, "one").add_edge(lib.START, "two").compile()
    return [app.invoke({}), unordered(app.stream({}))]


def time_travel_with_a_subgraph(lib):
    graph = _parent(lib, _child(lib, _asking(lib)), checkpointer=lib.InMemorySaver())
    graph.invoke({}, thread())
    graph.invoke(lib.Command(resume="first"), thread())
    before = next(s for s in graph.get_state_history(thread()) if s.next == ("child",))
    again = graph.invoke(None, before.config)
    return [again, graph.invoke(lib.Command(resume="second"), thread())]


def config_reaches_a_subgraph(lib):
    def inner(state: State, config):
        return {"log": [config["configurable"]["who"], *config["tags"]]}

    graph = _parent(lib, _child(lib, inner))
    return graph.invoke({}, {"configurable": {"who": "ada"}, "tags": ["t"]})


def a_graph_that_a_function_invokes_is_known(lib):
    def ask(state):
        return {"log": [lib.interrupt("sure?")]}

    child = _child(lib, ask)

    def call(state):
        return child.invoke({"log": ["in"]})

    graph = lib.StateGraph(State).add_node("call", call).add_edge(lib.START, "call")
    app = graph.compile(checkpointer=lib.InMemorySaver())
    app.invoke({"log": []}, thread())
    within = app.get_state(thread(), subgraphs=True).tasks[0].state
    return [[name for name, _ in app.get_subgraphs()], within.values, within.next]


def a_node_that_commands_the_parent_tells_no_update(lib):
    class Said(TypedDict):
        said: Annotated[list[str], operator.add]

    def leave(state: Said) -> Any:
        return lib.Command(goto="next", graph=lib.Command.PARENT, update={"said": ["left"]})

    inner = lib.StateGraph(Said).add_node("one", lambda state: {"said": ["one"]})
    inner.add_node("leave", leave).add_edge(lib.START, "one").add_edge("one", "leave")
    graph = lib.StateGraph(Said).add_node("within", inner.compile())
    graph.add_node("next", lambda state: {"said": ["next"]}).add_edge(lib.START, "within")
    told = graph.compile().stream({"said": []}, stream_mode="updates", subgraphs=True)
    return [([place.partition(":")[0] for place in within], update) for within, update in told]
