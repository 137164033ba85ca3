"""The plan book: plans, their moves and hypotheses, in tables beside the record."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from inwit.errors import UnknownPlanError
from inwit.ids import new_id
from inwit.plans import (
    DAEMON,
    OPEN_PLAN_STATUSES,
    Hypothesis,
    Move,
    Plan,
    PlanStatus,
    Principal,
)
from inwit.self_improve import hypotheses, learning, tables
from inwit.self_improve.learning import Precision
from inwit.self_improve.tables import MIGRATIONS, ROOM

if TYPE_CHECKING:
    import apsw

    from inwit.runtime.store import Store

Plans = list[Plan]
Hypotheses = list[Hypothesis]
Precisions = list[Precision]

OPEN_LIMIT: Final = 5
"""Open plans at once; what would gain less waits."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a proposal."""

    plan: Plan
    """The plan that the book holds; of what was not entered, the proposal."""
    outcome: Literal["new", "known", "rests", "muted", "crowded"]
    reason: str = ""


class PlanBook:
    """The plans of one project."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @classmethod
    def of(cls, store: Store) -> PlanBook:
        """The book beside a store."""
        return cls(store)

    @property
    def store(self) -> Store:
        """The record that it stands beside."""
        return self._store

    def propose(self, plan: Plan, *, expected_evidence: str = "", actor: str = "") -> Plan:
        """Enter a plan, and give the one that the book then holds; see `enter`."""
        by = Principal("client", actor) if actor and actor != str(DAEMON) else DAEMON
        return self.enter(plan, expected_evidence=expected_evidence, by=by).plan

    def enter(self, plan: Plan, *, expected_evidence: str = "", by: Principal = DAEMON) -> Entry:
        """Enter a plan with its hypothesis.

        A plan for a finding that has an open one is merged into that, as long as nobody has decided
        on it. A finding whose plan was closed rests for a while; a detector whose plans mostly
        proved wrong is muted; and of more than five open plans those with the least certain gain
        give way, or are not entered.
        """
        tables.declare(self._store)
        move = Move(
            at=tables.now(), actor=str(by), source="", target="proposed", reason=plan.hypothesis
        )
        entered = msgspec.structs.replace(plan, status="proposed", history=(move,), revision=1)
        hypothesis = Hypothesis(
            id=new_id(), source=plan.category, statement=plan.hypothesis, created_at=move.at,
            expected_evidence=expected_evidence or plan.validation.expected,
            graph_name=plan.graph_name, plan_id=plan.id, evidence=plan.evidence,
            trigger=hypotheses.trigger_of(plan),
        )  # fmt: skip
        displaced: Plans = []
        found = self._store.write(
            lambda connection: _enter(connection, entered, hypothesis, displaced)
        )
        for one in displaced:
            self.tell(one, previous="proposed")
        if found.outcome == "new":
            self.tell(found.plan)
        return found

    def tell(self, plan: Plan, previous: str | None = None) -> None:
        """Write the event of a plan's last move."""
        from inwit.runtime.store import Journal

        Journal.of(self._store.project).emit(
            "plan_changed", graph_name=plan.graph_name, plan_id=plan.id, status=plan.status,
            previous=previous, actor=plan.history[-1].actor,
        )  # fmt: skip

    def list(self, status: PlanStatus | None = None) -> Plans:
        """The plans, newest first; all or those of one status."""
        rows = tables.rows(self._store, "plans", "SELECT json FROM plans")
        found = [msgspec.json.decode(row[0], type=Plan) for row in rows]
        found.sort(key=lambda plan: (plan.history[0].at if plan.history else "", plan.id))
        return [plan for plan in reversed(found) if status in (None, plan.status)]

    def open(self) -> Plans:
        """The open plans, the one with the largest certain gain first."""
        found = [plan for plan in self.list() if plan.status in OPEN_PLAN_STATUSES]
        return sorted(found, key=rank, reverse=True)

    def get(self, plan_id: str) -> Plan:
        """Find a plan by its id or a unique beginning of it of four characters or more.

        Raises:
            UnknownPlanError: There is none, or the beginning fits several.
        """
        found = [
            plan for plan in self.list()
            if plan.id == plan_id or (len(plan_id) >= 4 and plan.id.startswith(plan_id))
        ]  # fmt: skip
        if len(found) != 1:
            raise UnknownPlanError(plan_id)
        return found[0]

    def observations(self, plan_id: str) -> int:
        """How often the finding of a plan was seen anew."""
        sql = "SELECT observed FROM plans WHERE id = ?"
        rows = tables.rows(self._store, "plans", sql, (plan_id,))
        return int(rows[0][0]) if rows else 0

    def hypotheses(self) -> Hypotheses:
        """All hypotheses, newest first."""
        rows = tables.rows(self._store, "hypotheses", "SELECT json FROM hypotheses")
        found = [msgspec.json.decode(row[0], type=Hypothesis) for row in rows]
        return sorted(found, key=lambda one: (one.created_at, one.id), reverse=True)

    def accuracy(self) -> dict[str, Any]:
        """How hypotheses fared, in all and by source; shares are None where none was evaluated."""
        all_of_them = self.hypotheses()
        sources = sorted({one.source for one in all_of_them})
        by_source = [
            {"source": source} | _score(one for one in all_of_them if one.source == source)
            for source in sources
        ]
        total = _score(all_of_them)
        overall = total.pop("accuracy")
        return {"overall": overall} | total | {"by_source": by_source}

    def precision(self) -> Precisions:
        """How the plans of each detector fared, and who is muted."""
        return learning.precisions(self._store)

    def audited_history(self, plan_id: str) -> tuple[Move, ...]:
        """The moves of a plan as the audit log has them: what its `history` is a copy of."""
        from inwit.runtime.store import audit

        found: list[Move] = []
        after = 0
        while page := audit.rows(self._store, after=after, limit=1000):
            after = page[-1].seq
            for row in page:
                if row.action == "plan.move" and row.target == f"plan://{plan_id}":
                    said = row.details
                    found.append(
                        Move(
                            at=said["at"], actor=row.actor, source=said["from"],
                            target=said["to"], reason=said["reason"],
                        )
                    )  # fmt: skip
        return tuple(found)


