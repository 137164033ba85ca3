"""The catalogue: every passage, to be found by its words and by its meaning."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from inwit.registry.encoder import Encoder, Vectors, default_encoder
from inwit.registry.search import Entry, HybridIndex
from inwit.registry.vectors import encode_cached
from inwit.runtime.project import Project

from .corpus import Passage, passages

Tell = Callable[[str, int, int], None]


OPENING = 240
"""Characters of a passage that its vector is made of: its name and how it begins say what it is about."""


class Openings:
    """An encoder that reads how texts begin."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self.name = f"{encoder.name}-{OPENING}"
        self.dimension = encoder.dimension

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One row of length 1 for each text, in their order."""
        return self._encoder.encode([text[:OPENING] for text in texts])


class Catalogue:
    """Passages by id, and the index over them."""

    def __init__(self, books: list[Passage], index: HybridIndex) -> None:
        self.books = {passage.id: passage for passage in books}
        self.index = index

    @property
    def has_vectors(self) -> bool:
        """Whether passages can be found by meaning; False without the extra ``semantic``."""
        return self.index.meaning is not None

    def by_words(self, query: str, limit: int) -> list[tuple[str, float]]:
        """Ids and BM25 scores, best first."""
        return self.index.by_words(query, limit=limit)

    def by_meaning(self, query: str, limit: int) -> list[tuple[str, float]]:
        """Ids and cosines, best first."""
        return self.index.by_meaning(query, limit=limit)


def open_catalogue(
    tell: Tell | None = None, folder: Path | None = None, books: list[Passage] | None = None
) -> Catalogue:
    """Read the books and index them; vectors are kept in `folder` by the hash of their text.

    Without a folder that is the project's ``.inwit/index``; without books those of this Python.
    `tell` is called with what is done, how much of it, and how much there is.
    """
    books = passages() if books is None else books
    folder = folder or Project.find().ensure() / "index"
    entries = [Entry(p.id, p.name, p.text, p.kind) for p in books]
    whole = default_encoder()
    encoder = Openings(whole) if whole is not None else None
    if encoder is not None:
        texts = [f"{entry.name}: {entry.text}" for entry in entries]
        encode_cached(
            texts, folder, encoder, (lambda n, of: tell("encoding", n, of)) if tell else None
        )
    return Catalogue(books, HybridIndex(entries, encoder=encoder, folder=folder))
