"""Who is asked, and the journal's thread: each condition by a case on either side of it."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest

from inwit.errors import (
    AnswerNeededError,
    ExecutionOverError,
    InvalidAnswerError,
    NotControllableError,
    StoreError,
)
from inwit.runtime.interrupts import Waiting
from inwit.runtime.project import Project
from inwit.runtime.store import (
    control,
    controlled,
)
from inwit.runtime.store import journal as journals
from inwit.runtime.store.control import NO_VALUE, _Request
from inwit.runtime.store.controlled import Controls
from inwit.runtime.store.database import Database
from inwit.runtime.store.expand import About
from inwit.runtime.store.journal import Journal
from inwit.runtime.store.reader import Store
from tests.runtime.store.rows import end, recording, start, visit, whole
from tests.runtime.store.test_bounds import handles

ABOUT = About(execution_id="e", graph_name="g", graph_version="v")
MS = 1_000_000


# Who is asked


class Record:
    """A store that gives its executions one after another; each wait takes its whole time."""

    def __init__(self, clock: SimpleNamespace, *statuses: str) -> None:
        self.clock, self.statuses, self.waits = clock, list(statuses), list[float]()

    def execution(self, _id: str) -> Any:
        return found(self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0])

    def data_version(self) -> int:
        return 7

    def wait_change(self, timeout_s: float, since: int) -> int:
        assert since == 7
        self.waits.append(timeout_s)
        self.clock.s += timeout_s
        return since


def found(status: str) -> Any:
    return SimpleNamespace(
        execution_id="e", status=status, last_seq=4, graph_name="g", thread_id="t"
    )


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The time that a request sees."""
    now = SimpleNamespace(s=100.0, time_ns=time.time_ns)
    now.monotonic = lambda: now.s
    monkeypatch.setattr(control, "time", now)
    return now


def asked(place: Project, action: Any, **more: Any) -> Any:
    return _Request(place, action, more.get("value", NO_VALUE), "person ada", more.get("find"))


def test_a_request_waits_for_its_effect_and_no_longer_than_it_was_told(
    place: Project, clock: SimpleNamespace
) -> None:
    one = asked(place, "pause")
    one.journal = SimpleNamespace(flush=lambda: None)

    for statuses, wait_s, outcome, message, waits in (
        (["running"], 0.12, "requested", "It is asked to pause; it will at its next step.", [0.05, 0.05, 0.02]),
        (["running"], 0.0, "requested", "It is asked to pause; it will at its next step.", []),
        (["running", "running", "paused"], 5.0, "done", "It is paused now.", [0.05, 0.05]),
        (["failed"], 5.0, "done", "It is failed now.", []),
    ):  # fmt: skip
        one.store = Record(clock, *statuses)
        told = one._await(found("running"), wait_s)
        assert (told.outcome, told.message) == (outcome, message)
        assert one.store.waits == pytest.approx(waits)
        assert (told.execution_id, told.action, told.seq) == ("e", "pause", 4)
    assert (control.WAIT_S, control.ACTIONS) == (2.0, ("pause", "resume", "cancel"))


def test_what_is_so_already_is_left(place: Project) -> None:
    for action, status, message in (
        ("pause", "paused", "It is paused already."), ("resume", "running", "It is running already."),
        ("cancel", "cancelled", "It is cancelled already."),
        ("pause", "waiting_for_input", "It waits for an answer, and runs nothing."),
    ):  # fmt: skip
        told = asked(place, action).carry_out(found(status), 0.0)
        assert (told.outcome, told.message, told.status) == ("unchanged", message, status)


def test_what_is_over_is_not_steered(place: Project) -> None:
    for action, status, is_refused in (
        ("cancel", "cancelled", False), ("pause", "cancelled", True), ("cancel", "completed", True),
        ("resume", "failed", True), ("pause", "paused", False), ("cancel", "running", False),
    ):  # fmt: skip
        one = asked(place, action)
        if is_refused:
            with pytest.raises(ExecutionOverError):
                one.check(found(status), None)
        else:
            one.check(found(status), 4)