def rank(plan: Plan) -> tuple[float, float]:
    """How much a plan surely gains, in milliseconds, then how sure its finding is."""
    gain = plan.expected_gain
    return (gain.low if gain is not None and gain.unit.startswith("ms") else 0.0, plan.confidence)


def _score(hypotheses: Iterable[Hypothesis]) -> dict[str, Any]:
    verdicts = [one.correct for one in hypotheses]
    correct, incorrect = verdicts.count(True), verdicts.count(False)
    return {
        "accuracy": correct / (correct + incorrect) if correct + incorrect else None,
        "total_evaluated": correct + incorrect,
        "correct": correct,
        "incorrect": incorrect,
        "active_count": verdicts.count(None),
    }


def _enter(
    connection: apsw.Connection, plan: Plan, hypothesis: Hypothesis, displaced: Plans
) -> Entry:
    """Insert a plan or merge it into the one of the same fingerprint, within a transaction."""
    rows = connection.execute(
        "SELECT json FROM plans WHERE fingerprint = ? ORDER BY seen_at DESC", (plan.fingerprint,)
    ).fetchall()
    known = [msgspec.json.decode(str(row[0]), type=Plan) for row in rows]
    is_open = [one for one in known if one.status in OPEN_PLAN_STATUSES]
    if is_open:
        return Entry(plan=_merge(connection, is_open[0], plan), outcome="known")
    for one in known:
        until = learning.rests_until(one)
        if until is not None:
            _note_seen(connection, one, plan)
            reason = f"plan {one.id} for it was {one.status}; it rests until {until}"
            return Entry(plan=one, outcome="rests", reason=reason)
    learnt = learning.precision_of(connection, plan.category)
    if learnt.is_muted:
        return Entry(plan=plan, outcome="muted", reason=learnt.note)
    weaker = _make_room(connection, plan)
    if weaker is False:
        reason = f"{OPEN_LIMIT} open plans promise more; decide on one of them first"
        return Entry(plan=plan, outcome="crowded", reason=reason)
    if isinstance(weaker, Plan):
        displaced.append(_displace(connection, weaker, plan))
    _insert(connection, plan, hypothesis)
    return Entry(plan=plan, outcome="new")


def _make_room(connection: apsw.Connection, plan: Plan) -> Plan | bool:
    """True where there is room, False where all that are open promise more, else who gives way."""
    marks = ", ".join(f"'{status}'" for status in OPEN_PLAN_STATUSES)
    rows = connection.execute(f"SELECT json FROM plans WHERE status IN ({marks})").fetchall()
    is_open = [msgspec.json.decode(str(row[0]), type=Plan) for row in rows]
    if len(is_open) < OPEN_LIMIT:
        return True
    waiting = [one for one in is_open if one.status in ("proposed", "validated")]
    weakest = min(waiting, key=rank, default=None)
    return weakest if weakest is not None and rank(weakest) < rank(plan) else False


def _displace(connection: apsw.Connection, plan: Plan, by: Plan) -> Plan:
    move = Move(
        at=tables.now(), actor=str(DAEMON), source=plan.status, target="superseded",
        reason=f"Plan {by.id} promises more, and at most {OPEN_LIMIT} plans are open.",
    )  # fmt: skip
    moved = msgspec.structs.replace(
        plan, status="superseded", history=(*plan.history, move), revision=plan.revision + 1
    )
    tables.save_plan(connection, moved)
    tables.save_move(connection, moved, move)
    return moved


def _insert(connection: apsw.Connection, plan: Plan, hypothesis: Hypothesis) -> None:
    move = plan.history[0]
    connection.execute(
        "INSERT INTO plans (id, fingerprint, graph, status, json, seen_at) VALUES (?, ?, ?, ?, ?, ?)",
        (plan.id, plan.fingerprint, plan.graph_name, plan.status, tables.text(plan), move.at),
    )
    tables.save_move(connection, plan, move)
    tables.save_hypothesis(connection, hypothesis)


_OBSERVED = ("evidence", "baseline", "candidate", "effect", "confidence", "title", "hypothesis")
_PROPOSED = ("expected_gain", "actions", "risk", "rollback", "validation")
"""What was validated is not changed any more: the replay was of it."""


def _merge(connection: apsw.Connection, kept: Plan, newer: Plan) -> Plan:
    is_same = kept.candidate == newer.candidate and kept.baseline == newer.baseline
    if is_same:
        return kept
    if kept.status in ("proposed", "validated"):
        # Only what nobody has decided on may still change.
        names = (*_OBSERVED, *_PROPOSED) if kept.status == "proposed" else _OBSERVED
        fresh = {name: getattr(newer, name) for name in names}
        kept = msgspec.structs.replace(kept, revision=kept.revision + 1, **fresh)
    _note_seen(connection, kept, newer)
    return kept


def _note_seen(connection: apsw.Connection, kept: Plan, newer: Plan) -> None:
    connection.execute(
        "UPDATE plans SET json = ?, observed = observed + 1, seen_at = ? WHERE id = ?",
        (tables.text(kept), newer.history[0].at, kept.id),
    )


__all__ = ["MIGRATIONS", "OPEN_LIMIT", "ROOM", "Entry", "PlanBook", "rank"]
