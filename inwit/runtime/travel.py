"""Travelling in time: from which of their checkpoints the graphs within another begin again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from inwit.runtime.checkpoints import Checkpointer, split
from inwit.runtime.checkpoints.base import Row
from inwit.runtime.commands import Command

if TYPE_CHECKING:
    from inwit.runtime.resume import Place

Named = Mapping[str, Any]
"""What a config names: ``configurable``."""
NO_ANSWER: Any = object()


class Travel:
    """Shared by an execution that begins at an old checkpoint and those within it."""

    __slots__ = ("_pinned", "_seen", "answers", "before_ns")

    def __init__(self, pinned: Mapping[str, str]) -> None:
        self._pinned = dict(pinned)
        """The checkpoints, by their places, at which graphs within begin again."""
        self._seen: set[str] = set()
        self.before_ns: int | None = None
        """When the checkpoint was written at which it begins: lasting graphs within forget what
        they did later."""
        self.answers: list[Any] = []
        """Answers to the questions that are asked next, whichever they are."""

    def point(self, place: Place, saver: Checkpointer) -> None:
        """Say at which checkpoint a graph within begins, the first time that it is called."""
        stable = place.ns.rpartition(":")[0] or place.ns
        if stable in self._seen:
            return
        self._seen.add(stable)
        pinned = self._pinned.get(place.ns)
        if pinned is not None:
            place.checkpoint_id, place.is_pinned = pinned, True
        elif self.before_ns is not None and place.is_lasting:
            rows = saver.history(place.thread_id, ns=place.ns)
            found = (row.checkpoint_id for row in rows if row.ts_ns < self.before_ns)
            place.checkpoint_id, place.is_as_of = next(found, None), True

    def answer(self) -> Any:
        """The answer to a question that has none of its own, once."""
        return self.answers.pop(0) if self.answers else NO_ANSWER


def place_of(named: Named) -> tuple[str | None, dict[str, str]]:
    """The outermost graph's checkpoint that a config names, and those of graphs within it."""
    ns, checkpoint_id = str(named.get("checkpoint_ns") or ""), named.get("checkpoint_id")
    if not ns:
        return checkpoint_id, {}
    pinned = dict(named.get("checkpoint_map") or {})
    outermost = pinned.pop("", None)
    if checkpoint_id is not None:
        pinned[ns] = checkpoint_id
    return outermost, pinned


def travel_of(
    place: Place, given: Any, saver: Checkpointer, rows: Sequence[Row], before_ns: int | None
) -> Travel | None:
    """How an outermost execution travels; None where it goes on at its thread's end.

    `before_ns` is the time of the input that is given again, if any is.
    """
    if place.checkpoint_id is None and before_ns is None and not place.pinned:
        return None
    travel = Travel(place.pinned)
    if isinstance(given, Command) and given.resume is not None:
        return travel
    travel.before_ns = before_ns
    if before_ns is None and rows:
        last = split(rows)[0]
        if last.source in ("update", "fork") and last.parent_id is not None:
            last = split(saver.load(place.thread_id, last.parent_id, ns=place.ns))[0]
        travel.before_ns = last.ts_ns
    return travel
