"""Writing graphs: what compiles, what is refused, and what the errors say."""

from __future__ import annotations

from threading import Lock
from typing import Annotated, Any, Literal, TypedDict

import pytest
from pydantic import BaseModel

from inwit import END, START, Send, StateGraph
from inwit.errors import (
    DuplicateNodeError,
    GraphError,
    InvalidGraphError,
    InvalidNameError,
    InvalidStateError,
    InvalidUpdateError,
    MissingRouteError,
    NoEntryError,
    NoPathToEndError,
    UnknownNodeError,
    UnreachableNodeError,
    UnserialisableError,
)


class State(TypedDict, total=False):
    n: int
    log: Annotated[list[str], lambda old, new: old + new]


def step(state: State) -> dict[str, Any]:
    return {"n": state.get("n", 0) + 1}


def faults_of(graph: StateGraph[Any]) -> list[GraphError]:
    with pytest.raises(InvalidGraphError) as caught:
        graph.compile(name="faulty")
    return list(caught.value.faults)


def test_all_faults_are_reported_at_once_with_the_nearest_right_name(project: Any) -> None:
    graph = StateGraph(State)
    graph.add_node("search", step)
    graph.add_node("search", step)
    graph.add_edge("serch", "rank")

    found = faults_of(graph)

    assert {type(fault) for fault in found} == {DuplicateNodeError, UnknownNodeError, NoEntryError}
    assert "Did you mean 'search'?" in str(InvalidGraphError(found))


def test_a_node_without_a_way_to_it_is_named(project: Any) -> None:
    graph = StateGraph(State)
    graph.add_node("a", step)
    graph.add_node("lost", step)
    graph.add_edge(START, "a")
    graph.add_edge("a", END)

    [fault] = faults_of(graph)

    assert isinstance(fault, UnreachableNodeError)
    assert "'lost'" in fault.message


def test_a_loop_without_a_way_out_is_named(project: Any) -> None:
    graph = StateGraph(State)
    graph.add_node("a", step)
    graph.add_node("b", step)
    graph.add_edge(START, "a")
    graph.add_edge("a", "b")
    graph.add_edge("b", "a")

    [fault] = faults_of(graph)

    assert isinstance(fault, NoPathToEndError)


def answer_again_or_done(state: State) -> Literal["again", "done"]:
    return "done" if state["n"] > 3 else "again"


def test_an_answer_that_the_path_map_lacks_is_found_before_running(project: Any) -> None:
    graph = StateGraph(State)
    graph.add_node("a", step)
    graph.add_edge(START, "a")
    graph.add_conditional_edges("a", answer_again_or_done, {"agian": "a", "done": END})

    [fault] = faults_of(graph)

    assert isinstance(fault, MissingRouteError)
    assert fault.hint == "Did you mean 'agian'?"


def route_by_text(state: State):
    if state["n"] > 3:
        return "finish"
    return "more"


def test_answers_are_read_from_a_routers_source_where_it_has_no_annotation(project: Any) -> None:
    graph = StateGraph(State)
    graph.add_node("a", step)
    graph.add_edge(START, "a")
    graph.add_conditional_edges("a", route_by_text, {"more": "a"})

    [fault] = [f for f in faults_of(graph) if isinstance(f, MissingRouteError)]

    assert "'finish'" in fault.message


def test_a_map_that_leads_to_an_unknown_node_is_refused(project: Any) -> None:
    graph = StateGraph(State)
    graph.add_node("a", step)
    graph.add_edge(START, "a")
    graph.add_conditional_edges("a", answer_again_or_done, {"again": "aa", "done": END})

    assert any(isinstance(f, UnknownNodeError) for f in faults_of(graph))


@pytest.mark.parametrize("name", ["", "__start__", "a/b", "../x", "x\n", "a:b"])
def test_a_name_that_no_id_can_hold_is_refused(name: str, project: Any) -> None:
    with pytest.raises(InvalidNameError):
        StateGraph(State).add_node(name, step)


