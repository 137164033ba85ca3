"""How well the router does on the questions that were held out of its training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec

from inwit.introspection.router.examples import Example, load_examples, load_worlds
from inwit.introspection.router.models import FOLDER, Encoder, LexicalModel, SemanticModel
from inwit.introspection.router.records import Routing
from inwit.introspection.router.routing import Router


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of held-out questions that were read right.

    `outside_precision` and `outside_recall` are about abstaining; `linking_f1` about entities.
    `calibration` maps a tenth of stated probability to the share that was right and its count.
    """

    questions: int
    level: float
    intent: float
    both: float
    outside_precision: float
    outside_recall: float
    linking_f1: float
    intent_when_sure: float
    calibration: dict[int, tuple[float, int]]
    confusions: tuple[tuple[str, str, int], ...]
    mistakes: tuple[tuple[str, str, str], ...]


def measure(encoder: Encoder | None, folder: Path = FOLDER) -> Measured:
    """Route every held-out question in its own world and count what was right."""
    router = Router(
        LexicalModel(folder / "lexical.msgpack")
        if encoder is None
        else SemanticModel(encoder, folder / "semantic.npz")
    )
    examples = [one for one in load_examples() if one.is_held_out]
    worlds = load_worlds()
    routings = [router.route(one.question, worlds[one.world]) for one in examples]
    return count(examples, routings)


def count(examples: Sequence[Example], routings: Sequence[Routing]) -> Measured:
    """Compare routings with labels; only the first reading counts."""
    pairs = list(zip(examples, routings, strict=True))
    abstained = [one for one, routing in pairs if routing.abstained]
    outside = [one for one in examples if one.level == "none"]
    caught = sum(one.level == "none" for one in abstained)
    wrong = [
        (one.question, f"{one.level}/{one.intent}", f"{got.best.level}/{got.best.intent}")
        for one, got in pairs
        if one.pair != (got.best.level, got.best.intent)
    ]
    surest = sorted(pairs, key=lambda pair: -pair[1].best.probability)
    surest = surest[: round(0.8 * len(surest))]
    kinds = Counter((truth, found) for _, truth, found in wrong)
    return Measured(
        questions=len(examples),
        level=sum(one.level == got.best.level for one, got in pairs) / len(pairs),
        intent=sum(one.intent == got.best.intent for one, got in pairs) / len(pairs),
        both=1 - len(wrong) / len(pairs),
        outside_precision=caught / max(1, len(abstained)),
        outside_recall=caught / max(1, len(outside)),
        linking_f1=linking_f1(pairs),
        intent_when_sure=sum(one.intent == got.best.intent for one, got in surest) / len(surest),
        calibration=_reliability(pairs),
        confusions=tuple((*pair, many) for pair, many in kinds.most_common()),
        mistakes=tuple(wrong),
    )


def linking_f1(pairs: Sequence[tuple[Example, Routing]]) -> float:
    """Harmonic mean of precision and recall over entities of questions that are not outside."""
    right = found = expected = 0
    for one, routing in pairs:
        if one.level == "none":
            continue
        got = {f"{entity.kind}:{entity.value}" for entity in routing.entities}
        if one.world != "desk":
            got = {target for target in got if not target.startswith("metric:")}
        right += len(got & set(one.targets))
        found += len(got)
        expected += len(set(one.targets))
    return 2 * right / max(1, found + expected)


def report(name: str, measured: Measured, *, confusions: bool = False) -> str:
    """Show a measurement as text."""
    reliability = "  ".join(
        f"{tenth / 10:.1f} → {share:.2f} ({many})"
        for tenth, (share, many) in sorted(measured.calibration.items())
    )
    lines = [
        f"{name}, {measured.questions} held-out questions:",
        f"  level {measured.level:.3f}  intent {measured.intent:.3f}  both {measured.both:.3f}",
        f"  outside: precision {measured.outside_precision:.3f}",
        f"  outside: recall {measured.outside_recall:.3f}",
        f"  entities: F1 {measured.linking_f1:.3f}",
        f"  intent on the surest 80 %: {measured.intent_when_sure:.3f}",
        f"  stated → right: {reliability}",
    ]
    if confusions:
        lines += [f"  {many:3} {truth} read as {got}" for truth, got, many in measured.confusions]
        lines += [f"  {text!r} is {truth}, not {got}" for text, truth, got in measured.mistakes]
    return "\n".join(lines)


def _reliability(pairs: Sequence[tuple[Example, Routing]]) -> dict[int, tuple[float, int]]:
    tenths: dict[int, list[bool]] = {}
    for one, routing in pairs:
        best = routing.best
        tenth = min(9, int(best.probability * 10))
        tenths.setdefault(tenth, []).append(one.pair == (best.level, best.intent))
    return {tenth: (sum(hits) / len(hits), len(hits)) for tenth, hits in tenths.items()}
