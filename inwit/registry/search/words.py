"""Finding by words: BM25 through tantivy, in memory or in a folder."""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from collections.abc import Sequence
from math import log
from pathlib import Path
from typing import Any

from inwit.registry.search.entry import Entry

NAME_WEIGHT = 0.2
"""What a word in a name weighs beside one in a text: names mislead descriptive questions."""
SLIP_WEIGHT = 0.5
"""What a word weighs that is one letter away from the asked one, which nothing holds."""
SLIP_LENGTH = 5
MAX_WORDS = 32
"""Words of a query that are searched."""

FORMAT = 1
"""Raised when what is written to a folder changes."""

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_FUNCTION_WORDS = """
a about all am an and any are as at be been but by can could did do does doing for from had has have
how i if in into is it its me my no not of on or our please so some such than that the their them
then there these they this those to us was we were what when where which who whom whose why will
with would you your
"""


class Words:
    """The words of entries, stemmed, and how much each tells.

    With a `folder`, the index is kept there under the hash of the entries and opened again.
    """

    def __init__(self, entries: Sequence[Entry], folder: Path | None = None) -> None:
        import tantivy

        self._library: Any = tantivy
        self._count = len(entries)
        self._analyzer = analyzer(tantivy)
        self._schema = _schema(tantivy)
        self._index = self._in_memory(entries) if folder is None else self._kept(entries, folder)
        self._searcher = self._index.searcher()

    def search(
        self, query: str, *, kind: str | None = None, limit: int = 100
    ) -> list[tuple[int, float]]:
        """Rows and their scores, best first.

        A score is BM25 over the sum of what the query's words tell, so that 1 is about an entry of
        middling length that holds each of them once; words that nothing holds count as missed.
        """
        terms = self.terms(query)
        clauses, whole = [], 0.0
        for term in terms:
            clause, tells = self._clause(term)
            whole += tells
            if clause is not None:
                clauses.append((self._library.Occur.Should, clause))
        if not clauses:
            return []
        found = self._library.Query.boolean_query(clauses)
        if kind is not None:
            must, field = self._library.Occur.Must, self._library.Query.term_query
            only = self._library.Query.const_score_query(field(self._schema, "kind", kind), 0.0)
            found = self._library.Query.boolean_query([(must, found), (must, only)])
        hits = self._searcher.search(found, limit, count=False).hits
        rows = self._searcher.fast_field_values("row", [address for _, address in hits])
        return [(row, min(1.0, hit[0] / whole)) for row, hit in zip(rows, hits, strict=True)]

    def terms(self, text: str) -> list[str]:
        """The stems of a text that are searched, each once."""
        return list(dict.fromkeys(self._analyzer.analyze(text[:4000])))[:MAX_WORDS]

    def shared(self, query: str, entry: Entry) -> list[str]:
        """The query's own words whose stems an entry holds."""
        held = set(self._analyzer.analyze(spread(writable(f"{entry.name} {entry.text}"))))
        words = re.findall(r"\w+", query[:4000])
        return [word for word in dict.fromkeys(words) if held & set(self._analyzer.analyze(word))]

    def _clause(self, term: str) -> tuple[Any, float]:
        """Ask for one word in texts and names; say how much it tells, as BM25 counts it."""
        in_texts = self._searcher.doc_freq("text", term)
        in_names = self._searcher.doc_freq("name", term)
        frequency = in_texts or in_names
        tells = log(1 + (self._count - frequency + 0.5) / (frequency + 0.5))
        if frequency:
            # A word that no text holds can only be meant as one of a name.
            return self._either("term_query", term, NAME_WEIGHT if in_texts else 1.0), tells
        if len(term) < SLIP_LENGTH:
            return None, tells
        # A fuzzy query scores 1 whatever the word tells.
        near = self._either("fuzzy_term_query", term, NAME_WEIGHT)
        return self._library.Query.boost_query(near, SLIP_WEIGHT * tells), tells

    def _either(self, method: str, term: str, name_weight: float) -> Any:
        make, boost = getattr(self._library.Query, method), self._library.Query.boost_query
        should = self._library.Occur.Should
        in_name = boost(make(self._schema, "name", term), name_weight)
        return self._library.Query.boolean_query(
            [(should, make(self._schema, "text", term)), (should, in_name)]
        )

    def _in_memory(self, entries: Sequence[Entry]) -> Any:
        return self._filled(self._library.Index(self._schema), entries)

    def _kept(self, entries: Sequence[Entry], folder: Path) -> Any:
        """Open the index of these very entries, or write it beside and move it into its place."""
        place = folder / f"words-{_content(entries)}"
        try:
            if not place.exists():
                folder.mkdir(parents=True, exist_ok=True)
                fresh = tempfile.mkdtemp(prefix="words-new-", dir=folder)
                self._filled(self._library.Index(self._schema, path=fresh), entries)
                _move(Path(fresh), place)
            index = self._library.Index(self._schema, path=str(place), reuse=True)
            index.register_tokenizer("words", self._analyzer)
            if index.searcher().num_docs == len(entries):
                return index
            shutil.rmtree(place, ignore_errors=True)
        except (OSError, ValueError):
            # A full or read-only disk, or a damaged folder, costs the next start time, no more.
            shutil.rmtree(place, ignore_errors=True)
        return self._in_memory(entries)

    def _filled(self, index: Any, entries: Sequence[Entry]) -> Any:
        index.register_tokenizer("words", self._analyzer)
        writer = index.writer(
            heap_size=15_000_000 if len(entries) < 5000 else 60_000_000, num_threads=1
        )
        for row, entry in enumerate(entries):
            document = self._library.Document()
            document.add_text("name", spread(writable(entry.name)))
            document.add_text("text", spread(writable(entry.text)))
            document.add_text("kind", entry.kind)
            # Given to Document(...) or as an unsigned field, an int panics tantivy's writer.
            document.add_integer("row", row)
            writer.add_document(document)
        writer.commit()
        writer.wait_merging_threads()
        index.reload()
        return index


