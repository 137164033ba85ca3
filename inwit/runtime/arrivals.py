"""Joins where steps overlap: who has arrived, and in which step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from inwit.runtime.program import Join, Node, Program

if TYPE_CHECKING:
    from inwit.runtime.reach import Reach
    from inwit.runtime.visits import Visit


class Arrivals:
    """Counts arrivals as they would count if each step waited for the one before."""

    def __init__(self, program: Program, arrived: Mapping[int, set[int]] | None, step: int) -> None:
        self._joins = joins = program.joins
        self._deferred = program.deferred
        self._found: dict[int, list[tuple[int, int]]] = {
            number: [(step, index) for index in seen] for number, seen in (arrived or {}).items()
        }
        self._spent: dict[int, list[tuple[int, int, int]]] = {}
        """Arrivals with which a join was completed, each with the step of that: these may be ahead."""
        self._full: dict[int, int] = {}
        """Joins that are complete and whose deferred target has not run, with the step of that."""
        for number in list(self._found):
            if {index for _, index in self._found[number]} >= joins[number].needed:
                self._fill(number, step)

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
                    self._fill(number, step)
                    break
                self._spend(number, step)

    def _completed_in(self, number: int) -> int | None:
        seen: set[int] = set()
        for step, index in sorted(self._found.get(number, ())):
            seen.add(index)
            if seen >= self._joins[number].needed:
                return step
        return None

    def _spend(self, number: int, step: int) -> None:
        """Let a join that is complete in a step begin anew."""
        found = self._found.pop(number)
        spent = self._spent.setdefault(number, [])
        spent += [(when, index, step) for when, index in found if when <= step]
        self._found[number] = [one for one in found if one[0] > step]

    def _fill(self, number: int, step: int) -> None:
        self._spend(number, step)
        self._full[number] = step
        self._found.pop(number, None)

    def release(self, indices: Iterable[int]) -> None:
        """Let the joins of deferred nodes begin anew, since these run now."""
        chosen = set(indices)
        for number in [one for one in self._full if self._joins[one].target in chosen]:
            del self._full[number]

    def until(self, step: int) -> dict[int, set[int]] | None:
        """What a checkpoint of that step keeps; it is not asked for earlier ones after that."""
        kept = {n: set(self._joins[n].needed) for n, when in self._full.items() if when <= step}
        for number, found in self._found.items():
            _add(kept, number, {index for when, index in found if when <= step})
        for number, spent in self._spent.items():
            self._spent[number] = later = [one for one in spent if one[2] > step]
            _add(kept, number, {index for when, index, _ in later if when <= step})
        return kept or None


def _add(kept: dict[int, set[int]], number: int, seen: set[int]) -> None:
    if seen:
        kept.setdefault(number, set()).update(seen)


def _may_come_earlier(join: Join, step: int, unsettled: Sequence[Visit], reach: Reach) -> bool:
    """Whether something under way may still arrive in that step or before it."""
    needed = sum(1 << index for index in join.needed)
    return any(
        reach.within(one.at.index, step - one.depth) & needed
        for one in unsettled
        if one.depth <= step
    )
