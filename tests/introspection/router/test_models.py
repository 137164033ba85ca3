"""Words alone read what they are sure of, and the encoder is asked about the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from inwit.introspection.router import Catalogue, Router
from inwit.introspection.router.decoding import PAIRS, Calibration
from inwit.introspection.router.examples import load_examples
from inwit.introspection.router.models import Asked, LexicalModel, read
from inwit.introspection.train import COSTS, Trained, sure_from
from inwit.registry.encoder import default_encoder


class Counted:
    """The encoder that ships, and how many texts it was asked for."""

    def __init__(self) -> None:
        encoder = default_encoder()
        assert encoder is not None
        self._encoder, self.name, self.texts = encoder, encoder.name, 0

    def encode(self, texts: Sequence[str]) -> Any:
        self.texts += len(texts)
        return self._encoder.encode(texts)


class Fixed:
    """A model that gives each question the likeliest pair and by how much it leads."""

    def __init__(self, leads: dict[str, tuple[int, float]], sure: float = 1.0) -> None:
        self.calibration = Calibration(sure=sure)
        self.asked: list[str] = []
        self._leads = leads

    def score(self, questions: Sequence[Asked]) -> list[list[float]]:
        self.asked += [one.raw for one in questions]
        return [_row(*self._leads[one.raw]) for one in questions]


def _row(pair: int, lead: float) -> list[float]:
    return [lead if at == pair else 0.0 for at in range(len(PAIRS))]


def _asked(text: str) -> Asked:
    return Asked(text, text, {})


def test_each_question_is_read_by_the_first_model_that_is_sure() -> None:
    first = Fixed({"plain": (0, 9.0), "odd": (0, 1.0)}, sure=0.8)
    second = Fixed({"odd": (2, 1.0)})

    plain, odd = read([_asked("plain"), _asked("odd")], [first, second])

    assert second.asked == ["odd"]
    assert (plain[0][0].level, plain[0][0].intent) == PAIRS[0]
    assert (odd[0][0].level, odd[0][0].intent) == PAIRS[2]


def test_the_last_model_reads_what_none_is_sure_of() -> None:
    only = Fixed({"odd": (1, 0.5)}, sure=0.8)

    ((readings, _),) = read([_asked("odd")], [only])

    assert (readings[0].level, readings[0].intent) == PAIRS[1]


def test_a_model_is_not_asked_about_nothing() -> None:
    first, second = Fixed({"plain": (0, 9.0)}, sure=0.8), Fixed({})

    read([_asked("plain")], [first, second])

    assert second.asked == []


def test_a_plain_question_is_read_without_the_encoder_and_another_with_it(
    catalogue: Catalogue,
) -> None:
    encoder = Counted()
    router = Router.load(encoder)

    router.route("Why did the last execution fail?", catalogue)
    plain = encoder.texts
    router.route("Anything dodgy about what rerank gets up to of late, would you say?", catalogue)

    assert (plain, encoder.texts) == (0, 2)


def test_how_sure_words_must_be_is_kept_with_their_weights() -> None:
    assert 0.5 <= LexicalModel().calibration.sure < 1


@pytest.mark.parametrize("wrong", [0, 4])
def test_words_are_believed_from_where_vectors_would_hardly_read_better(wrong: int) -> None:
    """Of 1,000 questions of each lead, words misread `wrong` of 10 where they are less sure."""
    example = next(one for one in load_examples() if one.level != "none")
    truth = PAIRS.index(example.pair)
    other = next(at for at, (level, _) in enumerate(PAIRS) if level not in (example.level, "none"))
    unsure = [_row(other if at % 10 < wrong else truth, 3.0) for at in range(1000)]
    sure = [_row(truth, 9.0)] * 1000
    asked = [_asked(str(at)) for at in range(2000)]
    words = Trained(np.zeros(0), Calibration(), np.array(unsure + sure))
    both = Trained(np.zeros(0), Calibration(), np.array([_row(truth, 3.0)] * 2000))

    found = sure_from(words, both, asked, [example] * 2000)

    lead = float(np.exp(3.0) / (np.exp(3.0) + len(PAIRS) - 1))
    assert found == 0.5 if wrong == 0 else lead < found < 1
    assert wrong / 10 / 2 > COSTS or wrong == 0
