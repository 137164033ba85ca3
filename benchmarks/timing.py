"""Timing several libraries in turns, so that what the machine does meanwhile falls on all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

Run = Callable[[], Awaitable[Any]]
OURS_A_TURN = 5
"""Calls of ours and of bare awaits for one of any other library."""


class Figure(NamedTuple):
    """The median and the least of many times, in microseconds."""

    median: float
    least: float

    @classmethod
    def of(cls, times_s: list[float]) -> Figure:
        return cls(statistics.median(times_s) * 1e6, min(times_s) * 1e6)


class Row(NamedTuple):
    """One shape: each library's figure, and the same with what is done after the calls."""

    shape: str
    figures: dict[str, Figure]
    sustained: dict[str, float] | None = None


async def settle() -> None:
    """Let our record reach the disk, so that its writer's work does not fall on others' turns."""
    from inwit.runtime.project import Project
    from inwit.runtime.store.journal import Journal

    await Journal.of(Project.find()).aflush()


async def in_turns(runs: dict[str, Run], budget_s: float, *, rounds: int = 7) -> dict[str, Figure]:
    """Call each library in turn for `budget_s`, at least `rounds` times."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        for _ in range(3):
            await run()
    end = time.perf_counter() + budget_s
    while time.perf_counter() < end or len(times["inwit"]) < rounds * OURS_A_TURN:
        for name, run in runs.items():
            for _ in range(OURS_A_TURN if name in ("inwit", "bare") else 1):
                start = time.perf_counter()
                await run()
                times[name].append(time.perf_counter() - start)
            if name == "inwit":
                await settle()
    return {name: Figure.of(values) for name, values in times.items()}


async def sustained_us(run: Run, calls: int, *, is_ours: bool = False) -> float:
    """The time of many calls in a row and of making their record durable, for each."""
    await settle()
    start = time.perf_counter()
    for _ in range(calls):
        await run()
    if is_ours:
        await settle()
    return (time.perf_counter() - start) / calls * 1e6
