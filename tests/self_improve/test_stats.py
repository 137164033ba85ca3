"""The plain-Python statistics agree with scipy's."""

from __future__ import annotations

import math
import random

import pytest
from scipy import special
from scipy import stats as scipy_stats

from inwit.self_improve import foretelling, stats


@pytest.mark.parametrize(("n", "m"), [(4, 4), (5, 15), (10, 10), (20, 20)])
def test_the_exact_rank_test_is_scipys(n: int, m: int) -> None:
    draw = random.Random(n * 100 + m)
    for _ in range(20):
        newer = [draw.gauss(0.4, 1) for _ in range(n)]
        older = [draw.gauss(0, 1) for _ in range(m)]

        expected = scipy_stats.mannwhitneyu(newer, older, alternative="greater", method="exact")

        assert stats.mann_whitney(newer, older) == pytest.approx(expected.pvalue, abs=1e-12)


@pytest.mark.parametrize(("n", "m", "digits"), [(30, 40, 6), (12, 9, 1), (6, 6, 0)])
def test_the_normal_rank_test_with_ties_is_scipys(n: int, m: int, digits: int) -> None:
    draw = random.Random(7)
    for _ in range(20):
        newer = [round(draw.gauss(2.3, 1), digits) for _ in range(n)]
        older = [round(draw.gauss(2, 1), digits) for _ in range(m)]
        if len({*newer, *older}) == n + m and n * m <= 400:
            continue

        expected = scipy_stats.mannwhitneyu(
            newer, older, alternative="greater", method="asymptotic"
        )

        assert stats.mann_whitney(newer, older) == pytest.approx(expected.pvalue, abs=1e-12)


def test_samples_of_one_value_differ_in_nothing() -> None:
    assert stats.mann_whitney([3.0] * 5, [3.0] * 5) == 1.0


def test_adjusted_p_values_are_scipys() -> None:
    draw = random.Random(3)
    for size in (1, 2, 17, 60):
        p_values = [draw.random() ** 3 for _ in range(size)]

        expected = scipy_stats.false_discovery_control(p_values)

        assert stats.benjamini_hochberg(p_values) == pytest.approx(list(expected))
    assert stats.benjamini_hochberg([]) == []


def test_shares_and_their_bounds_are_scipys() -> None:
    draw = random.Random(5)
    for _ in range(60):
        n = draw.choice([1, 7, 40, 900, 50_000])
        hits, share = draw.randint(0, n), draw.choice([0.01, 0.05, 0.3, 0.9])

        low, high = stats.share_interval(hits, n)
        expected = scipy_stats.binomtest(hits, n).proportion_ci(method="exact")

        assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-9)
        assert stats.binomial_tail(hits, n, share) == pytest.approx(
            scipy_stats.binom.sf(hits - 1, n, share), abs=1e-10
        )


def test_the_incomplete_beta_function_is_scipys() -> None:
    draw = random.Random(9)
    for _ in range(200):
        a, b, x = draw.uniform(0.5, 300), draw.uniform(0.5, 300), draw.random()

        assert stats._incomplete_beta(a, b, x) == pytest.approx(special.betainc(a, b, x), abs=1e-11)


def test_fishers_test_is_scipys() -> None:
    draw = random.Random(11)
    for _ in range(60):
        n, old_n = draw.randint(1, 200), draw.randint(1, 200)
        hits, old_hits = draw.randint(0, n), draw.randint(0, old_n)
        table = [[hits, n - hits], [old_hits, old_n - old_hits]]

        expected = scipy_stats.fisher_exact(table, alternative="greater").pvalue

        assert stats.fisher_greater(hits, n, old_hits, old_n) == pytest.approx(expected, abs=1e-9)


def test_quantiles_are_scipys() -> None:
    values = [random.Random(2).random() for _ in range(37)]
    for q in (0, 0.05, 0.5, 0.99, 1):
        assert stats.quantile(values, q) == pytest.approx(
            float(scipy_stats.mstats.mquantiles(values, [q], alphap=1, betap=1)[0])
        )


def test_slopes_are_scipys() -> None:
    draw = random.Random(4)
    points = [(draw.uniform(0, 50), draw.gauss(0, 1)) for _ in range(60)]
    points = [(x, 0.7 * x + noise) for x, noise in points]

    expected = scipy_stats.theilslopes([y for _, y in points], [x for x, _ in points])

    slope = stats.theil_sen(points)
    assert slope == pytest.approx((float(expected[0]), float(expected[3])), rel=0.01)
    assert stats.theil_sen([(1.0, float(v)) for v in range(30)]) is None


