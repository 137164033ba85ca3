"""States that merge themselves, and graphs whose state is mapped to another's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, TypedDict

import pytest

from inwit import END, START, Command, InvalidUpdateError, StateGraph, interrupt, mapped


@dataclass
class Tally:
    total: int = 0
    seen: list[str] = field(default_factory=list)

    def merge(self, update: dict[str, Any]) -> Tally:
        return Tally(self.total + update.get("total", 0), [*self.seen, *update.get("seen", [])])


def counting(merge_of: Any = Tally) -> Any:
    graph = StateGraph(merge_of)
    for name in ("one", "two"):
        graph.add_node(name, lambda state, name=name: {"total": 1, "seen": [name]})
        graph.add_edge(START, name)
    return graph.compile(name="tally")


def test_a_state_that_has_a_merge_method_merges_what_parallel_branches_return(
    project: Any,
) -> None:
    result = counting().invoke({"total": 5})

    assert result == {"total": 7, "seen": ["one", "two"]}


def test_a_merged_state_is_what_a_thread_goes_on_with(project: Any) -> None:
    app = counting()

    app.invoke({"total": 5}, thread_id="t")
    result = app.invoke({"total": 1}, thread_id="t")

    assert result["total"] == 10
    assert app.get_state({"configurable": {"thread_id": "t"}}).values == result


def test_a_merge_method_that_gives_no_state_is_refused(project: Any) -> None:
    @dataclass
    class Wrong:
        total: int = 0

        def merge(self, update: dict[str, Any]) -> int:
            return 7

    graph = StateGraph(Wrong).add_node("one", lambda state: {"total": 1}).add_edge(START, "one")

    with pytest.raises(InvalidUpdateError, match=r"Wrong\.merge returned a int"):
        graph.compile().invoke({"total": 0})


class Inner(TypedDict, total=False):
    text: str
    secret: str


class Outer(TypedDict, total=False):
    said: str


def inner_graph(node: Any) -> Any:
    return StateGraph(Inner).add_node("work", node).add_edge(START, "work").compile(name="inner")


def test_a_graph_with_other_keys_is_a_node_by_mapping(project: Any) -> None:
    inner = inner_graph(lambda state: {"text": state["text"].upper(), "secret": "x"})
    outer = StateGraph(Outer)
    outer.add_node("loud", mapped(inner, into={"text": "said"}, back={"said": "text"}))
    outer.add_edge(START, "loud").add_edge("loud", END)

    assert outer.compile().invoke({"said": "hello"}) == {"said": "HELLO"}


def test_a_mapped_graph_waits_and_goes_on_with_its_own_state(project: Any) -> None:
    inner = inner_graph(lambda state: {"text": state["text"] + interrupt("more?")})
    outer = StateGraph(Outer)
    outer.add_node(
        "ask",
        mapped(inner, lambda state: {"text": state["said"]}, lambda done: {"said": done["text"]}),
    )
    app = outer.add_edge(START, "ask").compile()

    waiting = app.invoke({"said": "a"}, thread_id="t")
    done = app.invoke(Command(resume="b"), thread_id="t")

    assert waiting["__interrupt__"][0].value == "more?"
    assert done == {"said": "ab"}
