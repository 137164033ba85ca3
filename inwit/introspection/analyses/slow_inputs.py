"""Whether a node took longer because it was given more: its time against sizes, as on record.

Where the sizes on record differ, the line through them (Theil's, by medians of slopes) says what a
visit of this size usually takes. Where all were alike, time that grew no more than the size did is
put down to the size, unconfirmed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, islice, pairwise
from statistics import median

from inwit.introspection.attributes import Called, size_of
from inwit.introspection.schedule import Schedule
from inwit.introspection.stats import spread

MORE = 1.2
"""How many times larger than usual a size must be to explain anything."""
PAIRS = 2000
"""Slopes that are looked at."""
RELATED = 0.3
"""The least rank correlation of size and time that is a relation."""
VARIED = 1.1
"""Sizes differ when their largest is so many times their least."""
COUNTING = 0.95
"""A number that goes one way in this share of the executions is a counter."""
SPREADS = 3.5
ROOM = 0.15
"""How far, as a part, a time may lie over what its size foretells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grown:
    """A size that explains a node's time."""

    name: str
    size: float
    usual: float
    foretold_ms: float
    is_learnt: bool
    """Whether the record holds other sizes, and the time grew with them."""


def sizes(called: Called, shape: Schedule, node: str) -> dict[str, float]:
    """The sizes that a node's first visit may depend on: the input's, and of what was written before."""
    found = dict(called.sizes)
    for task in shape.tasks:
        if task.visit.node == node:
            break
        if isinstance(task.visit.update, Mapping):
            for key, value in task.visit.update.items():
                size = size_of(value)
                if size is not None:
                    found[f"state.{key}"] = size
    return found


def explained(
    took_ms: float, here: Mapping[str, float], past: Sequence[tuple[Mapping[str, float], float]]
) -> Grown | None:
    """The size by which a time is as usual, given past sizes and times; None where none is.

    `past` is in the order of time: a number that always grows is a counter, and no size.
    """
    found = [one for name in here if (one := _by(name, took_ms, here[name], past)) is not None]
    return min(found, key=lambda one: (not one.is_learnt, -one.size / one.usual), default=None)


def _by(
    name: str, took_ms: float, size: float, past: Sequence[tuple[Mapping[str, float], float]]
) -> Grown | None:
    pairs = [(sizes[name], ms) for sizes, ms in past if sizes.get(name)]
    if len(pairs) < len(past) * 0.8 or len(pairs) < 5:
        return None
    known = [one for one, _ in pairs]
    usual = median(known)
    if size < MORE * usual or _is_counter(known):
        return None
    if max(known) >= VARIED * min(known):
        return _learnt(name, took_ms, size, pairs)
    middle = median(ms for _, ms in pairs)
    foretold = middle * size / usual
    if middle < took_ms <= foretold * (1 + ROOM):
        return Grown(name=name, size=size, usual=usual, foretold_ms=foretold, is_learnt=False)
    return None


def _learnt(
    name: str, took_ms: float, size: float, pairs: Sequence[tuple[float, float]]
) -> Grown | None:
    if _correlation(pairs) < RELATED:
        return None
    slope = _slope(pairs)
    base = median(ms - slope * one for one, ms in pairs)
    foretold = base + slope * size
    rest = spread([ms - base - slope * one for one, ms in pairs]) * max(
        size / median(s for s, _ in pairs), 1
    )
    if slope <= 0 or took_ms - foretold > max(SPREADS * rest, ROOM * foretold):
        return None
    usual = median(one for one, _ in pairs)
    return Grown(name=name, size=size, usual=usual, foretold_ms=foretold, is_learnt=True)


def _is_counter(known: Sequence[float]) -> bool:
    steps = [b - a for a, b in pairwise(known)]
    rising, falling = sum(step > 0 for step in steps), sum(step < 0 for step in steps)
    return max(rising, falling) > COUNTING * len(steps)


def _slope(pairs: Sequence[tuple[float, float]]) -> float:
    ordered = sorted(pairs)
    half = len(ordered) // 2
    # Far pairs say most: each of the lower half with each of the upper.
    slopes = (
        (b[1] - a[1]) / (b[0] - a[0])
        for a in ordered[:half]
        for b in ordered[-half:]
        if b[0] > a[0]
    )
    return median([*slopes] or [0.0])


def _correlation(pairs: Sequence[tuple[float, float]]) -> float:
    """Kendall's tau-like share: pairs that rise together less those that do not."""
    risen = fallen = 0
    for a, b in islice(combinations(pairs, 2), PAIRS):
        product = (a[0] - b[0]) * (a[1] - b[1])
        risen += product > 0
        fallen += product < 0
    return (risen - fallen) / (risen + fallen) if risen + fallen else 0.0
