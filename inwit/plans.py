"""A plan: a concrete change with evidence, expected gain, validation and rollback."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from inwit.answers import Evidence

PlanStatus = Literal[
    "proposed", "validated", "approved", "in_progress", "implemented", "rolled_back", "failed",
    "rejected", "superseded", "expired",
]  # fmt: skip
OPEN_PLAN_STATUSES: tuple[PlanStatus, ...] = ("proposed", "validated", "approved", "in_progress")
_CLOSING: tuple[PlanStatus, ...] = ("rejected", "superseded", "expired")
MOVES: dict[str, tuple[PlanStatus, ...]] = {
    "": ("proposed",),
    "proposed": ("validated", *_CLOSING),
    "validated": ("approved", *_CLOSING),
    "approved": ("in_progress", *_CLOSING),
    "in_progress": ("implemented", "rolled_back", "failed", *_CLOSING),
    "implemented": ("rolled_back",),
    "rolled_back": (),
    "failed": (),
    "rejected": (),
    "superseded": (),
    "expired": (),
}
"""Where a plan of each status may go; nowhere else."""


class Principal(msgspec.Struct, frozen=True, kw_only=False):
    """Who acts: the daemon, a client session, or a person.

    Who proposed a plan cannot approve it, and a client never approves.
    """

    kind: Literal["daemon", "client", "person"]
    id: str

    def __str__(self) -> str:
        return self.id if self.kind == "daemon" else f"{self.kind}:{self.id}"


DAEMON = Principal("daemon", "daemon")
"""Who acts where nobody asked: what looks at executions while a host runs."""


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """A measured or predicted change with its interval, and the method that gave it."""

    point: float
    low: float
    high: float
    unit: str
    method: str = ""


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """One step in a plan's life."""

    at: str
    actor: str
    source: str = msgspec.field(name="from")
    target: str = msgspec.field(name="to")
    reason: str = ""


class Validation(msgspec.Struct, frozen=True, kw_only=True):
    """How to check the change: a command and what it should print."""

    command: str
    expected: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A proposed change. Two plans for the same finding have the same `fingerprint`."""

    id: str
    fingerprint: str
    title: str
    hypothesis: str
    category: str
    graph_name: str
    evidence: tuple[Evidence, ...]
    baseline: dict[str, Any]
    candidate: dict[str, Any]
    effect: Effect
    expected_gain: Effect | None
    confidence: float
    actions: tuple[dict[str, Any], ...]
    risk: str
    validation: Validation
    rollback: str
    replay: dict[str, Any] | None = None
    status: PlanStatus = "proposed"
    assignee: str | None = None
    history: tuple[Move, ...] = ()
    outcome: dict[str, Any] | None = None
    revision: int = 1
    critique: dict[str, Any] | None = None
    """What models said of it, where some were asked: each one's verdict, and what most said."""


class Hypothesis(msgspec.Struct, frozen=True, kw_only=True):
    """A testable cause of a finding, and how it fared. `correct` is None until evaluated."""

    id: str
    source: str
    statement: str
    expected_evidence: str
    created_at: str
    graph_name: str = ""
    plan_id: str | None = None
    evaluated_at: str | None = None
    correct: bool | None = None
    evidence: tuple[Evidence, ...] = ()
    trigger: str = ""
    """When it is evaluated."""
    verdict: str = ""
    """What it was judged by."""


def to_json(plan: Plan | Hypothesis) -> dict[str, Any]:
    """Show a plan as plain JSON values."""
    shown: dict[str, Any] = msgspec.to_builtins(plan)
    return shown
