"""Where in the record a call belongs: the node that makes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from inwit.runtime.context import Context, current
from inwit.runtime.record import Recording, Unrecorded

if TYPE_CHECKING:
    from inwit.runtime.policies.budgets import Spending


class Place(NamedTuple):
    """One attempt of one visit of a node, as it was when a call began.

    A `Context` moves on with its execution; a call may outlast its node (a stream that is read
    later), and stays where it began.
    """

    recording: Recording
    node: str
    visit: int
    attempt: int
    context: Context | None = None

    @property
    def spending(self) -> Spending | None:
        """What the execution has spent of its budget, where it has one."""
        return None if self.context is None else self.context.execution.spending

    def emit(self, type_name: str, fields: dict[str, Any]) -> None:
        """Record an event here; nothing follows an execution's end or a node that was given up."""
        is_given_up = self.context is not None and self.context.is_closed
        if not self.recording.is_done and not is_given_up:
            self.recording.add_event(type_name, self.node, self.visit, self.attempt, fields)


_finders: list[Callable[[], Place | None]] = []


def of(context: Context | None) -> Place | None:
    """The place of a context; None outside of a node and where the record is off."""
    recording = context.recording if context is not None else None
    if context is None or recording is None:
        return None
    execution = context.execution
    is_idle = execution.spending is None and execution.output is None
    if isinstance(recording, Unrecorded) and is_idle:
        return None
    return Place(recording, context.node, context.visit, context.attempt, context)


def here() -> Place | None:
    """The place of the code that runs here, in a graph of inwit or a watched one."""
    place = of(current())
    if place is not None:
        return place
    return next((place for find in _finders if (place := find()) is not None), None)


def add_finder(find: Callable[[], Place | None]) -> None:
    """Let a watched framework say where its running node is."""
    if find not in _finders:
        _finders.append(find)
