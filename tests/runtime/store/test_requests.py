"""Who waits for the record, who listens, and what is asked of executions."""

from __future__ import annotations

import asyncio
import logging
import threading
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest

from inwit.errors import (
    AnswerNeededError,
    ExecutionOverError,
    NotControllableError,
    StaleExecutionError,
    StoreError,
    StoreLockedError,
    StoreReadOnlyError,
)
from inwit.runtime.project import Project
from inwit.runtime.store import (
    controlled,
)
from inwit.runtime.store import (
    journal as journals,
)
from inwit.runtime.store.control import NO_VALUE, _Request
from inwit.runtime.store.journal import Crowd, Journal
from tests.runtime.store.rows import recording, start, whole

# The audit log


# Who waits


@pytest.mark.anyio
async def test_those_who_wait_are_told_unless_they_gave_up() -> None:
    loop = asyncio.get_running_loop()
    for error in (None, StoreError("no")):
        crowd = Crowd(loop)
        crowd.futures = [loop.create_future() for _ in range(3)]
        crowd.futures[0].cancel()
        crowd.resolve(error)
        await asyncio.wait(crowd.futures[1:])
        assert [one.cancelled() for one in crowd.futures] == [True, False, False]
        assert [one.exception() for one in crowd.futures[1:]] == [error, error]


def test_nobody_waits_on_a_loop_that_is_closed() -> None:
    loop = asyncio.new_event_loop()
    loop.close()

    Crowd(loop).resolve(None)


def test_a_future_that_was_cancelled_is_left() -> None:
    gone: Future[int] = Future()
    gone.cancel()
    good: Future[int] = Future()
    bad: Future[int] = Future()

    journals._resolve(gone, 1, None)
    journals._resolve(good, 1, None)
    journals._resolve(bad, None, error := ValueError("no"))

    assert (gone.cancelled(), good.result(), bad.exception()) == (True, 1, error)


