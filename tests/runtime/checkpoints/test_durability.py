"""What each durability promises: how much may be lost, who waits, and what is written when."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw
import pytest

from inwit import Command, SqliteCheckpointer, StateGraph, interrupt
from inwit.errors import StoreLockedError
from inwit.runtime.checkpoints import Pending, room
from inwit.runtime.checkpoints.group import GroupWriter, Outcome, Put
from inwit.testing.rows import checkpoint
from tests.runtime.checkpoints.rivals import CONFIG, count, count_for_ever, open_saver, rival

STEPS = 100
"""A machine may be slow: a run is killed when it is over its time and has told of so many."""


@pytest.mark.parametrize("backend", ["own file", "record"])
def test_what_async_loses_to_a_kill_is_little(backend: str, project: Path) -> None:
    chance = random.Random(5)
    for number in range(3):
        folder = project / str(number)
        (folder / ".inwit").mkdir(parents=True, mode=0o700)
        place = (folder, backend, str(folder / "own.db"))

        with rival(*place, {"n": 0}, target=count_for_ever, durability="async") as counting:
            told = counting.hear_for(0.1 + chance.random() * 0.1, STEPS)
        kept = kept_of(*place)

        # Each that comes while so many wait is held up, so few more can come.
        assert len([n for n in told[1:] if n > kept]) <= room.PUTS + STEPS


def kept_of(folder: Path, backend: str, place: str) -> int:
    """The number of the last step that was kept; -1 where not even the input was."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        saver: Any = open_saver(backend, place)
        newest = saver.history("t", 1)
        saver.close()
    return newest[0].step if newest else -1


def test_a_failure_is_on_the_disk_before_it_is_raised(tmp_path: Path) -> None:
    """Whoever tries again may be another process, which goes on where this one left."""
    path, released = tmp_path / "own.db", threading.Event()

    def fails_while_the_disk_is_busy(_state: dict[str, Any]) -> None:
        other = apsw.Connection(str(path))
        other.set_busy_timeout(5000)
        other.execute("BEGIN IMMEDIATE")

        def release() -> None:
            released.set()
            other.close()

        threading.Timer(0.2, release).start()
        raise OSError("died")

    graph = StateGraph(dict)
    graph.add_node("fails", fails_while_the_disk_is_busy)
    graph.set_entry_point("fails")

    def compiled() -> Any:
        return graph.compile(name="dies", checkpointer=SqliteCheckpointer(path)).without_retries()

    with pytest.raises(OSError, match="died"):
        compiled().invoke({"n": 1}, CONFIG)

    assert released.is_set()
    assert "died" in str(compiled().get_state(CONFIG).tasks[0].error)


def test_exit_writes_nothing_before_the_end(project: Path) -> None:
    place = (project, "own file", str(project / "own.db"))

    with rival(*place, {"n": 0}, target=count_for_ever, durability="exit") as counting:
        counting.hear_for(0.1, STEPS)

    assert kept_of(*place) == -1
    app = count(SqliteCheckpointer(place[2]))
    app.invoke({"n": -3}, CONFIG, durability="exit")
    assert [row.step for row in app.checkpointer.history("t")] == [3]


def test_an_answer_is_kept_before_anything_goes_on_however_little_is_written(
    tmp_path: Path,
) -> None:
    seen: list[list[str]] = []

    def asks(_state: dict[str, Any]) -> dict[str, Any]:
        answer = interrupt("?")
        seen.append([row.kind for row in kept.load("t") if isinstance(row, Pending)])
        return {"n": answer}

    graph = StateGraph(dict).add_node("asks", asks)
    graph.set_entry_point("asks")
    kept = SqliteCheckpointer(tmp_path / "own.db")
    app = graph.compile(name="asks", checkpointer=kept, durability="exit")
    app.invoke({"n": 0}, CONFIG)

    app.invoke(Command(resume=1, update={"n": 2}), CONFIG)

    assert "resume" in seen[0]
    kept.close()


def test_who_puts_faster_than_a_storage_writes_is_held_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "PUTS", 10)
    monkeypatch.setattr(room, "HELD_S", 30)
    may_write, begun = threading.Event(), 0

    def commit(puts: Sequence[Put]) -> Sequence[Outcome]:
        assert may_write.wait(30)
        return [None] * len(puts)

    def put_all() -> None:
        nonlocal begun
        for seq in range(1, 31):
            writer.put([checkpoint(seq)])
            begun = seq

    writer = GroupWriter("slow", commit)
    putting = threading.Thread(target=put_all)
    putting.start()
    with pytest.raises(StoreLockedError):
        writer.drain(0.2)
    assert begun == 10

    may_write.set()
    putting.join(30)

    assert begun == 30
    writer.drain(30)


def test_who_puts_into_a_storage_that_stands_still_is_slowed_down_and_not_stopped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(room, "PUTS", 1)
    monkeypatch.setattr(room, "HELD_S", 0.01)
    may_write = threading.Event()

    def commit(puts: Sequence[Put]) -> Sequence[Outcome]:
        assert may_write.wait(30)
        return [None] * len(puts)

    writer = GroupWriter("still", commit)

    futures = [writer.put([checkpoint(seq)]) for seq in range(1, 11)]

    assert not any(future.done() for future in futures)
    may_write.set()
    assert [future.result(30) for future in futures] == [None] * 10
