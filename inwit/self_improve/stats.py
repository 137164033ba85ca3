"""The statistics that detectors stand on, in plain Python, each with the source of its formula.

Latencies come in bursts, so single visits are never tested: visits are ordered in time, cut into
blocks of ten, and the blocks' medians are what a test sees.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from random import Random
from statistics import NormalDist, fmean, median

_NORMAL = NormalDist()
_EXACT_PAIRS = 400
"""Up to so many pairs the exact distribution of U is counted (20 against 20 blocks)."""


def quantile(values: Sequence[float], q: float) -> float:
    """Read a quantile, interpolating linearly (Hyndman & Fan 1996, type 7)."""
    ordered = sorted(values)
    place = q * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def block_medians(values: Sequence[float], size: int) -> list[float]:
    """Cut values, given in time's order, into whole blocks and take each one's median.

    What is left over is at the front: the newest visits always count.
    """
    first = len(values) % size
    return [median(values[at : at + size]) for at in range(first, len(values), size)]


def block_size(visits: int, least: int, most_blocks: int = 60) -> int:
    """How many visits make a block: `least`, and of a long series so many that blocks stay few."""
    return max(least, math.ceil(visits / most_blocks))


def mann_whitney(newer: Sequence[float], older: Sequence[float]) -> float:
    """How likely is it that `newer` lies this far above `older` by chance (one-sided p)?

    Exact for small samples without ties, else normal with tie and continuity correction (Mann &
    Whitney 1947; Lehmann, Nonparametrics, 1.2-1.5).
    """
    n, m = len(newer), len(older)
    above = sum((a > b) + 0.5 * (a == b) for a in newer for b in older)
    counts: dict[float, int] = {}
    for value in (*newer, *older):
        counts[value] = counts.get(value, 0) + 1
    ties = sum(count**3 - count for count in counts.values())
    if not ties and n * m <= _EXACT_PAIRS:
        return sum(_u_counts(n, m)[round(above) :]) / math.comb(n + m, n)
    total = n + m
    variance = n * m / 12 * ((total + 1) - ties / (total * (total - 1)))
    if variance <= 0:
        return 1.0
    return _NORMAL.cdf(-(above - n * m / 2 - 0.5) / math.sqrt(variance))


@lru_cache(maxsize=256)
def _u_counts(n: int, m: int) -> tuple[int, ...]:
    # The generating function of U: the product of (1 - x^(m+i)) / (1 - x^i), i = 1..n.
    counts = [0] * (n * m + 1)
    counts[0] = 1
    for i in range(1, n + 1):
        for at in range(n * m, m + i - 1, -1):
            counts[at] -= counts[at - m - i]
        for at in range(i, n * m + 1):
            counts[at] += counts[at - i]
    return tuple(counts)


def smallest_blocks(tests: int, alpha: float) -> int:
    """Count the blocks each side needs for a clear shift to pass among so many tests."""
    blocks = 2
    while 1 / math.comb(2 * blocks, blocks) > alpha / max(tests, 1):
        blocks += 1
    return blocks


def ratio_interval(
    newer: Sequence[float], older: Sequence[float], *, level: float = 0.95
) -> tuple[float, float, float]:
    """Estimate newer / older as (point, low, high).

    Hodges-Lehmann shift of the logarithms with Moses' order-statistic interval (Hollander, Wolfe &
    Chicken, Nonparametric Statistical Methods, 4.2 and 4.3).
    """
    logs_newer, logs_older = [math.log(v) for v in newer], [math.log(v) for v in older]
    shifts = [a - b for a in logs_newer for b in logs_older]
    low, high = shift_interval(logs_newer, logs_older, level=level)
    return math.exp(median(shifts)), math.exp(low), math.exp(high)


def shift_interval(
    newer: Sequence[float], older: Sequence[float], *, level: float = 0.95
) -> tuple[float, float]:
    """Bound newer - older (Moses' order-statistic interval, as in `ratio_interval`)."""
    shifts = sorted(a - b for a in newer for b in older)
    n, m = len(newer), len(older)
    spread = math.sqrt(n * m * (n + m + 1) / 12)
    rank = math.floor(n * m / 2 - _NORMAL.inv_cdf(0.5 + level / 2) * spread)
    return (shifts[rank - 1], shifts[-rank]) if rank >= 1 else (shifts[0], shifts[-1])


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjust p for all that was looked at (Benjamini & Hochberg 1995); in the order given."""
    order = sorted(range(len(p_values)), key=lambda at: p_values[at], reverse=True)
    adjusted, lowest = [1.0] * len(p_values), 1.0
    for place, at in enumerate(order):
        lowest = min(lowest, p_values[at] * len(p_values) / (len(p_values) - place))
        adjusted[at] = lowest
    return adjusted


def binomial_tail(hits: int, n: int, share: float) -> float:
    """P(at least `hits` of n) when each has probability `share`: I_share(hits, n - hits + 1)."""
    return 1.0 if hits <= 0 else _incomplete_beta(hits, n - hits + 1, share)


def share_interval(hits: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Bound a share from both sides, exactly (Clopper & Pearson 1934)."""
    tail = (1 - level) / 2
    low = 0.0 if hits == 0 else _solve(lambda p: binomial_tail(hits, n, p), tail)
    high = 1.0 if hits == n else _solve(lambda p: binomial_tail(hits + 1, n, p), 1 - tail)
    return low, high


def difference_interval(
    hits: int, n: int, old_hits: int, old_n: int, level: float = 0.95
) -> tuple[float, float, float]:
    """Estimate share - older share as (point, low, high).

    Newcombe's hybrid score interval (Statistics in Medicine 17, 1998, method 10).
    """
    p, low, high = hits / n, *wilson(hits, n, level)
    q, old_low, old_high = old_hits / old_n, *wilson(old_hits, old_n, level)
    down = math.hypot(p - low, old_high - q)
    up = math.hypot(high - p, q - old_low)
    return p - q, p - q - down, p - q + up


def wilson(hits: int, n: int, level: float = 0.95) -> tuple[float, float]:
    """Bound a share from both sides by its score (Wilson 1927)."""
    z = _NORMAL.inv_cdf(0.5 + level / 2)
    share, more = hits / n, z * z / n
    middle = (share + more / 2) / (1 + more)
    spread = z / (1 + more) * math.sqrt(share * (1 - share) / n + more / (4 * n))
    return max(middle - spread, 0.0), min(middle + spread, 1.0)


_BETS = (0.25, 0.5, 0.75, 0.9)


def paired_e(newer: Sequence[float], older: Sequence[float]) -> float:
    """How much a bet that newer blocks lie above older ones has won: an e-value.

    Each fresh newer block is paired with a fresh older one; where the two come from one
    distribution their order is a fair coin, so the capital is a non-negative martingale that
    passes 1 / alpha with a chance of at most alpha, however often it is looked at (Ville 1939;
    Ramdas et al., Statistical Science 38, 2023). Several stakes are mixed.
    """
    signs = [(a > b) - (a < b) for a, b in zip(newer, older, strict=False)]
    wealth = [math.prod(1 + stake * sign for sign in signs) for stake in _BETS]
    return fmean(wealth)


def spearman(pairs: Sequence[tuple[float, float]]) -> float:
    """The rank correlation of pairs, -1 to 1; 0 where one side does not vary (Spearman 1904)."""
    if len(pairs) < 3:
        return 0.0
    one, two = _ranks([a for a, _ in pairs]), _ranks([b for _, b in pairs])
    middle = (len(pairs) + 1) / 2
    top = math.fsum((a - middle) * (b - middle) for a, b in zip(one, two, strict=True))
    size = math.sqrt(
        math.fsum((a - middle) ** 2 for a in one) * math.fsum((b - middle) ** 2 for b in two)
    )
    return top / size if size else 0.0


def _ranks(values: Sequence[float]) -> list[float]:
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    at = 0
    while at < len(order):
        end = at
        while end + 1 < len(order) and values[order[end + 1]] == values[order[at]]:
            end += 1
        for place in range(at, end + 1):
            ranks[order[place]] = (at + end) / 2 + 1
        at = end + 1
    return ranks


def fisher_greater(hits: int, n: int, old_hits: int, old_n: int) -> float:
    """Is a share above another: one-sided p of Fisher's exact test (hypergeometric tail)."""
    drawn, total = hits + old_hits, n + old_n
    whole = _log_choose(total, drawn)
    tail = sum(
        math.exp(_log_choose(n, k) + _log_choose(old_n, drawn - k) - whole)
        for k in range(hits, min(n, drawn) + 1)
        if drawn - k <= old_n
    )
    return min(tail, 1.0)


def bootstrap_mean(
    values: Sequence[float], *, level: float = 0.95, draws: int = 500, seed: int = 0
) -> tuple[float, float, float]:
    """Estimate a mean with its percentile bootstrap interval (Efron & Tibshirani 1993, ch. 13)."""
    random = Random(seed)  # noqa: S311 - resampling guards no secret
    means = [fmean(random.choices(values, k=len(values))) for _ in range(draws)]
    tail = (1 - level) / 2
    return fmean(values), quantile(means, tail), quantile(means, 1 - tail)


def theil_sen(points: Sequence[tuple[float, float]]) -> tuple[float, float] | None:
    """Estimate the slope of y on x, and how steep it may be: (point, upper bound at 97.5 %).

    Median and order statistic of the pairwise slopes (Sen 1968), of at most 200 points evenly
    taken. None where x hardly varies.
    """
    used = points[:: max(len(points) // 200, 1)]
    slopes = sorted(
        (b[1] - a[1]) / (b[0] - a[0])
        for at, a in enumerate(used)
        for b in used[at + 1 :]
        if abs(b[0] - a[0]) > 0.05
    )
    if len(slopes) < 10:
        return None
    n = len(used)
    spread = _NORMAL.inv_cdf(0.975) * math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    upper = min(math.ceil((len(slopes) + spread) / 2), len(slopes) - 1)
    return median(slopes), slopes[upper]


def _solve(rises: Callable[[float], float], target: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rises(middle) < target else (low, middle)
    return (low + high) / 2


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """Regularised I_x(a, b) by its continued fraction (DLMF 8.17.22, modified Lentz)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(b, a, 1 - x)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
        + a * math.log(x) + b * math.log1p(-x)
    ) / a  # fmt: skip
    tiny = 1e-300
    c, d = 1.0, 1 / _away(1 - (a + b) * x / (a + 1), tiny)
    result = d
    for k in range(1, 1000):
        even = k * (b - k) * x / ((a + 2 * k - 1) * (a + 2 * k))
        odd = -(a + k) * (a + b + k) * x / ((a + 2 * k) * (a + 2 * k + 1))
        step = 1.0
        for term in (even, odd):
            d = 1 / _away(1 + term * d, tiny)
            c = _away(1 + term / c, tiny)
            step = c * d
            result *= step
        if abs(step - 1) < 1e-14:
            break
    return front * result


def _away(value: float, tiny: float) -> float:
    return value if abs(value) > tiny else tiny