def test_a_fault_that_is_none_of_the_store_s_is_told_as_one(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails() -> None:
        raise LookupError("odd")

    monkeypatch.setattr(journal, "_check_generation", fails)
    journal.begin(whole("aaaa1"))
    with caplog.at_level(logging.WARNING, "inwit"), pytest.raises(StoreError) as raised:
        journal.flush()
    monkeypatch.undo()
    journal.flush()

    assert str(raised.value).startswith("The record could not be written: LookupError('odd').")
    told = [one.getMessage() for one in caplog.records]
    assert told[0] == "inwit: the record could not be written."
    assert told[1].startswith(
        "inwit: warning: The record could not be written: LookupError('odd')."
    )
    assert len([one for one in told if one.startswith("inwit: warning")]) == 1


def test_rows_that_cannot_be_taken_are_told_of(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails() -> None:
        raise LookupError("odd")

    with caplog.at_level(logging.ERROR, "inwit"):
        journal._collect(fails)

    assert [one.getMessage() for one in caplog.records] == [
        "inwit: some rows could not be taken into the record."
    ]


def test_a_subscriber_that_raises_is_told_of_and_others_go_on(
    journal: Journal, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[str] = []

    def raises(_: Any) -> None:
        raise LookupError("odd")

    first = journal.subscribe(raises)
    second = journal.subscribe(lambda events: told.extend(one.type for one in events))
    with caplog.at_level(logging.ERROR, "inwit"):
        journal.begin(whole("aaaa1", visits=0))
        journal.flush()
    first()
    second()
    second()
    journal.begin(whole("bbbb2", visits=0))
    journal.flush()

    assert told == ["execution_started", "execution_completed"]
    assert {one.getMessage() for one in caplog.records} == {
        "inwit: a subscriber of the record raised."
    }


def test_what_a_look_or_a_sweep_meets_is_told_once(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise StoreReadOnlyError("here", "closed")

    monkeypatch.setattr(journal._controls, "look", fails)
    monkeypatch.setattr(journal._keeper, "enforce", fails)
    with caplog.at_level(logging.WARNING, "inwit"):
        journal._look_for_control()
        journal._look_for_control()
        journal._retain(is_durable=True)

    assert len(caplog.records) == 1
    assert "closed" in caplog.records[0].getMessage()


def test_a_flush_that_takes_too_long_says_so(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    may = threading.Event()
    journal.submit(lambda _: may.wait(10))

    with pytest.raises(StoreLockedError):
        journal.flush(0.01)
    may.set()
    journal.flush()


@pytest.mark.anyio
async def test_waiting_for_nothing_is_over_at_once(journal: Journal) -> None:
    await journal.aflush()
    journal.flush()

    assert journal._thread is None


@pytest.mark.anyio
async def test_a_full_buffer_is_emptied_without_holding_the_loop(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    rec = recording("aaaa1")
    start(rec)
    journal.begin(rec)
    monkeypatch.setattr(journal, "_can_take", lambda: False)
    monkeypatch.setattr(journal, "full_wait", lambda given: asked.append(given.execution_id))

    await journal.afull_wait(rec)

    assert asked == ["aaaa1"]
    rec.is_done = True


# Requests


def asked(place: Project, action: str, value: Any = NO_VALUE) -> _Request:
    return _Request(place, action, value, "ada", None)  # type: ignore[arg-type]


def found(status: str, seq: int = 5) -> Any:
    return SimpleNamespace(execution_id="e1", status=status, last_seq=seq, thread_id="t")


def test_a_request_must_fit_what_it_is_asked_of(place: Project) -> None:
    for status in ("running", "paused", "waiting_for_input"):
        for action in ("pause", "resume", "cancel"):
            asked(place, action).check(found(status), None)
    asked(place, "cancel").check(found("cancelled"), 5)
    with pytest.raises(StaleExecutionError):
        asked(place, "pause").check(found("running"), 4)
    for status, action in [("completed", "cancel"), ("failed", "pause"), ("cancelled", "resume")]:
        with pytest.raises(ExecutionOverError):
            asked(place, action).check(found(status), None)


def test_what_waits_for_an_answer_is_paused_already(place: Project) -> None:
    for action, status, said in [
        ("pause", "waiting_for_input", "It waits for an answer, and runs nothing."),
        ("pause", "paused", "It is paused already."),
        ("cancel", "cancelled", "It is cancelled already."),
        ("resume", "running", "It is running already."),
    ]:
        given = asked(place, action).carry_out(found(status), 0)
        assert said in str(given)


def test_an_answer_is_given_where_one_is_asked_for_alone(place: Project) -> None:
    with pytest.raises(AnswerNeededError, match="It asks for no answer: give no value"):
        asked(place, "pause", 1).answer(found("running"))
    with pytest.raises(AnswerNeededError, match="It asks for no answer: give no value"):
        asked(place, "resume", 1).answer(found("paused"))
    with pytest.raises(AnswerNeededError, match="Give the answer as value"):
        asked(place, "resume").answer(found("waiting_for_input"))
    assert asked(place, "resume").answer(found("paused")) is None
    assert asked(place, "cancel").answer(found("waiting_for_input")) is None


def test_what_no_process_runs_cannot_be_steered(place: Project) -> None:
    with pytest.raises(NotControllableError, match="no process runs it any more"):
        asked(place, "pause")._carry_out_here(found("running"), None)


def test_what_waits_is_remembered_the_newest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    class Graph:
        pass

    graph: Any = Graph()
    monkeypatch.setattr(controlled, "_waiting", {})
    monkeypatch.setattr(controlled, "_newest", [])
    monkeypatch.setattr(controlled, "WAITING", 2)
    for name in ("a", "b", "c"):
        controlled.note_waiting(SimpleNamespace(graph=graph, execution_id=name))  # type: ignore[arg-type]

    assert list(controlled._waiting) == ["b", "c"]
    assert controlled._graph_of("a") is None
    assert controlled._graph_of("c") is graph


def test_what_is_asked_of_what_cannot_do_it_is_refused_with_why(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    controls = journal._controls
    said: list[tuple[int, str]] = []
    monkeypatch.setattr(controls, "_say", lambda number, refusal: said.append((number, refusal)))
    monkeypatch.setattr(journal, "running", lambda _: object())
    controls._obey(1, "e1", "pause", b"\xc0", "why")
    controls._on_waiting(2, "nobody", "pause", b"\xc0", "why")
    monkeypatch.setattr(controlled, "_graph_of", lambda _: object())
    with caplog.at_level(logging.WARNING, "inwit"):
        controls._on_waiting(3, "e1", "pause", b"", "pause asked by ada")

    assert said[:2] == [(1, "it is run by another library"), (2, "it has not the graph any more")]
    assert said[2][0] == 3
    assert said[2][1]
    assert (
        caplog.records[0]
        .getMessage()
        .startswith("inwit: warning: pause asked by ada could not be done: ")
    )
    assert controls._under_way == set()


def test_a_refusal_that_cannot_be_written_is_told_of(
    journal: Journal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(number: int, refusal: str) -> None:
        raise StoreReadOnlyError("here", "closed")

    controls = journal._controls
    monkeypatch.setattr(controls, "_say", fails)
    with caplog.at_level(logging.WARNING, "inwit"):
        controls._on_waiting(2, "nobody", "pause", b"\xc0", "why")

    assert ["closed" in one.getMessage() for one in caplog.records] == [True]
