"""The statistics at the edges of what they take, against slow obvious ones and figures by hand."""

from __future__ import annotations

import itertools
import math
import random
from fractions import Fraction
from statistics import NormalDist, median

import pytest
from scipy import special
from scipy import stats as scipy_stats

from inwit.self_improve import stats


def test_quantiles_interpolate_between_the_two_nearest_values() -> None:
    values = [4.0, 1.0, 2.0, 8.0]

    told = [stats.quantile(values, q) for q in (0, 1 / 6, 1 / 3, 0.5, 0.75, 1)]

    assert told == pytest.approx([1.0, 1.5, 2.0, 3.0, 5.0, 8.0])
    assert stats.quantile([7.0], 0.3) == 7.0


def test_blocks_are_of_one_size_and_few() -> None:
    assert stats.block_medians([1.0, 2.0, 4.0, 8.0], 2) == [1.5, 6.0]
    assert stats.block_medians([1.0, 2.0], 3) == []
    assert [stats.block_size(visits, 10) for visits in (0, 600, 601, 660, 661)] == [
        10,
        10,
        11,
        11,
        12,
    ]
    assert stats.block_size(100, 1, 10) == 10


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 3), (2, 2), (3, 2), (3, 4)])
def test_the_exact_rank_test_counts_every_order(n: int, m: int) -> None:
    orders = [set(one) for one in itertools.combinations(range(n + m), n)]

    def above(newer: set[int]) -> int:
        return sum(a > b for a in newer for b in range(n + m) if b not in newer)

    for newer in orders:
        as_much = sum(above(one) >= above(newer) for one in orders)
        older = [float(one) for one in range(n + m) if one not in newer]

        told = stats.mann_whitney([float(one) for one in newer], older)

        assert told == pytest.approx(as_much / len(orders), abs=1e-12)


def test_the_rank_test_is_exact_up_to_twenty_against_twenty_and_normal_above() -> None:
    newer, older = [at + 0.5 for at in range(20)], [float(at) for at in range(20)]
    for more in (0, 1):
        sides = [*newer, *[99.0 + at for at in range(more)]], older
        method = "asymptotic" if more else "exact"
        expected = scipy_stats.mannwhitneyu(*sides, alternative="greater", method=method).pvalue

        assert stats.mann_whitney(*sides) == pytest.approx(expected, abs=1e-13)


def test_a_single_tie_makes_the_rank_test_normal() -> None:
    sides = [1.0, 3.0, 5.0, 6.0], [1.0, 2.0, 4.0]
    expected = scipy_stats.mannwhitneyu(*sides, alternative="greater", method="asymptotic").pvalue

    assert stats.mann_whitney(*sides) == pytest.approx(expected, abs=1e-13)
    assert stats.mann_whitney([2.0], [2.0]) == 1.0


def test_the_fewest_blocks_by_hand() -> None:
    found = [stats.smallest_blocks(*one) for one in ((1, 0.5), (0, 0.05), (1, 0.05), (10, 0.05))]

    assert found == [2, 3, 3, 5]
    assert stats.smallest_blocks(1, 1 / 20) == 3
    assert stats.smallest_blocks(1, 1 / 6) == 2


@pytest.mark.parametrize(("n", "m"), [(1, 2), (2, 2), (4, 3), (8, 12), (25, 9)])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_the_interval_of_a_shift_is_of_ordered_differences(n: int, m: int, level: float) -> None:
    draw = random.Random(n * m)
    newer, older = [[draw.gauss(5, 2) for _ in range(size)] for size in (n, m)]
    shifts = sorted(a - b for a in newer for b in older)
    z = NormalDist().inv_cdf((1 + level) / 2)
    rank = math.floor(n * m / 2 - z * math.sqrt(n * m * (n + m + 1) / 12))
    expected = (shifts[max(rank, 1) - 1], shifts[n * m - max(rank, 1)])

    assert stats.shift_interval(newer, older, level=level) == expected
    logs = [[math.log(one + 20) for one in side] for side in (newer, older)]
    plain = [[one + 20 for one in side] for side in (newer, older)]
    low, high = stats.shift_interval(*logs, level=level)
    middle = median(a - b for a in logs[0] for b in logs[1])
    assert stats.ratio_interval(*plain, level=level) == pytest.approx(
        (math.exp(middle), math.exp(low), math.exp(high)), abs=1e-12
    )


