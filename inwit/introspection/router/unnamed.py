"""Words of a question that look like names, or are called so, and name nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from inwit.introspection.router.linking import edits, quoted_spans
from inwit.introspection.router.records import Entity
from inwit.introspection.router.words import COMMON, HARD

SHORTEST = 3
"""Words as short as this are a letter away from too many names."""


def unknown_names(question: str, entities: Iterable[Entity]) -> tuple[str, ...]:
    """Quoted or code-like words of a question that link to nothing."""
    taken = [(one.start, one.end) for one in entities]
    spans = [*quoted_spans(question)]
    spans += [match.span() for match in _CODE.finditer(question)]
    spans += _called(question)
    free = [
        (start, end)
        for start, end in spans
        if not any(start < right and left < end for left, right in taken)
    ]
    return tuple(dict.fromkeys(question[start:end] for start, end in sorted(free)))


_CODE = re.compile(r"(?<![\w/.:])(?:[^\W\d_]\w*_\w+|[a-z][a-z0-9]*[A-Z]\w*)(?![\w(])")


_CALLED = re.compile(
    r"\b(?:nodes?|steps?|graphs?|tools?) (?:named|called) (?P<named>[^\W\d_][\w-]{2,59})"
    r"|\b(?:did|does|do|is|was|has|had) (?:the )?(?:node |step )?(?P<subject>[^\W\d_]\w{2,59})"
    r" (?:node |step )?(?:fail|crash|run|ran\b|take so|break|loop|retr|time out|throw|raise)",
    re.IGNORECASE,
)
"""What stands where only a name can: "a node called x", "did x fail"."""

_NOBODY = frozenset(
    [
        "anybody",
        "anyone",
        "anything",
        "cheapest",
        "claude",
        "costliest",
        "cursor",
        "everybody",
        "everyone",
        "fastest",
        "inwit",
        "langgraph",
        "longest",
        "nobody",
        "none",
        "nothing",
        "python",
        "quickest",
        "shortest",
        "slowest",
        "somebody",
        "someone",
        "theirs",
        "whatever",
    ]
)


def _called(question: str) -> Iterator[tuple[int, int]]:
    """The words that are called names, or do what nodes do, and are no ordinary English."""
    for match in _CALLED.finditer(question):
        group = "named" if match["named"] else "subject"
        word = match[group].lower()
        forms = {word, word.removesuffix("s"), word.removesuffix("es")}
        if group == "named" or not (forms & (COMMON | _NOBODY) or _is_slip_of_ours(word)):
            yield match.span(group)


def _is_slip_of_ours(word: str) -> bool:
    """Whether a word is one that questions are made of, with a letter wrong: "the lastt run"."""
    alike = (one for one in HARD if len(one) > SHORTEST and one[0] == word[0])
    return any(abs(len(one) - len(word)) <= 1 and edits(one, word) <= 1 for one in alike)
