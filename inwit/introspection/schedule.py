"""A recorded execution as a schedule: which visit waited for which, and what a change would give.

Waiting is read from the record: a visit follows the visits whose edges led to it, and those of
their step. Where it began only when another one ended (two nodes that share one thread), it
follows that too. The time between is kept, so an unchanged schedule simulates to the recorded duration.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from inwit.events import epoch_ns
from inwit.introspection.kept import Kept
from inwit.introspection.lineage import leads, place
from inwit.runtime.views import Execution, Visit

WAIT_MS = 1.0
"""A wait longer than this is explained by another visit's end, where one ended just then."""
STEP_WIDTH = 256
"""Visits that may stand between those of one step."""
SLACK_MS = 0.5
"""Clock readings of two visits may overlap by this and still be one after the other."""


KEPT = 512
"""Schedules that are kept for the next question."""


@dataclass(slots=True, kw_only=True)
class Task:
    """One visit with the visits it waited for. Times are milliseconds from the start."""

    index: int
    visit: Visit
    start: float
    duration: float
    follows: list[int] = field(default_factory=list)
    gap: float = 0.0
    waited: int | None = None
    """The one of `follows` that led to it by no edge: it only had to end, for a turn to be free."""

    @property
    def end(self) -> float:
        return self.start + self.duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The finished visits of one execution, in the order in which they began."""

    execution: Execution
    tasks: tuple[Task, ...]
    tail: float
    total: float

    def simulate(
        self,
        duration: Callable[[Task], float],
        *,
        follows: Callable[[Task], Sequence[int]] | None = None,
    ) -> float:
        """The whole duration when each visit takes `duration` and waits for `follows`."""
        return max(self.ends(duration, follows=follows), default=0.0) + self.tail

    def ends(
        self,
        duration: Callable[[Task], float],
        *,
        follows: Callable[[Task], Sequence[int]] | None = None,
    ) -> list[float]:
        """When each visit ends, if it takes `duration` and waits for `follows`."""
        ends = [0.0] * len(self.tasks)
        for task in self.tasks:
            before = task.follows if follows is None else follows(task)
            if len(before) == 1:
                ready = ends[before[0]]
            else:
                ready = max([ends[index] for index in before], default=0.0)
            ends[task.index] = ready + task.gap + duration(task)
        return ends

    def critical_path(self) -> list[Task]:
        """The chain of visits that decided when the execution ended."""
        if not self.tasks:
            return []
        path = [max(self.tasks, key=lambda task: task.end)]
        while path[-1].follows:
            path.append(max((self.tasks[i] for i in path[-1].follows), key=lambda task: task.end))
        return path[::-1]

    def on_path(self) -> dict[str, float]:
        """How long each node is on the critical path, in milliseconds, all its visits together."""
        took: dict[str, float] = defaultdict(float)
        for task in self.critical_path():
            took[task.visit.node] += task.duration
        return dict(took)


_kept = Kept[Schedule](KEPT)


def build(execution: Execution, visits: Iterable[Visit]) -> Schedule:
    """Lay out the finished visits of `execution`; of one that is over, only once."""
    if execution.ended_at is None:
        return _laid_out(execution, visits)
    return _kept.of(execution, lambda: _laid_out(execution, visits))


def _laid_out(execution: Execution, visits: Iterable[Visit]) -> Schedule:
    began = epoch_ns(execution.started_at)
    done = sorted(
        (visit for visit in visits if visit.duration_ms is not None),
        key=lambda visit: visit.entry_seq,
    )
    tasks = [
        Task(
            index=index,
            visit=visit,
            start=max((visit.started_ns - began) / 1e6, 0.0),
            # A clock that jumped tells no duration.
            duration=max(visit.duration_ms or 0.0, 0.0),
        )
        for index, visit in enumerate(done)
    ]
    _link(tasks)
    last = max((task.end for task in tasks), default=0.0)
    total = last if execution.duration_ms is None else max(execution.duration_ms, 0.0)
    return Schedule(
        execution=execution, tasks=tuple(tasks), tail=max(total - last, 0.0), total=total
    )


def _link(tasks: list[Task]) -> None:
    led = leads(task.visit for task in tasks)
    at = {place(task.visit): task.index for task in tasks}
    for task in tasks:
        sources = {at[place(lead.source)] for lead in led[place(task.visit)]}
        before = [index for index in sources if index < task.index]
        task.follows = sorted({*before, *_siblings(tasks, task, before)})
        _add_wait(tasks, task)
        ready = max((tasks[index].end for index in task.follows), default=0.0)
        task.gap = max(task.start - ready, 0.0)


def _siblings(tasks: list[Task], task: Task, before: list[int]) -> list[int]:
    """The visits of the same step as a visit that led here: a step ends when all of it has."""
    if not before:
        return []
    entered = min(tasks[index].visit.entry_seq for index in before)
    applied = max(_applied_seq(tasks[index].visit) for index in before)
    return [
        other.index
        for other in tasks[max(min(before) - STEP_WIDTH, 0) : task.index]
        if other.visit.entry_seq < applied
        and entered < _applied_seq(other.visit) < task.visit.entry_seq
    ]


def _applied_seq(visit: Visit) -> int:
    return visit.edge_seq or visit.exit_seq or visit.entry_seq


def _add_wait(tasks: list[Task], task: Task) -> None:
    ready = max((tasks[index].end for index in task.follows), default=0.0)
    if task.start - ready <= WAIT_MS:
        return
    earlier = [
        other
        for other in tasks[: task.index]
        if other.index not in task.follows and ready < other.end <= task.start + SLACK_MS
    ]
    if not earlier:
        return
    last = max(earlier, key=lambda other: other.end)
    if task.start - last.end < (task.start - ready) / 2:
        task.follows.append(last.index)
        task.waited = last.index
