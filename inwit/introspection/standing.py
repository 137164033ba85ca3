"""How a node stands against its own past: as ever, an outlier this once, or longer for a while now.

A machine that is busy slows all nodes alike, so each node is measured beside the others of its
execution: what is left of its time over what is usual, once the others' common slowdown is divided
out, is its residual. One residual far out is an outlier; residuals that lie higher from some
execution on are a shift. Both are tests on ranks and on medians, so no shape of noise is assumed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, sqrt
from statistics import fmean, median

from inwit.introspection.schedule import Schedule
from inwit.introspection.stats import BASELINE_MIN

ALPHA = 0.05
"""How rare, by rank among usual executions, a residual must be to be an outlier."""
OUTLIER_Z = 3.5
"""How many spreads from the median an outlier lies."""
FAR_Z = 5.0
"""How many spreads from the median no scatter reaches, but a hiccup of the machine does."""
OUTLIER_RATIO = 1.2
"""How many times longer than usual an outlier takes at least."""
SECOND_Z = 2.5
"""How many spreads from the median the second cause of an execution lies."""
HIGH_Z = 1.5
"""How many spreads from the median is high: to be told only with what explains it."""
SHIFT_Z = 4.0
"""The rank sum's z from which executions in a row are shifted; the best of all splits is taken."""
SHIFT_RATIO = 1.08
"""The least ratio of medians that is called a shift."""
RUN_LEAST = 6
"""Executions in a row that a shift takes at least."""
BEFORE_LEAST = 10
"""Executions before a shift that show what was usual."""
NORMAL = 1.4826
"""Makes a median absolute deviation equal a normal standard deviation."""
SPREAD_LEAST = 0.02
"""Clocks and schedulers alone scatter a duration by this part."""
COMMON_LEAST = 1.1
"""A slowdown of all nodes alike that is less is their own scatter."""
TELLING_SHARE = 0.01
"""Nodes that usually take less than this part of the whole tell nothing of a common slowdown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How one node's visits of an execution stand.

    `common` is how many times longer the other nodes of that execution took than usual; 1 for as ever.
    """

    node: str
    common: float
    usual: list[float]
    """Durations of its visits before whatever changed."""
    now: list[float]
    """Durations of its visits in the executions that are as the one that is asked about."""
    rarity: float
    """The share of usual executions in which it stood as high, the one asked about counted in."""
    z: float
    """How many spreads it lies over the median."""
    over: float
    """How many times longer it takes than usual, the common slowdown left out."""
    is_rare: bool
    """Whether hardly any usual execution stands as high."""
    run: int = 0
    """Executions in a row, to the one asked about, in which it takes longer; 0 for no shift."""
    ratio: float = 1.0
    """How many times longer it takes in those, its executions' common slowdowns left out."""
    high: frozenset[str] = frozenset()
    """The executions in which it is far out, the one asked about among them if it is."""

    @property
    def is_far(self) -> bool:
        """Whether it lies beyond what the node's own scatter explains."""
        return self.z > OUTLIER_Z and self.over >= OUTLIER_RATIO

    @property
    def is_second(self) -> bool:
        """Whether it may be a cause beside a surer one."""
        return self.is_rare and self.z > SECOND_Z

    @property
    def is_high(self) -> bool:
        """Whether it lies high, so that it may be one where something explains it."""
        return self.is_far or (self.is_rare and self.z > HIGH_Z)


def standings(shape: Schedule, past: Sequence[Schedule]) -> dict[str, Standing]:
    """Place each node of `shape` against the executions of `past`, which are oldest first."""
    rows = [_means(one) for one in (*past, shape)]
    usual = _usual(rows[:-1])
    whole = sum(usual.values()) or 1.0
    telling = {node for node, ms in usual.items() if ms > TELLING_SHARE * whole}
    commons = [_commons(row, usual, telling) for row in rows]
    found = {}
    for node in rows[-1]:
        if usual.get(node):
            found[node] = _stand(node, rows, usual, commons, (*past, shape))
    return found


def _means(shape: Schedule) -> dict[str, float]:
    took: dict[str, list[float]] = {}
    for task in shape.tasks:
        took.setdefault(task.visit.node, []).append(task.duration)
    return {node: fmean(every) for node, every in took.items()}


def _usual(rows: Sequence[dict[str, float]]) -> dict[str, float]:
    took: dict[str, list[float]] = {}
    for row in rows:
        for node, ms in row.items():
            took.setdefault(node, []).append(ms)
    return {node: median(every) for node, every in took.items()}


