"""Where nodes stand and edges run: layers from the start downwards, by Sugiyama's method."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

import msgspec

from inwit.runtime.drawing.shape import Edge, Graph

Point = tuple[float, float]
_MOST_BENDS = 3000
"""More bends than these are not looked for: edges run straight then."""
_MOST_SWAPPED = 100
"""Neighbours are swapped to save crossings in graphs of at most so many places."""


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """Places in steps of one node's width and height, from (0, 0)."""

    places: Mapping[str, Point]
    ways: Mapping[tuple[str, str], tuple[Point, ...]]
    """The bends of each edge between two nodes, from its source to its target."""
    width: float
    height: float


def lay_out(graph: Graph) -> Layout:
    """Place the nodes of a graph; the direction of loops does not count."""
    order = _depth_first(graph)
    forward = _forward(graph.edges, order)
    layers = _layers(order, forward)
    paths = _paths(forward, layers)
    placed = _place(graph, paths, layers)
    width = max((x for x, _ in placed.values()), default=0.0)
    ways = {}
    for pair, path in paths.items():
        bends = tuple(placed[stop] for stop in path[1:-1])
        ways[pair] = bends
        ways[pair[1], pair[0]] = bends[::-1]
    return Layout(
        places={name: placed[name] for name in graph.nodes},
        ways=ways,
        width=width,
        height=max((y for _, y in placed.values()), default=0.0),
    )


def _depth_first(graph: Graph) -> dict[str, int]:
    """Number the nodes so that an edge of no loop leads to a higher number."""
    ahead: dict[str, list[str]] = {name: [] for name in graph.nodes}
    for edge in graph.edges:
        ahead[edge.source].append(edge.target)
    left: list[str] = []
    seen: set[str] = set()
    for start in graph.nodes:
        stack = [(start, iter(ahead[start]))] if start not in seen else []
        seen.add(start)
        while stack:
            name, targets = stack[-1]
            following = next((one for one in targets if one not in seen), None)
            if following is None:
                left.append(name)
                stack.pop()
            else:
                seen.add(following)
                stack.append((following, iter(ahead[following])))
    return {name: number for number, name in enumerate(reversed(left))}


def _forward(edges: Iterable[Edge], order: Mapping[str, int]) -> list[tuple[str, str]]:
    """Each pair of nodes with an edge, once, the way that the order leads."""
    pairs: dict[tuple[str, str], None] = {}
    for edge in edges:
        source, target = edge.source, edge.target
        if source != target:
            is_on = order[source] < order[target]
            pairs[(source, target) if is_on else (target, source)] = None
    return list(pairs)


def _layers(order: Mapping[str, int], forward: Iterable[tuple[str, str]]) -> dict[str, int]:
    """The longest way from a start to each node."""
    ahead: dict[str, list[str]] = {}
    for source, target in forward:
        ahead.setdefault(source, []).append(target)
    layers = dict.fromkeys(order, 0)
    for name in order:
        for target in ahead.get(name, ()):
            layers[target] = max(layers[target], layers[name] + 1)
    return layers


def _paths(
    forward: Iterable[tuple[str, str]], layers: Mapping[str, int]
) -> dict[tuple[str, str], list[Any]]:
    """Each pair with the stops between, one in each layer that the edge runs through."""
    pairs = list(forward)
    bends = sum(layers[target] - layers[source] - 1 for source, target in pairs)
    paths: dict[tuple[str, str], list[Any]] = {}
    for source, target in pairs:
        between = range(layers[source] + 1, layers[target]) if bends <= _MOST_BENDS else ()
        paths[source, target] = [source, *((source, target, at) for at in between), target]
    return paths


def _place(
    graph: Graph, paths: Mapping[tuple[str, str], list[Any]], layers: Mapping[str, int]
) -> dict[Any, Point]:
    from fast_sugiyama import from_edges

    # Every node but a start has an edge from the layer above; what has no bends can be left out.
    steps = [step for path in paths.values() for step in pairwise(path) if _is_short(step, layers)]
    stops = list(dict.fromkeys(stop for step in steps for stop in step))
    numbers = {stop: number for number, stop in enumerate(stops)}
    placed: dict[Any, Point] = {}
    right = 0.0
    parts = from_edges(
        [(numbers[source], numbers[target]) for source, target in steps],
        vertex_spacing=1,
        ranking_type="up",  # the others may take for ever on some graphs
        transpose=len(stops) <= _MOST_SWAPPED,
    ) if steps else []  # fmt: skip
    for part, *_ in parts:
        found = [(stops[int(number)], x) for number, (x, _) in part]
        near = min(x for _, x in found)
        for stop, x in found:
            layer = stop[2] if isinstance(stop, tuple) else layers[stop]
            placed[stop] = (right + x - near, float(layer))
        right += max(x for _, x in found) - near + 1
    for name in graph.nodes:
        if name not in placed:  # it has no edge but to itself
            placed[name] = (right, 0.0)
            right += 1
    return placed


def _is_short(step: tuple[Any, Any], layers: Mapping[str, int]) -> bool:
    source, target = step
    are_nodes = isinstance(source, str) and isinstance(target, str)
    return not are_nodes or layers[target] - layers[source] == 1
