"""The few statistics that answers stand on: medians, their intervals, a permutation test.

Nothing here assumes a distribution. Intervals of a median come from order statistics, so they are
exact for any shape of latency; with fewer than six values they are the range that was seen.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import comb
from statistics import median
from typing import Any

BASELINE_MIN = 20
"""Executions that a baseline needs before a cause is named as confirmed."""
LEVEL = 0.90
"""The level of every interval that answers show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A median with its interval, in `unit`."""

    point: float
    low: float
    high: float
    unit: str
    n: int

    def to_json(self) -> dict[str, Any]:
        """Show it as the ``{point, low, high, unit}`` of an answer's data."""
        digits = 3
        return {
            "point": round(self.point, digits),
            "low": round(self.low, digits),
            "high": round(self.high, digits),
            "unit": self.unit,
        }


def estimate(values: Sequence[float], unit: str = "ms") -> Estimate:
    """Estimate the median of `values`, which holds at least one."""
    ordered = sorted(values)
    low, high = median_ranks(len(ordered))
    return Estimate(
        point=median(ordered), low=ordered[low], high=ordered[high], unit=unit, n=len(ordered)
    )


def foretold(values: Sequence[float], unit: str = "ms") -> Estimate:
    """Foretell the median of as many further values as `values` are, which are in their order.

    The interval is of order statistics again: those between which the median of another sample from
    the same distribution falls at `LEVEL`, whatever its shape. It is wider than `estimate`'s, which
    is of the median itself; and wider still where neighbours are alike, as in bursts, for many like
    values tell no more than few.
    """
    ordered = sorted(values)
    n = len(ordered)
    low, high = 0, n - 1
    if n >= 6:
        alone = max(int(n * independent_share(values)), 6)
        low = int(foretold_rank(alone) / alone * n)
        high = n - 1 - low
    return Estimate(point=median(ordered), low=ordered[low], high=ordered[high], unit=unit, n=n)


@lru_cache(maxsize=512)
def foretold_rank(n: int) -> int:
    """The rank, from 0, below whose order statistic the median of `n` further values rarely falls."""
    tail, chances = (1 - LEVEL) / 2, [_falls_below(n, rank) for rank in range(1, n // 2 + 1)]
    return min(range(len(chances)), key=lambda rank: abs(chances[rank] - tail))


def _falls_below(n: int, rank: int) -> float:
    """The chance that the median of `n` further values is less than the `rank`-th of `n`, from 1."""
    ways = [comb(rank - 1 + k, k) * comb(n - rank + n - k, n - k) for k in range(n // 2, n + 1)]
    # Of an even number the median lies between two: it falls below with half of a draw.
    uneven = ways[0] if n % 2 else ways[0] / 2
    return (sum(ways) - uneven) / comb(2 * n, n)


def independent_share(values: Sequence[float]) -> float:
    """The part of so many values that would tell as much if neighbours were not alike."""
    ranks = {value: rank for rank, value in enumerate(sorted(values))}
    places = [ranks[value] for value in values]
    mean = sum(places) / len(places)
    whole = sum((one - mean) ** 2 for one in places)
    alike = sum((a - mean) * (b - mean) for a, b in pairwise(places))
    part = min(max(alike / whole, 0.0), 0.9) if whole else 0.0
    return (1 - part) / (1 + part)


def exactly(value: float, unit: str) -> dict[str, Any]:
    """Show a figure that was counted or read, and not estimated."""
    return {"point": value, "low": value, "high": value, "unit": unit}


def median_ranks(n: int) -> tuple[int, int]:
    """The ranks, from 0, of the order statistics that enclose the median at `LEVEL`."""
    if n < 6:
        return 0, n - 1
    tail, rank = 0.0, 0
    for rank in range(n // 2):
        tail += comb(n, rank) / 2**n
        if tail > (1 - LEVEL) / 2:
            break
    low = max(rank - 1, 0)
    return low, n - 1 - low


def spread(values: Sequence[float]) -> float:
    """The median absolute deviation, scaled so that it equals a normal standard deviation."""
    middle = median(values)
    return 1.4826 * median([abs(value - middle) for value in values])


def quantile(values: Sequence[float], q: float) -> float:
    """The `q` quantile, 0..1, of values that were all kept; the nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(q * len(ordered)))]


def permutation_p(before: Sequence[float], after: Sequence[float], rounds: int = 999) -> float:
    """How often shuffling alone parts the two medians as far as they are; the seed is fixed."""
    pooled = [*before, *after]
    seen = abs(median(after) - median(before))
    shuffler = random.Random(len(pooled))  # noqa: S311 - it shuffles, it keeps no secret
    hits = 0
    for _ in range(rounds):
        shuffler.shuffle(pooled)
        apart = abs(median(pooled[: len(after)]) - median(pooled[len(after) :]))
        hits += apart >= seen
    return (hits + 1) / (rounds + 1)


def dealt_p(before: Sequence[float], after: Sequence[float], rounds: int = 999) -> float:
    """How often dealing the values anew parts the two means as far as they are; the seed is fixed.

    Of medians of blocks this tells few far ones apart, where a test of their medians could not.
    """
    pooled, size = [*before, *after], len(after)
    seen, total = abs(sum(after) / size - sum(before) / len(before)) - 1e-12, sum(pooled)
    dealer = random.Random(len(pooled))  # noqa: S311 - it deals, it keeps no secret
    hits = 0
    for _ in range(rounds):
        part = sum(dealer.sample(pooled, size))
        hits += abs(part / size - (total - part) / len(before)) >= seen
    return (hits + 1) / (rounds + 1)


def blocks(values: Sequence[float], size: int = 5) -> list[float]:
    """Medians of consecutive blocks, which neighbours in a burst cannot dominate."""
    whole = len(values) // size * size
    return [median(values[start : start + size]) for start in range(0, whole, size)]


def holds_for_next(n: int) -> float:
    """The chance that the next value does not go beyond the largest of `n` recorded ones.

    Where the values come from one distribution this is exact, whatever its shape: any of the n + 1
    is equally likely to be the largest. It is how sure a forecast from n executions can be.
    """
    return n / (n + 1)