def test_an_answer_is_given_to_a_question_and_to_nothing_else(
    place: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    question = Waiting(id="q" * 32, value="?", schema=None, ns="", task="a")
    monkeypatch.setattr(control, "open_questions", lambda store, _id: [question])
    waits = found("waiting_for_input")

    assert asked(place, "resume", value="yes").answer(waits) == {"q" * 32: "yes"}
    assert asked(place, "resume").answer(found("paused")) is None
    assert asked(place, "cancel").answer(waits) is None
    for action, status, said in (
        ("cancel", "waiting_for_input", "It asks for no answer"), ("resume", "paused", "It asks for no answer"),
    ):  # fmt: skip
        with pytest.raises(AnswerNeededError, match=said):
            asked(place, action, value=None).answer(found(status))
    with pytest.raises(AnswerNeededError, match="Give the answer as value"):
        asked(place, "resume").answer(waits)
    monkeypatch.setattr(
        control, "match_answers", lambda *_: (_ for _ in ()).throw(TypeError("odd"))
    )
    with pytest.raises(InvalidAnswerError):
        asked(place, "resume", value="yes").answer(waits)


def test_what_no_process_holds_is_carried_out_here_by_its_graph(
    place: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[Any] = []
    monkeypatch.setattr(controlled, "go_on", lambda *given: done.append(given))
    monkeypatch.setattr(controlled, "close", lambda *given: done.append(given))
    graph: Any = object()

    with pytest.raises(NotControllableError, match="no process runs it any more"):
        asked(place, "cancel")._carry_out_here(found("running"), None)
    with pytest.raises(NotControllableError, match="no process at hand has its graph 'g'"):
        asked(place, "resume")._carry_out_here(found("paused"), None)
    asked(place, "resume", find=lambda _: graph)._carry_out_here(found("paused"), "yes")
    alone = found("paused")
    alone.thread_id = None
    asked(place, "resume", find=lambda _: graph)._carry_out_here(alone, "yes")
    one = asked(place, "cancel")
    one._carry_out_here(found("paused"), None)

    assert done[:2] == [(graph, "e", "t", "yes"), (graph, "e", "e", "yes")]
    assert (done[2][0], done[2][2:]) == (None, ("person ada", one.journal))


def test_what_waits_is_closed_in_the_record_alone(journal: Journal, store: Store) -> None:
    rec = recording("aaaa1")
    start(rec)
    visit(rec, "work", 1)
    end(rec, "waiting_for_input")
    journal.begin(rec)
    journal.flush()
    before = store.execution("aaaa1")

    controlled.close(None, before, "person ada", journal)

    after = store.execution("aaaa1")
    assert (after.status, after.reason, after.last_seq) == ("cancelled", "cancel asked by person ada", before.last_seq + 1)  # fmt: skip
    assert (after.current_node, after.ended_at is not None) == (None, True)
    assert after.duration_ms is not None and after.duration_ms > 0
    last = store.event("aaaa1", after.last_seq)
    assert (last.type, last.ts) == ("execution_cancelled", after.ended_at)


def test_a_graph_closes_what_waits_before_the_record_does(journal: Journal, store: Store) -> None:
    rec = recording("aaaa1")
    start(rec)
    end(rec, "paused")
    journal.begin(rec)
    journal.flush()
    asked_: list[Any] = []

    def cancel(**given: Any) -> Any:
        asked_.append(given)
        if len(asked_) == 2:
            raise StoreError("no")
        return ("aaaa1",) if len(asked_) == 1 else ()

    graph: Any = SimpleNamespace(cancel=cancel)
    for status in ("paused", "cancelled", "cancelled"):
        controlled.close(graph, store.execution("aaaa1"), "ada", journal)
        assert store.execution("aaaa1").status == status
        if status == "cancelled":
            store.write(lambda held: held.execute("UPDATE executions SET status = 'paused'"))
    assert asked_[0] == {"execution_id": "aaaa1", "thread_id": "aaaa1", "reason": "cancel asked by ada"}  # fmt: skip


def test_a_process_looks_when_it_is_due_and_something_has_changed(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = SimpleNamespace(s=100.0)
    now.monotonic = lambda: now.s
    monkeypatch.setattr(controlled, "time", now)
    controls = Controls(journal)
    versions, looked = [1], list[float]()
    controls._watcher = SimpleNamespace(version=lambda: versions[0], close=lambda: None)  # type: ignore[assignment]

    def opened(_: Any) -> list[Any]:
        looked.append(now.s)
        return []

    monkeypatch.setattr(controls, "_open", opened)

    for passes, version in ((0.0, 1), (0.04, 2), (0.01, 2), (0.05, 2), (0.05, 3)):
        now.s = round(now.s + passes, 6)
        versions[0] = version
        controls.look()

    assert looked == [100.0, 100.05, 100.15]
    monkeypatch.setattr(controlled, "_waiting", {})
    patience = [controls.patience_s]
    controlled._waiting["e"] = object()  # type: ignore[assignment]
    assert [*patience, controls.patience_s] == [None, 0.05]
    controls.close()


def test_those_that_wait_no_more_are_forgotten_when_the_record_knows(
    journal: Journal, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = SimpleNamespace(s=100.0)
    now.monotonic = lambda: now.s
    monkeypatch.setattr(controlled, "time", now)
    for name, status in (
        ("aaaa1", "paused"),
        ("aaaa2", "completed"),
        ("aaaa3", "waiting_for_input"),
    ):
        rec = recording(name)
        start(rec)
        end(rec, status)
        journal.begin(rec)
    journal.flush()
    since = {"aaaa1": 97.9, "aaaa2": 97.9, "aaaa3": 97.9, "none": 97.9, "fresh": 98.0}
    waiting: Any = {name: SimpleNamespace(s=s) for name, s in since.items()}
    monkeypatch.setattr(controlled, "_waiting", waiting)

    store.database.read(controlled._forget_over)

    assert list(waiting) == ["fresh", "aaaa1", "aaaa3"]


# The journal's thread


def test_who_begins_in_a_crowd_wakes_the_thread(
    place: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(place)
    waited: list[float] = []
    monkeypatch.setattr(journal._moved, "wait", waited.append)
    journal._thread = threading.current_thread()

    for many, failure, is_woken in ((512, None, False), (513, StoreError("no"), False), (513, None, True)):  # fmt: skip
        journal._wake.clear()
        journal._failure = failure
        journal._intake.entries = [None] * many  # type: ignore[list-item]
        journal._help()
        assert (journal._wake.is_set(), waited) == (is_woken, [0.05] if is_woken else [])


def test_a_producer_helps_where_many_begin_and_rouses_who_sleeps(
    place: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(place)
    done: list[str] = []
    monkeypatch.setattr(journal, "_rouse", lambda: done.append("rouse"))
    monkeypatch.setattr(journal, "_help", lambda: done.append("help"))

    journal.begin(recording("e0"))
    journal._thread = threading.current_thread()
    journal._is_idle = True
    journal.begin(recording("e1"))
    journal._is_idle = False
    for number in range(254):
        journal.begin(recording(f"f{number}"))
    assert done == ["rouse", "rouse"]
    journal.begin(recording("g"))
    assert done == ["rouse", "rouse", "help"]


def test_a_journal_that_is_closed_gives_its_place_to_another(place: Project) -> None:
    first = Journal.of(place)
    assert Journal.of(place) is first
    other = Journal(place)
    other.close()
    assert Journal.of(place) is first
    first.begin(whole("aaaa1"))
    first.flush()
    first.rouse()
    assert handles(place.database) > 0

    first.close()

    assert first._thread is None
    second = Journal.of(place)
    assert second is not first
    assert 0 <= second.process < 1 << 62
    second.rouse()
    second.close()
    Database.of(place).close()


def test_a_stuck_disk_is_told_of_once(place: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(place)
    now = SimpleNamespace(s=100.0)
    now.monotonic = lambda: now.s
    monkeypatch.setattr(journals, "time", now)
    waits: list[float] = []

    def wait(timeout_s: float) -> None:
        waits.append(timeout_s)
        now.s += 4.95

    said: list[str] = []
    monkeypatch.setattr(journal._moved, "wait", wait)
    monkeypatch.setattr(journals._logger, "warning", lambda *given: said.append(given[1]))
    journal._intake.size = 1 << 40
    rec = recording("e1")

    journal.full_wait(rec)
    journal.full_wait(rec)

    assert waits == pytest.approx([0.1, 0.1, 0.1, 0.1, 0.1, 0.1])
    assert said == [f"The disk of {place.folder} is stuck; events are lost."]
    journal._failure = StoreError("no")
    waits.clear()
    journal.full_wait(rec)
    assert waits == []


def test_another_file_is_met_with_all_that_it_lacks(place: Project) -> None:
    journal = Journal(place)
    rec = recording("open1")
    start(rec)
    journal._intake.new.append(rec)
    journal._intake.collect_all()
    journal._intake.entries.append(SimpleNamespace(execution_id="kept1"))  # type: ignore[arg-type]
    journal._heart.has_beaten()

    for generation, suspects in ((1, set()), (1, set()), (2, {"open1", "kept1"})):
        journal.database.generation = generation
        journal._check_generation()
        assert journal._suspects == suspects
        assert journal._heart.is_due is bool(suspects)
    Database.of(place).close()


def test_a_process_is_given_its_time_to_say_whether_it_obeys(
    place: Project, clock: SimpleNamespace
) -> None:
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        clock.s += 0.5

    clock.sleep = sleep
    for refusals, many, is_here in (
        ([""], 0, False),
        ([None, None, ""], 2, False),
        ([None, "it has not the graph"], 1, True),
        ([None] * 9, 4, False),
    ):
        said: list[Any] = list(refusals)
        carried: list[Any] = []
        waits.clear()
        one = asked(place, "pause")
        one.journal = SimpleNamespace(
            database=SimpleNamespace(write=lambda _: 3), rouse=lambda: None
        )
        one._process = lambda _: 7
        one._refusal = lambda number, said=said: said.pop(0)
        one._carry_out_here = lambda *given, carried=carried: carried.append(given)
        one._give_to_its_process(found("running"), "yes")
        assert waits == pytest.approx([0.01] * many)
        assert bool(carried) is is_here
    nobody = asked(place, "pause")
    alone: list[Any] = []
    nobody._process = lambda _: None
    nobody._carry_out_here = lambda *given: alone.append(given[1])
    nobody._give_to_its_process(found("paused"), "yes")
    assert alone == ["yes"]


def test_a_disk_that_took_nothing_is_tried_again_soon(
    place: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(place)
    now = SimpleNamespace(s=100.0, time_ns=time.time_ns)
    now.monotonic = lambda: now.s
    monkeypatch.setattr(journals, "time", now)
    tries: list[float] = []

    def fails(*_given: Any, **_more: Any) -> Any:
        tries.append(now.s)
        raise StoreError("no")

    monkeypatch.setattr(journal.database, "transaction", fails)
    monkeypatch.setattr(journal._controls, "look", lambda: None)
    journal._events.append(SimpleNamespace())  # type: ignore[arg-type]
    for s in (100.0, 100.2, 100.24, 100.25, 100.3):
        now.s = s
        journal._tick(is_last=False)
    assert tries == [100.0, 100.25]
    waiter: Future[None] = Future()
    journal._waiters.append(waiter)
    journal._is_urgent = True
    journal._tick(is_last=False)
    assert tries == [100.0, 100.25, 100.3]
    assert (str(waiter.exception()), journal._is_urgent, journal._waiters) == ("no", False, [])
    journal._tick(is_last=True)
    assert len(tries) == 4
    assert journal._has_work()


def test_there_is_work_while_anything_waits(place: Project) -> None:
    journal = Journal(place)
    assert not journal._has_work()
    assert journal._flush() is None
    for name, thing in (
        ("_writes", object()), ("_events", object()), ("_waiters", object()),
    ):  # fmt: skip
        getattr(journal, name).append(thing)
        assert journal._has_work()
        getattr(journal, name).clear()
    journal._registrar.waiting.append(object())  # type: ignore[arg-type]
    assert journal._has_work()
    journal._registrar.waiting.clear()
    journal._intake.entries.append(object())  # type: ignore[arg-type]
    assert journal._has_work()
    journal._intake.entries.clear()
    journal._intake.new.append(recording("e1"))
    assert journal._has_work()
    journal._intake.new.clear()
    assert not journal._has_work()


def test_a_subscriber_is_told_until_it_ends(place: Project) -> None:
    journal = Journal(place)
    told: list[str] = []
    ends = [journal.subscribe(lambda _, name=name: told.append(name)) for name in "ab"]  # type: ignore[misc]

    for callback in journal._callbacks:
        callback([])
    ends[0]()
    for callback in journal._callbacks:
        callback([])

    assert told == ["a", "b", "b"]
    ends[0]()
    ends[1]()
    assert journal._callbacks == []


def test_what_would_be_refused_is_refused_before_a_person_is_asked(place: Project) -> None:
    control.check_request(place, found("running"), "pause", NO_VALUE, 4)
    with pytest.raises(AnswerNeededError):
        control.check_request(place, found("paused"), "resume", "yes", None)
    with pytest.raises(ExecutionOverError):
        control.check_request(place, found("failed"), "pause", NO_VALUE, None)


def test_what_was_not_written_yet_is_before_a_request_looks(journal: Journal) -> None:
    journal.begin(whole("aaaa1"))

    looked = asked(journal.project, "pause").look("aaaa1")

    assert (looked.execution_id, looked.status) == ("aaaa1", "completed")


@pytest.mark.parametrize("name", ["_is_idle", "_is_urgent", "_is_closing", ""])
def test_the_thread_is_woken_where_it_sleeps_or_is_wanted_at_once(
    place: Project, name: str
) -> None:
    journal = Journal(place)
    journal.rouse()
    assert not journal._wake.is_set()
    journal._thread = threading.current_thread()
    if name:
        setattr(journal, name, True)

    journal._rouse()

    assert journal._wake.is_set() is bool(name)
    journal.rouse()
    assert journal._wake.is_set()


def test_a_thread_that_has_nothing_to_do_sleeps_until_it_is_due(
    place: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Waits(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            if timeout is None or timeout > 1:
                slept.set()
            return super().wait(timeout)

    slept = threading.Event()
    monkeypatch.setattr(controlled, "_waiting", {})
    journal = Journal(place)
    journal._wake = Waits()

    journal.begin(whole("aaaa1"))
    journal.flush()

    assert slept.wait(10)
    journal.close()
    Database.of(place).close()