def test_intervals_hold_nineteen_times_in_twenty_unless_another_level_is_asked_for() -> None:
    newer, older = [4.0, 5.5, 6.0, 7.5, 9.0, 9.5], [3.0, 3.5, 5.0, 6.5, 7.0]

    assert stats.shift_interval(newer, older) == stats.shift_interval(newer, older, level=0.95)
    assert stats.ratio_interval(newer, older) == stats.ratio_interval(newer, older, level=0.95)
    assert stats.shift_interval(newer, older) != stats.shift_interval(newer, older, level=0.5)


def test_adjusted_p_values_by_hand() -> None:
    assert stats.benjamini_hochberg([0.01, 0.04, 0.03, 0.9]) == pytest.approx(
        [0.04, 0.04 * 4 / 3, 0.04 * 4 / 3, 0.9]
    )
    assert stats.benjamini_hochberg([1.0, 1.0]) == [1.0, 1.0]


def test_shares_at_their_ends() -> None:
    for n in (1, 2, 5):
        assert stats.share_interval(0, n)[0] == 0.0
        assert stats.share_interval(n, n)[1] == 1.0
        for hits in range(n + 1):
            for level in (0.8, 0.95):
                told = scipy_stats.binomtest(hits, n).proportion_ci(level, "exact")
                assert stats.share_interval(hits, n, level) == pytest.approx(tuple(told), abs=1e-12)
                told = scipy_stats.binomtest(hits, n).proportion_ci(level, "wilson")
                assert stats.wilson(hits, n, level) == pytest.approx(tuple(told), abs=1e-12)
            for share in (0.0, 0.2, 1.0):
                exact = scipy_stats.binom.sf(hits - 1, n, share)
                assert stats.binomial_tail(hits, n, share) == pytest.approx(exact, abs=1e-12)
    assert stats.binomial_tail(-1, 4, 0.5) == 1.0
    ends = [(stats.wilson(0, n)[0], stats.wilson(n, n)[1]) for n in range(1, 300)]
    assert all(low >= 0.0 and high <= 1.0 for low, high in ends)
    assert min(low for low, _ in ends) == 0.0
    assert max(high for _, high in ends) == 1.0


def test_the_difference_of_shares_keeps_its_level() -> None:
    wide, narrow = (stats.difference_interval(9, 20, 3, 30, level) for level in (0.95, 0.8))

    p, low, high = 0.45, *stats.wilson(9, 20, 0.8)
    q, old_low, old_high = 0.1, *stats.wilson(3, 30, 0.8)
    assert narrow == pytest.approx(
        (0.35, 0.35 - math.hypot(p - low, old_high - q), 0.35 + math.hypot(high - p, q - old_low))
    )
    assert wide[1] < narrow[1] < narrow[2] < wide[2]


def test_bets_by_hand() -> None:
    assert stats.paired_e([], []) == 1.0
    assert stats.paired_e([2.0], [1.0]) == pytest.approx(1 + 2.4 / 4)
    assert stats.paired_e([1.0], [2.0]) == pytest.approx(1 - 2.4 / 4)
    assert stats.paired_e([1.0], [1.0]) == 1.0
    assert stats.paired_e([2.0, 2.0, 9.0], [1.0, 3.0]) == pytest.approx(
        sum(1 - stake**2 for stake in (0.25, 0.5, 0.75, 0.9)) / 4
    )


def test_rank_correlations_of_few_pairs() -> None:
    assert stats.spearman([(1.0, 1.0), (2.0, 2.0)]) == 0.0
    assert stats.spearman([(1.0, 1.0), (2.0, 2.0), (3.0, 3.0)]) == pytest.approx(1.0)
    assert stats.spearman([(1.0, 3.0), (2.0, 2.0), (3.0, 1.0)]) == pytest.approx(-1.0)
    assert stats.spearman([(1.0, 3.0), (1.0, 2.0), (3.0, 2.0)]) == pytest.approx(-0.5)
    assert stats._ranks([3.0, 1.0, 3.0, 2.0, 3.0]) == [4.0, 1.0, 4.0, 2.0, 4.0]
    assert stats._ranks([]) == []


