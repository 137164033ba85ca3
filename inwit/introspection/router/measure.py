"""How well questions are read: shares that were right, per level and intent, and calibration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from inwit.introspection.router.examples import Example
from inwit.introspection.router.records import Catalogue, Entity, Routing
from inwit.introspection.router.routing import Router


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """Of `questions`, the share that was `right`."""

    questions: int
    right: float


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of questions that were read right; only the first reading counts.

    `outside_precision` and `outside_recall` are about abstaining; `linking_f1` about entities.
    `calibration` maps a tenth of stated probability to the share that was right. `matrix` counts
    (truth, reading) over pairs of level and intent.
    """

    questions: int
    level: float
    intent: float
    both: float
    outside_precision: float
    outside_recall: float
    linking_f1: float
    intent_when_sure: float
    calibration: dict[int, Share]
    levels: dict[str, Share]
    intents: dict[str, Share]
    matrix: dict[tuple[str, str], int]
    mistakes: tuple[tuple[str, str, str], ...]


def measure(router: Router, examples: Sequence[Example], worlds: dict[str, Catalogue]) -> Measured:
    """Route every question in its own world and count what was right."""
    routings = [router.route(one.question, worlds[one.world]) for one in examples]
    return count(examples, routings)


def count(examples: Sequence[Example], routings: Sequence[Routing]) -> Measured:
    """Compare routings with labels."""
    pairs = list(zip(examples, routings, strict=True))
    abstained = [one for one, routing in pairs if routing.abstained]
    caught = sum(one.level == "none" for one in abstained)
    outside = sum(one.level == "none" for one in examples)
    matrix = Counter((_pair(one), _read(got)) for one, got in pairs)
    surest = sorted(pairs, key=lambda pair: -pair[1].best.probability)
    surest = surest[: round(0.8 * len(surest))]
    return Measured(
        questions=len(examples),
        level=_share(pairs, _level).right,
        intent=_share(pairs, _intent).right,
        both=_share(pairs, _both).right,
        outside_precision=caught / max(1, len(abstained)),
        outside_recall=caught / max(1, outside),
        linking_f1=linking_f1([(one, routing.entities) for one, routing in pairs]),
        intent_when_sure=_share(surest, _intent).right,
        calibration=_grouped(pairs, lambda _, got: min(9, int(got.best.probability * 10)), _both),
        levels=_grouped(pairs, lambda one, _: str(one.level), _level),
        intents=_grouped(pairs, lambda one, _: str(one.intent), _intent),
        matrix=dict(matrix),
        mistakes=tuple(
            (one.question, _pair(one), _read(got)) for one, got in pairs if not _both(one, got)
        ),
    )


def linking_f1(linked: Sequence[tuple[Example, Sequence[Entity]]]) -> float:
    """Harmonic mean of precision and recall over entities of questions that are not outside."""
    right = found = expected = 0
    for one, entities in linked:
        if one.level == "none":
            continue
        got = {f"{entity.kind}:{entity.value}" for entity in entities}
        if one.meaning.split("-")[0] != "aside" and one.world != "desk":
            got = {target for target in got if not target.startswith("metric:")}
        right += len(got & set(one.targets))
        found += len(got)
        expected += len(set(one.targets))
    return 2 * right / max(1, found + expected)


def report(name: str, measured: Measured, *, confusions: bool = False) -> str:
    """Show a measurement as text."""
    reliability = "  ".join(
        f"{tenth / 10:.1f} → {share.right:.2f} ({share.questions})"
        for tenth, share in sorted(measured.calibration.items())
    )
    lines = [
        f"{name}, {measured.questions} questions:",
        f"  level {measured.level:.3f}  intent {measured.intent:.3f}  both {measured.both:.3f}",
        f"  outside: precision {measured.outside_precision:.3f}",
        f"  outside: recall {measured.outside_recall:.3f}",
        f"  entities: F1 {measured.linking_f1:.3f}",
        f"  intent on the surest 80 %: {measured.intent_when_sure:.3f}",
        f"  stated → right: {reliability}",
    ]
    if confusions:
        wrong = [(many, *pair) for pair, many in measured.matrix.items() if pair[0] != pair[1]]
        lines += [f"  {many:3} {truth} read as {got}" for many, truth, got in sorted(wrong)[::-1]]
        lines += [f"  {text!r} is {truth}, not {got}" for text, truth, got in measured.mistakes]
    return "\n".join(lines)


Pairs = Sequence[tuple[Example, Routing]]
K = TypeVar("K", str, int)


def _pair(one: Example) -> str:
    return f"{one.level}/{one.intent}"


def _read(got: Routing) -> str:
    return f"{got.best.level}/{got.best.intent}"


def _level(one: Example, got: Routing) -> bool:
    return one.level == got.best.level


def _intent(one: Example, got: Routing) -> bool:
    return one.intent == got.best.intent


def _both(one: Example, got: Routing) -> bool:
    return _level(one, got) and _intent(one, got)


def _share(pairs: Pairs, is_right: Callable[[Example, Routing], bool]) -> Share:
    hits = [is_right(one, got) for one, got in pairs]
    return Share(questions=len(hits), right=sum(hits) / max(1, len(hits)))


def _grouped(
    pairs: Pairs,
    key: Callable[[Example, Routing], K],
    is_right: Callable[[Example, Routing], bool],
) -> dict[K, Share]:
    groups: dict[K, list[tuple[Example, Routing]]] = {}
    for one, got in pairs:
        groups.setdefault(key(one, got), []).append((one, got))
    return {name: _share(group, is_right) for name, group in groups.items()}
