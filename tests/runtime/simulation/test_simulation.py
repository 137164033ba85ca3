"""Random graphs in random worlds: whatever is killed, cancelled, full or late, promises are kept.

Each seed is a graph whose nodes sleep, fail, ask and pay, run by one process after another until it
is done. No update is lost, no step that was acknowledged runs twice, nothing hangs, and whatever is
cancelled ends. A seed that fails is told with the command that repeats it.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from inwit import START, InMemoryCheckpointer, SqliteCheckpointer, StateGraph
from inwit.errors import ExecutionCancelledError
from inwit.runtime.checkpoints import split
from tests.runtime.simulation import faults, virtual
from tests.runtime.simulation.shapes import State
from tests.runtime.simulation.simulate import BrokenPromiseError, simulate
from tests.runtime.simulation.world import World

SCHEDULING = ("steps", "dataflow")
SEEDS = 300
SEEDS_ON_DISK = 100
MOST_SEEDS = 150
"""By which a planted fault must have been noticed."""


@pytest.fixture(autouse=True)
def without_record(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INWIT_OFF", "1")


def outcomes(seeds: range, make: Callable[[int], Any], **options: Any) -> Counter[str]:
    seen: Counter[str] = Counter()
    for seed in seeds:
        seen += simulate(seed, partial(make, seed), **options)
    return seen


def note_story(stories: list[list[str]], world: World) -> None:
    stories.append(world.story.copy())


@pytest.mark.parametrize("scheduling", SCHEDULING)
def test_no_step_is_lost_or_done_twice_and_nothing_hangs(scheduling: str) -> None:
    seen = outcomes(range(SEEDS), lambda seed: InMemoryCheckpointer(), scheduling=scheduling)

    assert seen["done"] == SEEDS
    assert min(seen[one] for one in ("waiting", "cancelled", "killed", "no room")) > SEEDS // 10


@pytest.mark.parametrize("scheduling", SCHEDULING)
def test_a_file_keeps_the_same_promises(scheduling: str, tmp_path: Path) -> None:
    opened: list[SqliteCheckpointer] = []

    def on_disk(seed: int) -> SqliteCheckpointer:
        opened.append(SqliteCheckpointer(tmp_path / f"{seed}.db"))
        return opened[-1]

    try:
        seen = outcomes(range(SEEDS, SEEDS + SEEDS_ON_DISK), on_disk, scheduling=scheduling)
    finally:
        for one in opened:
            one.close()

    assert seen["done"] == SEEDS_ON_DISK
    assert min(seen[one] for one in ("waiting", "cancelled", "killed", "no room")) > 5


@pytest.mark.parametrize("durability", ["async", "sync", "exit"])
def test_a_seed_is_repeated_to_the_letter(durability: str) -> None:
    told: list[list[list[str]]] = [[], []]

    for stories in told:
        simulate(7, tell=partial(note_story, stories), durability=durability)

    assert told[0] == told[1] != []


PLANTED: list[tuple[str, Any, str]] = [
    ("steps", faults.drop_updates, "is not"),
    ("dataflow", faults.drop_updates, "is not"),
    ("steps", faults.apply_updates_twice, "is not"),
    ("dataflow", faults.apply_updates_twice, "is not"),
    ("steps", faults.run_branches_twice, "runs again"),
    ("dataflow", faults.run_branches_twice, "runs again"),
    ("steps", faults.forget_arrivals, "is not"),
    ("dataflow", faults.forget_arrivals, "is not"),
    ("steps", faults.leave_branches_alone, "still clean up|has no end"),
    ("dataflow", faults.leave_branches_alone, "still clean up|has no end"),
    ("steps", faults.hang_when_cancelled, "it hangs"),
    ("dataflow", faults.hang_when_cancelled, "it hangs"),
    ("steps", faults.lose_an_end, "it hangs"),
    ("steps", faults.keep_no_memos, "is paid again"),
    ("dataflow", faults.keep_no_memos, "is paid again"),
]


@pytest.mark.parametrize(("scheduling", "plant", "word"), PLANTED)
def test_a_planted_fault_is_noticed_and_told_with_its_seed(
    scheduling: str, plant: Any, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)

    with pytest.raises(BrokenPromiseError, match=word) as raised:
        outcomes(range(MOST_SEEDS), lambda seed: InMemoryCheckpointer(), scheduling=scheduling)

    assert f".repeat {str(raised.value).split()[1][:-1]} {scheduling} InMemory" in str(raised.value)


@pytest.mark.parametrize("scheduling", SCHEDULING)
@pytest.mark.parametrize(
    ("kind", "word"), [(faults.Forgetful, "runs again"), (faults.Lossy, "is not")]
)
def test_a_checkpointer_that_forgets_is_noticed(
    kind: type[InMemoryCheckpointer], word: str, scheduling: str
) -> None:
    with pytest.raises(BrokenPromiseError, match=word):
        outcomes(range(MOST_SEEDS), lambda seed: kind(), scheduling=scheduling)


def test_an_execution_that_was_stopped_waits_for_the_disk_undisturbed() -> None:
    kept = virtual.Disk(InMemoryCheckpointer(), Slowly())

    async def sleeps(state: State) -> None:
        await asyncio.sleep(60)

    graph: Any = StateGraph(State)
    graph.add_node("sleeps", sleeps)
    graph.add_edge(START, "sleeps")
    app = graph.compile(kept, name="slow", durability="sync")

    async def stop() -> None:
        task = asyncio.ensure_future(app.ainvoke({}, thread_id="t"))
        await asyncio.sleep(10)
        await app.acancel(thread_id="t")
        with pytest.raises(ExecutionCancelledError):
            await task

    virtual.run(stop())

    assert split(kept.load("t"))[1][-1].kind == "closed"


class Slowly(random.Random):
    """Draws the longest write: longer than the watchdog looks away."""

    def choice(self, seq: Any) -> Any:
        return 5.0