def test_the_ratio_interval_holds_the_true_ratio_as_often_as_it_says() -> None:
    draw, held = random.Random(1), 0
    for _ in range(400):
        older = [math.exp(draw.gauss(0, 0.4)) for _ in range(10)]
        newer = [1.5 * math.exp(draw.gauss(0, 0.4)) for _ in range(10)]

        point, low, high = stats.ratio_interval(newer, older)

        assert low <= point <= high
        held += low <= 1.5 <= high
    assert 0.92 <= held / 400 <= 0.985


def test_the_ratio_interval_lies_above_one_exactly_when_the_two_sided_test_says_so() -> None:
    draw = random.Random(6)
    for _ in range(100):
        older = [math.exp(draw.gauss(0, 1)) for _ in range(25)]
        newer = [math.exp(draw.gauss(0.6, 1)) for _ in range(25)]

        _, low, high = stats.ratio_interval(newer, older)
        p = scipy_stats.mannwhitneyu(newer, older, method="asymptotic", use_continuity=False).pvalue

        if not 0.04 < p < 0.06:
            assert (low > 1 or high < 1) == (p < 0.05)


def test_the_bootstrap_interval_of_a_mean_is_near_scipys_and_repeats_by_its_seed() -> None:
    values = [random.Random(8).gauss(5, 2) for _ in range(80)]

    point, low, high = stats.bootstrap_mean(values, draws=2000)
    expected = scipy_stats.bootstrap(
        (values,), lambda v, axis: v.mean(axis=axis), method="percentile", random_state=1
    ).confidence_interval

    assert (low, high) == pytest.approx((expected.low, expected.high), abs=0.06)
    assert stats.bootstrap_mean(values, draws=2000) == (point, low, high)


def test_the_newest_visits_are_never_left_out_of_the_blocks() -> None:
    assert stats.block_medians([9.0, 1.0, 1.0, 1.0, 5.0, 5.0, 5.0], 3) == [1.0, 5.0]


def test_enough_blocks_are_those_with_which_a_clear_shift_passes() -> None:
    for tests in (1, 5, 40):
        blocks = stats.smallest_blocks(tests, 0.05)
        newer, older = [2.0 + i for i in range(blocks)], [-1.0 - i for i in range(blocks)]

        assert stats.mann_whitney(newer, older) * tests <= 0.05
        assert stats.mann_whitney(newer[1:], older[1:]) * tests > 0.05


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (3, 20), (10, 10), (57, 240)])
def test_the_score_interval_of_a_share_is_scipys(hits: int, n: int) -> None:
    expected = scipy_stats.binomtest(hits, n).proportion_ci(method="wilson")

    assert stats.wilson(hits, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_the_interval_of_a_difference_is_newcombes_published_example() -> None:
    # Newcombe (1998), Table II: 56 of 70 against 48 of 80, method 10.
    found = stats.difference_interval(56, 70, 48, 80)

    assert found == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def test_the_rank_correlation_with_ties_is_scipys() -> None:
    draw = random.Random(4)
    pairs = [(round(draw.gauss(0, 2)), draw.gauss(0, 1)) for _ in range(50)]
    pairs += [(value, 2 * value + 1.0) for value in range(5)]

    expected = scipy_stats.spearmanr(*zip(*pairs, strict=True)).statistic

    assert stats.spearman([(float(a), b) for a, b in pairs]) == pytest.approx(expected, abs=1e-12)
    assert stats.spearman([(1.0, 2.0), (1.0, 3.0), (1.0, 4.0)]) == 0.0


def test_bets_on_fair_pairs_seldom_win_however_often_one_looks() -> None:
    draw = random.Random(6)
    won = 0
    for _ in range(400):
        newer = [draw.gauss(0, 1) for _ in range(60)]
        older = [draw.gauss(0, 1) for _ in range(60)]
        won += any(stats.paired_e(newer[:n], older[:n]) >= 20 for n in range(1, 61))

    assert won / 400 <= 0.05


def test_bets_on_what_lies_higher_win_soon() -> None:
    assert stats.paired_e([2.0] * 12, [1.0] * 12) > 700
    assert stats.paired_e([2.0] * 4, [1.0] * 4) < 20


def test_students_quantiles_are_scipys() -> None:
    told = {n: round(float(scipy_stats.t.ppf(0.975, n)), 2) for n in range(1, 11)}

    assert told == foretelling._T
