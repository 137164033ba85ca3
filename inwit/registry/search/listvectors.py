"""The vectors of a large list: appended to one file while they are made, then searched by faiss."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from inwit.registry.encoder import Encoder, Vectors

CHUNK = 512
"""Texts that are encoded between two writes; an interruption loses one chunk at most."""
FLAT_BELOW = 50_000
"""Vectors up to which each is compared; above, a graph (HNSW) leads to the nearest."""
NEIGHBOURS, BUILD_EFFORT, SEARCH_EFFORT = 32, 60, 112
TAIL = 5_000
"""Vectors that may wait, compared one by one, until the index is made anew."""


class ListVectors:
    """Vectors by row, as 16-bit floats of length 1, in order from row 0."""

    def __init__(self, folder: Path, encoder: Encoder) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.encoder = encoder
        self._file = folder / "vectors.f16"
        self._index: Any = None
        self._popular: tuple[Any, Any] | None = None
        self._map()
        self._load()

    def __len__(self) -> int:
        return len(self._vectors)

    def refresh(self) -> None:
        """See what another process has made meanwhile."""
        self._map()
        self._load()

    def make(
        self,
        texts: Iterator[str],
        total: int,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Encode the texts of the rows that follow those which are here."""
        done = len(self)
        with self._file.open("ab") as file:
            for chunk in _chunks(texts, CHUNK):
                file.write(self.encoder.encode(chunk).astype("float16").tobytes())
                file.flush()
                done += len(chunk)
                if progress:
                    progress(done, total)
            os.fsync(file.fileno())
        self._map()

    def build(self, popular: Sequence[int] = ()) -> None:
        """Make the index of all vectors, and a small one of some rows that is searched besides."""
        self._write("index", self._made(self._vectors))
        self._write("popular", self._made(self._vectors[list(popular)]), rows=popular)
        self._load()

    def _made(self, vectors: Any) -> Any:
        import numpy as np

        faiss: Any = import_module("faiss")  # what it tells of its types is wrong
        half, product = faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT
        size, dimension = vectors.shape
        if size < FLAT_BELOW and vectors is self._vectors:
            index = faiss.IndexScalarQuantizer(dimension, half, product)
        else:
            index = faiss.IndexHNSWSQ(dimension, half, NEIGHBOURS, product)
            index.hnsw.efConstruction = BUILD_EFFORT
        index.train(np.zeros((1, dimension), dtype=np.float32))  # fp16 learns nothing from data
        for start in range(0, size, 20_000):
            index.add(vectors[start : start + 20_000].astype(np.float32))
        return index

    def _write(self, name: str, index: Any, rows: Sequence[int] | None = None) -> None:
        """Put an index in its place by one rename; what it holds goes with it."""
        import faiss
        import numpy as np

        if rows is not None:
            np.save(self._folder / f"{name}.npy", np.asarray(rows, dtype=np.int64))
        fresh = self._folder / f"{name}.new"
        faiss.write_index(index, str(fresh))
        fresh.replace(self._folder / f"{name}.faiss")

    @property
    def indexed(self) -> int:
        """How many rows the index holds; 0 while there is none."""
        return 0 if self._index is None else int(self._index.ntotal)

    @property
    def waiting(self) -> int:
        """How many vectors came after the index was made."""
        return len(self) - self.indexed

    def encode(self, query: str) -> Vectors:
        """The vector of a query."""
        found: Vectors = self.encoder.encode([query])[0]
        return found

    def search(self, query: Vectors, limit: int, *, with_popular: bool = True) -> dict[int, float]:
        """The nearest rows of all, of the popular and of those that wait, with their cosines."""
        found: dict[int, float] = {}
        if self._index is not None and self._index.ntotal:
            found = _nearest(self._index, query, limit)
        if self._popular is not None and with_popular:
            rows, index = self._popular
            found |= {int(rows[at]): one for at, one in _nearest(index, query, limit).items()}
        start = self.indexed
        if start < len(self) and self._index is not None:
            found |= self.among(query, range(start, min(len(self), start + TAIL)), limit)
        return found

    def among(self, query: Vectors, rows: Sequence[int], limit: int) -> dict[int, float]:
        """The nearest of some rows."""
        import numpy as np

        held = np.asarray([row for row in rows if row < len(self)], dtype=np.int64)
        return _best(held, self._vectors[held].astype(np.float32) @ query, limit)

    def cosines(self, query: Vectors, rows: Sequence[int]) -> dict[int, float]:
        """The cosine of each of these rows; those without a vector are left out."""
        return self.among(query, rows, len(rows))

    def vector(self, row: int) -> Vectors:
        """The vector of one row."""
        found: Vectors = self._vectors[row].astype("float32")
        return found

    def _map(self) -> None:
        import numpy as np

        dimension = self.encoder.dimension
        size = self._file.stat().st_size if self._file.exists() else 0
        count = size // (2 * dimension)
        if size % (2 * dimension):
            os.truncate(self._file, count * 2 * dimension)  # an interrupted write
        self._vectors: Any = (
            np.memmap(self._file, dtype=np.float16, mode="r", shape=(count, dimension))
            if count
            else np.empty((0, dimension), dtype=np.float16)
        )

    def _load(self) -> None:
        self._index, rows = self._read("index"), self._folder / "popular.npy"
        popular = self._read("popular")
        if popular is not None and popular.ntotal and rows.exists():
            import numpy as np

            self._popular = (np.load(rows), popular)

    def _read(self, name: str) -> Any:
        import faiss

        path = self._folder / f"{name}.faiss"
        if not path.exists():
            return None
        index = faiss.read_index(str(path))
        if hasattr(index, "hnsw"):
            index.hnsw.efSearch = SEARCH_EFFORT
        return index


def _nearest(index: Any, query: Vectors, limit: int) -> dict[int, float]:
    near, rows = index.search(query[None], min(limit, index.ntotal))
    return {int(row): float(one) for row, one in zip(rows[0], near[0], strict=True) if row >= 0}


def _best(rows: Any, cosines: Any, limit: int) -> dict[int, float]:
    import numpy as np

    if limit < len(cosines):
        chosen = np.argpartition(-cosines, limit)[:limit]
        rows, cosines = rows[chosen], cosines[chosen]
    return {int(row): float(one) for row, one in zip(rows, cosines, strict=True)}


def _chunks(texts: Iterator[str], size: int) -> Iterator[list[str]]:
    held: list[str] = []
    for text in texts:
        held.append(text)
        if len(held) == size:
            yield held
            held = []
    if held:
        yield held
