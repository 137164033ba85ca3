"""Train the router: ``python -m inwit.introspection.train`` rewrites its two weight files.

The fit is convex and starts from zero, so equal inputs give equal files; weights are rounded to
16 bits. Questions are fitted in folds of whole voices and meanings: what a fit says of the voices
that it has not heard gives the calibration and the printed figures. The shipped weights are then
fitted on all of them.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from inwit.answers import INTENTS, LEVELS
from inwit.introspection.router.decoding import COLUMNS, PAIRS, Calibration, choose, decode
from inwit.introspection.router.examples import Example, fraction, load_examples, load_worlds
from inwit.introspection.router.features import SIZE
from inwit.introspection.router.linking import Index
from inwit.introspection.router.masking import link
from inwit.introspection.router.measure import count, report
from inwit.introspection.router.models import (
    FOLDER,
    WORDS_WEIGHT,
    Asked,
    LexicalWeights,
    read,
    vectors_of,
)
from inwit.introspection.router.records import Routing
from inwit.introspection.router.routing import prepare
from inwit.introspection.router.unnamed import unknown_names
from inwit.registry.encoder import Encoder, default_encoder

Matrix = NDArray[np.float64]

FOLDS = 5
DECAY = 0.5
"""How strongly weights are held near zero."""

FLOOR = 0.3
"""Below this probability no reading is worth an answer."""

DIRECTIONS = 900
"""How many of the strongest directions of the features are fitted; the rest is mostly noise."""

COSTS = 0.005
"""What share of the questions that words alone read may be read wrong where vectors are right."""

_THREADS = "OPENBLAS_NUM_THREADS"
_STEPS = 60
_MEMORY = 10
_TEMPERATURES = (0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0, 2.5, 3.0)
_SURES = tuple(step / 100 for step in range(50, 100, 5))
_OUTSIDES = tuple(step / 1000 for step in range(100, 875, 25))


def main(arguments: Sequence[str] | None = None) -> int:
    """Train both models, write their files, and print how they do on voices not heard."""
    parser = argparse.ArgumentParser(prog="python -m inwit.introspection.train")
    parser.add_argument("--output", type=Path, default=FOLDER, help="folder to write to")
    parser.add_argument("--table", action="store_true", help="print the confusions too")
    options = parser.parse_args(arguments)
    encoder = default_encoder()
    if encoder is None:
        sys.stderr.write("error: training needs the extra 'semantic'.\n")
        return 1
    examples = load_examples()
    asked = prepare_all(examples)
    by_words, by_all = train_both(encoder, asked, examples, _say)
    save_lexical(options.output / "lexical.msgpack", by_words.heads, by_words.calibration)
    save_semantic(options.output / "semantic.npz", by_all.heads, by_all.calibration, encoder.name)
    for name, trained in (("with encoder", (by_words, by_all)), ("words alone", (by_words,))):
        measured = count(examples, routings(asked, trained))
        sys.stdout.write(f"{report(name, measured, confusions=options.table)}\n")
    return 0


def _say(line: str) -> None:
    sys.stderr.write(f"[{time.process_time():5.0f} s] {line}\n")
    sys.stderr.flush()


def prepare_all(examples: Sequence[Example]) -> list[Asked]:
    """Link and mask every question in its own world."""
    indexes = {name: Index(catalogue) for name, catalogue in load_worlds().items()}
    asked = []
    for one in examples:
        entities = link(one.question, indexes[one.world])
        asked.append(prepare(one.question, entities, unknown_names(one.question, entities)))
    return asked


def encode_all(
    encoder: Encoder, asked: Sequence[Asked], say: Callable[[str], None] = lambda _: None
) -> Matrix:
    """Encode one question at a time, as the router does: a batch's padding moves the last bits."""
    rows = []
    for at, one in enumerate(asked):
        if at % 500 == 0:
            say(f"encoded {at} of {len(asked)} questions")
        rows.append(vectors_of(encoder, [one]))
    return np.vstack(rows).astype(np.float64)


def spread(asked: Sequence[Asked]) -> Matrix:
    """The pieces of questions as rows of one table."""
    table = np.zeros((len(asked), SIZE))
    for row, one in enumerate(asked):
        table[row, list(one.pieces)] = list(one.pieces.values())
    return table


class Trained(NamedTuple):
    """The heads of all questions, and what each fold's fit scored for the voices it never heard."""

    heads: Matrix
    calibration: Calibration
    unheard: Matrix


class Unheard:
    """A model that reads each question as the fit does that has not heard its voice."""

    def __init__(self, asked: Sequence[Asked], trained: Trained) -> None:
        self.calibration = trained.calibration
        rows: list[list[float]] = trained.unheard.tolist()
        self._rows = {id(one): row for one, row in zip(asked, rows, strict=True)}

    def score(self, questions: Sequence[Asked]) -> list[list[float]]:
        """The scores that were kept; for the questions alone that it was made of."""
        return [self._rows[id(one)] for one in questions]