def common(row: dict[str, float], usual: dict[str, float], telling: set[str]) -> float:
    """How many times longer than usual the telling nodes took together: the lower middle, else 1."""
    return _commons(row, usual, telling).get("", 1.0)


def _commons(row: dict[str, float], usual: dict[str, float], telling: set[str]) -> dict[str, float]:
    """For each node, how much longer the others of its execution took; "" for all of them."""
    ratios = sorted((ms / usual[node], node) for node, ms in row.items() if node in telling)
    places = {node: place for place, (_, node) in enumerate(ratios)}
    found = {}
    for node in ("", *row):
        place = places.get(node, len(ratios))
        others = len(ratios) - (node in places)
        at = (others - 1) // 2
        middle = ratios[at + (at >= place)][0] if others else 1.0
        found[node] = middle if middle >= COMMON_LEAST else 1.0
    return found


def _rare_at(number: int, z: float) -> float:
    """How rare an outlier must be: what is far beyond all scatter may have happened once before."""
    if number < BASELINE_MIN:
        return 1 / (number + 1)
    return max(2 * ALPHA if z > FAR_Z else ALPHA, 1 / (number + 1))


def _scale(usual: Sequence[float]) -> tuple[float, float]:
    """Where usual values lie, and how far they scatter by themselves."""
    middle = median(usual) if usual else 0.0
    # Whatever slows a node lies above: the half below, mirrored, shows its own scatter.
    below = [abs(middle - one) for one in usual if one <= middle]
    return middle, max(NORMAL * median(below) if below else 0.0, SPREAD_LEAST)


def _stand(
    node: str,
    rows: Sequence[dict[str, float]],
    usual: dict[str, float],
    commons: Sequence[dict[str, float]],
    shapes: Sequence[Schedule],
) -> Standing:
    at = [index for index, row in enumerate(rows) if row.get(node)]
    values = [log(rows[i][node] / usual[node] / commons[i][node]) for i in at]
    run = shifted(values)
    before = values[:-run] if run else _episode_left_out(values)
    here = values[-1]
    middle, scatter = _scale(before)
    bar = middle + OUTLIER_Z * scatter
    rarity = (1 + sum(one >= here for one in before)) / (len(before) + 1)
    z = (here - middle) / scatter
    high = [i for i, value in zip(at, values, strict=True) if value > bar]
    since = at[len(before) :] if run else at[-1:]
    return Standing(
        node=node,
        common=commons[-1][node],
        usual=_durations(node, [shapes[i] for i in at[: len(before)]]),
        now=_durations(node, [shapes[i] for i in since]),
        rarity=rarity,
        z=z,
        over=exp(here - middle),
        is_rare=rarity <= _rare_at(len(before), z),
        run=run,
        ratio=exp(median(values[-run:]) - median(before)) if run else 1.0,
        high=frozenset(shapes[i].execution.execution_id for i in high),
    )


def _durations(node: str, shapes: Sequence[Schedule]) -> list[float]:
    return [task.duration for one in shapes for task in one.tasks if task.visit.node == node]


def _episode_left_out(values: Sequence[float]) -> Sequence[float]:
    """The values before the last, less those right before it that are as far out as it is."""
    before = values[:-1]
    middle, scatter = _scale(before)
    end = len(before)
    while end > max(BEFORE_LEAST, len(values) // 2) and (
        before[end - 1] > middle + OUTLIER_Z * scatter
    ):
        end -= 1
    return before[:end]


def shifted(values: Sequence[float]) -> int:
    """How many values at the end lie higher than those before them; 0 where none do.

    `values` are logarithms. Every split is tried; the best must be beyond `SHIFT_Z`, which trying
    them all reaches by chance less than once in a thousand series.
    """
    n = len(values)
    ranks = _ranks(values)
    best, run, total = SHIFT_Z, 0, 0.0
    for length in range(1, n - BEFORE_LEAST + 1):
        total += ranks[n - length]
        if length < RUN_LEAST:
            continue
        z = (total - length * (n + 1) / 2) / sqrt(length * (n - length) * (n + 1) / 12)
        if z > best:
            best, run = z, length
    if run and median(values[-run:]) - median(values[:-run]) < log(SHIFT_RATIO):
        return 0
    return run


def _ranks(values: Sequence[float]) -> list[float]:
    order = sorted(range(len(values)), key=lambda index: values[index])
    ranks = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for index in order[start:end]:
            ranks[index] = (start + 1 + end) / 2
        start = end
    return ranks
