"""Several processes at one record: at once, killed, forked, late."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import apsw
import pytest

from inwit.events import ExecutionFailed
from inwit.runtime.project import Project
from inwit.runtime.store import heartbeat
from inwit.runtime.store.journal import Journal
from inwit.runtime.store.reader import Store
from tests.runtime.store.processes import line, writer
from tests.runtime.store.rows import end, recording, start, visit, whole


def test_a_writer_killed_twenty_times_loses_nothing_that_was_acknowledged(
    project: Path, store: Store
) -> None:
    for round_number in range(20):
        name = f"dead{round_number}"
        with writer("endless", name) as process:
            line(process)
            for _ in range(round_number % 5):
                line(process)
            process.send_signal(signal.SIGKILL)
            rest = process.communicate()[0].split()
        acknowledged = int(rest[-1]) if rest else 29

        events = store.events(name)

        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert len(events) > acknowledged
        assert events[-1].type == "execution_failed"
    assert store.executions(status="running").total_count == 0


def test_a_killed_execution_is_shown_as_failed_for_its_lost_host(
    project: Path, store: Store
) -> None:
    with writer("waiting", "gone1") as process:
        assert line(process) == "ready"
        alive = store.execution("gone1")
        assert (alive.status, alive.current_node) == ("running", "hang")
        process.kill()
        process.wait()

        found = store.execution("gone1")

    assert (found.status, found.reason) == ("failed", "host lost")
    assert found.error_node == "hang"
    last = store.events("gone1")[-1]
    assert isinstance(last, ExecutionFailed)
    assert (last.seq, last.reason) == (3, "host lost")
    assert [one.status for one in store.visits("gone1")] == ["failed"]
    assert store.execution("gone1-paused").status == "waiting_for_input"
    assert [event.type for _, event in store.tail(0)][-1] == "execution_failed"


def test_a_process_that_comes_back_after_it_was_given_up_is_refused(
    project: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with writer("waiting", "back1") as process:
        assert line(process) == "ready"
        process.send_signal(signal.SIGSTOP)
        monkeypatch.setattr(heartbeat, "EXPIRES_S", -1.0)
        assert store.execution("back1").reason == "host lost"
        monkeypatch.undo()
        process.send_signal(signal.SIGCONT)
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
        assert line(process) == "written"

    assert store.execution("back1").status == "failed"
    assert [event.seq for event in store.events("back1")] == [1, 2, 3]


def test_a_beat_that_has_expired_on_another_boot_is_a_lost_host() -> None:
    now, second = time.time_ns(), 1_000_000_000

    assert heartbeat.is_lost(1, "x", "another boot", now - 31 * second, 0)
    assert not heartbeat.is_lost(1, "x", "another boot", now - 29 * second, 0)


def test_a_pid_that_was_given_to_another_process_is_a_lost_host() -> None:
    pid, now = os.getpid(), time.monotonic_ns()
    started = heartbeat.started_of(pid)
    assert started is not None

    assert not heartbeat.is_lost(pid, started, heartbeat.place(), 0, now)
    assert heartbeat.is_lost(pid, "another", heartbeat.place(), time.time_ns(), now)
    assert heartbeat.is_lost(pid, started, heartbeat.place(), time.time_ns(), now - 31 * 10**9)


def test_processes_write_and_read_one_project_at_once(
    project: Path, journal: Journal, store: Store
) -> None:
    with writer("executions", "left", "300") as left, writer("executions", "right", "300") as right:
        for number in range(100):
            journal.begin(whole(f"mine-{number}", visits=2))
            journal.flush()
            assert store.executions(graph="planted").total_count > number
        assert left.communicate()[0].split()[-1] == "299"
        assert right.communicate()[0].split()[-1] == "299"

    assert store.executions(status="completed").total_count == 700
    tail = store.tail(0, limit=100_000)
    assert len(tail) == 600 * 14 + 100 * 10
    assert [position for position, _ in tail] == sorted({position for position, _ in tail})
    (latency,) = merge(store)
    assert latency == 600 * 3 + 100 * 2


def merge(store: Store) -> list[int]:
    return [sum(sum(one.counts.values()) for one in store.latencies(node="work"))]


def test_what_was_emitted_is_written_when_the_interpreter_ends(project: Path, store: Store) -> None:
    with writer("exiting", "late1") as process:
        process.wait(30)

    assert store.execution("late1").status == "completed"


def test_a_forked_child_writes_its_own_and_not_its_parents(
    project: Path, journal: Journal, store: Store
) -> None:
    rec = recording("parent1")
    start(rec)
    visit(rec, "work", 1)
    journal.begin(rec)
    journal.flush()
    visit(rec, "work", 2)

    child = os.fork()
    if child == 0:  # pragma: no cover - in the child
        try:
            journal.begin(whole("child1"))
            journal.flush()
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    end(rec)
    journal.flush()

    assert os.waitstatus_to_exitcode(status) == 0
    assert store.execution("child1").status == "completed"
    assert len(store.events("parent1")) == rec.seq
    assert store.execution("parent1").status == "completed"


def test_a_connection_of_any_process_makes_another_data_version(
    place: Project, journal: Journal, store: Store
) -> None:
    journal.begin(whole("aaaa1"))
    journal.flush()
    before = store.data_version()
    assert store.wait_change(0.05, since=before) == before

    other = apsw.Connection(str(place.database))
    other.execute("CREATE TABLE other (x)")
    other.close()

    assert store.wait_change(5, since=before) != before


def test_a_change_that_has_come_already_is_not_waited_for(journal: Journal, store: Store) -> None:
    before = store.data_version()
    journal.begin(whole("aaaa1"))
    journal.flush()

    with ThreadPoolExecutor(1) as pool:
        found = pool.submit(store.wait_change, 10, before).result(5)

    assert found != before
