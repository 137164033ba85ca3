"""Capability gaps: questions that come again and again and are not answered."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from inwit.answers import Evidence
from inwit.introspection.asked_questions import AskedQuestion
from inwit.plans import Effect
from inwit.self_improve import stats
from inwit.self_improve.detectors.common import EVIDENCE_MOST, draft
from inwit.self_improve.findings import Finding, Look, Seen

DETECTOR = "capability_gap"
FLOOR = 0.02
"""The share of all questions that may go unanswered alike before it is looked at."""
LEAST = 3
ALIKE = 0.5
"""The share of words that questions of one kind have in common."""
_WORD = re.compile(r"[^\W\d_]{2,}")
_EMPTY = frozenset(
    [
        "the",
        "is",
        "are",
        "was",
        "were",
        "be",
        "been",
        "do",
        "does",
        "did",
        "has",
        "have",
        "had",
        "can",
        "could",
        "will",
        "would",
        "should",
        "may",
        "might",
        "of",
        "in",
        "on",
        "at",
        "to",
        "for",
        "from",
        "by",
        "with",
        "and",
        "or",
        "not",
        "no",
        "it",
        "its",
        "this",
        "that",
        "these",
        "those",
        "there",
        "what",
        "which",
        "who",
        "whom",
        "whose",
        "when",
        "where",
        "why",
        "how",
        "you",
        "your",
        "my",
        "me",
        "we",
        "our",
        "us",
        "they",
        "them",
        "their",
        "he",
        "she",
        "his",
        "her",
        "if",
        "then",
        "than",
        "so",
        "as",
        "about",
        "please",
        "tell",
        "show",
        "give",
        "any",
        "all",
        "some",
    ]
)


@dataclass(slots=True)
class _Kind:
    """Questions that are alike."""

    words: frozenset[str]
    asked: list[AskedQuestion] = field(default_factory=list)


def detect(questions: Sequence[AskedQuestion]) -> Seen:
    """Put unanswered questions together by their words, and test how many of all they are."""
    looks = []
    for kind in kinds(questions):
        hits, n = len(kind.asked), len(questions)
        p = stats.binomial_tail(hits, n, FLOOR)
        low, high = stats.share_interval(hits, n)
        finding = None
        if hits >= LEAST and low > FLOOR:
            share = Effect(point=hits / n, low=low, high=high, unit="share of questions",
                           method="Clopper-Pearson 95 % interval; exact binomial test")  # fmt: skip
            finding = _finding(kind, n, share, p)
        looks.append(
            Look(
                detector=DETECTOR,
                graph_name=_graph(kind),
                node="",
                p_value=p,
                finding=finding,
                visits=n,
            )
        )
    return Seen(looks=tuple(looks))


def kinds(questions: Sequence[AskedQuestion]) -> list[_Kind]:
    """Unanswered questions by what they are about, the most asked first."""
    found: list[_Kind] = []
    for one in questions:
        words = words_of(one.text)
        if one.is_answered or not words:
            continue
        near = max(found, key=lambda kind: _alike(kind.words, words), default=None)
        if near is None or _alike(near.words, words) < ALIKE:
            near = _Kind(words)
            found.append(near)
        near.asked.append(one)
    return sorted(found, key=lambda kind: -len(kind.asked))


def words_of(text: str) -> frozenset[str]:
    """The words of a question that say what it is about, without endings of number and tense."""
    found = (word.lower() for word in _WORD.findall(text))
    return frozenset(_stem(word) for word in found if word not in _EMPTY)


def _stem(word: str) -> str:
    for ending in ("ies", "ing", "ed", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)] + ("y" if ending == "ies" else "")
    return word


def _alike(one: frozenset[str], other: frozenset[str]) -> float:
    return (
        len(one & other) / min(len(one), len(other))
        if min(len(one), len(other)) > 1
        else float(one == other)
    )


def _graph(kind: _Kind) -> str:
    named = {one.graph for one in kind.asked}
    return named.pop() if len(named) == 1 else ""


def _finding(kind: _Kind, n: int, share: Effect, p: float) -> Finding:
    newest = kind.asked[-EVIDENCE_MOST:]
    levels = sorted({one.level for one in kind.asked})
    return Finding(
        detector=DETECTOR, graph_name=_graph(kind), graph_version="", node="",
        # What was asked is another's text: the finding is known by its words' hash alone.
        subject=f"questions {_key(kind)}",
        statement=f"{len(kind.asked)} of {n} questions are alike and were not answered (read as "
        f"{', '.join(levels)}).",
        baseline={"questions": n},
        candidate={"unanswered": len(kind.asked), "intents": sorted({one.intent for one in kind.asked})},
        effect=share, p_value=p,
        evidence=tuple(
            Evidence(uri=one.uri, quote=one.line, why="Asked, and not answered.")
            for one in reversed(newest)
        ),
        draft=draft(
            title=f"Answer what was asked {len(kind.asked)} times in vain",
            hypothesis="Something that people ask for is not recorded, not described or not there.",
            expected="Questions of this kind are answered with evidence.",
        ),
    )  # fmt: skip


def _key(kind: _Kind) -> str:
    import hashlib

    return hashlib.blake2b(" ".join(sorted(kind.words)).encode(), digest_size=6).hexdigest()
