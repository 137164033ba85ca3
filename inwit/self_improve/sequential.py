"""A test that may be looked at after every execution: is one arm worse, or better, than the other?

Executions of the two arms are paired in the order in which they came. Where the arms do not differ,
either of a pair is the worse one with equal chance, so that a gambler who bets on one of them does
not win: what he holds is an e-process, and is seldom (one time in 1/alpha) ever above 1/alpha
(Ville 1939; Shafer 2021, Testing by betting). He mixes all stakes evenly.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import product
from random import Random
from statistics import median
from typing import Final

import msgspec

from inwit.plans import Effect

ALPHA: Final = 0.05
WORSE_BY: Final = 1.05
"""A duration counts as worse where it is longer by this factor, so that nothing is no harm."""
WORSE_BY_MS: Final = 0.05
WEIGHTS: Final = {"duration": 0.6, "errors": 0.3, "scores": 0.1}


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What counts of one execution."""

    execution_id: str
    duration_ms: float | None
    """None where it did not complete."""
    failed: bool
    score: float | None = None
    ended_at: str = ""


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How two arms stand. The e-values are how much a bet on harm, or on a gain, has won."""

    n_control: int
    n_candidate: int
    e_harm: float
    e_gain: float
    effect: Effect | None
    """Milliseconds that an execution saves."""
    failed_control: int = 0
    failed_candidate: int = 0
    harm_by: str = ""
    """What it harms most: duration, errors or scores."""

    @property
    def is_harm(self) -> bool:
        """Whether the change surely harms."""
        return self.e_harm >= 1 / ALPHA

    @property
    def is_gain(self) -> bool:
        """Whether the change surely helps."""
        return self.e_gain >= 1 / ALPHA


def standing(control: Sequence[Run], candidate: Sequence[Run]) -> Standing:
    """How two arms stand after so many executions of each."""
    pairs = list(zip(control, candidate, strict=False))
    harms = {
        "duration": e_value(_duration_signs(pairs)),
        "errors": e_value(_signs((b.failed, a.failed) for a, b in pairs)),
        "scores": e_value(_score_signs(pairs)),
    }
    gains = {
        "duration": e_value(not worse for worse in _duration_signs(pairs, is_gain=True)),
        "errors": e_value(_signs((a.failed, b.failed) for a, b in pairs)),
        "scores": e_value(not worse for worse in _score_signs(pairs)),
    }
    worst = max(harms, key=lambda name: harms[name])
    # A weighted mean of e-values is an e-value: looking at three figures costs no more errors.
    e_harm, e_gain = (sum(WEIGHTS[n] * one[n] for n in WEIGHTS) for one in (harms, gains))
    return Standing(
        n_control=len(control), n_candidate=len(candidate), e_harm=e_harm, e_gain=e_gain,
        effect=shift(
            [one.duration_ms for one in control if one.duration_ms is not None],
            [one.duration_ms for one in candidate if one.duration_ms is not None],
        ),
        failed_control=sum(one.failed for one in control),
        failed_candidate=sum(one.failed for one in candidate),
        harm_by=worst if e_harm > 1 else "",
    )  # fmt: skip


def _duration_signs(pairs: Iterable[tuple[Run, Run]], *, is_gain: bool = False) -> list[bool]:
    """For each pair whether the candidate was worse; with `is_gain` whether it was no better."""
    found = []
    for a, b in pairs:
        if a.duration_ms is None or b.duration_ms is None:
            continue
        if is_gain:
            found.append(a.duration_ms <= b.duration_ms * WORSE_BY + WORSE_BY_MS)
        else:
            found.append(b.duration_ms > a.duration_ms * WORSE_BY + WORSE_BY_MS)
    return found


def _score_signs(pairs: Iterable[tuple[Run, Run]]) -> list[bool]:
    told = ((a.score, b.score) for a, b in pairs if a.score is not None and b.score is not None)
    return [b < a for a, b in told if a != b]


def _signs(pairs: Iterable[tuple[bool, bool]]) -> list[bool]:
    return [one for one, other in pairs if one != other]


def e_value(signs: Iterable[bool]) -> float:
    """What a bet on True has won after these, which are True with a chance of at most a half.

    The even mixture over all stakes from 0 to 1: 2^n times the share of the beta distribution with
    one more than the hits and the misses that lies above a half, by their beta function.
    """
    told = list(signs)
    hits, n = sum(told), len(told)
    return _mixture(hits, n - hits)


@lru_cache(maxsize=4096)
def _mixture(hits: int, misses: int) -> float:
    # The integral of (1 + x)^hits (1 - x)^misses from 0 to 1, by Simpson's rule on the logarithm's scale.
    steps = 400
    total = 0.0
    for at in range(steps + 1):
        x = at / steps
        if misses and x == 1:
            continue
        log = hits * math.log1p(x) + (misses * math.log1p(-x) if misses else 0.0)
        weight = 1 if at in (0, steps) else 4 if at % 2 else 2
        total += weight * math.exp(min(log, 700.0))
    return total / (3 * steps)


def shift(before: Sequence[float], after: Sequence[float]) -> Effect | None:
    """What an execution saves: the Hodges-Lehmann shift with its bootstrap interval; None of few."""
    if len(before) < 5 or len(after) < 5:
        return None
    point = hodges_lehmann(before, after)
    draw = Random(len(before) * 100_003 + len(after))  # noqa: S311 - it resamples, no secret
    found = sorted(
        hodges_lehmann(draw.choices(before, k=len(before)), draw.choices(after, k=len(after)))
        for _ in range(200)
    )
    return Effect(
        point=round(point, 4), low=round(found[4], 4), high=round(found[-5], 4),
        unit="ms per execution", method="Hodges-Lehmann shift between the arms, bootstrap interval",
    )  # fmt: skip


def hodges_lehmann(before: Sequence[float], after: Sequence[float]) -> float:
    """The median of all differences, of at most 60 values of each side evenly taken."""
    one, other = _thinned(before), _thinned(after)
    return median(a - b for a, b in product(one, other))


def _thinned(values: Sequence[float], most: int = 60) -> list[float]:
    if len(values) <= most:
        return list(values)
    ordered = sorted(values)
    return [ordered[int((at + 0.5) * len(ordered) / most)] for at in range(most)]
