"""Map and reduce: items that are worked on at the same time, and merged in their order."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypedDict

from inwit.prebuilt.concurrency import map_concurrent
from inwit.runtime.graph import StateGraph


class Failure(TypedDict):
    """An item that could not be worked on."""

    place: int
    error: str


class MapReduceState(TypedDict, total=False):
    """Items (or a source to split), what each gave, which failed, and the merged result."""

    source: Any
    items: list[Any]
    results: list[Any]
    failures: list[Failure]
    result: Any


def paragraphs(source: str, *, max_characters: int = 4000) -> list[str]:
    """Cut a text at blank lines into parts of at most about `max_characters`."""
    parts: list[str] = []
    for paragraph in (one.strip() for one in source.split("\n\n")):
        if parts and len(parts[-1]) + len(paragraph) + 2 <= max_characters:
            parts[-1] += f"\n\n{paragraph}"
        elif paragraph:
            parts.append(paragraph)
    return parts


def map_reduce(
    map_item: Callable[[Any], Any],
    reduce_items: Callable[[list[Any]], Any],
    *,
    split: Callable[[Any], Sequence[Any]] = paragraphs,
    max_concurrency: int = 8,
    in_threads: bool = False,
) -> StateGraph[MapReduceState]:
    """Write a graph: ``split`` → ``map`` → ``reduce``.

    An item that fails does not stop the others: it is in ``failures`` with its place and error, and
    `reduce_items` gets the rest. Where every item fails, the first error is raised.

    Args:
        map_item: Called for each item, sync or async; a sync one in threads with `in_threads`.
        reduce_items: Makes the result of what the items gave, in their order; sync or async.
        split: Makes items of ``source``, where no ``items`` are given.
    """

    def split_source(state: MapReduceState) -> MapReduceState:
        """Make items of the source, where none were given."""
        if "items" in state:
            return {"items": list(state["items"])}
        return {"items": list(split(state["source"]))}

    async def map_items(state: MapReduceState) -> MapReduceState:
        """Work on all items, some at the same time, and keep their order."""
        found = await map_concurrent(
            state["items"], map_item, max_concurrency, in_threads=in_threads, return_exceptions=True
        )
        errors = [(place, one) for place, one in enumerate(found) if isinstance(one, Exception)]
        if errors and len(errors) == len(found):
            raise errors[0][1]
        return {
            "results": [one for one in found if not isinstance(one, Exception)],
            "failures": [
                {"place": place, "error": f"{type(error).__name__}: {error}"}
                for place, error in errors
            ],
        }

    async def reduce_results(state: MapReduceState) -> MapReduceState:
        """Merge the results."""
        merged = reduce_items(state["results"])
        return {"result": await merged if inspect.isawaitable(merged) else merged}

    graph = StateGraph(MapReduceState)
    graph.add_node("split", split_source)
    graph.add_node("map", map_items)
    graph.add_node("reduce", reduce_results)
    graph.set_entry_point("split")
    graph.add_edge("split", "map")
    graph.add_edge("map", "reduce")
    graph.set_finish_point("reduce")
    return graph
