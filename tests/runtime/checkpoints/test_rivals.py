"""Several processes on one thread: one writes, the next goes on where a killed one was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from inwit import Command
from inwit.errors import InvalidStateError, ThreadBusyError, ThreadTakenError
from inwit.runtime.checkpoints.base import Checkpointer, Pending
from tests.runtime.checkpoints.rivals import CONFIG, graph, open_saver, rival
from tests.runtime.checkpoints.servers import wait_until

BACKENDS = ["own file", "record", "postgres", "redis", "s3", "dynamodb", "of the guide"]
BRANCHES = ["quick", "quicker", "slow"]
Place = tuple[Path, str, str]


@contextmanager
def opened(backend: str, address: str) -> Iterator[Checkpointer]:
    found = open_saver(backend, address)
    yield found
    if hasattr(found, "close"):
        found.close()


@pytest.fixture(params=BACKENDS)
def place(request: pytest.FixtureRequest, project: Path) -> Place:
    """A folder, a backend, and where that keeps its rows: empty, and made."""
    backend: str = request.param
    address = str(project / "own")
    if backend == "postgres":
        address = request.getfixturevalue("postgres").place(f"rivals_{project.parent.name}")
    elif backend == "redis":
        address = request.getfixturevalue("redis_server").uri
    elif backend in ("s3", "dynamodb"):
        address = request.getfixturevalue("aws")
    with opened(backend, address) as saver:
        if hasattr(saver, "setup"):
            saver.setup()
        saver.delete_thread("t")
    return project, backend, address


@pytest.fixture
def saver(place: Place) -> Iterator[Checkpointer]:
    with opened(*place[1:]) as found:
        yield found


def done_of(saver: Checkpointer) -> list[str]:
    """The branches that are known to be done."""
    return [row.task for row in saver.load("t") if isinstance(row, Pending) and row.kind == "done"]


def test_a_process_that_executes_is_alone_on_its_thread_and_its_death_is_seen_at_once(
    place: Place, saver: Checkpointer
) -> None:
    ran: list[str] = []
    app = graph(saver, ran.append)
    with rival(*place, {"log": ["in"]}, holds="slow") as other:
        assert sorted(other.hear(4)) == ["begin", *BRANCHES]
        wait_until(lambda: len(done_of(saver)) == 2, "Two branches")

        for given in (None, {"log": ["again"]}):
            with pytest.raises(ThreadBusyError, match="'t'"):
                app.invoke(given, CONFIG)
        with pytest.raises(ThreadBusyError):
            app.update_state(CONFIG, {"log": ["more"]}, as_node="join")

    app.invoke(None, CONFIG)

    assert ran == ["slow", "join"]
    assert sorted(app.get_state(CONFIG).values["log"]) == sorted(["in", "begin", "join", *BRANCHES])
    assert app.get_state(CONFIG).next == ("ask",)


def test_a_thread_that_waits_for_a_person_is_answered_after_its_process_was_killed(
    place: Place, saver: Checkpointer
) -> None:
    with rival(*place, {"log": ["in"]}) as asking:
        asking.hear(5)
        assert asking.hear(1) == ["waits"]
    ran: list[str] = []
    app = graph(saver, ran.append)
    assert [one.value for one in app.get_state(CONFIG).interrupts] == ["go on?"]

    with rival(*place, Command(resume="yes"), holds="last") as answering:
        assert answering.hear(2) == ["ask", "last"]

    assert app.invoke(None, CONFIG)["answer"] == "yes"
    assert ran == ["last"]


def test_a_process_whose_lease_is_over_is_fenced_off(place: Place, saver: Checkpointer) -> None:
    ran: list[str] = []
    app = graph(saver, ran.append)
    with rival(*place, {"log": ["in"]}, holds="slow", lease_s=0) as slow:
        slow.hear(4)
        wait_until(lambda: len(done_of(saver)) == 2, "Two branches")
        app.invoke(None, CONFIG)
        before = app.get_state(CONFIG)

        slow.go_on()

        assert slow.hear(1) == [ThreadTakenError.code]
    assert ran == ["slow", "join"]
    assert app.get_state(CONFIG) == before
    assert app.invoke(Command(resume="yes"), CONFIG)["answer"] == "yes"


def test_of_two_processes_that_answer_at_once_one_is_refused(
    place: Place, saver: Checkpointer
) -> None:
    graph(saver, lambda name: None).invoke({"log": ["in"]}, CONFIG, durability="sync")

    with rival(*place, Command(resume="a")) as one, rival(*place, Command(resume="b")) as two:
        told = [_heard(one), _heard(two)]

    won = [number for number, words in enumerate(told) if words[-1] == "ended"]
    assert len(won) == 1, told
    refusals = {ThreadTakenError.code, ThreadBusyError.code, InvalidStateError.code}
    assert told[1 - won[0]][-1] in refusals
    assert "ask" not in told[1 - won[0]]
    assert graph(saver, lambda name: None).get_state(CONFIG).values["answer"] == "ab"[won[0]]


def _heard(other: Any) -> list[str]:
    told: list[str] = other.hear(1)
    while told[-1] in ("ask", "last"):
        told += other.hear(1)
    return told
