"""Random graphs as plain data, and what their nodes do: the same for every scheduler."""

from __future__ import annotations

import operator
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, TypedDict

Choose = Callable[[int], int]
"""Gives a number from 0 to n - 1: drawn by hypothesis, or by a seeded generator."""
END = "__end__"
START = "__start__"


class Sent(NamedTuple):
    """A way on that carries an input of its own."""

    target: str


Way = str | Sent
Ways = tuple[tuple[Way, ...], ...]
"""Where a decision leads to, by how often its node was visited before; then nowhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """A graph: who follows whom, and which nodes do what."""

    names: tuple[str, ...]
    entry: tuple[str, ...]
    edges: tuple[tuple[str, str], ...]
    joins: tuple[tuple[tuple[str, ...], str], ...]
    routers: Mapping[str, Ways]
    commands: Mapping[str, Ways]
    deferred: frozenset[str]
    are_async: frozenset[str]
    plain_writers: frozenset[str]
    """Nodes that write a key without a reducer."""
    is_blind: bool = False
    """Whether its nodes read nothing of what others wrote."""


def add_counts(first: dict[str, int], second: dict[str, int]) -> dict[str, int]:
    """Count together."""
    return {
        key: first.get(key, 0) + second.get(key, 0) for key in sorted(first.keys() | second.keys())
    }


def fold_digest(first: int, second: int) -> int:
    """Mix in one more number: neither associative nor commutative, so that any order shows."""
    return (first * 31 + second) % 1_000_003


def higher(first: int, second: int) -> int:
    """The greater one, as a function with a signature."""
    return max(first, second)


class State(TypedDict, total=False):
    """What the random graphs keep."""

    log: Annotated[list[str], operator.add]
    counts: Annotated[dict[str, int], add_counts]
    digest: Annotated[int, fold_digest]
    highest: Annotated[int, higher]
    last: str


REDUCERS: dict[str, Callable[[Any, Any], Any]] = {
    "log": operator.add,
    "counts": add_counts,
    "digest": fold_digest,
    "highest": higher,
}
FIRST: dict[str, Any] = {"log": [], "counts": {}, "digest": 0, "highest": 0}


def update_of(shape: Shape, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """What a node returns for what it is given; every value tells what it has read."""
    seen = 0 if shape.is_blind else given.get("digest", 0)
    read = f"{name}|{seen}|{given.get('packet', '')}"
    number = zlib.crc32(read.encode()) % 9973
    update = {"log": [read], "counts": {name: 1}, "digest": number, "highest": number}
    return {**update, "last": name} if name in shape.plain_writers else update


def chosen(ways: Ways, visits_before: int) -> tuple[Way, ...]:
    """Where the next decision leads."""
    return ways[visits_before] if visits_before < len(ways) else ()


def targets(ways: Ways) -> list[str]:
    """The names that a decision may lead to."""
    named = (one.target if isinstance(one, Sent) else one for step in ways for one in step)
    return sorted(set(named))


def packet(given: Mapping[str, Any], source: str, number: int) -> dict[str, Any]:
    """The input that a node or router sends."""
    path = f"{given.get('packet', '')}/{source}{number}"
    return {"digest": given.get("digest", 0), "counts": given.get("counts", {}), "packet": path}


def packets(given: Mapping[str, Any], source: str, ways: Sequence[Way]) -> list[Any]:
    """A decision as pairs of a name and what is sent there, which is None for an edge."""
    return [
        (way.target, packet(given, source, number)) if isinstance(way, Sent) else (way, None)
        for number, way in enumerate(ways)
    ]


def make_shape(choose: Choose, *, size: int = 6, is_blind: bool = False) -> Shape:
    """Draw a graph. Plain edges lead forwards; what leads back is counted, so that all of them end.

    In one that `is_blind` nothing leads back, and nothing depends on what is read.
    """
    count = 2 + choose(size - 1)
    order = _shuffled(choose, [chr(ord("a") + i) for i in range(count)])
    edges = [
        (first, second)
        for at, first in enumerate(order)
        for second in order[at + 1 :]
        if choose(3) == 0
    ]
    joins = []
    for _ in range(choose(3)):
        target = 1 + choose(count - 1)
        sources = tuple(name for name in order[:target] if choose(2))
        if len(sources) > 1:
            joins.append((sources, order[target]))
    make_ways = _forward_ways if is_blind else _ways
    return Shape(
        is_blind=is_blind,
        names=tuple(sorted(order)),
        entry=tuple(dict.fromkeys([order[0], *[order[choose(count)] for _ in range(choose(3))]])),
        edges=tuple(edges),
        joins=tuple(dict.fromkeys(joins)),
        routers={name: make_ways(choose, order, name) for name in order if choose(3) == 0},
        commands={name: make_ways(choose, order, name) for name in order if choose(4) == 0},
        deferred=frozenset(name for name in order if choose(6) == 0),
        are_async=frozenset(name for name in order if choose(2)),
        plain_writers=frozenset(name for name in order if choose(8) == 0),
    )


def _shuffled(choose: Choose, names: list[str]) -> list[str]:
    left, found = list(names), []
    while left:
        found.append(left.pop(choose(len(left))))
    return found


def _forward_ways(choose: Choose, order: Sequence[str], name: str) -> Ways:
    later = order[order.index(name) + 1 :]
    if not later:
        return ()
    return (tuple(dict.fromkeys(_way(choose, later) for _ in range(choose(3)))),) * 200


def _ways(choose: Choose, order: Sequence[str], name: str) -> Ways:
    return tuple(
        tuple(dict.fromkeys(_way(choose, order) for _ in range(choose(3))))
        for _ in range(1 + choose(2))
    )


def _way(choose: Choose, order: Sequence[str]) -> Way:
    name = order[choose(len(order))]
    return Sent(name) if choose(3) == 0 else name
