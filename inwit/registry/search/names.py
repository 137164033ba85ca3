"""Finding by name: exact, mentioned within a question, by prefix, one slip of the keyboard away."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Sequence
from enum import IntEnum
from itertools import pairwise

from inwit.registry.search.entry import Entry

_OTHER = re.compile(r"[\W_]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789-"

PREFIX_LENGTH = 2
"""Letters from which on a query is taken as the start of a name."""
TYPO_LENGTH = 4
"""Letters from which on one letter of a name may be wrong."""
MENTION_WORDS = 6
"""The longest name, in words, that is seen within a question."""


class NameHit(IntEnum):
    """How a name was meant; a higher one goes before a lower one."""

    TYPO = 1
    PREFIX = 2
    MENTION = 3
    EXACT = 4


def folded(name: str) -> str:
    """Bring spellings of a name together: ``ReAct Agent``, ``react_agent`` and ``react-agent``."""
    return _OTHER.sub("-", name.casefold()).strip("-")


class Names:
    """The names of entries; an entry is also named by its id, and by the id's last part."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._rows: dict[str, set[int]] = defaultdict(set)
        for row, entry in enumerate(entries):
            for name in (entry.name, entry.id, re.split(r"[/.]", entry.id)[-1]):
                self._rows[folded(name)].add(row)
                self._rows[folded(_CAMEL.sub("-", name))].add(row)
        self._rows.pop("", None)
        self._sorted = sorted(self._rows)

    def find(self, query: str) -> dict[int, NameHit]:
        """The rows that a query names, each with the strongest way in which it does."""
        hits: dict[int, NameHit] = {}
        for name, hit in self._named(folded(query)):
            for row in self._rows[name]:
                hits[row] = max(hits.get(row, hit), hit)
        return hits

    def _named(self, query: str) -> Iterator[tuple[str, NameHit]]:
        if query in self._rows:
            yield query, NameHit.EXACT
        yield from ((name, NameHit.MENTION) for name in self._mentioned(query))
        if len(query) >= PREFIX_LENGTH:
            yield from ((name, NameHit.PREFIX) for name in self._starting(query))
        if len(query) >= TYPO_LENGTH:
            near = {edit for edit in _edits(query) if edit in self._rows}
            yield from ((name, NameHit.TYPO) for name in near)

    def _mentioned(self, query: str) -> Iterator[str]:
        """Names of two words and more within the query; one word alone is seldom meant as a name."""
        words = query.split("-")
        for size in range(2, MENTION_WORDS + 1):
            for start in range(len(words) - size + 1):
                name = "-".join(words[start : start + size])
                if name in self._rows:
                    yield name

    def _starting(self, prefix: str) -> Iterator[str]:
        for place in range(bisect_left(self._sorted, prefix), len(self._sorted)):
            if not self._sorted[place].startswith(prefix):
                return
            yield self._sorted[place]


def _edits(word: str) -> Iterator[str]:
    """Every string that one insertion, deletion, replacement or swap of neighbours away."""
    if len(word) > 60:
        return
    cuts = [(word[:place], word[place:]) for place in range(len(word) + 1)]
    for left, right in cuts:
        if right:
            yield left + right[1:]
        for letter in _LETTERS:
            yield left + letter + right
            yield left + letter + right[1:]
    for place, (one, other) in enumerate(pairwise(word)):
        yield word[:place] + other + one + word[place + 2 :]
