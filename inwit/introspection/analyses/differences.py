"""What executions that went badly have in common, and those that went well have not.

For each attribute and value: its share among the bad beside its share among the good. How far the
shares must lie apart is found by shuffling which executions are the bad ones; the largest difference
over all attributes is compared, so looking at many of them raises no false alarm.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

from inwit.introspection.attributes import Called, Known
from inwit.introspection.claims import Draft, Ref, told_value
from inwit.introspection.scene import Scene
from inwit.runtime.views import Execution

ALPHA = 0.01
ROUNDS = 999
BAD_LEAST = 3
"""Bad executions that a difference stands on at least."""
SHARE_LEAST = 0.25
"""The least difference of shares that is worth telling."""
TOLD = 3
Mark = tuple[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """An attribute that parts bad executions from good ones."""

    attribute: str
    value: Any
    bad: int
    of_bad: int
    good: int
    of_good: int
    p: float

    @property
    def words(self) -> str:
        """What is had: ``input.country = BR``, ``tag nightly``, ``rash in input.symptoms``."""
        is_flag = self.value is True and " " in self.attribute
        return self.attribute if is_flag else f"{self.attribute} = {told_value(self.value, 60)}"

    @property
    def difference(self) -> float:
        """The share among the bad less the share among the good."""
        return self.bad / self.of_bad - self.good / self.of_good

    def to_json(self) -> dict[str, Any]:
        """Show it as an answer's data does."""
        return {
            "attribute": self.attribute,
            "value": self.value,
            "bad": {"n": self.bad, "of": self.of_bad, "share": round(self.bad / self.of_bad, 4)},
            "good": {
                "n": self.good,
                "of": self.of_good,
                "share": round(self.good / self.of_good, 4),
            },
            "difference": round(self.difference, 4),
            "p": round(self.p, 4),
        }


def differences(bad: Sequence[Called], good: Sequence[Called]) -> list[Difference]:
    """The attributes that bad executions share more than good ones, the most telling first."""
    if len(bad) < BAD_LEAST or len(good) < BAD_LEAST:
        return []
    every = [*bad, *good]
    masks = _masks(every)
    chosen = (1 << len(bad)) - 1
    scores = {
        mark: _score((mask & chosen).bit_count(), mask.bit_count(), len(bad), len(every))
        for mark, mask in masks.items()
    }
    best = _shuffled([*masks.values()], len(bad), len(every))
    found = []
    for mark, score in sorted(scores.items(), key=lambda item: -item[1]):
        inside = (masks[mark] & chosen).bit_count()
        one = Difference(
            attribute=mark[0], value=mark[1], bad=inside, of_bad=len(bad),
            good=masks[mark].bit_count() - inside, of_good=len(good),
            p=(1 + sum(value >= score for value in best)) / (ROUNDS + 1),
        )  # fmt: skip
        if one.p <= ALPHA and one.difference >= SHARE_LEAST:
            found.append(one)
    return found


def _masks(every: Sequence[Called]) -> dict[Mark, int]:
    masks: dict[Mark, int] = {}
    for place, one in enumerate(every):
        for mark in one.marks.items():
            masks[mark] = masks.get(mark, 0) | 1 << place
    whole = len(every)
    return {mark: mask for mark, mask in masks.items() if 1 < mask.bit_count() < whole}


def _score(inside: int, marked: int, bad: int, whole: int) -> float:
    """How far the number inside lies over what is expected, in standard deviations."""
    expected = marked * bad / whole
    spread = sqrt(expected * (1 - marked / whole) * (whole - bad) / max(whole - 1, 1))
    return (inside - expected) / spread if spread else 0.0


def _shuffled(masks: Sequence[int], bad: int, whole: int) -> list[float]:
    shuffler = random.Random(whole)  # noqa: S311 - it shuffles, it keeps no secret
    marked = [mask.bit_count() for mask in masks]
    best = []
    for _ in range(ROUNDS):
        chosen = sum(1 << place for place in shuffler.sample(range(whole), bad))
        scores = (
            _score((mask & chosen).bit_count(), number, bad, whole)
            for mask, number in zip(masks, marked, strict=True)
        )
        best.append(max(scores, default=0.0))
    return best


def say_between(
    scene: Scene,
    draft: Draft,
    bad: Sequence[Execution],
    good: Sequence[Execution],
    words: tuple[str, str],
) -> None:
    """Tell what parts two kinds of executions by their attributes on record; nothing of too few."""
    if min(len(bad), len(good)) < BAD_LEAST:
        draft.data["differences"] = []
        return
    known = Known(scene.store)
    say(
        draft,
        {one.execution_id: known.of(one) for one in bad},
        {one.execution_id: known.of(one) for one in good},
        words,
    )


def say(
    draft: Draft, bad: Mapping[str, Called], good: Mapping[str, Called], words: tuple[str, str]
) -> list[Difference]:
    """Tell what parts bad executions from good ones; `words` name both kinds, as in ``failed executions``."""
    found = differences([*bad.values()], [*good.values()])
    draft.data["differences"] = [one.to_json() for one in found]
    for one in found[:TOLD]:
        shown = [called for called in bad.values() if called.marks.get(one.attribute) == one.value]
        draft.say(
            f"{one.bad} of {one.of_bad} {words[0]} had {one.words}, of {words[1]} {one.good} of "
            f"{one.of_good}.",
            *(Ref(uri=called.uri, why=f"its {one.attribute}") for called in shown[:4]),
        )
    return found
