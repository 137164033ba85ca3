"""Drawings: what nodes and edges a graph shows."""

from typing import Any, Literal, TypedDict

from tests.langgraph.scenarios.telling import thread


class State(TypedDict, total=False):
    a: str


def _node(state: State) -> Any:
    return None


def _shown(drawing: Any) -> Any:
    edges = [(e.source, e.target, e.data, bool(e.conditional)) for e in drawing.edges]
    return [sorted(drawing.nodes), sorted(edges, key=repr)]


def a_chain_is_drawn(lib):
    graph = lib.StateGraph(State).add_sequence([("a", _node), ("b", _node)])
    return _shown(graph.add_edge(lib.START, "a").add_edge("b", lib.END).compile().get_graph())


def decisions_are_drawn_with_their_labels(lib):
    graph = lib.StateGraph(State).add_node("a", _node).add_node("b", _node).add_node("c", _node)
    graph.add_edge(lib.START, "a")
    graph.add_conditional_edges("a", _node, {"left": "b", "right": "c", "out": lib.END})
    return _shown(graph.compile().get_graph())


def decisions_of_a_literal_are_drawn(lib):
    def route(state: State) -> Literal["b", "__end__"]:
        return "b"

    graph = lib.StateGraph(State).add_node("a", _node).add_node("b", _node)
    graph.add_edge(lib.START, "a").add_conditional_edges("a", route)
    return _shown(graph.compile().get_graph())


def decisions_for_anything_are_drawn_to_everything(lib):
    graph = lib.StateGraph(State).add_node("a", _node).add_node("b", _node)
    graph.add_edge(lib.START, "a").add_conditional_edges("a", lambda s: "b")
    return _shown(graph.compile().get_graph())


def joins_are_drawn(lib):
    graph = lib.StateGraph(State)
    for name in "abc":
        graph.add_node(name, _node)
    graph.add_edge(lib.START, "a").add_edge(lib.START, "b").add_edge(["a", "b"], "c")
    return _shown(graph.compile().get_graph())


def commands_are_drawn_by_their_types(lib):
    def go(state: State) -> lib.Command[Literal["b", "c"]]:
        return lib.Command(goto="b")

    graph = lib.StateGraph(State).add_node("go", go).add_node("b", _node).add_node("c", _node)
    return _shown(graph.add_edge(lib.START, "go").compile().get_graph())


def commands_are_drawn_by_their_destinations(lib):
    graph = lib.StateGraph(State).add_node("go", _node, destinations={"b": "to b"})
    return _shown(graph.add_node("b", _node).add_edge(lib.START, "go").compile().get_graph())


def a_drawing_in_mermaid(lib):
    graph = (
        lib.StateGraph(State).add_node("a", _node).add_edge(lib.START, "a").add_edge("a", lib.END)
    )
    text = graph.compile().get_graph().draw_mermaid()
    return ["graph TD" in text, "__start__" in text, "a" in text, "__end__" in text]


def subgraphs_are_drawn_inside(lib):
    child = lib.StateGraph(State).add_node("inner", _node).add_edge(lib.START, "inner").compile()
    graph = lib.StateGraph(State).add_node("child", child).add_edge(lib.START, "child").compile()
    return [_shown(graph.get_graph()), _shown(graph.get_graph(xray=True))]


def drawing_runs_nothing(lib):
    calls: list[int] = []
    graph = lib.StateGraph(State).add_node("a", lambda s: calls.append(1)).add_edge(lib.START, "a")
    graph.compile(checkpointer=lib.InMemorySaver()).get_graph(thread())
    return calls
