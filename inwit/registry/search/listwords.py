"""The words and names of a large list: tantivy in a folder, searched in place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from math import log
from pathlib import Path
from typing import Any, NamedTuple

from inwit.registry.search.filters import levels_up_to
from inwit.registry.search.listed import Listed
from inwit.registry.search.names import TYPO_LENGTH, folded
from inwit.registry.search.words import (
    MAX_WORDS,
    NAME_WEIGHT,
    analyzer,
    spread,
    writable,
)

HEAP_BYTES = {0: 60_000_000, 200_000: 700_000_000}
"""Memory for writing, by entries from which on: enough for one segment, which is small and fast."""
POPULAR = 15_000
"""Entries of the highest usage that are also searched by themselves: a question of common words
would else bring only those that hold them most often."""
MAX_LETTERS = 60


class Term(NamedTuple):
    """One stem of a query: in how many texts and names it is, and how much it tells."""

    stem: str
    in_texts: int
    in_names: int
    tells: float


class ListWords:
    """An index of words that grows; rows that are gone are for its caller to leave out."""

    def __init__(self, folder: Path) -> None:
        import tantivy

        self._library: Any = tantivy
        self._analyzer = analyzer(tantivy)
        self._schema = _schema(tantivy)
        folder.mkdir(parents=True, exist_ok=True)
        self._index = tantivy.Index(self._schema, path=str(folder), reuse=True)
        self._index.register_tokenizer("words", self._analyzer)
        self._searcher: Any = self._index.searcher()

    def add(self, entries: Iterable[tuple[int, Listed, bool]], count: int) -> None:
        """Add `count` rows with their entries, and whether they are popular; then commit."""
        heap = max(size for least, size in HEAP_BYTES.items() if count >= least)
        writer = self._index.writer(heap_size=heap, num_threads=1)
        for row, entry, popular in entries:
            writer.add_document(self._document(row, entry, popular))
        writer.commit()
        writer.wait_merging_threads()
        self._index.reload()
        self._searcher = self._index.searcher()

    def _document(self, row: int, entry: Listed, popular: bool) -> Any:
        document = self._library.Document()
        document.add_text("name", spread(writable(entry.name)))
        document.add_text("text", spread(writable(entry.text)))
        for name in {folded(entry.name), folded(entry.id)}:
            document.add_text("exact", name)
        for field, value in self.facets(entry):
            document.add_text("facet", f"{field}={value}")
        if popular:
            document.add_text("facet", "popular")
        document.add_integer("row", row)
        return document

    @staticmethod
    def facets(entry: Listed) -> list[tuple[str, str]]:
        """What an entry can be narrowed by."""
        single = [(name, getattr(entry, name)) for name in ("kind", "licence")]
        many = [("capability", one) for one in entry.capabilities]
        many += [("trust", level) for level in levels_up_to(entry.level)]
        return [(name, value) for name, value in (*single, *many) if value]

    def terms(self, query: str) -> list[Term]:
        """The stems of a query, each once, with how much each tells."""
        stems = dict.fromkeys(self._analyzer.analyze(query[:4000]))
        return [self._term(stem) for stem in list(stems)[:MAX_WORDS]]

    def stems(self, text: str) -> set[str]:
        """The stems of a text."""
        return set(self._analyzer.analyze(spread(writable(text))))

    def _term(self, stem: str) -> Term:
        in_texts = self._searcher.doc_freq("text", stem)
        in_names = self._searcher.doc_freq("name", stem)
        frequency = in_texts or in_names
        count = max(self._searcher.num_docs, 1)
        tells = log(1 + (count - frequency + 0.5) / (frequency + 0.5))
        return Term(stem, in_texts, in_names, tells)

    def search(
        self, terms: Sequence[Term], narrowed: Sequence[str], limit: int
    ) -> dict[int, float]:
        """Rows and their scores; 1 is about an entry that holds each word once."""
        clauses = [self._clause(term) for term in terms if term.in_texts or term.in_names]
        if not clauses:
            return {}
        whole = sum(term.tells for term in terms)
        any_word = self._library.Query.boolean_query(
            [(self._library.Occur.Should, clause) for clause in clauses]
        )
        hits = self._hits(any_word, narrowed, limit)
        return {row: min(1.0, score / whole) for row, score in hits}

    def _clause(self, term: Term) -> Any:
        make, should = self._library.Query, self._library.Occur.Should
        in_name = make.term_query(self._schema, "name", term.stem)
        if not term.in_texts:
            return in_name
        in_text = make.term_query(self._schema, "text", term.stem)
        weighed = make.boost_query(in_name, NAME_WEIGHT)
        return make.boolean_query([(should, in_text), (should, weighed)])

    def named(self, name: str, narrowed: Sequence[str] = ()) -> list[int]:
        """The rows with exactly this name or id, spellings folded."""
        query = self._library.Query.term_query(self._schema, "exact", name)
        return [row for row, _ in self._hits(query, narrowed, 20)]

    def nearly_named(self, name: str, narrowed: Sequence[str] = (), limit: int = 200) -> list[int]:
        """The rows whose name is one letter away: added, left out, replaced, or swapped."""
        if not TYPO_LENGTH <= len(name) <= MAX_LETTERS:
            return []
        query = self._library.Query.fuzzy_term_query(
            self._schema, "exact", name, distance=1, transposition_cost_one=True
        )
        return [row for row, _ in self._hits(query, narrowed, limit)]

    def starting(self, name: str, narrowed: Sequence[str] = (), limit: int = 50) -> list[int]:
        """The rows whose name begins so."""
        if len(name) > MAX_LETTERS:
            return []
        query = self._library.Query.regex_query(self._schema, "exact", f"{re.escape(name)}.+")
        return [row for row, _ in self._hits(query, narrowed, limit)]

    def narrowed(self, facets: Sequence[str], limit: int) -> list[int]:
        """The rows that have all of these facets."""
        return [row for row, _ in self._hits(self._library.Query.all_query(), facets, limit)]

    def _hits(self, query: Any, narrowed: Sequence[str], limit: int) -> list[tuple[int, float]]:
        if narrowed:
            make, must = self._library.Query, self._library.Occur.Must
            terms = [make.term_query(self._schema, "facet", one) for one in narrowed]
            query = make.boolean_query(
                [(must, query), *((must, make.const_score_query(one, 0.0)) for one in terms)]
            )
        hits = self._searcher.search(query, limit, count=False).hits
        rows = self._searcher.fast_field_values("row", [address for _, address in hits])
        return [(row, hit[0]) for row, hit in zip(rows, hits, strict=True)]


def _schema(tantivy: Any) -> Any:
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("name", tokenizer_name="words", index_option="freq")
    builder.add_text_field("text", tokenizer_name="words", index_option="freq")
    builder.add_text_field("exact", tokenizer_name="raw", index_option="basic")
    builder.add_text_field("facet", tokenizer_name="raw", index_option="basic")
    builder.add_integer_field("row", fast=True)
    return builder.build()
