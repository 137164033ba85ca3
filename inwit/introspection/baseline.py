"""What is usual for a graph: its own completed executions of one version, laid out as schedules."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

from inwit.introspection import schedule
from inwit.introspection.scene import HISTORY, Scene
from inwit.introspection.schedule import Schedule
from inwit.introspection.stats import BASELINE_MIN, spread
from inwit.runtime.views import Execution

ALPHA = 0.05
"""How rare, by rank among usual executions, a figure must be to be called unusual."""
FLOOR = 0.05
"""The least part of the usual duration that an excess must be to be worth a cause."""


@dataclass(slots=True, kw_only=True)
class Baseline:
    """Durations of whole executions and, for each node, of visits; how often each was visited."""

    schedules: list[Schedule]
    totals: list[float] = field(default_factory=list)
    visits: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    gaps: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    counts: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))

    @property
    def n(self) -> int:
        """Executions that it holds."""
        return len(self.totals)

    @property
    def is_enough(self) -> bool:
        """Whether it holds as many as a confirmed cause needs."""
        return self.n >= BASELINE_MIN


def collect(scene: Scene, execution: Execution, *, most: int = HISTORY) -> Baseline:
    """What is usual for the graph and version of `execution`, itself left out.

    Those before it count where they are enough, so that what came later explains nothing earlier.
    """
    found = scene.history(
        execution.graph_name, execution.graph_version, besides=execution.execution_id, most=most
    )
    before = [item for item in found if item[0].position < execution.position]
    if len(before) >= BASELINE_MIN:
        found = before
    return of_schedules([schedule.build(one, visits) for one, visits in found])


def of_schedules(schedules: list[Schedule]) -> Baseline:
    """Collect the figures of schedules."""
    baseline = Baseline(schedules=schedules, totals=[one.total for one in schedules])
    nodes = {task.visit.node for one in schedules for task in one.tasks}
    for one in schedules:
        ran = Counter(task.visit.node for task in one.tasks)
        for node in nodes:
            baseline.counts[node].append(ran[node])
        for task in one.tasks:
            baseline.visits[task.visit.node].append(task.duration)
            baseline.gaps[task.visit.node].append(task.gap)
    return baseline


def rarity(value: float, usual: Sequence[float]) -> float:
    """The share of usual values that reach `value`, itself counted in: a rank test's p."""
    return (1 + sum(one >= value for one in usual)) / (len(usual) + 1)


def is_unusual(value: float, usual: Sequence[float]) -> bool:
    """Whether `value` is rare among `usual` and beyond their spread and the floor of effect."""
    if not usual:
        return False
    middle = median(usual)
    beyond = value - middle > max(3 * spread(usual), FLOOR * middle)
    if len(usual) < BASELINE_MIN:
        return beyond and value > max(usual)
    return beyond and rarity(value, usual) <= ALPHA