def routings(asked: Sequence[Asked], trained: Sequence[Trained]) -> list[Routing]:
    """How each question is read, one model after the other, by fits that have not heard its voice."""
    choices = read(asked, [Unheard(asked, one) for one in trained])
    return [
        Routing(readings=readings, abstained=abstained, entities=one.entities)
        for (readings, abstained), one in zip(choices, asked, strict=True)
    ]


def train_both(
    encoder: Encoder,
    asked: Sequence[Asked],
    examples: Sequence[Example],
    say: Callable[[str], None] = lambda _: None,
) -> tuple[Trained, Trained]:
    """Train the model over words, which knows when it is sure, and the one over vectors too."""
    words = spread(asked) * WORDS_WEIGHT
    by_words = train(words, examples, say)
    vectors = encode_all(encoder, asked, say)
    by_all = train(np.hstack([vectors, words]), examples, say)
    sure = sure_from(by_words, by_all, asked, examples)
    told = msgspec.structs.replace(by_words.calibration, sure=sure)
    return by_words._replace(calibration=told), by_all


def sure_from(
    first: Trained, second: Trained, asked: Sequence[Asked], examples: Sequence[Example]
) -> float:
    """The lowest probability from which on the second model would hardly read better (`COSTS`)."""
    truths = [one.pair for one in examples]
    by_first, by_second = (
        [
            (one.best.level, one.best.intent) == truth
            for one, truth in zip(routings(asked, [trained]), truths, strict=True)
        ]
        for trained in (first, second)
    )
    rows: list[list[float]] = first.unheard.tolist()
    likeliest = [decode(row, first.calibration)[0].probability for row in rows]
    for sure in _SURES:
        group = [at for at, probability in enumerate(likeliest) if probability >= sure]
        lost = sum(by_second[at] for at in group) - sum(by_first[at] for at in group)
        if lost <= COSTS * len(group):
            return sure
    return 1.0


def train(
    features: Matrix, examples: Sequence[Example], say: Callable[[str], None] = lambda _: None
) -> Trained:
    """Fit the heads on all examples, and their calibration on each fold in turn."""
    rotated, back = rotate(features)
    folds = np.array([int(fraction("fold " + one.voice) * FOLDS) for one in examples])
    scores = np.zeros((len(examples), COLUMNS))
    for fold in range(FOLDS):
        say(f"fitting without fold {fold + 1} of {FOLDS}")
        kept = folds != fold
        heads = fit_heads(
            rotated[kept], [one for one, keep in zip(examples, kept, strict=True) if keep]
        )
        scores[~kept] = with_bias(rotated[~kept]) @ heads
    say(f"fitting all {len(examples)} questions")
    heads = fit_heads(rotated, examples)
    heads = np.vstack([back @ heads[:-1], heads[-1:]])
    return Trained(heads, calibrate(scores, examples), scores)


def rotate(features: Matrix) -> tuple[Matrix, Matrix]:
    """Turn many columns into as many as there are rows, without changing any distance.

    Also gives the matrix that turns weights back.
    """
    values, vectors = np.linalg.eigh(features @ features.T)
    kept = values > 1e-8 * values.max()
    kept[:-DIRECTIONS] = False
    lengths = np.sqrt(values[kept])
    return vectors[:, kept] * lengths, features.T @ (vectors[:, kept] / lengths)


def fit_heads(features: Matrix, examples: Sequence[Example]) -> Matrix:
    """Fit one head for each valid pair of level and intent; the last row is the bias.

    A pair's head is the mean of its own and of the heads of its level and its intent, which are
    fitted apart: rare pairs borrow from both, and the softmax over pairs stays linear.
    """
    levels = np.array([LEVELS.index(one.level) for one in examples])
    intents = np.array([INTENTS.index(one.intent) for one in examples])
    pairs = np.array([PAIRS.index(one.pair) for one in examples])
    of_level = fit(features, levels, len(LEVELS))[:, [LEVELS.index(pair[0]) for pair in PAIRS]]
    of_intent = fit(features, intents, len(INTENTS))[:, [INTENTS.index(pair[1]) for pair in PAIRS]]
    return (of_level + of_intent + fit(features, pairs, len(PAIRS))) / 2


def fit(features: Matrix, classes: NDArray[np.int64], count: int) -> Matrix:
    """Fit a softmax regression with squared decay on all but the bias."""
    rows = with_bias(features).astype(np.float32)  # half the time, and equal files all the same
    at = np.arange(len(rows))

    def loss(flat: Matrix) -> tuple[float, Matrix]:
        weights = flat.reshape(-1, count).astype(np.float32)
        held = weights.copy()
        held[-1] = 0
        scores = rows @ weights
        scores -= scores.max(axis=1, keepdims=True)
        shares = np.exp(scores)
        totals = shares.sum(axis=1, keepdims=True)
        missed = float((np.log(totals[:, 0]) - scores[at, classes]).sum(dtype=np.float64))
        shares /= totals
        shares[at, classes] -= 1
        slope = rows.T @ shares + DECAY * held
        decayed = 0.5 * DECAY * float((held**2).sum(dtype=np.float64))
        return missed + decayed, slope.ravel().astype(np.float64)

    return minimise(loss, np.zeros(rows.shape[1] * count)).reshape(-1, count)


