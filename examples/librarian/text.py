"""Words of questions and passages: which ones carry meaning, and how much of them is covered."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

_WORD = re.compile(r"[A-Za-z][A-Za-z0-9]*")
_STOP = frozenset(
    [
        "a",
        "an",
        "and",
        "any",
        "are",
        "as",
        "at",
        "be",
        "by",
        "can",
        "could",
        "did",
        "do",
        "does",
        "doing",
        "for",
        "from",
        "get",
        "give",
        "gives",
        "has",
        "have",
        "how",
        "i",
        "if",
        "in",
        "into",
        "is",
        "it",
        "its",
        "make",
        "me",
        "my",
        "not",
        "of",
        "on",
        "one",
        "or",
        "out",
        "python",
        "should",
        "so",
        "some",
        "tell",
        "that",
        "the",
        "their",
        "them",
        "there",
        "they",
        "this",
        "to",
        "use",
        "used",
        "using",
        "want",
        "was",
        "what",
        "when",
        "where",
        "which",
        "while",
        "who",
        "whole",
        "why",
        "will",
        "with",
        "without",
        "would",
        "you",
        "your",
        "function",
        "method",
        "class",
        "module",
    ]
)


def stem(word: str) -> str:
    """Cut the endings that most forms of an English word differ by."""
    word = word.lower()
    for ending in (
        "ations",
        "ation",
        "ingly",
        "ings",
        "ing",
        "ies",
        "ied",
        "ers",
        "er",
        "ed",
        "es",
        "s",
        "e",
    ):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def key_words(text: str) -> list[str]:
    """The words of a text that carry meaning, in their order, each once."""
    words = (word.lower() for word in _WORD.findall(text))
    return list(dict.fromkeys(word for word in words if word not in _STOP and len(word) > 1))


def coverage(question: str, texts: Iterable[str]) -> float:
    """The share of a question's key words that the texts hold, 0..1."""
    wanted = {stem(word) for word in key_words(question)}
    if not wanted:
        return 1.0
    found = {stem(word) for text in texts for word in _WORD.findall(text)}
    return len(wanted & found) / len(wanted)


def telling_words(texts: Iterable[str], known: Iterable[str], limit: int) -> list[str]:
    """Words that several texts share and that are not known yet, most shared first."""
    seen = {stem(word) for word in known}
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(set(key_words(text)))
    shared = [word for word, n in counts.most_common(80) if n > 1 and stem(word) not in seen]
    return shared[:limit]


def best_sentences(question: str, text: str, limit: int = 2) -> str:
    """The sentences of a passage that hold most of a question's words, in their order."""
    sentences = re.split(r"(?<=[.:!?])\s+", text)
    wanted = {stem(word) for word in key_words(question)}

    def score(sentence: str) -> int:
        return len(wanted & {stem(word) for word in _WORD.findall(sentence)})

    best = sorted(range(len(sentences)), key=lambda i: -score(sentences[i]))[:limit]
    return " ".join(sentences[i] for i in sorted(best))