@pytest.mark.parametrize(
    "table", [(3, 4, 1, 5), (0, 3, 2, 2), (5, 5, 0, 5), (2, 6, 6, 6), (1, 1, 1, 1)]
)
def test_fishers_test_counts_every_table(table: tuple[int, int, int, int]) -> None:
    hits, n, old_hits, old_n = table
    drawn = hits + old_hits
    ways = Fraction(0)
    for k in range(hits, n + 1):
        if 0 <= drawn - k <= old_n:
            ways += math.comb(n, k) * math.comb(old_n, drawn - k)

    expected = float(ways / math.comb(n + old_n, drawn))

    assert stats.fisher_greater(*table) == pytest.approx(expected, abs=1e-12)
    assert stats.fisher_greater(*table) <= 1.0


def test_the_bootstrap_of_a_mean_draws_as_its_seed_says() -> None:
    values = [1.0, 2.0, 4.0, 8.0]
    draw = random.Random(0)
    means = sorted(sum(draw.choices(values, k=4)) / 4 for _ in range(500))

    point, low, high = stats.bootstrap_mean(values)

    assert point == 3.75
    assert (low, high) == (stats.quantile(means, 0.025), stats.quantile(means, 0.975))
    narrow = stats.bootstrap_mean(values, level=0.5)
    assert narrow[1:] == (stats.quantile(means, 0.25), stats.quantile(means, 0.75))


def slope(points: list[tuple[float, float]]) -> tuple[float, float] | None:
    """As `stats.theil_sen` says, step by step."""
    found = []
    for (x, y), (u, v) in itertools.combinations(points, 2):
        if abs(u - x) > 0.05:
            found.append((v - y) / (u - x))
    found.sort()
    n = len(points)
    spread = NormalDist().inv_cdf(0.975) * math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    if len(found) < 10:
        return None
    return median(found), found[min(math.ceil((len(found) + spread) / 2), len(found) - 1)]


@pytest.mark.parametrize("count", [4, 5, 6, 20, 60])
def test_slopes_are_of_every_pair_that_lies_apart(count: int) -> None:
    for seed in range(6):
        draw = random.Random(count * 10 + seed)
        points = [(draw.uniform(0, 0.5), draw.gauss(0, 1)) for _ in range(count)]

        assert stats.theil_sen(points) == slope(points)


def test_slopes_of_many_points_are_of_two_hundred_of_them_evenly_taken() -> None:
    draw = random.Random(3)
    points = [(draw.uniform(0, 9), draw.gauss(0, 1)) for _ in range(400)]

    assert stats.theil_sen(points) == slope(points[::2])
    assert stats.theil_sen(points[:399]) == slope(points[:399])
    five = [(at / 10, at % 3 + 0.0) for at in range(5)]
    assert stats.theil_sen(five) == slope(five) is not None
    assert stats.theil_sen([*five[:4], (0.301, 1.0)]) is None


@pytest.mark.parametrize("a", [0.01, 0.5, 1.0, 2.0, 30.0, 5000.0])
@pytest.mark.parametrize("b", [0.01, 0.7, 1.0, 3.0, 80.0, 20000.0])
def test_the_incomplete_beta_function_is_scipys_from_end_to_end(a: float, b: float) -> None:
    middle = a / (a + b)
    for x in (
        -0.1,
        0.0,
        1e-9,
        middle * 0.5,
        middle,
        (a + 1) / (a + b + 2),
        (1 + middle) / 2,
        1.0,
        1.1,
    ):
        expected = float(special.betainc(a, b, min(max(x, 0.0), 1.0)))

        assert stats._incomplete_beta(a, b, x) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_what_a_continued_fraction_divides_by_is_never_naught() -> None:
    assert stats._away(0.0, 1e-3) == 1e-3
    assert stats._away(-1e-3, 1e-3) == 1e-3
    assert stats._away(-0.5, 1e-3) == -0.5


def test_a_rising_function_is_solved_to_its_last_digits() -> None:
    assert stats._solve(lambda x: x, 0.3) == pytest.approx(0.3, abs=1e-15)
    assert stats._solve(lambda x: x * x, 0.25) == pytest.approx(0.5, abs=1e-15)
    assert stats._solve(lambda _: 0.0, 1.0) == pytest.approx(1.0, abs=1e-15)
    assert stats._solve(lambda _: 1.0, 0.0) == pytest.approx(0.0, abs=1e-15)
    assert stats._log_choose(50, 20) == pytest.approx(math.log(math.comb(50, 20)))
