"""Names in other forms of their words: "the reranking", "order validation" for ``validate_order``."""

from __future__ import annotations

import re

from inwit.introspection.router.words import Word, word_set

FILLERS = word_set("the a an of my our its this that")
"""Words that may stand between those of a name."""

_ENDINGS = re.compile(
    r"(?:isations?|izations?|ising|izing|isers?|izers?|ised|ized|ises|izes|ise|ize"
    r"|ations?|ators?|ating|ated|ates|ate|itions?|ions?|ings?|ers?|ors?|ed|es|ments?|s|e|y|ies)$"
)
_SHORTEST = 3
"""Letters that a stem has at least."""


def stem(word: str) -> str:
    """What the forms of a word have in common: plan, planner and planning are one."""
    return _root(_root(word))


def _root(word: str) -> str:
    """A word without its ending."""
    match = _ENDINGS.search(word)
    if match is None or match.start() < _SHORTEST:
        return word
    root = word[: match.start()]
    if match[0].startswith(("is", "iz")):
        return root + "is"
    if len(root) > _SHORTEST and root[-1] == root[-2] and root[-1] not in "aeiousl":
        return root[:-1]
    return root


def stems(words: tuple[str, ...] | list[str]) -> frozenset[str]:
    """The stems of the words of a name."""
    return frozenset(stem(word) for word in words)


def windows(words: list[Word], first: int, size: int) -> list[tuple[int, frozenset[str]]]:
    """Stretches from `first` that hold `size` words beside fillers: their last word and stems."""
    found: list[str] = []
    for at in range(first, min(first + size + 2, len(words))):
        if words[at].text in FILLERS:
            if not found:
                return []
            continue
        found.append(words[at].text)
        if len(found) == size:
            return [(at, stems(found))]
    return []
