"""A trace as a series of steps, whether it comes as events or as the record's rows.

Rows are read for speed (a million visits in a minute); events are what everybody else has. Both
give the same steps, in the record's order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Protocol

from inwit.events import (
    Event,
    ExecutionStarted,
    NodeEntered,
    StateChanged,
    Types,
    epoch_ns,
)
from inwit.runtime.record import APPLY, ENTER, EVENT, START, VISIT


class Intake(Protocol):
    """What takes the steps of one execution."""

    def begin(self, seq: int, given: Any, called: Mapping[str, Any]) -> None:
        """The execution began with an input."""

    def enter(self, node: str, visit: int) -> None:
        """A node was entered, for the first time in this visit."""

    def update(self, changes: Mapping[str, Any]) -> None:
        """A node's update changed the state."""

    def patch(self, patch: list[dict[str, Any]]) -> None:
        """The state was changed by a patch."""

    def event(self, kind: str, seq: int, place: tuple[str, int], fields: Mapping[str, Any]) -> None:
        """Something else happened in a visit; `fields` are the event's own."""


Batch = tuple[list[Any], int, int, int]
WANTED = frozenset(
    (
        "node_failed", "cache_hit", "tool_started", "tool_completed", "tool_failed", "llm_started",
        "llm_completed", "custom",
    )
)  # fmt: skip


def read_rows(batches: Iterable[Batch], intake: Intake) -> None:
    """Give the steps of one execution's batches. A row of an unknown form is passed over."""
    for rows, _, _, anchor_ns in batches:
        for row in rows:
            try:
                _row(row, intake, anchor_ns)
            except (IndexError, ValueError, TypeError):
                continue  # written by another version, or half-written


def _row(row: Any, intake: Intake, anchor_ns: int) -> None:
    kind = row[0]
    if kind == VISIT:
        intake.enter(row[3], row[4])
        if row[8]:
            intake.update(row[8])
    elif kind == ENTER:
        intake.enter(row[2], row[3])
    elif kind == APPLY:
        if row[6]:
            intake.update(row[6])
    elif kind == EVENT:
        _event_row(row, intake, anchor_ns)
    elif kind == START:
        intake.begin(row[1], row[3], row[4] if len(row) > 4 else {})


def _event_row(row: Any, intake: Intake, anchor_ns: int) -> None:
    _, seq, t, kind, node, visit, attempt, fields = row
    fields = fields or {}
    if kind == "state_changed":
        intake.patch(fields.get("patch") or [])
    elif kind in WANTED:
        told = {**fields, "at_ns": t + anchor_ns, "attempt": attempt}
        intake.event(kind, seq, (node or "", visit or 0), told)


def read_events(events: Iterable[Event], intake: Intake) -> None:
    """Give the steps of one execution's events."""
    for event in events:
        if isinstance(event, NodeEntered):
            if event.attempt in (None, 1):
                intake.enter(event.node or "", event.visit or 0)
        elif isinstance(event, StateChanged):
            intake.patch(event.patch)
        elif isinstance(event, ExecutionStarted):
            intake.begin(event.seq, event.input, {"config": event.config})
        elif event.type in WANTED:
            fields = {name: getattr(event, name) for name in _own_fields(event.type)}
            fields |= {"attempt": event.attempt, "at_ns": epoch_ns(event.ts) if event.ts else 0}
            intake.event(event.type, event.seq, (event.node or "", event.visit or 0), fields)


_COMMON = set(Event.__struct_fields__) - {"duration_ms"}


def _own_fields(kind: str) -> Iterator[str]:
    return (name for name in Types.by_name[kind].__struct_fields__ if name not in _COMMON)


__all__ = ["WANTED", "Intake", "read_events", "read_rows"]
