"""Other concurrency: how many calls run at once within an execution, or executions beside each other.

Within one execution a step's branches take turns; across executions the calls of a node with
`max_concurrency` do. Both are simulated as servers that serve in the order of arrival, with the
recorded service times: waiting that the record shows is taken out before, and put back as it would be.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from inwit.events import epoch_ns
from inwit.introspection.predict import Prediction
from inwit.introspection.schedule import Schedule, Task

Waits = Callable[[Schedule], Mapping[int, float]]
"""For the visits of a schedule that waited for a turn within themselves, how many milliseconds."""
SEEN_LEAST = 6
"""Executions that ran beside about so many others, from which a load is read instead of simulated."""
NEAR = (0.75, 1.34)
"""How many others are about so many."""


def narrowed(schedules: Sequence[Schedule], width: int) -> Prediction:
    """Let at most `width` calls of one execution run at once."""
    found = Prediction(
        feasible=True,
        before=[one.total for one in schedules],
        after=[_in_turns(one, width) for one in schedules],
    )
    if not any(is_forked(one) for one in schedules):
        found.notes.append("In no recorded execution were two nodes ready at once.")
    return found


def is_forked(schedule: Schedule) -> bool:
    """Whether some of its visits were led to together."""
    steps = [_led(task) for task in schedule.tasks]
    return len(steps) != len(set(steps))


def _led(task: Task) -> tuple[int, ...]:
    """The visits that led to a task by edges; those of one step share them."""
    return tuple(sorted(index for index in task.follows if index != task.waited))


def _in_turns(schedule: Schedule, width: int) -> float:
    ends = [0.0] * len(schedule.tasks)
    running: dict[tuple[int, ...], list[float]] = {}
    for task in schedule.tasks:
        before = _led(task)
        begin = max((ends[index] for index in before), default=0.0)
        slots = running.setdefault(before, [])
        if len(slots) >= width:
            begin = max(begin, heapq.heappop(slots))
        ends[task.index] = begin + task.gap + task.duration
        heapq.heappush(slots, ends[task.index])
    return max(ends, default=0.0) + schedule.tail


def gated(schedules: Sequence[Schedule], node: str, width: int, waits: Waits) -> Prediction:
    """Let at most `width` calls of a node run at once, in all executions together."""
    calls = sorted(
        (_arrival(one, task), one.execution.execution_id, task.index, task.duration - waited)
        for one in schedules
        for task, waited in _waiting(one, node, waits)
    )
    free: list[float] = []
    lasts: dict[tuple[str, int], float] = {}
    for arrived, execution_id, index, service in calls:
        begin = max(arrived, heapq.heappop(free)) if len(free) >= width else arrived
        heapq.heappush(free, begin + service)
        lasts[execution_id, index] = begin + service - arrived
    after = [
        one.simulate(lambda task, one=one: lasts.get(  # type: ignore[misc]
            (one.execution.execution_id, task.index), task.duration
        ))
        for one in schedules
    ]  # fmt: skip
    return Prediction(feasible=True, before=[one.total for one in schedules], after=after)


def _waiting(schedule: Schedule, node: str, waits: Waits) -> Iterator[tuple[Task, float]]:
    known = waits(schedule)
    for task in schedule.tasks:
        if task.visit.node == node:
            yield task, min(known.get(task.index, 0.0), task.duration)


def _arrival(schedule: Schedule, task: Task) -> float:
    return epoch_ns(schedule.execution.started_at) / 1e6 + task.start


def beside(schedules: Sequence[Schedule]) -> list[float]:
    """How many executions ran at once, itself counted in, on average while each of them ran."""
    spans = [
        (begin, begin + one.total)
        for one in schedules
        for begin in [epoch_ns(one.execution.started_at) / 1e6]
    ]
    found = []
    for begin, end in spans:
        shared = sum(max(min(end, other) - max(begin, start), 0.0) for start, other in spans)
        found.append(shared / (end - begin) if end > begin else 1.0)
    return found


def seen_at(schedules: Sequence[Schedule], number: int) -> list[Schedule]:
    """The executions that ran while about `number` of them did."""
    low, high = NEAR[0] * number, NEAR[1] * number
    pairs = zip(schedules, beside(schedules), strict=True)
    return [one for one, others in pairs if low <= others <= high]


@dataclass(slots=True)
class _Run:
    """One execution of a simulated crowd."""

    schedule: Schedule
    service: dict[int, float]
    open: dict[int, int] = field(default_factory=dict)
    then: dict[int, list[int]] = field(default_factory=dict)
    ends: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for task in self.schedule.tasks:
            before = _led(task)
            self.open[task.index] = len(before)
            for index in before:
                self.then.setdefault(index, []).append(task.index)

    def ready_at(self, index: int) -> float:
        """When a task may begin, all that leads to it being done."""
        task = self.schedule.tasks[index]
        return max((self.ends[one] for one in _led(task)), default=0.0) + task.gap


def together(
    schedules: Sequence[Schedule], number: int, gates: Mapping[str, int], waits: Waits
) -> Prediction:
    """Start `number` executions at once; calls of the nodes in `gates` wait for their turn."""
    chosen = [schedules[place % len(schedules)] for place in range(number)]
    runs = [_Run(one, _services(one, gates, waits)) for one in chosen]
    queue = [
        (run.ready_at(index), place, index)
        for place, run in enumerate(runs)
        for index, left in run.open.items()
        if not left
    ]
    heapq.heapify(queue)
    free: dict[str, list[float]] = {node: [] for node in gates}
    while queue:
        arrived, place, index = heapq.heappop(queue)
        run = runs[place]
        run.ends[index] = _served(run, index, arrived, gates, free)
        for later in run.then.get(index, ()):
            run.open[later] -= 1
            if not run.open[later]:
                heapq.heappush(queue, (run.ready_at(later), place, later))
    after = [max(run.ends.values(), default=0.0) + run.schedule.tail for run in runs]
    return Prediction(feasible=True, before=[one.total for one in chosen], after=after)


def _services(schedule: Schedule, gates: Mapping[str, int], waits: Waits) -> dict[int, float]:
    return {
        task.index: task.duration - waited
        for node in gates
        for task, waited in _waiting(schedule, node, waits)
    }


def _served(
    run: _Run, index: int, arrived: float, gates: Mapping[str, int], free: dict[str, list[float]]
) -> float:
    task = run.schedule.tasks[index]
    slots = free.get(task.visit.node)
    if slots is None:
        return arrived + task.duration
    busy = len(slots) >= gates[task.visit.node]
    begin = max(arrived, heapq.heappop(slots)) if busy else arrived
    heapq.heappush(slots, begin + run.service[index])
    return begin + run.service[index]
