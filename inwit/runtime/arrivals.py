"""Joins where steps overlap: who has arrived, and in which step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from inwit.runtime.program import Join, Node, Program

if TYPE_CHECKING:
    from inwit.runtime.dataflow import Visit
    from inwit.runtime.reach import Reach


class Arrivals:
    """Counts arrivals as they would count if each step waited for the one before."""

    def __init__(self, program: Program, arrived: Mapping[int, set[int]] | None, step: int) -> None:
        self._joins = joins = program.joins
        self._deferred = program.deferred
        self._found: dict[int, list[tuple[int, int]]] = {
            number: [(step, index) for index in seen] for number, seen in (arrived or {}).items()
        }
        self._full: set[int] = set()
        """Joins that are complete and whose deferred target has not run."""
        for number in list(self._found):
            if {index for _, index in self._found[number]} >= joins[number].needed:
                self._fill(number)

    def add(self, node: Node, step: int) -> None:
        """Note that a node is done in a step."""
        for number in node.joins:
            if number not in self._full:
                self._found.setdefault(number, []).append((step, node.index))

    def complete(self, unsettled: Sequence[Visit], reach: Reach) -> Iterator[tuple[int, int]]:
        """Give the targets of joins that are complete, each with the step in which it runs."""
        for number in list(self._found):
            join = self._joins[number]
            while (step := self._completed_in(number)) is not None:
                if _may_come_earlier(join, step, unsettled, reach):
                    break
                yield join.target, step + 1
                if join.target in self._deferred:
                    self._fill(number)
                    break
                self._found[number] = [one for one in self._found[number] if one[0] > step]

    def _completed_in(self, number: int) -> int | None:
        seen: set[int] = set()
        for step, index in sorted(self._found.get(number, ())):
            seen.add(index)
            if seen >= self._joins[number].needed:
                return step
        return None

    def _fill(self, number: int) -> None:
        self._full.add(number)
        self._found.pop(number, None)

    def release(self, indices: Iterable[int]) -> None:
        """Let the joins of deferred nodes begin anew, since these run now."""
        chosen = set(indices)
        self._full -= {number for number in self._full if self._joins[number].target in chosen}

    def until(self, step: int) -> dict[int, set[int]] | None:
        """What a checkpoint of that step keeps."""
        kept = {number: set(self._joins[number].needed) for number in self._full}
        for number, found in self._found.items():
            seen = {index for when, index in found if when <= step}
            if seen:
                kept[number] = seen
        return kept or None


def _may_come_earlier(join: Join, step: int, unsettled: Sequence[Visit], reach: Reach) -> bool:
    """Whether something under way may still arrive in that step or before it."""
    needed = sum(1 << index for index in join.needed)
    return any(
        reach.within(one.at.index, step - one.depth) & needed
        for one in unsettled
        if one.depth <= step
    )
