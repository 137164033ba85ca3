"""What is learnt of detectors from the verdicts on their plans, and how long a finding rests."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from inwit.plans import Plan
from inwit.self_improve import tables

if TYPE_CHECKING:
    import apsw

    from inwit.runtime.store import Store

VERDICTS: Final = 10
PRECISION_MIN: Final = 0.5
MUTED_DAYS: Final = 30
"""How long a muted detector is silent after its last verdict; then one plan is let through."""
REST_DAYS: Final = {"rejected": 30, "rolled_back": 30, "failed": 7, "implemented": 7}
"""How long the finding of a plan that ended so is not proposed again."""


class Precision(msgspec.Struct, frozen=True, kw_only=True):
    """How the plans of one detector fared, of its last ten verdicts."""

    detector: str
    correct: int
    verdicts: int
    precision: float | None
    """None before the first verdict."""
    is_muted: bool = False
    until: str | None = None
    note: str = ""


def precisions(store: Store) -> list[Precision]:
    """The precision of every detector that has verdicts."""
    found = tables.rows(
        store, "verdicts", "SELECT detector, correct, at FROM verdicts ORDER BY number DESC"
    )
    names = sorted({str(row[0]) for row in found})
    return [_precision(name, [row for row in found if row[0] == name][:VERDICTS]) for name in names]


def precision_of(connection: apsw.Connection, detector: str) -> Precision:
    """The precision of one detector."""
    rows = connection.execute(
        "SELECT detector, correct, at FROM verdicts WHERE detector = ? ORDER BY number DESC LIMIT ?",
        (detector, VERDICTS),
    ).fetchall()
    return _precision(detector, [(str(row[0]), int(str(row[1])), str(row[2])) for row in rows])


def _precision(detector: str, last: Sequence[tuple[str, int, str]]) -> Precision:
    correct = sum(row[1] for row in last)
    found = Precision(
        detector=detector, correct=correct, verdicts=len(last),
        precision=correct / len(last) if last else None,
    )  # fmt: skip
    if len(last) < VERDICTS or correct / VERDICTS >= PRECISION_MIN:
        return found
    until = after(last[0][2], MUTED_DAYS)
    note = f"{detector} is muted until {until}: {correct} of its last {VERDICTS} plans proved right"
    return msgspec.structs.replace(found, is_muted=tables.now() < until, until=until, note=note)


def add_verdict(connection: apsw.Connection, plan: Plan, reason: str, *, correct: bool) -> None:
    """Note that a plan of a detector proved right or wrong; a later verdict replaces an earlier."""
    connection.execute("DELETE FROM verdicts WHERE plan = ?", (plan.id,))
    connection.execute(
        "INSERT INTO verdicts (detector, plan, correct, at, reason) VALUES (?, ?, ?, ?, ?)",
        (plan.category, plan.id, int(correct), tables.now(), reason),
    )


def rests_until(plan: Plan) -> str | None:
    """Until when the finding of a closed plan is not proposed again; None where it may be now."""
    days = REST_DAYS.get(plan.status)
    if days is None or not plan.history:
        return None
    until = after(plan.history[-1].at, days)
    return until if tables.now() < until else None


def after(at: str, days: int) -> str:
    """A time some days later."""
    later = datetime.fromisoformat(at) + timedelta(days=days)
    return later.isoformat(timespec="microseconds").replace("+00:00", "Z")
