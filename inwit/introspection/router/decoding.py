"""From scores to readings: level and intent are decided together, over pairs that make sense."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log
from typing import TypeAlias

import msgspec

from inwit.answers import INTENTS, LEVELS, Intent, Level
from inwit.introspection.router.records import Reading

_VALID: dict[Level, str] = {
    "live": "why whatif howcan ami when state search",
    "app": "whatis why whatif",
    "platform": "whatis howto howcan",
    "network": "search whatis state why",
    "none": "none",
}
PAIRS: tuple[tuple[Level, Intent], ...] = tuple(
    (level, intent) for level in LEVELS for intent in INTENTS if intent in _VALID[level].split()
)
"""The (level, intent) pairs that a question can have."""

COLUMNS = len(PAIRS)
"""Scores of a question: one for each pair."""

Choice: TypeAlias = tuple[tuple[Reading, ...], bool]
"""The readings of a question that are worth answering, and whether to abstain."""

CLOSE = 0.5
"""A second reading is given when it is at least this likely, relative to the first."""


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """What turns scores into probabilities that hold, found on questions kept from the fit.

    At `outside` and above, a probability of level ``none`` makes the router abstain; so does a
    best reading below `floor`. A model whose likeliest reading has `sure` or more need not be
    followed by a slower one.
    """

    temperature: float = 1.0
    outside: float = 0.5
    floor: float = 0.0
    sure: float = 1.0


def decode(scores: Sequence[float], calibration: Calibration) -> list[Reading]:
    """Rank all valid pairs by probability."""
    logs = _log_softmax([score / calibration.temperature for score in scores])
    readings = [
        Reading(level=level, intent=intent, probability=exp(value))
        for (level, intent), value in zip(PAIRS, logs, strict=True)
    ]
    return sorted(readings, key=lambda one: -one.probability)


def choose(ranked: Sequence[Reading], calibration: Calibration) -> Choice:
    """Keep the readings worth answering, and say whether to abstain."""
    nothing = next(one for one in ranked if one.level == "none")
    inside = [one for one in ranked if one.level != "none"]
    best, second = inside[0], inside[1]
    if nothing.probability >= calibration.outside or best.probability < calibration.floor:
        certain = max(nothing.probability, 1 - best.probability)
        return (msgspec.structs.replace(nothing, probability=certain), best), True
    if second.probability >= CLOSE * best.probability:
        return (best, second), False
    return (best,), False


def _log_softmax(values: Sequence[float]) -> list[float]:
    top = max(values)
    total = log(sum(exp(value - top) for value in values))
    return [value - top - total for value in values]
