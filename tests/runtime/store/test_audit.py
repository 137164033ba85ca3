"""The audit log: what it holds, and which tampering it notices."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest

from inwit.runtime.project import Project
from inwit.runtime.store import Database, audit
from tests.cli.conftest import Inwit, inwit

__all__ = ["inwit"]

WRITER = """
import sys
from inwit.runtime.project import Project
from inwit.runtime.store import Database, audit

database = Database.of(Project.find())
for number in range(40):
    audit.append(database, actor=sys.argv[1], action="test", target=str(number), outcome="done")
database.close()
"""


SWAP = """
UPDATE audit SET seq = seq + 100 WHERE seq > 3;
UPDATE audit SET seq = 109 - seq WHERE seq > 100;
"""


@pytest.fixture
def log(project: Path) -> Database:
    """A log of five entries."""
    database = Database.of(Project.find())
    for number in range(5):
        _append(database, f"plan-{number}")
    return database


def _append(database: Database, target: str) -> audit.AuditRow:
    return audit.append(
        database, actor="person:ada", action="plan.approve", target=target, outcome="approved",
        details={"revision": 1},
    )  # fmt: skip


def _tamper(database: Database, sql: str, *values: object) -> None:
    database.write(lambda connection: connection.execute(sql, values).fetchall())


def test_entries_follow_each_other_and_are_signed(log: Database) -> None:
    found = audit.rows(log)

    assert [one.seq for one in found] == [1, 2, 3, 4, 5]
    assert [one.prev_hash for one in found[1:]] == [one.hash for one in found[:-1]]
    assert audit.verify(log) == audit.Verdict(
        is_intact=True, entries=5, head=audit.Head(seq=5, hash=found[-1].hash)
    )


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("UPDATE audit SET actor = 'person:eve' WHERE seq = 3", "Entry 3 was changed"),
        ("UPDATE audit SET details = '{}' WHERE seq = 5", "Entry 5 was changed"),
        ("UPDATE audit SET ts_ns = ts_ns + 1 WHERE seq = 1", "Entry 1 was changed"),
        ("DELETE FROM audit WHERE seq = 2", "Entry 2 is missing"),
        ("DELETE FROM audit WHERE seq = 1", "Entry 1 is missing"),
        ("DELETE FROM audit WHERE seq >= 4", "The chain ends at entry 3; 5 was signed"),
        ("DELETE FROM audit_head", "not signed"),
        ("UPDATE audit_head SET seq = 4", "signature"),
        ("UPDATE audit_head SET signature = 7, hash = 7", "signature"),
        ("DELETE FROM audit; DELETE FROM audit_head", "the log was removed"),
        ("DROP TABLE audit", "the log was removed"),
        (
            SWAP,
            "Entry 4 does not follow",
        ),
    ],
)
def test_a_changed_a_removed_and_a_moved_entry_are_noticed(
    log: Database, sql: str, told: str
) -> None:
    _tamper(log, sql)

    found = audit.verify(log)
    assert not found.is_intact
    assert told in found.fault


def test_a_chain_hashed_anew_without_the_key_is_noticed(log: Database) -> None:
    rows = audit.rows(log, limit=10)
    before = rows[0].prev_hash
    for row in rows:
        shown = {
            "seq": row.seq, "ts_ns": row.ts_ns, "actor": "person:eve", "action": row.action,
            "target": row.target, "outcome": row.outcome,
            "details": audit.canonical(row.details), "prev_hash": before,
        }  # fmt: skip
        text = json.dumps(shown, sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(text.encode()).hexdigest()
        sql = "UPDATE audit SET actor = 'person:eve', prev_hash = ?, hash = ? WHERE seq = ?"
        _tamper(log, sql, before, digest, row.seq)
        before = digest
    _tamper(log, "UPDATE audit_head SET hash = ?", before)

    found = audit.verify(log)

    assert found.fault == "The head's signature is not of this project's key."


def test_a_log_put_back_to_an_older_state_is_noticed_by_a_head_noted_elsewhere(
    log: Database,
) -> None:
    older = log.read(lambda one: one.execute("SELECT * FROM audit_head").fetchall())[0]
    _append(log, "plan-5")
    noted = audit.head(log)
    _tamper(log, "DELETE FROM audit WHERE seq = 6")
    _tamper(log, "UPDATE audit_head SET seq = ?, hash = ?, signature = ?", *older[1:])

    assert audit.verify(log).is_intact
    assert "that was noted, 6," in audit.verify(log, expected=noted).fault


def test_another_key_does_not_pass_for_the_projects_own(log: Database) -> None:
    key = log.path.parent / audit.KEY
    assert key.stat().st_mode & 0o777 == 0o600
    key.unlink()
    _append(log, "plan-5")

    assert not audit.verify(log).is_intact


def test_an_entry_joins_the_callers_transaction(log: Database) -> None:
    def fails(connection: apsw.Connection) -> None:
        audit.append(connection, actor="a", action="b", target="c", outcome="d")
        audit.append(log, actor="a", action="b", target="c", outcome="d")
        raise KeyError("the caller's own")

    with pytest.raises(KeyError):
        log.write(fails)

    assert audit.verify(log).entries == 5


def test_several_processes_write_one_chain(log: Database) -> None:
    started: Callable[[str], subprocess.Popen[bytes]] = lambda name: subprocess.Popen(  # noqa: E731
        [sys.executable, "-c", WRITER, name]
    )
    running = [started(name) for name in ("one", "two", "three")]

    assert [one.wait(60) for one in running] == [0, 0, 0]
    found = audit.verify(log)
    assert (found.is_intact, found.entries) == (True, 125)


def test_secrets_and_odd_values_in_details_do_no_harm(log: Database) -> None:
    row = audit.append(
        log, actor="a\ud800", action="x" * 5_000, target="", outcome="ok",
        details={"password": "hunter2", "n": float("nan"), "big": "y" * 50_000, "odd": {1, 2}},
    )  # fmt: skip

    assert "hunter2" not in json.dumps(row.details)
    assert row.details["length"] > 50_000
    assert len(row.action) == audit.TEXT_LIMIT
    assert audit.verify(log).is_intact


def test_the_command_verifies_and_lists(log: Database, inwit: Inwit) -> None:
    whole = inwit("audit", "verify", "--json")
    listed = inwit("audit", "list", "--limit", "2", "--json")
    _tamper(log, "UPDATE audit SET outcome = 'rejected' WHERE seq = 2")
    broken = inwit("audit", "verify", "--json")

    assert (whole.code, whole.json["entries"]) == (0, 5)
    assert [one["target"] for one in listed.json["entries"]] == ["plan-4", "plan-3"]
    assert (broken.code, broken.json["at_seq"]) == (1, 2)
    assert "Entry 2 was changed" in broken.err


def test_the_command_compares_with_a_head_that_was_noted(log: Database, inwit: Inwit) -> None:
    head = inwit("audit", "verify", "--json").json["head"]
    _append(log, "plan-5")

    assert inwit("audit", "verify", "--expect", f"{head['seq']}:{head['hash']}").code == 0
    assert inwit("audit", "verify", "--expect", f"5:{'0' * 64}").code == 1
    assert inwit("audit", "verify", "--expect", "nonsense").code == 2
