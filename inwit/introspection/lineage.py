"""Which visit led to which, and which visit wrote a value: read from the order of events.

Order is by seq, never by clock, so a clock that jumps changes no answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from inwit.introspection.claims import event_uri
from inwit.runtime.views import Visit

COMMAND = "goto"
"""The label of an edge that a node commanded. It reads nothing: what the node read is its input."""

Place = tuple[str, int]
"""A node and the number of its visit, within one execution."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lead:
    """An edge that was taken, and the visit that took it."""

    source: Visit
    edge: dict[str, Any]
    seq: int

    @property
    def uri(self) -> str | None:
        """The ``edge_taken`` event."""
        return event_uri(self.source.execution_id, self.seq)

    @property
    def is_command(self) -> bool:
        """Whether the node itself commanded this edge, by ``Command(goto=...)``."""
        return self.is_decision and self.edge.get("label") == COMMAND and not self.edge.get("read")

    @property
    def is_decision(self) -> bool:
        """Whether a condition chose this edge."""
        return bool(self.edge.get("conditional"))


def place(visit: Visit) -> Place:
    """Where a visit stands in its execution."""
    return visit.node, visit.visit


def leads(visits: Iterable[Visit]) -> dict[Place, list[Lead]]:
    """For each visit, the edges that led to it. An edge leads to one visit only."""
    found: dict[Place, list[Lead]] = {}
    waiting: dict[str, list[Lead]] = {}
    ordered = sorted(visits, key=lambda visit: visit.entry_seq)
    pending = sorted(
        (
            Lead(source=visit, edge=edge, seq=visit.edge_seq + offset)
            for visit in ordered
            if visit.edge_seq is not None
            for offset, edge in enumerate(visit.edges)
        ),
        key=lambda lead: lead.seq,
    )
    taken = 0
    for visit in ordered:
        while taken < len(pending) and pending[taken].seq < visit.entry_seq:
            waiting.setdefault(str(pending[taken].edge.get("target")), []).append(pending[taken])
            taken += 1
        found[place(visit)] = _consume(waiting.get(visit.node, []))
    return found


def _consume(open_leads: list[Lead]) -> list[Lead]:
    used: list[Lead] = []
    sources = set[Place]()
    for lead in list(open_leads):
        if place(lead.source) not in sources:
            sources.add(place(lead.source))
            open_leads.remove(lead)
            used.append(lead)
    return used


def is_sent(visits: Iterable[Visit], node: str) -> bool:
    """Whether a decision led to a node several times at once: by `Send`, each with an input of its own.

    The record holds what a decision read, not what it sent, so what such a visit was given is not
    known.
    """
    return any(sum(edge.get("target") == node for edge in visit.edges) > 1 for visit in visits)


def decision_before(lead: Lead, led: Mapping[Place, list[Lead]]) -> Lead | None:
    """The last decision on the way to an edge: the edge itself where a condition chose it."""
    seen = set[Place]()
    while not lead.is_decision:
        here = place(lead.source)
        before = led.get(here)
        if not before or here in seen:
            return None
        seen.add(here)
        lead = max(before, key=lambda one: one.seq)
    return lead


def writer(visits: Sequence[Visit], key: str, before_seq: int | None = None) -> Visit | None:
    """The last visit that wrote `key` before an event; None where the input gave it."""
    wrote = [
        visit
        for visit in visits
        if isinstance(visit.update, dict)
        and key in visit.update
        and visit.exit_seq is not None
        and (before_seq is None or visit.exit_seq < before_seq)
    ]
    return max(wrote, key=lambda visit: visit.exit_seq or 0, default=None)


def decisions(visits: Iterable[Visit], source: str | None = None) -> list[Lead]:
    """Every branch decision that was taken, in order, of `source` or of all nodes."""
    return [
        Lead(source=visit, edge=edge, seq=visit.edge_seq + offset)
        for visit in sorted(visits, key=lambda visit: visit.entry_seq)
        if visit.edge_seq is not None and source in (None, visit.node)
        for offset, edge in enumerate(visit.edges)
        if edge.get("conditional")
    ]
