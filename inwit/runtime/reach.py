"""Who may still lead to whom: how many edges lie between the nodes of a program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from inwit.runtime.destinations import destinations
from inwit.runtime.program import Node, Program, Router

if TYPE_CHECKING:
    from inwit.runtime.graph import Written


class Reach:
    """Sets of nodes as bits of a number, by how many edges lead there."""

    def __init__(self, program: Program, written: Mapping[str, Written]) -> None:
        self._next = [_next(program, node, written[node.name]) for node in program.nodes]
        self._exactly = [[1 << index for index in range(len(self._next))]]
        self._within = [self._exactly[0]]

    def exactly(self, index: int, edges: int) -> int:
        """The nodes that a node may lead to over so many edges."""
        self._extend(edges)
        return self._exactly[edges][index]

    def within(self, index: int, edges: int) -> int:
        """The nodes that it may lead to over so many edges or fewer; itself is one of them."""
        self._extend(edges)
        return self._within[edges][index]

    def _extend(self, edges: int) -> None:
        while len(self._exactly) <= edges:
            last, within = self._exactly[-1], self._within[-1]
            found = [_united(last, following) for following in self._next]
            self._exactly.append(found)
            self._within.append([one | other for one, other in zip(within, found, strict=True)])


def _united(sets: list[int], members: int) -> int:
    found = 0
    while members:
        lowest = members & -members
        found |= sets[lowest.bit_length() - 1]
        members ^= lowest
    return found


def _next(program: Program, node: Node, written: Written) -> int:
    """The nodes that may follow at once; all of them, where that cannot be known."""
    everything = (1 << len(program.nodes)) - 1
    found = _bits(node.targets) | _bits(program.joins[number].target for number in node.joins)
    for router in node.routers:
        found |= _led_by(program, router, everything)
    commanded = destinations(written)
    if commanded is None:
        return everything
    return found | _bits(program.by_name.get(name, -1) for name in commanded)


def _led_by(program: Program, router: Router, everything: int) -> int:
    possible = router.possible()
    if possible is None:
        return everything
    return _bits(program.by_name.get(target, -1) for _, target in possible)


def _bits(indices: object) -> int:
    found = 0
    for index in indices:  # type: ignore[attr-defined]
        if index >= 0:
            found |= 1 << index
    return found
