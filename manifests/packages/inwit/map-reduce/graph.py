"""Map-reduce over items that are worked on at the same time: `inwit.prebuilt.map_reduce`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from inwit import StateGraph
from inwit.prebuilt import MapReduceState, map_reduce, paragraphs

__all__ = ["build", "paragraphs"]


def build(
    map_item: Callable[[Any], Any],
    reduce_items: Callable[[list[Any]], Any],
    *,
    split: Callable[[Any], Sequence[Any]] = paragraphs,
    concurrency: int = 8,
    in_threads: bool = False,
) -> StateGraph[MapReduceState]:
    """Write the graph: ``split`` → ``map`` → ``reduce``."""
    return map_reduce(
        map_item, reduce_items, split=split, max_concurrency=concurrency, in_threads=in_threads
    )
