"""Suspects of a slow execution: what in it was unusual, and what putting it back would have saved."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

from inwit.introspection.baseline import FLOOR, Baseline, is_unusual, rarity
from inwit.introspection.claims import duration
from inwit.introspection.lineage import leads, place
from inwit.introspection.schedule import Schedule, Task
from inwit.introspection.standing import Standing, common, standings
from inwit.introspection.stats import median_ranks, spread

SHIFT_FLOOR = 0.02
"""The least part of the usual duration that a lasting shift must cost: many executions show it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """What would be put back: by which schedule, for which node, in what way."""

    node: str
    kind: str
    tasks: tuple[Task, ...]
    restored: Callable[[Task, float], float]
    """The duration of a task at a given usual duration of its node's visit."""
    usual: tuple[float, float, float]
    """The usual duration or wait: point, low and high."""
    rarity: float = 0.0
    standing: Standing | None = None
    words: str = ""
    """What it is in words, where its kind does not say all."""
    uris: tuple[str, ...] = ()
    """Events that show it, besides the visits."""
    told: Mapping[str, Any] = field(default_factory=dict)
    """What the answer's data says of it, besides."""
    is_sure: bool = True

    @property
    def floor(self) -> float:
        """The part of the usual duration that it must cost to be worth telling."""
        return SHIFT_FLOOR if self.is_lasting else FLOOR

    @property
    def is_lasting(self) -> bool:
        """Whether executions in a row, to this one, are like it."""
        return self.standing is not None and self.standing.run > 0

    @property
    def is_doubtful(self) -> bool:
        """Whether it is one only with a reason: others are as high now and then, or it is not far."""
        stood = self.standing
        return stood is not None and not stood.run and not (stood.is_far and stood.is_rare)

    def effect(self, shape: Schedule) -> dict[str, Any]:
        """What putting it back saves in the recorded schedule."""
        chosen = {task.index for task in self.tasks}

        def saved(usual: float) -> float:
            def lasts(task: Task) -> float:
                return self.restored(task, usual) if task.index in chosen else task.duration

            return round(shape.total - shape.simulate(lasts), 3)

        point, low, high = (saved(usual) for usual in self.usual)
        return {"point": point, "low": min(high, point), "high": max(low, point), "unit": "ms"}


def find(shape: Schedule, usual: Baseline, *, lately: bool = False) -> list[Suspect]:
    """Every suspect of an execution, beside the executions of its baseline.

    Asked about how things are `lately`, what lasts is measured over all executions that are like it.
    """
    found = _extra_visits(shape, usual)
    known = {task.index for suspect in found for task in suspect.tasks}
    grouped: dict[str, list[Task]] = defaultdict(list)
    for task in shape.tasks:
        if task.index not in known:
            grouped[task.visit.node].append(task)
    stood = standings(shape, usual.schedules[::-1])
    for node, tasks in grouped.items():
        stand = stood.get(node)
        if stand is not None:
            found += _slow_visits(node, tasks, usual, stand, lately=lately)
        found += _waits(node, tasks, usual)
    return found


def _slow_visits(
    node: str, tasks: list[Task], usual: Baseline, stood: Standing, *, lately: bool
) -> list[Suspect]:
    if not (stood.is_high or (stood.run and (lately or stood.z > 0))):
        return _single_visits(node, tasks, usual, stood)
    if stood.run and (lately or not stood.is_far):
        return [_lasting(node, tuple(tasks), stood)]
    return [_restored(node, tuple(tasks), stood)]


def _single_visits(node: str, tasks: list[Task], usual: Baseline, stood: Standing) -> list[Suspect]:
    """Of a node that is visited often: the visits that took unusually long by themselves."""
    past = usual.visits.get(node, [])
    slow = tuple(task for task in tasks if is_unusual(task.duration / stood.common, past))
    if len(tasks) == 1 or not slow:
        return []
    return [replace(_restored(node, slow, stood), standing=None)]


