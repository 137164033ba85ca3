"""Streams that nodes read of graphs which they call, within a stream of the graph around them."""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

import langgraph.graph
import pytest
from langchain_core.language_models import GenericFakeChatModel

import inwit
from inwit import get_stream_writer


class State(TypedDict, total=False):
    out: Annotated[list[Any], operator.add]


def nested(library: Any, modes: Any, *, model: bool = False) -> Any:
    """A graph whose node reads the stream of another, and what that node read."""

    def speak(state: State) -> dict[str, Any]:
        if library is inwit:
            get_stream_writer()({"note": 1})
        else:
            langgraph.config.get_stream_writer()({"note": 1})
        if model:
            told = GenericFakeChatModel(messages=iter(["Hello there."])).invoke("Hi.")
            return {"out": [told.content]}
        return {"out": ["spoke"]}

    inner = library.StateGraph(State).add_node("speak", speak)
    inner = inner.add_edge(library.START, "speak").compile()
    heard: list[Any] = []

    def reads(state: State) -> dict[str, Any]:
        heard.extend(inner.stream({}, stream_mode=modes))
        return {"out": ["read"]}

    graph = library.StateGraph(State).add_node("reads", reads).add_edge(library.START, "reads")
    return graph.compile(), heard


@pytest.mark.parametrize("subgraphs", [True, False])
@pytest.mark.parametrize("inner", ["updates", "values", "custom", ["updates", "custom"]])
@pytest.mark.parametrize("outer", ["updates", ["custom", "values"]])
def test_both_readers_are_told_what_each_has_asked_for_as_in_langgraph(
    outer: Any, inner: Any, subgraphs: bool, project: Any
) -> None:
    def told(library: Any) -> Any:
        app, heard = nested(library, inner)
        found = list(app.stream({}, stream_mode=outer, subgraphs=subgraphs))
        plain = [
            ([place.partition(":")[0] for place in one[0]], *one[1:]) if subgraphs else one
            for one in found
        ]
        return plain, heard

    assert told(inwit) == told(langgraph.graph)


def test_a_models_words_are_told_once_to_each_reader(project: Any) -> None:
    app, heard = nested(inwit, "messages", model=True)

    found = list(app.stream({}, stream_mode="messages", subgraphs=True))

    assert "".join(str(chunk.content) for chunk, _ in heard) == "Hello there."
    assert "".join(str(chunk.content) for _, (chunk, _) in found) == "Hello there."
