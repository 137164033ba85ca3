"""The tables of this room, and how its values are kept in them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from inwit.plans import Hypothesis, Move, Plan

if TYPE_CHECKING:
    import apsw

    from inwit.runtime.store import Store

T = TypeVar("T")
ROOM: Final = "self_improve"
MIGRATIONS: Final = (
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
    """
    -- What became of what a detector proposed: its precision is learnt from these.
    CREATE TABLE verdicts (
        number INTEGER PRIMARY KEY AUTOINCREMENT, detector TEXT NOT NULL, plan TEXT NOT NULL,
        correct INTEGER NOT NULL, at TEXT NOT NULL, reason TEXT NOT NULL
    );
    CREATE INDEX verdicts_by_detector ON verdicts (detector, number);
    CREATE TABLE leases (name TEXT PRIMARY KEY, holder TEXT NOT NULL, until_ns INTEGER NOT NULL)
        WITHOUT ROWID;
    CREATE TABLE kept (name TEXT PRIMARY KEY, json TEXT NOT NULL) WITHOUT ROWID;
    """,
)


def declare(store: Store) -> None:
    """Bring the tables to this version."""
    store.declare(ROOM, MIGRATIONS)


def rows(store: Store, table: str, sql: str, params: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Read rows of a table; none where nothing was ever written to it."""
    known = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    return store.read(sql, params) if store.read(known, (table,)) else []


def text(value: Any) -> str:
    """A value as it is kept."""
    return msgspec.json.encode(value, enc_hook=repr).decode()


def save_plan(connection: apsw.Connection, plan: Plan) -> None:
    """Write what a plan is now."""
    connection.execute(
        "UPDATE plans SET json = ?, status = ? WHERE id = ?", (text(plan), plan.status, plan.id)
    )


def save_move(connection: apsw.Connection, plan: Plan, move: Move) -> None:
    """Write one step of a plan's life, and sign it in the audit log."""
    from inwit.runtime.store import audit

    connection.execute(
        "INSERT INTO plan_moves VALUES (?, ?, ?, ?, ?, ?, ?)",
        (plan.id, len(plan.history), move.at, move.actor, move.source, move.target, move.reason),
    )
    audit.append(
        connection, actor=move.actor, action="plan.move", target=f"plan://{plan.id}",
        outcome=move.target, details={
            "from": move.source, "to": move.target, "at": move.at, "reason": move.reason,
            "revision": plan.revision, "fingerprint": plan.fingerprint, "graph": plan.graph_name,
        },
    )  # fmt: skip


def save_hypothesis(connection: apsw.Connection, one: Hypothesis) -> None:
    """Write a hypothesis, new or judged."""
    correct = None if one.correct is None else int(one.correct)
    connection.execute(
        "INSERT OR REPLACE INTO hypotheses (id, plan, source, created_at, correct, json)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (one.id, one.plan_id, one.source, one.created_at, correct, text(one)),
    )


def keep(store: Store, name: str, value: Any) -> None:
    """Keep one value under a name."""
    declare(store)
    store.write(
        lambda connection: connection.execute(
            "INSERT OR REPLACE INTO kept VALUES (?, ?)", (name, text(value))
        )
    )


def kept(store: Store, name: str, kind: type[T]) -> T | None:
    """What is kept under a name; None where nothing is."""
    found = rows(store, "kept", "SELECT json FROM kept WHERE name = ?", (name,))
    return msgspec.json.decode(found[0][0], type=kind) if found else None


def now() -> str:
    """The time, as it is written in the book."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
