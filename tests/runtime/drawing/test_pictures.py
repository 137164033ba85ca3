import time
from typing import TypedDict
from xml.etree import ElementTree as ET

import pytest

from inwit import StateGraph
from inwit.errors import DuplicateNodeError, NotInThisVersionError, UnknownNodeError
from inwit.runtime.drawing import Graph, of_manifest
from inwit.runtime.drawing.layout import lay_out

SVG = "{http://www.w3.org/2000/svg}"


class State(TypedDict, total=False):
    x: int


def stay(state: State) -> State:
    return state


def looped() -> StateGraph[State]:
    graph = StateGraph(State).add_node("plan", stay).add_node("search", stay)
    graph.add_edge("__start__", "plan").add_edge("plan", "search")
    graph.add_conditional_edges("search", stay, {"again": "plan", "done": "__end__"})
    return graph


def nested() -> Graph:
    outer = StateGraph(State).add_node("deep", looped().compile(name="inner"))
    outer.add_edge("__start__", "deep")
    return outer.compile(name="outer").get_graph(xray=True)


def drawn(graph: Graph) -> ET.Element:
    return ET.fromstring(graph.draw_svg({"plan": 3}))


def titles(picture: ET.Element, kind: str) -> list[str | None]:
    groups = [g for g in picture.iter(f"{SVG}g") if kind in g.attrib["class"].split()]
    return [group.findtext(f"{SVG}title") for group in groups]


def test_every_node_and_edge_of_the_picture_is_a_group_with_a_title() -> None:
    picture = drawn(looped().compile(name="drawn").get_graph())

    assert titles(picture, "node") == ["__start__", "plan × 3", "search", "__end__"]
    assert "search → plan: again" in titles(picture, "edge")


def test_the_picture_has_colours_for_light_and_dark_pages() -> None:
    style = drawn(looped().compile(name="drawn").get_graph()).findtext(f"{SVG}style")

    assert style is not None
    assert "prefers-color-scheme:dark" in style
    assert style.count("var(--inwit-ink,") == 2


def test_a_subgraph_is_framed() -> None:
    assert titles(drawn(nested()), "part") == ["deep"]
    assert 'subgraph "cluster_deep" {' in nested().draw_dot()


def test_names_cannot_break_out_of_the_picture() -> None:
    graph = Graph()
    graph.add_node(None, '</title><script>alert("1")</script>')

    picture = ET.fromstring(graph.draw_svg())

    assert not list(picture.iter(f"{SVG}script"))


def test_no_two_nodes_stand_in_one_place() -> None:
    places = lay_out(nested()).places

    assert len(set(places.values())) == len(places)


def test_dot_quotes_names_and_tells_decisions_apart() -> None:
    graph = Graph()
    graph.add_edge(graph.add_node(None, 'a"b'), graph.add_node(None, "c"), "yes", conditional=True)

    assert '"a\\"b" -> "c" [label="yes", style=dashed];' in graph.draw_dot({"c": 2})
    assert 'label="c × 2"' in graph.draw_dot({"c": 2})


def test_letters_draw_every_node() -> None:
    text = looped().compile(name="drawn").get_graph().draw_ascii()

    assert [name for name in ("__start__", "plan", "search", "__end__") if name in text] == [
        "__start__", "plan", "search", "__end__",
    ]  # fmt: skip
    assert "*" in text
    assert "." in text


@pytest.mark.parametrize("shape", ["chain", "web", "fan"])
def test_a_graph_of_a_thousand_nodes_is_drawn_in_seconds(shape: str) -> None:
    graph = StateGraph(State)
    names = [f"n{number}" for number in range(1000)]
    for number, name in enumerate(names):
        graph.add_node(name, stay)
        before = names[number - 1] if number else "__start__"
        graph.add_edge("n0" if shape == "fan" and number else before, name)
        if shape == "web" and number % 3 == 0:
            graph.add_edge(name, names[min(number + number % 90 + 2, 999)])
    graph.set_finish_point(names[-1])
    began = time.monotonic()

    drawing = graph.compile(name="big").get_graph()
    pictures = [drawing.draw_mermaid(), drawing.draw_dot(), drawing.draw_svg()]

    assert time.monotonic() - began < 30
    assert all(text.count("n999") for text in pictures)


def test_pictures_that_need_a_service_are_refused_with_the_way_out() -> None:
    graph = looped().compile(name="drawn").get_graph()

    with pytest.raises(NotInThisVersionError, match=r"draw_svg"):
        graph.draw_mermaid_png()
    with pytest.raises(NotInThisVersionError, match=r"draw_dot"):
        graph.draw_png("graph.png")


def test_a_registered_graph_is_drawn_without_its_program() -> None:
    app = looped().compile(name="drawn")

    drawing = of_manifest(app.manifest())

    assert [(edge.source, edge.target, edge.data) for edge in drawing.edges] == [
        ("__start__", "plan", None),
        ("plan", "search", None),
        ("search", "plan", "again"),
        ("search", "__end__", "done"),
    ]


def test_a_drawing_refuses_nodes_that_it_has_and_edges_to_those_that_it_lacks() -> None:
    graph = Graph()
    node = graph.add_node(None, "a")

    with pytest.raises(DuplicateNodeError):
        graph.add_node(None, "a")
    graph.remove_node(node)
    with pytest.raises(UnknownNodeError):
        graph.add_edge(node, node)
