"""Random graphs as graphs of a library: inwit's, or LangGraph's."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from tests.runtime.simulation.shapes import (
    END,
    START,
    Shape,
    State,
    Way,
    Ways,
    chosen,
    packets,
    targets,
    update_of,
)


def build(shape: Shape, library: Any) -> Any:
    """Write the graph with the names that both libraries have."""
    graph = library.StateGraph(State)
    for name in shape.names:
        graph.add_node(name, node(shape, name, library), defer=name in shape.deferred)
    connect(shape, graph, library)
    return graph


def connect(shape: Shape, graph: Any, library: Any) -> None:
    """Add everything that leads from one node to another."""
    for name in shape.entry:
        graph.add_edge(START, name)
    for start, end in shape.edges:
        graph.add_edge(start, end)
    for sources, end in shape.joins:
        graph.add_edge(list(sources), end)
    for name, ways in shape.routers.items():
        graph.add_conditional_edges(name, router(name, ways, library), [*targets(ways), END])


def node(shape: Shape, name: str, library: Any) -> Any:
    """A node as a function, sync or async."""

    def plain(state: Any) -> Any:
        return returned(shape, name, state, library)

    async def later(state: Any) -> Any:
        await asyncio.sleep(0)
        return returned(shape, name, state, library)

    return later if name in shape.are_async else plain


def returned(shape: Shape, name: str, given: Mapping[str, Any], library: Any) -> Any:
    """What a node returns: its update, in a command where it leads somewhere."""
    update = update_of(shape, name, given)
    if name not in shape.commands:
        return update
    before = given.get("counts", {}).get(name, 0)
    return library.Command(
        update=update, goto=goto(given, name, chosen(shape.commands[name], before), library)
    )


def router(name: str, ways: Ways, library: Any) -> Any:
    """A function that decides by how often its node was visited."""

    def route(state: Any) -> Any:
        found = chosen(ways, state["counts"][name] - 1)
        return goto(state, f"{name}?", found, library)

    return route


def goto(given: Mapping[str, Any], name: str, ways: Sequence[Way], library: Any) -> list[Any]:
    """A decision as a library knows it."""
    return [
        target if arg is None else library.Send(target, arg)
        for target, arg in packets(given, name, ways)
    ]
