"""What the journal writes, readers read."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import anyio
import apsw
import msgspec
import pytest

from inwit.events import CheckpointCreated, EdgeTaken, Event, Failure, NodeFailed, StateChanged
from inwit.runtime.project import Project
from inwit.runtime.record import APPLY, ENTER, EVENT, EXIT, VISIT
from inwit.runtime.serial import freeze, freeze_delta
from inwit.runtime.store import database
from inwit.runtime.store.entry import fill
from inwit.runtime.store.journal import Journal
from inwit.runtime.store.reader import Store
from tests.runtime.store.rows import custom, end, recording, start, visit, whole


def types(events: list[Event]) -> list[str]:
    return [event.type for event in events]


def test_a_whole_execution_is_one_batch_and_reads_as_gapless_events(
    journal: Journal, store: Store
) -> None:
    journal.begin(whole("aaaa1", visits=2))
    journal.flush()

    events = store.events("aaaa1")

    assert types(events) == [
        "execution_started", "node_entered", "node_exited", "state_changed", "edge_taken",
        "node_entered", "node_exited", "state_changed", "edge_taken", "execution_completed",
    ]  # fmt: skip
    assert [event.seq for event in events] == list(range(1, 11))
    assert store.read("SELECT count(*) FROM batches WHERE execution = 'aaaa1'") == [(1,)]


def test_an_execution_is_counted_and_timed(journal: Journal, store: Store) -> None:
    journal.begin(whole("aaaa1", visits=3, thread_id="t1", parent_id="p1"))
    journal.flush()

    found = store.execution("aaaa1")

    assert (found.status, found.iteration, found.last_seq) == ("completed", 3, 14)
    assert (found.thread_id, found.parent_execution_id) == ("t1", "p1")
    assert found.duration_ms is not None
    assert found.duration_ms >= 0
    assert found.current_node is None


def test_a_node_that_still_runs_is_shown_and_not_counted_twice_when_it_is_done(
    journal: Journal, store: Store
) -> None:
    rec = recording("aaaa1")
    start(rec)
    rec.seq = 2
    rec.current = (2, "slow", 1, 1, time.monotonic_ns())
    journal.begin(rec)
    journal.flush()
    running = store.execution("aaaa1")
    assert (running.status, running.current_node, running.last_seq) == ("running", "slow", 2)
    assert [one.status for one in store.visits("aaaa1")] == ["running"]

    t1 = time.monotonic_ns()
    rec.rows.append((VISIT, 2, 3, "slow", 1, 1, t1 - 1000, t1, {"n": 1}, ("__end__",), None))
    rec.seq = 5
    rec.current = None
    end(rec)
    journal.flush()

    events = store.events("aaaa1")
    assert [event.seq for event in events] == [1, 2, 3, 4, 5, 6]
    assert types(events).count("node_entered") == 1
    assert [(one.status, one.entry_seq, one.exit_seq) for one in store.visits("aaaa1")] == [
        ("completed", 2, 3)
    ]
    assert store.execution("aaaa1").iteration == 1


def test_rows_wait_for_one_with_a_lower_seq(journal: Journal, store: Store) -> None:
    rec = recording("aaaa1")
    start(rec)
    t = time.monotonic_ns()
    rec.rows.append((EVENT, 3, t, "custom", None, None, None, {"name": "late", "data": 1}))
    rec.seq = 3
    journal.begin(rec)
    journal.flush()
    assert store.read("SELECT count(*) FROM batches") == [(0,)]

    rec.rows.append((EVENT, 2, t, "custom", None, None, None, {"name": "early", "data": 0}))
    end(rec)
    journal.flush()

    assert [event.seq for event in store.events("aaaa1")] == [1, 2, 3, 4]


def test_parallel_branches_and_their_joint_step_are_folded_into_visits(
    journal: Journal, store: Store
) -> None:
    rec = recording("aaaa1")
    start(rec)
    t = time.monotonic_ns()
    rec.rows += [
        (ENTER, 2, "web", 1, 1, t), (ENTER, 3, "docs", 1, 1, t + 10),
        (EXIT, 4, "docs", 1, 1, t + 10, t + 1_000_010), (EXIT, 5, "web", 1, 1, t, t + 2_000_000),
        (APPLY, 6, "web", 1, 1, t + 2_000_001, {"web": 1}, ("join",), None),
        (APPLY, 8, "docs", 1, 1, t + 2_000_002, {"docs": 2}, ("join",), ("c:1", 1)),
    ]  # fmt: skip
    rec.seq = 10
    end(rec)
    journal.begin(rec)
    journal.flush()

    web, docs = store.visits("aaaa1")

    assert (web.node, web.duration_ms, web.update, web.edge_seq) == ("web", 2.0, {"web": 1}, 7)
    assert (docs.node, docs.duration_ms, docs.edges) == ("docs", 1.0, ({"target": "join"},))
    checkpoint = store.event("aaaa1", 10)
    assert isinstance(checkpoint, CheckpointCreated)
    assert checkpoint.checkpoint_id == "c:1"
    assert [event.seq for event in store.events("aaaa1")] == list(range(1, 12))


def test_a_retry_makes_one_visit_of_two_attempts(journal: Journal, store: Store) -> None:
    rec = recording("aaaa1")
    start(rec)
    t, failure = time.monotonic_ns(), Failure(type="OSError", message="down")
    rec.rows += [
        (ENTER, 2, "fetch", 1, 1, t),
        (EVENT, 3, t + 5_000_000, "node_failed", "fetch", 1, 1, {"error": failure}),
        (EVENT, 4, t + 5_000_000, "retry_scheduled", "fetch", 1, 1,
         {"delay_ms": 2.0, "max_attempts": 3}),
        (VISIT, 5, 6, "fetch", 1, 2, t + 7_000_000, t + 8_000_000, None, ("__end__",), None),
    ]  # fmt: skip
    rec.seq = 7
    end(rec)
    journal.begin(rec)
    journal.flush()

    (found,) = store.visits("aaaa1")

    assert (found.attempts, found.status, found.duration_ms) == (2, "completed", 8.0)
    assert found.retry_ms == 7.0
    assert found.error == failure
    assert store.execution("aaaa1").retries == 1
    (latency,) = store.latencies(node="fetch")
    assert (sum(latency.counts.values()), latency.failed, latency.retries) == (1, 0, 1)


def test_a_failed_execution_keeps_its_error_and_what_ran_then_failed(
    journal: Journal, store: Store
) -> None:
    rec = recording("aaaa1")
    start(rec)
    t, failure = time.monotonic_ns(), Failure(type="ValueError", message="bad", code="x.y")
    rec.rows += [
        (ENTER, 2, "boom", 1, 1, t), (ENTER, 3, "other", 1, 1, t),
        (EVENT, 4, t + 1000, "node_failed", "boom", 1, 1, {"error": failure, "duration_ms": 0.001}),
    ]  # fmt: skip
    rec.seq = 4
    end(rec, "failed", failure)
    journal.begin(rec)
    journal.flush()

    found = store.execution("aaaa1")

    assert (found.status, found.error, found.error_node) == ("failed", failure, "boom")
    assert [(one.node, one.status) for one in store.visits("aaaa1")] == [
        ("boom", "failed"), ("other", "failed"),
    ]  # fmt: skip
    failed = store.event("aaaa1", 4)
    assert isinstance(failed, NodeFailed)
    assert failed.error == failure
    assert failed.duration_ms == 0.001
    (latency,) = store.latencies(node="boom")
    assert (sum(latency.counts.values()), latency.failed) == (1, 1)


def test_a_patch_appends_what_a_list_reducer_appended(journal: Journal, store: Store) -> None:
    rec = recording("aaaa1")
    start(rec, {"log": freeze(["zero"])})
    visit(rec, "say", 1, {"log": freeze_delta(["one", "two"]), "a/b": freeze({"deep": [1]})})
    visit(rec, "say", 2, {"new": freeze_delta(["first"])})
    end(rec)
    journal.begin(rec)
    journal.flush()

    first, second = (e for e in store.events("aaaa1") if isinstance(e, StateChanged))

    assert first.patch == [
        {"op": "add", "path": "/log/-", "value": "one"},
        {"op": "add", "path": "/log/-", "value": "two"},
        {"op": "add", "path": "/a~1b", "value": {"deep": [1]}},
    ]
    assert second.patch == [{"op": "add", "path": "/new", "value": ["first"]}]
    assert store.state_at("aaaa1") == {
        "log": ["zero", "one", "two"], "a/b": {"deep": [1]}, "new": ["first"],
    }  # fmt: skip
    assert store.state_at("aaaa1", 1) == {"log": ["zero"]}


def test_a_decision_keeps_its_label_and_what_was_read(journal: Journal, store: Store) -> None:
    rec = recording("aaaa1")
    start(rec)
    visit(rec, "judge", 1, None, target=("search", "again", {"coverage": 0.2}, "it calls f()"))
    end(rec)
    journal.begin(rec)
    journal.flush()

    edge = next(e for e in store.events("aaaa1") if isinstance(e, EdgeTaken))

    assert (edge.target, edge.label, edge.conditional) == ("search", "again", True)
    assert (edge.read, edge.unread) == ({"coverage": 0.2}, "it calls f()")


def test_a_big_value_is_kept_once_and_read_in_its_place(journal: Journal, store: Store) -> None:
    big = "x" * 10_000
    for name in ("aaaa1", "aaaa2"):
        rec = recording(name)
        start(rec, {"text": big})
        visit(rec, "work", 1, {"text": freeze([big])})
        end(rec)
        journal.begin(rec)
    journal.flush()

    assert store.state_at("aaaa2") == {"text": [big]}
    assert store.state_at("aaaa1", 1) == {"text": big}
    digests = store.read("SELECT digest FROM blobs")
    assert len(digests) == 2
    assert {len(store.blob(digest)) for (digest,) in digests} == {10_000, 1}


def test_values_that_msgpack_has_no_place_for_are_recorded_too(
    journal: Journal, store: Store
) -> None:
    rec = recording("aaaa1")
    start(rec)
    custom(rec, {"huge": 1 << 80, "odd": object, 3: "three"})
    end(rec)
    journal.begin(rec)
    journal.flush()

    (event,) = store.events("aaaa1", types=["custom"])

    assert msgspec.to_builtins(event)["data"]["huge"] == 1 << 80


def test_a_second_writer_of_one_execution_is_fenced_off(
    journal: Journal, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    journal.begin(whole("aaaa1", visits=1))
    journal.begin(whole("bbbb1", visits=1))
    journal.flush()

    journal.begin(whole("aaaa1", visits=5))
    journal.begin(whole("cccc1", visits=1))
    journal.flush()

    assert store.execution("aaaa1").iteration == 1
    assert len(store.events("aaaa1")) == 6
    assert store.execution("cccc1").status == "completed"
    assert "was written by someone else" in caplog.text


def test_an_execution_goes_on_in_a_second_recording(journal: Journal, store: Store) -> None:
    rec = recording("aaaa1")
    start(rec)
    visit(rec, "ask", 1, {"n": 1})
    end(rec, "waiting_for_input")
    journal.begin(rec)
    journal.flush()
    assert store.execution("aaaa1").status == "waiting_for_input"

    again = recording("aaaa1")
    again.seq = rec.seq
    visit(again, "answer", 1, {"n": 2})
    end(again)
    journal.begin(again)
    journal.flush()

    found = store.execution("aaaa1")
    assert (found.status, found.iteration) == ("completed", 2)
    assert [event.seq for event in store.events("aaaa1")] == list(range(1, again.seq + 1))
    assert store.state_at("aaaa1") == {"n": 2}


def test_submitted_writes_join_a_commit_and_one_that_raises_harms_no_other(
    journal: Journal, store: Store
) -> None:
    store.declare("room", ("CREATE TABLE things (name TEXT)",))

    def add(connection: apsw.Connection) -> int:
        connection.execute("INSERT INTO things VALUES ('kept')")
        return 7

    def fail(connection: apsw.Connection) -> None:
        connection.execute("INSERT INTO things VALUES ('gone')")
        raise KeyError("mine")

    first: Future[int] = journal.submit(add)
    second = journal.submit(fail)

    assert first.result(5) == 7
    assert isinstance(second.exception(5), KeyError)
    assert store.read("SELECT name FROM things") == [("kept",)]


def test_project_events_have_their_own_gapless_seqs(journal: Journal, store: Store) -> None:
    journal.emit("plan_changed", plan_id="p1", status="proposed", graph_name="g")
    journal.emit("plan_changed", plan_id="p1", status="approved", graph_name="g")
    journal.flush()

    events = store.project_events()

    assert [event.seq for event in events] == [1, 2]
    assert types(events) == ["plan_changed", "plan_changed"]
    assert events[0].graph_name == "g"
    assert [event.seq for event in store.project_events(after=1)] == [2]


def test_subscribers_get_the_events_of_each_commit(journal: Journal) -> None:
    got: list[Event] = []
    stop = journal.subscribe(got.extend)

    journal.begin(whole("aaaa1", visits=1))
    journal.flush()
    stop()
    journal.begin(whole("bbbb1", visits=1))
    journal.flush()

    assert [event.seq for event in got] == [1, 2, 3, 4, 5, 6]
    assert {event.execution_id for event in got} == {"aaaa1"}


def test_a_full_buffer_is_emptied_by_its_producer(journal: Journal, store: Store) -> None:
    rec = recording("aaaa1")
    start(rec)
    for number in range(5000):
        visit(rec, "work", number + 1)
    journal.begin(rec)
    journal.full_wait(rec)
    assert len(rec.rows) == 0
    end(rec)
    journal.flush()

    assert store.execution("aaaa1").iteration == 5000


@pytest.mark.anyio
async def test_flushing_does_not_hold_the_event_loop(journal: Journal, store: Store) -> None:
    journal.begin(whole("aaaa1"))
    with anyio.fail_after(30):
        await journal.aflush()

    assert store.execution("aaaa1").status == "completed"


def test_flushing_nothing_makes_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INWIT_HOME", str(tmp_path / "none"))
    project = Project.find()

    Journal.of(project).flush()

    assert Store.of(project).executions().items == ()
    assert not (tmp_path / "none").exists()


def test_a_closed_journal_begins_again(journal: Journal, store: Store) -> None:
    journal.begin(whole("aaaa1"))
    journal.close()
    journal.begin(whole("bbbb1"))
    journal.flush()

    assert store.executions().total_count == 2


def test_many_threads_write_at_once(journal: Journal, store: Store) -> None:
    def produce(name: str) -> None:
        for number in range(50):
            journal.begin(whole(f"{name}{number:04}", visits=2))

    threads = [threading.Thread(target=produce, args=(name * 4,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    journal.flush()

    assert store.executions(status="completed").total_count == 200


def test_durations_do_not_depend_on_the_wall_clock(journal: Journal, store: Store) -> None:
    rec: Any = recording("aaaa1")
    rec.anchor_ns -= 3_600_000_000_000
    start(rec)
    visit(rec, "work", 1, took_ns=2_000_000)
    end(rec)
    journal.begin(rec)
    journal.flush()

    assert store.visits("aaaa1")[0].duration_ms == 2.0


def test_seqs_that_were_given_out_and_never_recorded_become_gaps() -> None:
    rows: list[Any] = [(EVENT, seq, 0, "custom", None, None, None, {}) for seq in (2, 6)]

    gaps = fill(rows, 1, 8, 5)

    assert [(row[1], row[7]["lost_from"], row[7]["lost_to"]) for row in gaps] == [
        (1, 1, 1), (3, 3, 5), (7, 7, 8),
    ]  # fmt: skip
    assert {(row[0], row[2], row[3]) for row in gaps} == {(EVENT, 5, "gap")}


def test_failed_executions_are_counted_and_no_others(journal: Journal, store: Store) -> None:
    for number, status in enumerate(("completed", "failed", "cancelled", "failed")):
        rec = recording(f"aaaa{number}")
        start(rec)
        end(rec, status, Failure(type="ValueError", message="no") if status == "failed" else None)
        journal.begin(rec)
    journal.flush()

    counted = store.read("SELECT sum(failed) FROM latencies WHERE node = ''")

    assert counted == [(2,)]


def test_a_call_that_tells_no_tokens_counts_as_one_of_none(journal: Journal, store: Store) -> None:
    rec = recording("aaaa1")
    start(rec)
    rec.seq += 1
    fields = {"call_id": "c", "model": "m"}
    rec.rows.append(
        (EVENT, rec.seq, time.monotonic_ns(), "llm_completed", None, None, None, fields)
    )
    end(rec)
    journal.begin(rec)
    journal.flush()

    found = store.execution("aaaa1")

    assert (found.llm_calls, found.input_tokens, found.output_tokens) == (1, 0, 0)


def test_a_forked_child_opens_the_record_anew(journal: Journal, store: Store) -> None:
    journal.begin(whole("aaaa1"))
    journal.flush()

    before = list(database._databases.values())
    child = os.fork()
    if child == 0:
        os._exit(any(one in before for one in database._databases.values()))
    _, status = os.waitpid(child, 0)

    assert before and os.waitstatus_to_exitcode(status) == 0
