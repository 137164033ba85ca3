"""The few statistics that answers stand on: medians, their intervals, a permutation test.

Nothing here assumes a distribution. Intervals of a median come from order statistics, so they are
exact for any shape of latency; with fewer than six values they are the range that was seen.
"""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import comb
from statistics import median
from typing import Any

BASELINE_MIN = 20
"""Executions that a baseline needs before a cause is named as confirmed."""
_HALVINGS = 40
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
        low = round(foretold_rank(alone) / alone * n)
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
    """The part of so many values that would tell as much if neighbours were not alike.

    By how the ranks of neighbours go together (Bayley and Hammersley, J. R. Stat. Soc. Suppl. 8,
    1946, for likeness that halves evenly); what is within the 1/√n by which independent ones
    stray counts as none.
    """
    ranks = {value: rank for rank, value in enumerate(sorted(values))}
    places = [ranks[value] for value in values]
    mean = sum(places) / len(places)
    whole = sum((one - mean) ** 2 for one in places)
    alike = sum((a - mean) * (b - mean) for a, b in pairwise(places))
    part = alike / whole if whole else 0.0
    part = min(part, 0.9) if part * part * len(places) > 1 and part > 0 else 0.0
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


def share_interval(found: int, of: int, level: float = LEVEL) -> tuple[float, float]:
    """Bound a share by what was counted, exactly: Clopper and Pearson, Biometrika 26 (1934)."""
    tail = (1 - level) / 2
    low = 0.0 if not found else _share_at(of, lambda below: 1 - below >= tail, found - 1)
    high = 1.0 if found == of else _share_at(of, lambda below: below <= tail, found)
    return low, high


def _share_at(of: int, is_beyond: Callable[[float], bool], upto: int) -> float:
    """The least share at which the chance of at most `upto` of `of` is beyond a bound."""
    low, high = 0.0, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        below = sum(comb(of, k) * middle**k * (1 - middle) ** (of - k) for k in range(upto + 1))
        low, high = (low, middle) if is_beyond(below) else (middle, high)
    return high


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


def ranks_p(one: Sequence[float], other: Sequence[float], rounds: int = 999) -> float:
    """How often dealing anew parts two groups as far as they are, by the sums of their ranks.

    Of Wilcoxon's test (Biometrics Bulletin 1, 1945), equal values sharing a rank: it sees that groups lie
    apart where few values, or equal ones, leave their medians as they are.
    """
    ordered = sorted([*one, *other])
    ranks = {
        value: (bisect_left(ordered, value) + bisect_right(ordered, value) + 1) / 2
        for value in ordered
    }
    return dealt_p([ranks[value] for value in one], [ranks[value] for value in other], rounds)


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
