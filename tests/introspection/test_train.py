"""Training gives the same weights each time, and the best of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from inwit.introspection.router.decoding import PAIRS, choose, decode
from inwit.introspection.router.examples import load_examples
from inwit.introspection.router.models import WORDS_WEIGHT, Asked, LexicalModel
from inwit.introspection.train import (
    calibrate,
    fit,
    minimise,
    prepare_all,
    rotate,
    save_lexical,
    save_semantic,
    spread,
    train,
)


def test_training_twice_gives_equal_files(tmp_path: Path) -> None:
    examples = load_examples()[::8]
    words = spread(prepare_all(examples))
    for name in ("one", "two"):
        heads, calibration, _ = train(words, examples)
        save_lexical(tmp_path / f"{name}.msgpack", heads, calibration)
        save_semantic(tmp_path / f"{name}.npz", heads, calibration, "encoder")

    for kind in ("msgpack", "npz"):
        one, two = ((tmp_path / f"{name}.{kind}").read_bytes() for name in ("one", "two"))
        assert one == two


def test_saved_weights_score_as_the_fitted_ones(tmp_path: Path) -> None:
    examples = load_examples()[::8]
    asked: list[Asked] = prepare_all(examples)
    words = spread(asked)
    heads, calibration, _ = train(words, examples)
    save_lexical(tmp_path / "w.msgpack", heads / WORDS_WEIGHT, calibration)

    scores = LexicalModel(tmp_path / "w.msgpack").score(asked[:20])

    expected = words[:20] @ heads[:-1] + heads[-1] / WORDS_WEIGHT
    assert np.abs(np.array(scores) - expected).max() < 0.01


def test_neither_precision_nor_recall_of_what_is_outside_is_bought_with_the_other() -> None:
    by_pair = {one.pair: one for one in load_examples()}
    outside, inside = by_pair["none", "none"], by_pair["live", "why"]
    scores = np.full((300, len(PAIRS)), -9.0)
    scores[:, PAIRS.index(inside.pair)] = 0.0
    # What is outside scores from -2 to 2, what is inside from -4 to 0.
    scores[:, PAIRS.index(outside.pair)] = [*np.linspace(-2, 2, 100), *np.linspace(-4, 0, 200)]
    examples = [outside] * 100 + [inside] * 200

    calibration = calibrate(scores, examples)

    rows = [decode(row, calibration) for row in scores.tolist()]
    abstained = [choose(row, calibration)[1] for row in rows]
    precision, recall = sum(abstained[:100]) / sum(abstained), sum(abstained[:100]) / 100
    assert abs(precision - recall) < 0.06
    assert min(precision, recall) > 0.6


def test_the_lowest_point_is_found() -> None:
    def bowl(point: np.ndarray) -> tuple[float, np.ndarray]:
        apart = point - np.array([3.0, -2.0, 0.5])
        steep = np.array([1.0, 30.0, 300.0])
        return float((steep * apart**2).sum()), 2 * steep * apart

    lowest = minimise(bowl, np.zeros(3))

    assert np.allclose(lowest, [3.0, -2.0, 0.5], atol=1e-3)


def test_rotated_columns_keep_every_product() -> None:
    features = np.random.default_rng(7).normal(size=(6, 40))

    rotated, back = rotate(features)

    assert np.allclose(rotated @ rotated.T, features @ features.T)
    assert np.allclose(features @ back, rotated)


def test_a_fit_tells_two_classes_apart() -> None:
    features = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9]])

    heads = fit(features, np.array([0, 0, 1, 1]), 2)

    assert (np.hstack([features, np.ones((4, 1))]) @ heads).argmax(axis=1).tolist() == [0, 0, 1, 1]
