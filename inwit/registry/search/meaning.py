"""Finding by meaning: vectors through faiss, compared one by one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from inwit.registry.encoder import Encoder, Vectors
from inwit.registry.search.entry import Entry
from inwit.registry.vectors import encode_cached


class Meaning:
    """The vectors of entries: their name and the start of their text.

    With a `folder`, vectors are kept there by the hash of their text.
    """

    def __init__(
        self, entries: Sequence[Entry], encoder: Encoder, folder: Path | None = None
    ) -> None:
        import faiss

        texts = [f"{entry.name}: {entry.text}" for entry in entries]
        self._encoder = encoder
        self._kinds = [entry.kind for entry in entries]
        self._library: Any = faiss
        self.vectors: Vectors = (
            encoder.encode(texts) if folder is None else encode_cached(texts, folder, encoder)
        )
        self._index: Any = faiss.IndexFlatIP(encoder.dimension)
        self._index.add(self.vectors)

    def encode(self, query: str) -> Vectors:
        """The vector of a query, as one row."""
        return self._encoder.encode([query])

    def search(
        self, query: Vectors, *, kind: str | None = None, limit: int = 100
    ) -> list[tuple[int, float]]:
        """Rows and their cosine to the query, best first."""
        rows = [row for row, own in enumerate(self._kinds) if kind in {None, own}]
        if not rows:
            return []
        chosen = None
        if kind is not None:
            selector = self._library.IDSelectorBatch(rows)
            chosen = self._library.SearchParameters(sel=selector)
        cosines, found = self._index.search(query, min(limit, len(rows)), params=chosen)
        return [(int(row), float(near)) for row, near in zip(found[0], cosines[0], strict=True)]

    def cosine(self, query: Vectors, row: int) -> float:
        """The cosine of one entry to the query."""
        return float(self.vectors[row] @ query[0])