def test_a_policy_that_no_node_has_is_refused_by_name(project: Any) -> None:
    with pytest.raises(TypeError, match="retry_polcy"):
        StateGraph(State).add_node("a", step, retry_polcy=None)


def build_named() -> Any:
    graph = StateGraph(State)
    graph.add_node("a", step)
    graph.set_entry_point("a")
    return graph.compile()


def test_without_a_name_a_graph_takes_the_one_of_the_function(project: Any) -> None:
    assert build_named().name.endswith("test_graph.build_named")


class Builder:
    def build(self) -> Any:
        graph = StateGraph(State)
        graph.add_node("a", step)
        graph.set_entry_point("a")
        return graph.compile()


def test_without_a_name_a_graph_of_a_method_is_called_after_its_class(project: Any) -> None:
    class Holder:
        def __init__(self) -> None:
            graph = StateGraph(State)
            graph.add_node("a", step)
            graph.set_entry_point("a")
            self.app = graph.compile()

    assert Builder().build().name.endswith("test_graph.Builder.build")
    assert Holder().app.name.endswith("test_graph.Holder")


def test_validation_can_be_switched_off(project: Any) -> None:
    graph = StateGraph(State)
    graph.add_node("a", step)
    graph.add_node("lost", step)
    graph.add_edge(START, "a")

    app = graph.compile(name="unchecked", validate=False)

    assert app.invoke({"n": 1})["n"] == 2


def test_mermaid_shows_nodes_and_decisions(project: Any) -> None:
    graph = StateGraph(State)
    graph.add_node("a", step)
    graph.add_edge(START, "a")
    graph.add_conditional_edges("a", answer_again_or_done, {"again": "a", "done": END})

    drawing = graph.compile(name="drawn").get_graph().draw_mermaid()

    assert "&nbsp;again&nbsp;" in drawing
    assert "graph TD;" in drawing


class Notes(TypedDict, total=False):
    notes: list[Any]


def beginners(node: Any, state: Any = Notes) -> Any:
    return StateGraph(state).add_node("one", node).set_entry_point("one").compile(name="beginners")


def test_a_graph_that_is_not_compiled_says_so() -> None:
    with pytest.raises(AttributeError, match=r"no 'invoke'. Compile it first: app = graph.compile"):
        StateGraph(Notes).invoke({})  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match=r"no 'invoek'$"):
        StateGraph(Notes).invoek({})  # type: ignore[attr-defined]


@pytest.mark.parametrize("given", [{}, {"notes": [Lock()]}])
def test_what_cannot_be_kept_is_told_with_its_key(project: Any, given: Any) -> None:
    app = beginners(lambda _: {"notes": [Lock()]})

    with pytest.raises(UnserialisableError, match="at key 'notes', cannot be kept"):
        app.invoke(given, thread_id="t")


def test_a_node_that_returns_where_to_send_is_told_how(project: Any) -> None:
    with pytest.raises(InvalidUpdateError) as raised:
        beginners(lambda _: [Send("one", {})]).invoke({})

    assert "Command(goto=…)" in raised.value.hint


def test_a_value_that_does_not_fit_a_model_is_told_with_what_fits(project: Any) -> None:
    class Order(BaseModel):
        sku: str = ""
        amounts: list[int] = []

    app = beginners(lambda _: {"amounts": [1, "two"]}, Order)

    with pytest.raises(InvalidUpdateError) as update:
        app.invoke({})
    with pytest.raises(InvalidStateError) as given:
        app.invoke({"sku": 1})

    assert str(update.value).startswith(
        "'amounts' cannot be [1, 'two']: 1: Input should be a valid"
    )
    assert update.value.hint == "Order says amounts: list[int]."
    assert "sku: Input should be a valid string." in str(given.value)
    assert given.value.hint == "Order says sku: str, amounts: list[int]."