def minimise(loss: Callable[[Matrix], tuple[float, Matrix]], start: Matrix) -> Matrix:
    """Find the lowest point of a smooth convex function by L-BFGS with halved steps."""
    point, (value, slope) = start, loss(start)
    past: list[tuple[Matrix, Matrix]] = []
    for _ in range(_STEPS):
        way = -_scaled(slope, past)
        size = 1.0 if past else min(1.0, 1.0 / float(np.abs(slope).sum()))
        fall = float(slope @ way)
        while True:
            moved = point + size * way
            new_value, new_slope = loss(moved)
            if new_value <= value + 1e-4 * size * fall or size < 1e-10:
                break
            size /= 2
        past = [*past[-_MEMORY + 1 :], (moved - point, new_slope - slope)]
        done = abs(value - new_value) <= 1e-9 * abs(value)
        point, value, slope = moved, new_value, new_slope
        if done:
            break
    return point


def _scaled(slope: Matrix, past: Sequence[tuple[Matrix, Matrix]]) -> Matrix:
    """The slope seen through the curvature that past steps showed."""
    result = slope.copy()
    shares = []
    for step, change in reversed(past):
        share = float(step @ result) / float(step @ change)
        shares.append(share)
        result -= share * change
    if past:
        step, change = past[-1]
        result *= float(step @ change) / float(change @ change)
    for (step, change), share in zip(past, reversed(shares), strict=True):
        result += (share - float(change @ result) / float(step @ change)) * step
    return result


def calibrate(scores: Matrix, examples: Sequence[Example]) -> Calibration:
    """Choose the temperature that makes true readings likeliest, then when to abstain."""
    rows: list[list[float]] = scores.tolist()
    truths = [one.pair for one in examples]

    def surprise(temperature: float) -> float:
        calibration = Calibration(temperature=temperature)
        total = 0.0
        for row, truth in zip(rows, truths, strict=True):
            found = next(r for r in decode(row, calibration) if (r.level, r.intent) == truth)
            total -= np.log(max(found.probability, 1e-12))
        return float(total)

    temperature = min(_TEMPERATURES, key=surprise)
    ranked = [decode(row, Calibration(temperature=temperature)) for row in rows]
    outside = np.array([truth[0] == "none" for truth in truths])

    def worse_share(threshold: float) -> float:
        """The lower one of precision and recall: neither is bought with the other."""
        calibration = Calibration(temperature=temperature, outside=threshold, floor=FLOOR)
        abstained = np.array([choose(one, calibration)[1] for one in ranked])
        hits = float((abstained & outside).sum())
        return hits / max(1.0, float(abstained.sum()), float(outside.sum()))

    # Of thresholds that are equally good, the one that refuses fewest questions.
    outside_at = max(_OUTSIDES, key=lambda one: (worse_share(one), one))
    return Calibration(temperature=temperature, outside=outside_at, floor=FLOOR)


def with_bias(features: Matrix) -> Matrix:
    """Add a column of ones."""
    return np.hstack([features, np.ones((len(features), 1))])


def save_lexical(path: Path, heads: Matrix, calibration: Calibration) -> None:
    """Write the weights of the model over words."""
    table = heads[:-1] * WORDS_WEIGHT
    unit = float(np.float32(np.abs(table).max() / 32_000))
    weights = LexicalWeights(
        table=np.round(table / unit).astype("<i2").tobytes(),
        unit=unit,
        bias=[round(float(value), 4) for value in heads[-1]],
        calibration=calibration,
    )
    path.write_bytes(msgspec.msgpack.encode(weights))


def save_semantic(path: Path, heads: Matrix, calibration: Calibration, encoder: str) -> None:
    """Write the weights of the model over vectors and words."""
    table: Any = heads[-1 - SIZE : -1] * WORDS_WEIGHT
    kept = [calibration.temperature, calibration.outside, calibration.floor]
    np.savez_compressed(
        path,
        dense=heads[: -1 - SIZE].astype(np.float16),
        table=table.astype(np.float16),
        bias=np.round(heads[-1], 4).astype(np.float32),
        calibration=np.array(kept),
        encoder=np.array(encoder),
        pairs=np.array([f"{level}/{intent}" for level, intent in PAIRS]),
    )


def on_one_thread() -> None:
    """Start this program anew with one thread for sums of matrices, unless it has but one.

    Threads add numbers in an order that hangs on how many there are, which moves the last bits of
    the weights; on a busy machine they also wait for each other most of the time.
    """
    if os.environ.get(_THREADS) != "1":
        os.environ[_THREADS] = "1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - itself


if __name__ == "__main__":
    on_one_thread()
    sys.exit(main())
