"""The plan book: plans, their moves and hypotheses, in tables beside the record."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from inwit.errors import UnknownPlanError
from inwit.ids import new_id
from inwit.plans import Hypothesis, Move, Plan, PlanStatus

if TYPE_CHECKING:
    import apsw

    from inwit.runtime.store import Store

Plans = list[Plan]
Hypotheses = list[Hypothesis]
Rows = list[tuple[Any, ...]]

ROOM = "self_improve"
DAEMON = "daemon"

MIGRATIONS = (
    """
    CREATE TABLE plans (
        id TEXT PRIMARY KEY, fingerprint TEXT NOT NULL, graph TEXT NOT NULL, status TEXT NOT NULL,
        json TEXT NOT NULL, observed INTEGER NOT NULL DEFAULT 1, seen_at TEXT NOT NULL
    ) WITHOUT ROWID;
    -- Two daemons at once propose one plan: a finding has one open plan at most.
    CREATE UNIQUE INDEX plans_open ON plans (fingerprint)
        WHERE status IN ('proposed', 'validated', 'approved', 'in_progress');
    CREATE INDEX plans_by_fingerprint ON plans (fingerprint);
    CREATE TABLE plan_moves (
        plan TEXT NOT NULL, number INTEGER NOT NULL, at TEXT NOT NULL, actor TEXT NOT NULL,
        source TEXT NOT NULL, target TEXT NOT NULL, reason TEXT NOT NULL,
        PRIMARY KEY (plan, number)
    ) WITHOUT ROWID;
    CREATE TABLE hypotheses (
        id TEXT PRIMARY KEY, plan TEXT, source TEXT NOT NULL, created_at TEXT NOT NULL,
        correct INTEGER, json TEXT NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX hypotheses_by_plan ON hypotheses (plan);
    """,
)


class PlanBook:
    """The plans of one project."""

    def __init__(self, store: Store) -> None:
        self._store = store

    @classmethod
    def of(cls, store: Store) -> PlanBook:
        """The book beside a store."""
        return cls(store)

    def propose(self, plan: Plan, *, expected_evidence: str = "", actor: str = DAEMON) -> Plan:
        """Enter a plan with its hypothesis, and give the plan that the book then holds.

        A plan for a finding that has one already is not entered again: the newer observation is
        merged into a plan that nobody has decided on yet, and the plan of the book is returned
        (its ``id`` differs from the given one). A finding whose plan was closed rests.
        """
        self._store.declare(ROOM, MIGRATIONS)
        now = _now()
        move = Move(at=now, actor=actor, source="", target="proposed", reason=plan.hypothesis)
        entered = msgspec.structs.replace(plan, status="proposed", history=(move,), revision=1)
        hypothesis = Hypothesis(
            id=new_id(), source=plan.category, statement=plan.hypothesis, created_at=now,
            expected_evidence=expected_evidence or plan.validation.expected,
            graph_name=plan.graph_name, plan_id=plan.id, evidence=plan.evidence,
        )  # fmt: skip
        kept = self._store.write(lambda connection: _enter(connection, entered, hypothesis))
        if kept.id == plan.id:
            self._tell(kept, actor)
        return kept

    def _tell(self, plan: Plan, actor: str) -> None:
        from inwit.runtime.store import Journal

        Journal.of(self._store.project).emit(
            "plan_changed", graph_name=plan.graph_name, plan_id=plan.id, status=plan.status,
            actor=actor,
        )  # fmt: skip

    def list(self, status: PlanStatus | None = None) -> Plans:
        """The plans, newest first; all or those of one status."""
        found = [msgspec.json.decode(row[0], type=Plan) for row in self._rows("plans")]
        found.sort(key=lambda plan: (plan.history[0].at if plan.history else "", plan.id))
        return [plan for plan in reversed(found) if status in (None, plan.status)]

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
        rows = self._store.read("SELECT observed FROM plans WHERE id = ?", (plan_id,))
        return int(rows[0][0]) if rows else 0

    def hypotheses(self) -> Hypotheses:
        """All hypotheses, newest first."""
        found = [msgspec.json.decode(row[0], type=Hypothesis) for row in self._rows("hypotheses")]
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

    def _rows(self, table: str) -> Rows:
        known = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
        if not self._store.read(known, (table,)):
            return []
        return self._store.read(f"SELECT json FROM {table}")


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


def _enter(connection: apsw.Connection, plan: Plan, hypothesis: Hypothesis) -> Plan:
    """Insert a plan or merge it into the one of the same fingerprint, within a transaction."""
    rows = connection.execute(
        "SELECT json FROM plans WHERE fingerprint = ? ORDER BY seen_at DESC", (plan.fingerprint,)
    )
    known = [msgspec.json.decode(str(row[0]), type=Plan) for row in rows]
    if known:
        return _merge(connection, known[0], plan)
    move = plan.history[0]
    connection.execute(
        "INSERT INTO plans (id, fingerprint, graph, status, json, seen_at) VALUES (?, ?, ?, ?, ?, ?)",
        (plan.id, plan.fingerprint, plan.graph_name, plan.status, _text(plan), move.at),
    )
    connection.execute(
        "INSERT INTO plan_moves VALUES (?, 1, ?, ?, ?, ?, ?)",
        (plan.id, move.at, move.actor, move.source, move.target, move.reason),
    )
    connection.execute(
        "INSERT INTO hypotheses (id, plan, source, created_at, json) VALUES (?, ?, ?, ?, ?)",
        (hypothesis.id, plan.id, hypothesis.source, hypothesis.created_at, _text(hypothesis)),
    )
    return plan


_OBSERVED = ("evidence", "baseline", "candidate", "effect", "expected_gain", "confidence", "title",
             "hypothesis", "actions", "risk", "rollback", "validation")  # fmt: skip


def _merge(connection: apsw.Connection, kept: Plan, newer: Plan) -> Plan:
    is_same = kept.candidate == newer.candidate and kept.baseline == newer.baseline
    if is_same:
        return kept
    if kept.status == "proposed":
        # Only what nobody has decided on may still change.
        fresh = {name: getattr(newer, name) for name in _OBSERVED}
        kept = msgspec.structs.replace(kept, revision=kept.revision + 1, **fresh)
    connection.execute(
        "UPDATE plans SET json = ?, observed = observed + 1, seen_at = ? WHERE id = ?",
        (_text(kept), newer.history[0].at, kept.id),
    )
    return kept


def _text(value: Plan | Hypothesis) -> str:
    return msgspec.json.encode(value, enc_hook=repr).decode()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