def writable(text: str) -> str:
    """Replace what UTF-8 cannot hold."""
    return text.encode("utf-8", "replace").decode("utf-8")


def spread(text: str) -> str:
    """Add the parts of CamelCase words, so that they are found by each."""
    parts = [word for word in re.findall(r"\w+", text) if _CAMEL.search(word)]
    return f"{text} {' '.join(_CAMEL.sub(' ', word) for word in parts)}" if parts else text


def analyzer(tantivy: Any) -> Any:
    builder = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
    for step in (
        tantivy.Filter.remove_long(60),
        tantivy.Filter.lowercase(),
        tantivy.Filter.ascii_fold(),
        tantivy.Filter.custom_stopword(_FUNCTION_WORDS.split()),
        tantivy.Filter.stemmer("english"),
    ):
        builder = builder.filter(step)
    return builder.build()


def _schema(tantivy: Any) -> Any:
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("name", tokenizer_name="words", index_option="freq")
    builder.add_text_field("text", tokenizer_name="words", index_option="freq")
    builder.add_text_field("kind", tokenizer_name="raw", index_option="basic")
    builder.add_integer_field("row", fast=True)
    return builder.build()


def _content(entries: Sequence[Entry]) -> str:
    digest = hashlib.sha256(f"{FORMAT} {_FUNCTION_WORDS}".encode())
    for entry in entries:
        digest.update(repr((entry.name, entry.text, entry.kind)).encode("utf-8", "replace"))
    return digest.hexdigest()[:16]


def _move(fresh: Path, place: Path) -> None:
    """Rename into place; where another process was first, its folder is as good."""
    try:
        fresh.rename(place)
    except OSError:
        shutil.rmtree(fresh, ignore_errors=True)
