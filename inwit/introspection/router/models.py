"""The two models that read a question: by words alone, and by sentence vectors where that is not sure."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from pathlib import Path
from sys import byteorder
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from inwit.introspection.router.decoding import COLUMNS, Calibration, Choice, choose, decode
from inwit.introspection.router.records import Entity

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FOLDER = Path(__file__).parent.parent / "data"
LEXICAL = FOLDER / "lexical.msgpack"
SEMANTIC = FOLDER / "semantic.npz"

RAW_WEIGHT, MASKED_WEIGHT, WORDS_WEIGHT = 2.0, 3.0, 6.0
"""How much the question's vector, its masked form's vector and its words count."""


class Encoder(Protocol):
    """What turns texts into vectors of length 1; `inwit.registry.encoder` has one."""

    @property
    def name(self) -> str: ...

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]: ...


class Asked(msgspec.Struct, frozen=True):
    """A question ready to be scored: as asked, masked, and in pieces; and what it names."""

    raw: str
    masked: str
    pieces: dict[int, float]
    entities: tuple[Entity, ...] = ()


class Model(Protocol):
    """What gives questions their scores, one for each level and each intent."""

    calibration: Calibration

    def score(self, questions: Sequence[Asked]) -> list[list[float]]: ...


def read(questions: Sequence[Asked], models: Sequence[Model]) -> list[Choice]:
    """Read each question by the first model that is sure of it, or by the last of them."""
    choices: dict[int, Choice] = {}
    left = list(range(len(questions)))
    for model in models:
        told = model.calibration
        rows = model.score([questions[at] for at in left])
        ranked = {at: decode(row, told) for at, row in zip(left, rows, strict=True)}
        choices |= {at: choose(one, told) for at, one in ranked.items()}
        left = [at for at, one in ranked.items() if one[0].probability < told.sure]
        if not left:
            break
    return [choices[at] for at in range(len(questions))]


class LexicalWeights(msgspec.Struct, frozen=True, kw_only=True):
    """The file of the lexical model: a table of 16-bit weights, row by row, and their unit."""

    table: bytes
    unit: float
    bias: list[float]
    calibration: Calibration


class LexicalModel:
    """Logistic heads over the pieces of a question, in Python alone."""

    def __init__(self, path: Path = LEXICAL) -> None:
        weights = msgspec.msgpack.decode(path.read_bytes(), type=LexicalWeights)
        self._table = array("h", weights.table)
        if byteorder == "big":
            self._table.byteswap()
        self._unit = weights.unit
        self._bias = weights.bias
        self.calibration = weights.calibration

    def score(self, questions: Sequence[Asked]) -> list[list[float]]:
        """Score each question; no question costs more than its pieces."""
        return [self._score(question.pieces) for question in questions]

    def _score(self, pieces: dict[int, float]) -> list[float]:
        sums = [0.0] * COLUMNS
        table = self._table
        for place, weight in pieces.items():
            row = table[place * COLUMNS : (place + 1) * COLUMNS]
            sums = [total + weight * value for total, value in zip(sums, row, strict=True)]
        unit = self._unit
        return [bias + unit * total for bias, total in zip(self._bias, sums, strict=True)]


class SemanticModel:
    """Logistic heads over the vectors of a question and of its masked form, and its pieces."""

    def __init__(self, encoder: Encoder, path: Path = SEMANTIC) -> None:
        import numpy as np

        with np.load(path, allow_pickle=False) as file:
            self._dense = file["dense"].astype(np.float32)
            self._table = file["table"].astype(np.float32)
            self._bias = file["bias"]
            temperature, outside, floor = (float(value) for value in file["calibration"])
        self.calibration = Calibration(temperature=temperature, outside=outside, floor=floor)
        self._encoder = encoder

    def score(self, questions: Sequence[Asked]) -> list[list[float]]:
        """Score each question; all are encoded in one go."""
        import numpy as np

        vectors = vectors_of(self._encoder, questions)
        sums = vectors @ self._dense + self._bias
        for row, question in enumerate(questions):
            places = np.fromiter(question.pieces, dtype=np.int64)
            weights = np.fromiter(question.pieces.values(), dtype=np.float32)
            sums[row] += weights @ self._table[places]
        scores: list[list[float]] = sums.tolist()
        return scores


def vectors_of(encoder: Encoder, questions: Sequence[Asked]) -> NDArray[np.float32]:
    """Put the weighed vectors of each question and its masked form side by side."""
    import numpy as np

    texts = list(dict.fromkeys(text for one in questions for text in (one.raw, one.masked)))
    vectors = encoder.encode(texts)
    at = {text: vectors[row] for row, text in enumerate(texts)}
    rows: list[Any] = [
        np.concatenate([RAW_WEIGHT * at[one.raw], MASKED_WEIGHT * at[one.masked]])
        for one in questions
    ]
    return np.asarray(rows, dtype=np.float32)


def trained_encoder(path: Path = SEMANTIC) -> str:
    """The name of the encoder that the heads were trained on."""
    import numpy as np

    with np.load(path, allow_pickle=False) as file:
        return str(file["encoder"])
