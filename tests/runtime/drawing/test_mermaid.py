"""Drawings are LangGraph's, compared with the installed one."""

import json
import random
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, TypedDict

import pytest
import yaml  # type: ignore[import-untyped]
from langchain_core.runnables.graph import CurveStyle as TheirCurve
from langgraph.graph import StateGraph as TheirGraph
from langgraph.types import Command as TheirCommand

from inwit import Command, StateGraph
from inwit.runtime.drawing import CurveStyle, Graph, NodeStyles

LONG = "a label of so many words that it is drawn in several lines"


class State(TypedDict, total=False):
    x: int


def stay(state: State) -> State:
    return state


def both(write: Callable[[Any, Any], Any], **options: Any) -> tuple[Any, Any]:
    """The same graph, written for LangGraph and for us."""
    theirs = write(TheirGraph(State), TheirCommand).compile(**options)
    ours = write(StateGraph(State), Command).compile(name="drawn", validate=False, **options)
    return theirs, ours


def equal(theirs: Any, ours: Any, **xray: Any) -> None:
    one, two = theirs.get_graph(**xray), ours.get_graph(**xray)

    assert two.draw_mermaid() == one.draw_mermaid()
    assert two.draw_mermaid(with_styles=False) == one.draw_mermaid(with_styles=False)
    assert json.dumps(two.to_json()) == json.dumps(one.to_json())


def loop(graph: Any, _: Any) -> Any:
    graph.add_node("agent", stay, metadata={"version": 2, "tags": ["a", "b"]})
    graph.add_node("tools", stay)
    graph.add_edge("__start__", "agent")
    graph.add_conditional_edges("agent", stay, {"go on": "tools", LONG: "__end__"})
    graph.add_edge("tools", "agent")
    return graph


def joined(graph: Any, _: Any) -> Any:
    for name in ("plan", "web", "docs", "rank"):
        graph.add_node(name, stay)
    graph.add_edge("__start__", "plan")
    graph.add_edge("plan", "web")
    graph.add_edge("plan", "docs")
    graph.add_edge(["web", "docs"], "rank")
    return graph


def commanded(graph: Any, command: Any) -> Any:
    def triage(state: State) -> Any:
        return state

    triage.__annotations__["return"] = command[Literal["fix", "__end__"]]
    graph.add_node("triage", triage)
    graph.add_node("fix", stay, destinations={"close": "is fixed"})
    graph.add_node("close", stay, defer=True)
    graph.add_edge("__start__", "triage")
    return graph


def without_end(graph: Any, _: Any) -> Any:
    graph.add_node("ask", stay)
    graph.add_node("look", stay)
    graph.add_edge("__start__", "ask")
    graph.add_conditional_edges("ask", stay, ["look"])
    graph.add_edge("look", "ask")
    return graph


@pytest.mark.parametrize("write", [loop, joined, commanded, without_end])
def test_a_graph_is_drawn_as_langgraph_draws_it(write: Any) -> None:
    theirs, ours = both(write)

    equal(theirs, ours)


def test_interrupts_are_drawn_as_langgraph_draws_them() -> None:
    theirs, ours = both(loop, interrupt_before=["agent", "tools"], interrupt_after=["agent"])

    equal(theirs, ours)


def nested(depth: int) -> Callable[[Any, Any], Any]:
    def write(graph: Any, command: Any) -> Any:
        inner = TheirGraph if isinstance(graph, TheirGraph) else StateGraph
        graph.add_node(f"before{depth}", stay)
        graph.add_node(
            f"within{depth}",
            (nested(depth - 1) if depth else joined)(inner(State), command).compile(),
        )
        graph.add_node(f"after{depth}", stay)
        graph.add_edge("__start__", f"before{depth}")
        graph.add_conditional_edges(
            f"before{depth}", stay, {"in": f"within{depth}", "no": "__end__"}
        )
        graph.add_edge(f"within{depth}", f"after{depth}")
        return graph

    return write


@pytest.mark.parametrize("xray", [False, True, 1, 2])
def test_subgraphs_are_opened_as_langgraph_opens_them(xray: Any) -> None:
    theirs, ours = both(nested(2))

    equal(theirs, ours, xray=xray)


def test_random_graphs_are_drawn_as_langgraph_draws_them() -> None:
    compared = 0

    for seed in range(150):
        theirs, ours = both(partial(scribble, seed=seed))
        if "__end__" in ours.get_graph().nodes:  # else it goes round for ever
            equal(theirs, ours)
            compared += 1

    assert compared > 100


def scribble(graph: Any, _: Any, seed: int) -> Any:
    chance = random.Random(seed)
    names = [f"n{number}" for number in range(chance.randrange(2, 7))]
    chance.shuffle(names)
    for number, name in enumerate(names):
        graph.add_node(name, stay, defer=bool(number) and chance.random() < 0.15)
    graph.add_edge("__start__", names[0])
    for name, following in zip(names, [*names[1:], "__end__"], strict=True):
        graph.add_edge(name, following)
        if chance.random() < 0.4:
            answers = chance.sample([*names, "__end__"], 2)
            graph.add_conditional_edges(name, stay, dict(zip(("yes", "n0"), answers, strict=True)))
        if chance.random() < 0.2 and len(names) > 2:
            graph.add_edge(chance.sample([other for other in names if other != name], 2), name)
    return graph


def test_styles_are_written_as_langgraph_writes_them() -> None:
    theirs, ours = both(loop)
    settings = {"config": {"theme": "neutral", "look": "it's: odd", "themeVariables": {"a": "#e2"}}}

    one = theirs.get_graph().draw_mermaid(
        curve_style=TheirCurve.BASIS, wrap_label_n_words=2, frontmatter_config=settings
    )
    two = ours.get_graph().draw_mermaid(
        curve_style=CurveStyle.BASIS,
        wrap_label_n_words=2,
        frontmatter_config=settings,
        node_colors=NodeStyles(),
    )

    assert two.partition("graph TD")[2] == one.partition("graph TD")[2]
    heads = [next(yaml.safe_load_all(text)) for text in (one, two)]
    assert heads[0] == heads[1]


def test_what_a_router_does_not_declare_is_not_drawn() -> None:
    def unknown(graph: Any, _: Any) -> Any:
        graph.add_node("a", stay).add_node("b", stay).add_edge("__start__", "a")
        return graph.add_conditional_edges("a", lambda state: state["x"])

    theirs, ours = both(unknown)

    equal(theirs, ours)


def test_names_that_mermaid_would_read_as_signs_are_escaped() -> None:
    graph = Graph()
    graph.add_node(None, 'say "(hi)" [x]')

    text = graph.draw_mermaid()

    assert "#quot;#40;hi#41;#quot; #91;x#93;" in text
    assert '"(hi)"' not in text


def test_equal_names_at_different_depths_are_framed_apart() -> None:
    graph = Graph()
    for name in ("a:x:p", "a:x:q", "b:x:p", "b:x:q"):
        graph.add_node(None, name)
    for one in "ab":
        graph.add_edge(graph.nodes[f"{one}:x:p"], graph.nodes[f"{one}:x:q"])

    text = graph.draw_mermaid()

    frames = [line.split("[")[0].split()[1] for line in text.splitlines() if "subgraph" in line]
    assert len(frames) == len(set(frames)) == 4
