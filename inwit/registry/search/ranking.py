"""The order of what was found in a large list, and the reason for each.

Candidates come from names, words and meaning, each from all entries and from the popular ones;
their order is a weighed sum. The weights were fitted on 90 questions about 100,000 packages, a
third of them in `benchmarks/search.py`'s file, and serve questions that nobody wrote down.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from inwit.registry.search.listed import Listed
from inwit.registry.search.names import PREFIX_LENGTH, NameHit, folded

if TYPE_CHECKING:
    from inwit.registry.search.catalogue import Catalogue
    from inwit.registry.search.listwords import Term

CANDIDATES = 100
REFINED = 24
"""The best candidates, whose texts are read to see which words they hold."""
FEW = 20_000
"""Entries that filters leave up to which each is compared by meaning."""
WORDS_FLOOR, COSINE_FLOOR = 0.30, 0.25
"""What an unnamed entry has to reach, one or the other, to be no noise."""


KNOWN_FROM = 5
"""Texts that hold a word, from which on it is taken for one."""


class Weights(NamedTuple):
    """What each sign counts; `low` and `high` are the cosines that count as 0 and 1."""

    words: float
    meaning: float
    usage: float
    brevity: float
    covered: float
    name_covered: float
    low: float
    high: float

    @property
    def whole(self) -> float:
        """The highest sum."""
        return sum(self[:6])


WITH_USAGE = Weights(0.04, 0.68, 0.68, 0.16, 0.03, 0.02, 0.0, 0.75)
WITHOUT_USAGE = Weights(0.09, 0.60, 0.0, 0.12, 0.13, 0.04, 0.2, 0.65)
WORDS_ALONE = Weights(0.45, 0.0, 0.40, 0.10, 0.25, 0.15, 0.0, 1.0)


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A query with the facets that narrow it."""

    query: str
    facets: Sequence[str]
    limit: int


class _Seen(msgspec.Struct, kw_only=True):
    row: int
    hit: NameHit | None = None
    words: float = 0.0
    cosine: float | None = None
    score: float = 0.0
    shared: tuple[str, ...] = ()


def rank(
    catalogue: Catalogue, asked: Asked, gone: AbstractSet[int]
) -> Iterator[tuple[int, Listed, float, str]]:
    """Rows with their entry, score in 0..1 and reason, best first."""
    terms = catalogue.words.terms(asked.query)
    seen = _candidates(catalogue, asked, terms)
    for row in gone & seen.keys():
        del seen[row]
    weights = _weights(catalogue)
    # A word that texts hold is seldom a slip of the keyboard; what has separators is a name.
    is_word = asked.query.isalpha() and all(term.in_texts >= KNOWN_FROM for term in terms)
    ordered = _scored(catalogue, list(seen.values()), weights, is_word)
    best, rest = ordered[: max(REFINED, asked.limit)], ordered[max(REFINED, asked.limit) :]
    entries = catalogue.rows.get(one.row for one in best)
    for one in best:
        _refine(catalogue, one, entries[one.row], terms, weights)
    best.sort(key=lambda one: (-one.score, entries[one.row].name))
    for one in best:
        if _is_near(one):
            entry = entries[one.row]
            yield one.row, entry, one.score, _why(asked.query, one, entry)
    for one in rest:  # reached where filters leave out most of the best
        if _is_near(one):
            entry = catalogue.rows.get([one.row])[one.row]
            yield one.row, entry, one.score, _why(asked.query, one, entry)


def _weights(catalogue: Catalogue) -> Weights:
    if catalogue.vectors is None or not catalogue.vectors.indexed:
        return WORDS_ALONE
    return WITH_USAGE if catalogue.has_priors else WITHOUT_USAGE


def _candidates(catalogue: Catalogue, asked: Asked, terms: Sequence[Term]) -> dict[int, _Seen]:
    seen: dict[int, _Seen] = {}
    for row, hit in _named(catalogue, asked):
        one = seen.setdefault(row, _Seen(row=row))
        one.hit = max(one.hit or hit, hit)
    found = catalogue.words.search(terms, asked.facets, CANDIDATES)
    if catalogue.has_priors:
        found |= catalogue.words.search(terms, [*asked.facets, "popular"], CANDIDATES)
    for row, score in found.items():
        seen.setdefault(row, _Seen(row=row)).words = score
    for row, cosine in _near(catalogue, asked, seen).items():
        seen.setdefault(row, _Seen(row=row)).cosine = cosine
    return seen


