"""Figures of the analyses beside what they are by hand, at their bounds above all."""

from __future__ import annotations

from itertools import combinations, pairwise
from statistics import median
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inwit.introspection.analyses import interrupts, slo, slow_inputs, slow_many, why_visits
from inwit.introspection.analyses.slow_inputs import Grown, explained
from inwit.introspection.objectives import Objective

Pairs = list[tuple[float, float]]


def past(*pairs: tuple[float, float]) -> list[tuple[dict[str, float], float]]:
    return [({"words": size}, ms) for size, ms in pairs]


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("once", 1), ("twice", 2), ("thrice", 3), ("two times", 2), ("three times", 3),
        ("four times", 4), ("five times", 5), ("six times", 6), ("seven times", 7),
        ("eight times", 8), ("nine times", 9), ("ten times", 10), ("eleven times", 11),
        ("twelve times", 12), ("17 times", 17), ("3x", 3), ("4 x", 4), ("often", None),
        ("3 hours", None),
    ],
)  # fmt: skip
def test_how_often_a_question_says_is_read(said: str, number: int | None) -> None:
    assert why_visits.asked_count(f"why did search run {said}") == number


ALIKE = past(*[(100.0, ms) for ms in (10, 9, 11, 10, 10, 12, 8)])


@pytest.mark.parametrize(
    ("size", "ms", "is_explained"),
    [
        (200, 20, True), (200, 23, True), (200, 23.01, False), (200, 10, False),
        (200, 10.01, True), (120, 12, True), (119.9, 12, False), (300, 30, True), (0, 12, False),
    ],
)  # fmt: skip
def test_time_that_grew_no_more_than_a_size_is_put_down_to_it(
    size: float, ms: float, is_explained: bool
) -> None:
    found = explained(ms, {"words": size}, ALIKE)

    told = Grown(name="words", size=size, usual=100, foretold_ms=size / 10, is_learnt=False)
    assert found == (told if is_explained else None)


VARIED = past(*[(float(size), 5 + 2.0 * size) for size in (10, 30, 20, 50, 40, 35, 25)])


@pytest.mark.parametrize(
    ("size", "ms", "is_explained"),
    [
        (100, 205, True), (100, 205 * 1.15, True), (100, 205 * 1.16, False), (36, 77, True),
        (35.9, 77, False), (100, 3, True),
    ],
)  # fmt: skip
def test_a_time_on_the_line_through_other_sizes_is_explained_by_its_own(
    size: float, ms: float, is_explained: bool
) -> None:
    found = explained(ms, {"words": size}, VARIED)

    assert (found is not None) == is_explained
    if found is not None:
        assert found.foretold_ms == pytest.approx(5 + 2 * size)
        assert (found.usual, found.is_learnt) == (30, True)


@pytest.mark.parametrize(
    "pairs",
    [
        pytest.param([(100.0, 10.0)] * 4, id="four are too few"),
        pytest.param([(float(n), 10.0 * n) for n in range(10, 20)], id="a counter that rises"),
        pytest.param([(float(n), 10.0 * n) for n in range(20, 10, -1)], id="one that falls"),
        pytest.param(
            [(10.0, 50.0), (30.0, 30.0), (20.0, 40.0), (50.0, 10.0), (40.0, 20.0)],
            id="less for more",
        ),
    ],
)
def test_what_is_no_size_explains_nothing(pairs: Pairs) -> None:
    assert explained(200, {"words": 1000.0}, past(*pairs)) is None


def test_a_size_that_a_fifth_lacks_explains_and_one_that_more_lack_does_not() -> None:
    known = past(*[(100.0, 10.0)] * 8)

    assert explained(20, {"words": 200.0}, [*known, *[({}, 10.0)] * 2])
    assert explained(20, {"words": 200.0}, [*known, *[({}, 10.0)] * 3]) is None


def test_a_learnt_size_is_named_before_a_larger_one() -> None:
    both = [({**one, "pages": 1.0}, ms) for one, ms in VARIED]

    found = explained(205, {"pages": 50.0, "words": 100.0}, both)

    assert found is not None
    assert found.name == "words"


pairs_of = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=12)


@given(pairs_of)
def test_the_relation_of_sizes_and_times_is_that_of_all_their_pairs(pairs: Pairs) -> None:
    signs = [(a[0] - b[0]) * (a[1] - b[1]) for a, b in combinations(pairs, 2)]
    risen, fallen = sum(one > 0 for one in signs), sum(one < 0 for one in signs)

    share = (risen - fallen) / (risen + fallen) if risen + fallen else 0
    assert slow_inputs._correlation(pairs) == share


@given(pairs_of)
def test_the_slope_is_the_median_between_the_halves(pairs: Pairs) -> None:
    ordered, half = sorted(pairs), len(pairs) // 2
    low, high = ordered[:half], ordered[len(pairs) - half :]

    steep = [(b[1] - a[1]) / (b[0] - a[0]) for a in low for b in high if b[0] != a[0]]
    assert slow_inputs._slope(pairs) == (median(steep) if steep else 0)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=25))
def test_a_counter_goes_one_way_nearly_always(known: list[float]) -> None:
    ways = [(b > a) - (b < a) for a, b in pairwise(known)]

    most = max(ways.count(1), ways.count(-1))
    assert slow_inputs._is_counter(known) == (20 * most > 19 * len(ways))


def _took(*ms: float | None) -> list[Any]:
    return [SimpleNamespace(duration_ms=one) for one in ms]


@pytest.mark.parametrize(("last", "is_slow"), [(16.0, True), (15.0, False), (15.1, True)])
def test_what_takes_half_as_long_again_as_the_median_is_slow(last: float, is_slow: bool) -> None:
    over = _took(*[10.0] * 9, last)

    slow, usual = slow_many._parted(over)

    assert [one.duration_ms for one in slow] == [last] * is_slow
    assert len(slow) + len(usual) == len(over)


@pytest.mark.parametrize(
    ("status", "ms", "metric", "target", "is_missed"),
    [
        ("failed", 1, "success", 0.9, True), ("completed", 1, "success", 0.9, False),
        ("completed", 100, "p95", 100, False), ("completed", 100.1, "p95", 100, True),
        ("failed", 200, "p95", 100, False), ("completed", None, "p95", 100, False),
        ("completed", 0.6, "p50", 0.5, True),
    ],
)  # fmt: skip
def test_what_misses_an_objective(
    status: str, ms: float | None, metric: str, target: float, is_missed: bool
) -> None:
    one = cast("Any", SimpleNamespace(status=status, duration_ms=ms))

    assert slo._misses(one, Objective(metric=metric, target=target)) == is_missed


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"question": "Pay?"}, "'Pay?'"), ({"question": "Pay?", "risk": "high"}, "'Pay?', at high risk"),
        ("Sign here", "'Sign here'"), ("a" * 200, repr("a" * 200)), ("a" * 201, repr("a" * 199 + "…")),
        (7, "7"), (["a"], "['a']"), ({"ask": 1}, "{'ask': 1}"),
        ({"question": "b" * 201}, repr("b" * 199 + "…")),
    ],
)  # fmt: skip
def test_a_question_to_a_person_is_quoted(value: Any, text: str) -> None:
    raised = cast("Any", SimpleNamespace(value=value))

    assert interrupts.Question(raised=raised, resumed=None).text == text
