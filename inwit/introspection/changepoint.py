"""When a figure changed: PELT on medians of blocks, of what a permutation test has confirmed.

PELT (Killick, Fearnhead and Eckley, 2012) finds the segments that minimise the squared error of
each around its own mean plus a penalty for each segment. Single values come in bursts and date
badly, so it looks at medians of blocks; within the block that it finds, the best split of the
values themselves is the date. What a shuffle of the blocks explains is no change.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median

from inwit.introspection.stats import blocks, dealt_p

BLOCK = 5
BLOCKS_LEAST = 3
"""Blocks on either side of a change."""
ALPHA = 0.01
EFFECT = 1.2
"""The least ratio of medians that is called a change."""
SHARE = 0.2
"""The least difference of shares that is called a change."""
PENALTY = 3.0
"""Of a segment, in variances of the noise times the logarithm of the number of blocks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shift:
    """A change: the first value after it, the medians (of shares: the means) before and after."""

    at: int
    before: float
    after: float
    p: float
    n: int


def shifts(values: Sequence[float], *, are_shares: bool = False) -> list[Shift]:
    """The confirmed changes of a series, oldest first; of 0 and 1 with `are_shares`."""
    if len(values) < 2 * BLOCKS_LEAST * BLOCK:
        return []
    figures = list(values) if are_shares else [math.log(max(one, 1e-9)) for one in values]
    middles = _shares(figures) if are_shares else blocks(figures, BLOCK)
    noise = _chance(values) if are_shares else _noise(middles)
    places = [
        _refined(figures, place * BLOCK, are_shares=are_shares)
        for place in pelt(middles, BLOCKS_LEAST, noise)
    ]
    while True:
        bounds = [0, *places, len(values)]
        told = [
            _confirmed(values, figures, around, are_shares=are_shares)
            for around in zip(bounds, bounds[1:], bounds[2:], strict=False)
        ]
        doubtful = [place for place, shift in zip(places, told, strict=True) if shift is None]
        if not doubtful:
            return [shift for shift in told if shift is not None]
        # What is beside a border that is none is tested anew without it.
        places.remove(doubtful[0])


def _shares(values: Sequence[float]) -> list[float]:
    whole = len(values) // BLOCK * BLOCK
    return [fmean(values[start : start + BLOCK]) for start in range(0, whole, BLOCK)]


def _confirmed(
    values: Sequence[float], figures: Sequence[float], bounds: tuple[int, int, int], *,
    are_shares: bool,
) -> Shift | None:  # fmt: skip
    left, at, right = bounds
    past, now = values[left:at], values[at:right]
    if are_shares:
        before, after = fmean(past), fmean(now)
        is_far = abs(after - before) >= SHARE
        one, other = _shares(figures[left:at]), _shares(figures[at:right])
    else:
        before, after = median(past), median(now)
        ratio = after / before if before else math.inf
        is_far = not 1 / EFFECT < ratio < EFFECT
        one, other = blocks(figures[left:at], BLOCK), blocks(figures[at:right], BLOCK)
    if not is_far or min(len(one), len(other)) < BLOCKS_LEAST - 1:
        return None
    p = dealt_p(one, other)
    if p > ALPHA:
        return None
    return Shift(at=at, before=before, after=after, p=p, n=right - left)


def _refined(figures: Sequence[float], about: int, *, are_shares: bool) -> int:
    """The split near a block's border that leaves the least error on both sides."""
    reach = BLOCK * BLOCKS_LEAST // 2
    low, high = max(about - reach, 0), min(about + reach, len(figures))
    near = figures[low:high]
    splits = range(2, len(near) - 1)
    # An absolute error lets a single far value move no border; of 0 and 1 it sees only halves.
    error = _squared if are_shares else _absolute
    return low + min(
        splits, key=lambda at: error(near[:at]) + error(near[at:]), default=about - low
    )


def _absolute(values: Sequence[float]) -> float:
    middle = median(values)
    return sum(abs(one - middle) for one in values)


def _squared(values: Sequence[float]) -> float:
    middle = fmean(values)
    return sum((one - middle) ** 2 for one in values)


def pelt(values: Sequence[float], least: int, noise: float) -> list[int]:
    """Where segments of at least `least` values begin, the first left out; `noise` is a variance."""
    n = len(values)
    penalty = PENALTY * noise * math.log(max(n, 2))
    sums, squares = [0.0], [0.0]
    for one in values:
        sums.append(sums[-1] + one)
        squares.append(squares[-1] + one * one)

    def cost(begin: int, end: int) -> float:
        total = sums[end] - sums[begin]
        return max(squares[end] - squares[begin] - total * total / (end - begin), 0.0)

    best = [-penalty] + [math.inf] * n
    last = [0] * (n + 1)
    begins = [0]
    for end in range(least, n + 1):
        scores = [(best[begin] + cost(begin, end) + penalty, begin) for begin in begins
                  if end - begin >= least]  # fmt: skip
        best[end], last[end] = min(scores)
        # A beginning that is worse now by more than a segment costs can never be the best again.
        begins = [begin for begin in begins
                  if end - begin < least or best[begin] + cost(begin, end) <= best[end]]  # fmt: skip
        if end + 1 - least >= least:
            begins.append(end + 1 - least)
    return _borders(last, n)


def _borders(last: Sequence[int], n: int) -> list[int]:
    found: list[int] = []
    while n:
        n = last[n]
        if n:
            found.append(n)
    return found[::-1]


def _chance(values: Sequence[float]) -> float:
    """The variance of a block's share where its values fall by chance."""
    share = fmean(values)
    return max(share * (1 - share) / BLOCK, 1e-4)


def _noise(values: Sequence[float]) -> float:
    """The variance of neighbours about each other, which a few large steps do not move."""
    steps = [abs(two - one) for one, two in pairwise(values)]
    spread = 1.4826 * median(steps) / math.sqrt(2) if steps else 0.0
    return max(spread, 0.02) ** 2
