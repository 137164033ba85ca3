"""The record stays within its limits while it is written."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from inwit.runtime.project import Project
from inwit.runtime.store.database import Database
from inwit.runtime.store.journal import Journal
from inwit.runtime.store.reader import Store
from inwit.runtime.store.rollups import counts_of
from tests.runtime.store.rows import end, recording, start, visit, whole

DAY_NS = 86_400_000_000_000


def test_the_oldest_finished_executions_go_first(
    journal: Journal, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INWIT_RETENTION_EXECUTIONS", "20")
    waiting, running = recording("wait1"), recording("runs1")
    for rec in (waiting, running):
        start(rec)
        journal.begin(rec)
    end(waiting, "waiting_for_input")
    for number in range(50):
        journal.begin(whole(f"aaaa{number:02}"))
        if number % 10 == 9:
            journal.flush()
    journal.flush()

    kept = [one.execution_id for one in store.executions(limit=100).items]

    assert kept == [*(f"aaaa{number}" for number in range(49, 31, -1)), "runs1", "wait1"]
    assert store.read("SELECT count(DISTINCT execution) FROM batches") == [(20,)]


def test_blobs_go_with_the_last_execution_that_uses_them(
    journal: Journal, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INWIT_RETENTION_EXECUTIONS", "2")
    for number in range(4):
        rec = recording(f"aaaa{number}")
        start(rec, {"shared": "s" * 9000, "own": f"{number}" * 9000})
        end(rec)
        journal.begin(rec)
        journal.flush()

    assert store.read("SELECT count(*) FROM blobs") == [(3,)]
    assert store.read("SELECT count(*) FROM blob_uses") == [(4,)]
    assert store.state_at("aaaa3") == {"shared": "s" * 9000, "own": "3" * 9000}


def test_a_record_that_is_too_big_shrinks(
    place: Project, journal: Journal, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = 2_000_000
    monkeypatch.setenv("INWIT_RETENTION_SIZE_BYTES", str(limit))
    chance = random.Random(1)
    for number in range(60):
        rec = recording(f"aaaa{number:02}")
        start(rec, {"noise": chance.randbytes(100_000)})
        end(rec)
        journal.begin(rec)
        journal.flush()
    journal.flush()

    pages, free = (store.read(f"PRAGMA {name}")[0][0] for name in ("page_count", "freelist_count"))
    assert (pages - free) * 4096 <= limit
    assert pages * 4096 <= limit * 2
    assert store.executions(limit=1).items[0].execution_id == "aaaa59"
    assert 5 <= store.executions().total_count < 25


def test_what_is_too_old_goes_and_so_do_its_minutes(
    place: Project, journal: Journal, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INWIT_RETENTION_DAYS", "30")
    old, fresh = recording("old11"), recording("new11")
    old.anchor_ns -= 31 * DAY_NS
    fresh.anchor_ns -= 29 * DAY_NS
    for rec in (old, fresh):
        start(rec)
        visit(rec, "work", 1)
        end(rec)
        journal.begin(rec)
    journal.flush()

    assert [one.execution_id for one in store.executions().items] == ["new11"]
    oldest = min(one.minute for one in store.latencies())
    assert oldest > time.time_ns() // 60_000_000_000 - 30 * 1440


def test_the_tail_goes_on_across_what_was_removed(
    journal: Journal, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INWIT_RETENTION_EXECUTIONS", "1")
    journal.begin(whole("aaaa1", visits=1))
    journal.flush()
    position = store.position()
    for number in range(2, 6):
        journal.begin(whole(f"aaaa{number}", visits=1))
        journal.flush()

    after = store.tail(position)

    assert {event.execution_id for _, event in after} == {"aaaa5"}
    assert [event.seq for _, event in after] == [1, 2, 3, 4, 5, 6]
    assert store.position() > position


def test_large_limits_are_held_when_nobody_waits(
    journal: Journal, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INWIT_RETENTION_EXECUTIONS", "5001")
    journal.begin(whole("first", visits=1))
    journal.flush()
    for number in range(6000):
        journal.begin(whole(f"aaaa{number}", visits=1))
    journal.flush()
    deadline = time.monotonic() + 20
    while store.executions(limit=1).total_count > 5001 and time.monotonic() < deadline:
        store.wait_change(1.0)

    assert store.executions(limit=1).total_count == 5001
    assert store.executions(limit=1).items[0].execution_id == "aaaa5999"


def test_limits_come_from_the_projects_settings_too(project: Path) -> None:
    (project / ".inwit" / "config.toml").write_text("[retention]\nexecutions = 5\ndays = 1.5\n")

    limits = Project.find().retention()

    assert (limits.executions, limits.days, limits.size_bytes) == (5, 1.5, 2 << 30)


def test_other_rooms_tables_are_left_alone(
    place: Project, journal: Journal, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INWIT_RETENTION_EXECUTIONS", "1")
    store.declare("room", ("CREATE TABLE things (name TEXT)",))
    store.write(lambda connection: connection.execute("INSERT INTO things VALUES ('x')"))
    for number in range(3):
        journal.begin(whole(f"aaaa{number}"))
    journal.flush()

    assert store.read("SELECT name FROM things") == [("x",)]
    assert Database.of(place).generation == 1


def test_what_is_let_go_is_still_counted(
    journal: Journal, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INWIT_RETENTION_EXECUTIONS", "5")
    for number in range(20):
        journal.begin(whole(f"aaaa{number:02}"))
        journal.flush()

    kept = store.executions(limit=100).total_count
    sums = store.read("SELECT graph, status, executions FROM forgotten_executions")

    assert kept == 5
    assert [(status, count) for _, status, count in sums] == [("completed", 15)]


def test_minutes_that_are_let_go_are_summed(
    place: Project, journal: Journal, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INWIT_RETENTION_DAYS", "30")
    for number, age in enumerate((33, 32, 31, 29)):
        rec = recording(f"old{number}")
        rec.anchor_ns -= age * DAY_NS
        start(rec)
        visit(rec, "work", 1)
        end(rec)
        journal.begin(rec)
    journal.flush()

    past = store.read("SELECT node, counts FROM forgotten_latencies")
    counted = {node: sum(counts_of(counts).values()) for node, counts in past}
    still = [one for one in store.latencies() if one.node == "work"]

    assert counted["work"] == 3
    assert sum(sum(one.counts.values()) for one in still) == 1


@pytest.mark.parametrize(
    "settings", ['[retention]\nexecutions = "many"\n', "[retention]\ndays = inf\n", "[retention\n"]
)
def test_a_limit_that_is_no_number_is_told_and_holds_nobody_up(
    place: Project, settings: str, caplog: pytest.LogCaptureFixture
) -> None:
    place.ensure()
    (place.folder / "config.toml").write_text(settings)
    journal = Journal.of(place)

    for number in range(3):
        journal.begin(whole(f"aaaa{number}"))
        journal.flush(timeout_s=20)
    recorded = Database.of(place).read(
        lambda connection: connection.execute("SELECT count(*) FROM executions").fetchall()
    )
    journal.close()

    assert recorded == [(3,)]
    assert "config.toml" in caplog.text