def _lasting(node: str, tasks: tuple[Task, ...], stood: Standing) -> Suspect:
    """Of a shift: by how many times its executions take longer at the median."""
    past = middle(stood.usual)
    usual = median(stood.now) / stood.ratio
    low, high = (usual * one / past[0] for one in past[1:])
    return Suspect(
        node=node, kind=_kind(tasks, usual), tasks=tasks, standing=stood, rarity=stood.rarity,
        usual=(usual, low, high),
        restored=lambda task, normal: task.duration / stood.ratio * normal / usual,
    )  # fmt: skip


def _restored(node: str, tasks: tuple[Task, ...], stood: Standing) -> Suspect:
    usual = middle(stood.usual)
    return Suspect(
        node=node, kind=_kind(tasks, usual[0]), tasks=tasks, standing=stood, usual=usual,
        rarity=stood.rarity,
        restored=lambda task, normal: min(task.duration, normal * stood.common),
    )  # fmt: skip


def _kind(tasks: list[Task] | tuple[Task, ...], normal: float) -> str:
    retried = sum(task.visit.retry_ms for task in tasks)
    over = sum(task.duration for task in tasks) - len(tasks) * normal
    return "retries" if retried and retried >= over / 2 else "slower"


def _waits(node: str, tasks: list[Task], usual: Baseline) -> list[Suspect]:
    past = usual.gaps.get(node, [])
    late = tuple(
        task
        for task in tasks
        if is_unusual(task.gap, past) and task.gap > FLOOR * median(usual.totals)
    )
    if not late:
        return []
    return [
        Suspect(
            node=node, kind="waiting", tasks=late, usual=middle(past),
            rarity=rarity(max(task.gap for task in late), past),
            words=f"It waited {duration(sum(task.gap for task in late))} before {node}, usually "
            f"{duration(median(past))}",
            restored=lambda task, normal: task.duration - max(task.gap - normal, 0.0),
        )
    ]  # fmt: skip


def _extra_visits(shape: Schedule, usual: Baseline) -> list[Suspect]:
    ran = Counter(task.visit.node for task in shape.tasks)
    over = {
        node: int(median(usual.counts.get(node) or [0]))
        for node, number in ran.items()
        if _is_more_often(number, usual.counts.get(node) or [0] * usual.n)
    }
    extra = tuple(
        task for task in shape.tasks if task.visit.visit > over.get(task.visit.node, 1 << 30)
    )
    if not extra:
        return []
    return [
        Suspect(
            node=_decider(shape, extra), kind="extra_visits", tasks=extra, usual=(0.0, 0.0, 0.0),
            restored=lambda task, _: -task.gap,
        )
    ]  # fmt: skip


def _is_more_often(number: int, usual: list[int]) -> bool:
    if not usual or number <= median(usual) + 3 * spread(usual):
        return False
    return rarity(number, usual) <= max(0.05, 1 / (len(usual) + 1))


def _decider(shape: Schedule, extra: tuple[Task, ...]) -> str:
    led = leads(task.visit for task in shape.tasks)
    chosen = Counter(
        lead.source.node for task in extra for lead in led[place(task.visit)] if lead.is_decision
    )
    return chosen.most_common(1)[0][0] if chosen else extra[0].visit.node


def middle(past: list[float]) -> tuple[float, float, float]:
    """The median of past values with its interval."""
    ordered = sorted(past)
    low, high = median_ranks(len(ordered))
    return median(ordered), ordered[low], ordered[high]


def common_slowdown(shape: Schedule, usual: Baseline) -> float:
    """How many times longer than usual its nodes took together, at least 1."""
    took: dict[str, float] = {}
    for task in shape.tasks:
        took[task.visit.node] = took.get(task.visit.node, 0.0) + task.duration
    middles = {
        node: median(past) * max(median(usual.counts[node]), 1)
        for node, past in usual.visits.items()
        if median(past)
    }
    return common(took, middles, set(middles))
