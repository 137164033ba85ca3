"""One search over names, words and meaning, mixed convexly, each match with its reason.

What a query names comes first: by its exact name, by a name of several words within a question,
by a prefix, by a name with one wrong letter. All else is ordered by a convex mix of words (BM25),
meaning (cosine) and usage, and has to reach a floor: what nothing in the index speaks of gives
an empty list and no noise.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from inwit.registry.encoder import Encoder, printable
from inwit.registry.search.entry import Entry, Match
from inwit.registry.search.meaning import Meaning
from inwit.registry.search.names import NameHit, Names
from inwit.registry.search.words import Words

KEPT_FROM = 1000
"""Entries from which on an index of words is kept in a folder; below, it is made in milliseconds."""

CANDIDATES = 100
"""Entries that words and meaning each bring."""

MIX = (0.45, 0.50, 0.05)
"""Weights of words, meaning and usage."""
MIX_WITHOUT_MEANING = (0.95, 0.0, 0.05)

COSINE_RANGE = (0.15, 0.75)
"""Cosines that count as 0 and as 1: two texts without a common subject, and two wordings of one."""

# Measured on the shipped packages: the nearest of 20 questions about anything else reaches 0.24 in
# words and a cosine of 0.20; that of 20 questions about packages at least 0.3 or 0.3.
WORDS_FLOOR = 0.30
"""The score of words from which on an entry is a match, whatever its meaning."""
MEANING_FLOOR = 0.30
"""The cosine from which on an entry is a match, whatever its words."""
WORDS_BESIDE_MEANING = (0.08, 0.22)
"""Less is enough where both speak for the entry: a score of words and a cosine."""

BANDS = {
    NameHit.EXACT: 0.9,
    NameHit.MENTION: 0.85,
    NameHit.PREFIX: 0.8,
    NameHit.TYPO: 0.7,
}
"""Where the scores of named entries begin; all others lie below the lowest."""


class _Found(NamedTuple):
    row: int
    hit: NameHit | None
    words: float
    cosine: float
    score: float


class HybridIndex:
    """An index over entries that do not change. Safe to search from several threads.

    Without an encoder it finds by names and words alone. Words and vectors are made at the first
    search that needs them; with a `folder` (as ``.inwit/index``) they are kept there by the hash
    of their content.
    """

    def __init__(
        self,
        entries: Iterable[Entry],
        *,
        encoder: Encoder | None = None,
        folder: Path | None = None,
    ) -> None:
        self.entries = tuple(entries)
        self._encoder = encoder
        self._folder = folder
        self._names = Names(self.entries)
        self._lock = threading.Lock()
        self._words: Words | None = None
        self._meaning: Meaning | None = None

    def search(self, query: str, *, kind: str | None = None, limit: int = 10) -> list[Match]:
        """What the query names or describes, best first; empty when nothing is near enough."""
        query = printable(query)
        if not query.strip() or not self.entries or limit <= 0:
            return []
        words = dict(self.words.search(query, kind=kind, limit=CANDIDATES))
        cosines = self._cosines(query, kind, words)
        named = {
            row: hit
            for row, hit in self._names.find(query).items()
            if kind in {None, self.entries[row].kind}
        }
        found = [
            self._judged(row, named.get(row), words.get(row, 0.0), cosines.get(row, 0.0))
            for row in {*words, *cosines, *named}
        ]
        kept = [one for one in found if one.hit or _is_near(one)]
        kept.sort(key=lambda one: (-one.score, self.entries[one.row].id))
        return [
            Match(self.entries[one.row].id, round(one.score, 4), self._why(query, one))
            for one in kept[:limit]
        ]

    def by_words(
        self, query: str, *, kind: str | None = None, limit: int = 10
    ) -> list[tuple[str, float]]:
        """Ids and scores by BM25 alone, for a caller that mixes by itself."""
        if not self.entries:
            return []
        hits = self.words.search(printable(query), kind=kind, limit=limit)
        return [(self.entries[row].id, score) for row, score in hits]

    def by_meaning(
        self, query: str, *, kind: str | None = None, limit: int = 10
    ) -> list[tuple[str, float]]:
        """Ids and cosines by vectors alone; empty without an encoder."""
        meaning = self.meaning
        if meaning is None:
            return []
        hits = meaning.search(meaning.encode(query), kind=kind, limit=limit)
        return [(self.entries[row].id, cosine) for row, cosine in hits]

    @property
    def words(self) -> Words:
        """The index of words, made on first use."""
        with self._lock:
            if self._words is None:
                kept = self._folder if len(self.entries) >= KEPT_FROM else None
                self._words = Words(self.entries, kept)
            return self._words

    @property
    def meaning(self) -> Meaning | None:
        """The index of vectors, made on first use; None without an encoder or entries."""
        if self._encoder is None or not self.entries:
            return None
        with self._lock:
            if self._meaning is None:
                self._meaning = Meaning(self.entries, self._encoder, self._folder)
            return self._meaning

    def _cosines(self, query: str, kind: str | None, words: Iterable[int]) -> dict[int, float]:
        """The nearest entries by meaning, and the cosines of those that words have brought."""
        meaning = self.meaning
        if meaning is None:
            return {}
        vector = meaning.encode(query)
        cosines = dict(meaning.search(vector, kind=kind, limit=CANDIDATES))
        return cosines | {row: meaning.cosine(vector, row) for row in words if row not in cosines}

    def _judged(self, row: int, hit: NameHit | None, words: float, cosine: float) -> _Found:
        low, high = COSINE_RANGE
        meaning = min(1.0, max(0.0, (cosine - low) / (high - low)))
        parts = (words, meaning, self.entries[row].prior)
        weights = MIX if self._encoder else MIX_WITHOUT_MEANING
        mixed = sum(weight * part for weight, part in zip(weights, parts, strict=True))
        lowest = min(BANDS.values())
        score = BANDS[hit] + 0.05 * mixed if hit else lowest * mixed
        return _Found(row, hit, words, cosine, score)

    def _why(self, query: str, one: _Found) -> str:
        entry = self.entries[one.row]
        reasons = []
        if one.hit:
            reasons.append(_NAMED[one.hit].format(name=entry.name))
        shared = self.words.shared(query, entry) if one.words else []
        if shared:
            reasons.append(f"has the words {', '.join(shared[:5])}")
        elif one.words:
            reasons.append("has words spelt nearly as asked")
        if one.cosine >= WORDS_BESIDE_MEANING[1]:
            reasons.append(f"near in meaning (cosine {one.cosine:.2f})")
        return "; ".join(reasons)


_NAMED = {
    NameHit.EXACT: "{name!r} is its name",
    NameHit.MENTION: "the question names {name!r}",
    NameHit.PREFIX: "its name {name!r} begins so",
    NameHit.TYPO: "one letter from its name {name!r}",
}


def _is_near(one: _Found) -> bool:
    least_words, least_cosine = WORDS_BESIDE_MEANING
    return (
        one.words >= WORDS_FLOOR
        or one.cosine >= MEANING_FLOOR
        or (one.words >= least_words and one.cosine >= least_cosine)
    )