def _near(catalogue: Catalogue, asked: Asked, seen: dict[int, _Seen]) -> dict[int, float]:
    vectors = catalogue.vectors
    if vectors is None or not vectors.indexed:
        return {}
    query = vectors.encode(asked.query)
    if asked.facets:
        few = catalogue.words.narrowed(asked.facets, FEW)
        if len(few) < FEW:
            return vectors.among(query, few, CANDIDATES) | vectors.cosines(query, list(seen))
        allowed = set(few) | seen.keys()
        near = {row: one for row, one in vectors.search(query, FEW).items() if row in allowed}
    else:
        near = vectors.search(query, CANDIDATES)
    return near | vectors.cosines(query, [row for row in seen if row not in near])


def _named(catalogue: Catalogue, asked: Asked) -> Iterator[tuple[int, NameHit]]:
    """Only a query of one word can be a name: ``web framework`` describes, ``web-framework`` names."""
    if len(asked.query.split()) != 1:
        return
    name, words = folded(asked.query), catalogue.words
    yield from ((row, NameHit.EXACT) for row in words.named(name, asked.facets))
    narrowed = [*asked.facets, "popular"] if catalogue.has_priors else None
    if len(name) >= PREFIX_LENGTH:
        yield from ((row, NameHit.PREFIX) for row in words.starting(name, asked.facets))
        if narrowed:
            yield from ((row, NameHit.PREFIX) for row in words.starting(name, narrowed))
    yield from ((row, NameHit.TYPO) for row in words.nearly_named(name, asked.facets))
    if narrowed:
        yield from ((row, NameHit.TYPO) for row in words.nearly_named(name, narrowed))


def _scored(
    catalogue: Catalogue, seen: list[_Seen], weights: Weights, is_word: bool
) -> list[_Seen]:
    for one in seen:
        usage = float(catalogue.priors[one.row]) ** 0.5
        brevity = float(catalogue.brevity[one.row])
        if one.cosine is None:  # it has no vector yet: its words stand in
            near = one.words
        else:
            near = (one.cosine - weights.low) / (weights.high - weights.low)
        near = min(1.0, max(0.0, near))
        mixed = (
            weights.words * one.words
            + weights.meaning * near
            + weights.usage * usage
            + weights.brevity * brevity
        ) / weights.whole
        one.score = _banded(one.hit, mixed, usage, brevity, is_word)
    return sorted(seen, key=lambda one: -one.score)


def _banded(
    hit: NameHit | None, mixed: float, usage: float, brevity: float, is_word: bool
) -> float:
    """An exact name goes before all; a name that begins so or has a slip gains by its usage."""
    match hit:
        case NameHit.EXACT:
            return 0.95 + 0.05 * mixed
        case NameHit.TYPO:
            least = 0.60 if is_word else 0.72
            return least + (0.92 - least) * usage + 0.02 * mixed
        case NameHit.PREFIX:
            least = 0.55 if is_word else 0.66
            return least + (0.84 - least) * usage + 0.04 * brevity + 0.02 * mixed
        case _:
            return 0.8 * mixed


def _refine(
    catalogue: Catalogue, one: _Seen, entry: Listed, terms: Sequence[Term], weights: Weights
) -> None:
    """Add what only the texts say: how much of the query an entry holds, and of its name the query."""
    in_name = catalogue.words.stems(entry.name)
    held = in_name | catalogue.words.stems(entry.text)
    whole = sum(term.tells for term in terms) or 1.0
    covered = sum(term.tells for term in terms if term.stem in held) / whole
    of_name = sum(term.stem in in_name for term in terms) / max(len(in_name), 1)
    one.shared = tuple(term.stem for term in terms if term.stem in held)
    if one.hit is None:
        more = weights.covered * covered + weights.name_covered * min(1.0, of_name)
        one.score += 0.8 * more / weights.whole


def _is_near(one: _Seen) -> bool:
    if one.hit is not None or one.words >= WORDS_FLOOR:
        return True
    return one.cosine is not None and one.cosine >= COSINE_FLOOR


_NAMED: dict[NameHit, Any] = {
    NameHit.EXACT: "{!r} is its name",
    NameHit.PREFIX: "its name {!r} begins so",
    NameHit.TYPO: "one letter from its name {!r}",
}


def _why(query: str, one: _Seen, entry: Listed) -> str:
    reasons = []
    if one.hit is not None:
        reasons.append(_NAMED[one.hit].format(entry.name))
    if one.shared:
        words = [
            word for word in query.split() if any(stem[:4] in word.lower() for stem in one.shared)
        ]
        reasons.append(f"has the words {', '.join(words or one.shared)}")
    if one.cosine is not None and one.cosine >= COSINE_FLOOR:
        reasons.append(f"near in meaning (cosine {one.cosine:.2f})")
    if entry.prior > 0:
        reasons.append(f"used much ({entry.prior:.2f} of 1)")
    return "; ".join(reasons)
