"""Which executions, threads and versions a question means: ids, prefixes, order and status."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Literal

import msgspec

from inwit.introspection.router.records import Entity, EntityKind
from inwit.introspection.router.words import COMMON

_NOUN = r"(?:executions?|execs?|runs?|traces?|invocations?)"
_NUMBERS = {
    "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "twenty": 20, "fifty": 50, "hundred": 100,
}  # fmt: skip
_COUNT = rf"(?:\d{{1,5}}|{'|'.join(_NUMBERS)})"
_STATUS_WORDS = {
    "failed": "failed", "failing": "failed", "crashed": "failed", "broken": "failed",
    "running": "running", "active": "running", "current": "running", "ongoing": "running",
    "paused": "paused", "interrupted": "paused", "waiting": "waiting_for_input",
    "pending": "waiting_for_input", "cancelled": "cancelled", "canceled": "cancelled",
    "completed": "completed", "successful": "completed", "succeeded": "completed",
    "finished": "completed", "good": "completed",
}  # fmt: skip
_LOOSE = frozenset({"current", "good", "finished", "active", "ongoing"})
_ORDER_WORDS = {
    "last": "last", "latest": "last", "most recent": "last", "newest": "last", "final": "last",
    "first": "first", "earliest": "first", "oldest": "first",
    "previous": "previous", "penultimate": "previous", "second to last": "previous",
}  # fmt: skip
_ORDER = "|".join(_ORDER_WORDS)
_STATUS = "|".join(_STATUS_WORDS)

_SELECTED = re.compile(
    rf"\b(?:(?P<order>{_ORDER})\s+)?(?:(?P<count>{_COUNT})\s+)?"
    rf"(?:(?P<status>{_STATUS})\s+)?"
    rf"(?:(?P<late>{_ORDER})\s+)?(?:[\w.~-]{{1,60}}\s+)??(?P<noun>{_NOUN})\b",
    re.IGNORECASE,
)
_LAST_OTHER = re.compile(
    rf"\b(?P<order>{_ORDER})\s+(?=(?:\w+\s+)?(?:answer|time|failure|success|error|attempt|thread|"
    rf"checkpoint|visit|call|reply|request|timeout)\b|(?:(?<=last )|(?<=latest )|(?<=previous ))one\b)",
    re.IGNORECASE,
)
_AS_VERB = re.compile(
    r"\b(?:did|does|has|have)\s+(?:the\s+)?(?!the\s|my\s|our\s)[\w-]+\s+$", re.IGNORECASE
)

_COUNTED = r"\s+(?:times|visits|steps|rounds|nodes|ms|milliseconds|s|seconds|minutes|hours)\b"
"""What makes a number a figure: "why did search run 20000 times"."""
_AS_NOUN = (
    r"(?:^\W*|\b(?:of|in|on|for|from|about|by|did|does|do|is|was|were|are|has|had|show|see|why|and|or|vs|than"
    r"|compare|between|with|explain|open|inspect|replay|after|before|the|my|our|me|at|describe|to"
    r"|happened|when|what|dump|print|get|find|like|summarise|summarize|unlike|until|since)\s+)"
)
"""What stands before "run" where that is a noun: "did run 42 fail", not "did search run 3"."""
_ID = r"[A-Za-z0-9][A-Za-z0-9_.:~@/-]{0,199}"
_IDS: tuple[tuple[EntityKind, float, re.Pattern[str]], ...] = (
    ("exec", 1.0, re.compile(r"execution://([A-Za-z0-9][\w.:~@-]{0,199})")),
    ("exec", 1.0, re.compile(rf"execution_id\s*[=:]?\s*['\"`]?({_ID})")),
    ("thread", 1.0, re.compile(rf"thread_id\s*[=:]?\s*['\"`]?({_ID})")),
    ("exec", 1.0, re.compile(rf"\b{_NOUN}(?: id)?\s*[:#]?\s*[`'\"]({_ID})[`'\"]", re.IGNORECASE)),
    (
        "thread",
        1.0,
        re.compile(rf"\bthreads?(?: id)?\s*[:#]?\s*[`'\"]({_ID})[`'\"]", re.IGNORECASE),
    ),
    ("exec", 1.0, re.compile(r"(?<![\w/.-])((?:exec|run|execution)[-_:](?=\w*\d)\w{2,40})\b")),
    (
        "exec",
        1.0,
        re.compile(
            rf"\b(?:{_NOUN}|of|in|on|for)(?: id)?\s+#?"
            r"((?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{4,32})(?![\w-])",
            re.IGNORECASE,
        ),
    ),
    (
        "exec",
        1.0,
        re.compile(rf"\b{_NOUN}(?: id)?\s+#?(\d{{4,20}})(?![\w:.-])(?!{_COUNTED})", re.IGNORECASE),
    ),
    (
        "exec",
        1.0,
        re.compile(
            r"(?<![\w-])([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})(?![\w-])",
            re.IGNORECASE,
        ),
    ),
    (
        "exec",
        0.9,
        re.compile(
            r"\b(?:[Ee]xecution|[Rr]un|[Tt]race)(?: id)?\s+#?"
            r"((?=[A-Z0-9]*\d)(?=[A-Z0-9]*[A-Z])[A-Z0-9]{4,40})(?![\w-])"
        ),
    ),
    (
        "exec",
        0.8,
        re.compile(
            rf"(?:\bexecution|{_AS_NOUN}(?:run|trace|invocation))(?: (?:id|number|no\.?))?\s+#?"
            rf"(\d{{1,3}})(?![\w:%]|[.-]\w)(?!{_COUNTED})(?!\s+(?:of|x|more|other|parallel)\b)",
            re.IGNORECASE,
        ),
    ),
    (
        "exec",
        0.8,
        re.compile(
            rf"\b(?:executions|runs)\s+#?\d{{1,20}}\s+(?:and|to|vs\.?|or|with|against)\s+"
            rf"(?:run\s+|execution\s+)?#?(\d{{1,20}})(?![\w:%]|[.-]\w)(?!{_COUNTED})",
            re.IGNORECASE,
        ),
    ),
    (
        "exec",
        0.8,
        re.compile(
            rf"\b(?:executions|runs)\s+#?(\d{{1,20}})\s+(?:and|to|vs\.?|or|with|against)\s+"
            rf"(?:run\s+|execution\s+)?#?\d{{1,20}}(?![\w:%]|[.-]\w)(?!{_COUNTED})",
            re.IGNORECASE,
        ),
    ),
    (
        "version",
        0.9,
        re.compile(
            r"\bversions?\s+v?[\w.]+\s+(?:and|to|vs\.?|or|with|against)\s+(?:version\s+)?v?"
            r"(\d+(?:\.\d+)*|(?=[0-9a-f]*\d)[0-9a-f]{4,12})(?![\w.])",
            re.IGNORECASE,
        ),
    ),
    (
        "exec",
        0.9,
        re.compile(
            rf"\b{_NOUN}(?: id)?\s+#?((?=[\w-]*\d)[A-Za-z]\w{{0,40}}(?:[-_.]\w{{1,40}})+)",
            re.IGNORECASE,
        ),
    ),
    (
        "thread",
        0.9,
        re.compile(r"\bthread(?: id)?\s+#?((?=[\w.:@-]*\d)[\w.:@-]{1,80}\w|\d)", re.IGNORECASE),
    ),
    (
        "version",
        0.9,
        re.compile(
            r"\bversions?\s+v?((?=[0-9a-f.]*\d)(?:\d+(?:\.\d+)*|[0-9a-f]{4,12}))\b", re.IGNORECASE
        ),
    ),
    (
        "exec",
        0.9,
        re.compile(r"(?<![\w./:-])((?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{6,32})(?![\w./-])"),
    ),
    ("version", 0.9, re.compile(r"(?<![\w.])v(\d+(?:\.\d+){0,3})\b")),
    ("version", 0.8, re.compile(r"(?<![\w.])(\d+\.\d+\.\d+)(?![\w.])")),
)


_THREAD_WORD = re.compile(r"(?<![\w./:@'-])[A-Za-z](?:[\w.:@-]{0,80}\w)?(?![\w/])")
"""A word that may be an id; the s of "ada's" is none of it."""


class Selection(msgspec.Struct, frozen=True, kw_only=True):
    """Which executions are meant when no id is given: their order, status and number."""

    order: Literal["last", "first", "previous"] | None = None
    status: str | None = None
    count: int = 1


def parse_selection(text: str) -> Selection | None:
    """Read "the last failed run", "previous execution", "last ten runs"; None without such words.

    Example:
        >>> parse_selection("why did the last failed run of shop stop?")
        Selection(order='last', status='failed', count=1)
    """
    for match in _SELECTED.finditer(text[:2000]):
        order = _ORDER_WORDS.get(_words(match["order"] or match["late"]))
        status = _STATUS_WORDS.get(_words(match["status"]))
        if order is None and status is None and match["count"] is None:
            continue
        count = _NUMBERS.get(_words(match["count"])) or int(match["count"] or 1)
        return Selection(order=order, status=status, count=count)  # type: ignore[arg-type]
    other = _LAST_OTHER.search(text[:2000])
    if other is None:
        return None
    return Selection(order=_ORDER_WORDS[_words(other["order"])])  # type: ignore[arg-type]


def find_ids(question: str) -> list[Entity]:
    """Find ids of executions and threads and version numbers, by their form and their place."""
    found: list[Entity] = []
    for kind, score, pattern in _IDS:
        for match in pattern.finditer(question):
            start, end = match.span(1)
            value = match.group(1).rstrip(".:/-")
            end = start + len(value)
            if value and all(end <= one.start or one.end <= start for one in found):
                one = Entity(kind=kind, value=value, text=value, start=start, end=end, score=score)
                found.append(one)
    return found


def thread_words(question: str) -> list[str]:
    """The words of a question that may be the id of a thread: none of ordinary English."""
    found = (match[0] for match in _THREAD_WORD.finditer(question))
    return list(dict.fromkeys(word for word in found if word.lower() not in COMMON))


def find_threads(question: str, threads: Collection[str]) -> list[Entity]:
    """Find the words that are threads on record: "ada's order", "for user-7"."""
    return [
        Entity(kind="thread", value=match[0], text=match[0], start=match.start(), end=match.end())
        for match in _THREAD_WORD.finditer(question)
        if match[0] in threads
    ]


def find_selections(question: str) -> list[Entity]:
    """Find words that choose executions: "last" as a time, a status as an execution."""
    found = list(_ordered(question, _SELECTED)) + list(_ordered(question, _LAST_OTHER))
    for match in _SELECTED.finditer(question):
        status = _words(match["status"])
        # "an interrupted execution" is any; "the interrupted execution" is a certain one.
        is_any = question[: match.start()].lower().endswith((" a ", " an ", " any ", "longest "))
        if status and not is_any and status not in _LOOSE:
            start, end = match.span("status")
            found.append(
                Entity(
                    kind="exec",
                    value=_STATUS_WORDS[status],
                    text=question[start:end],
                    start=start,
                    end=end,
                    score=0.7,
                )
            )
    return found


def _ordered(question: str, pattern: re.Pattern[str]) -> Iterator[Entity]:
    for match in pattern.finditer(question):
        if _AS_VERB.search(question[: match.start()]) and match.group().lower().endswith("run"):
            continue
        for group in ("order", "late"):
            word = match.groupdict().get(group)
            if word:
                start, end = match.span(group)
                value = _ORDER_WORDS[_words(word)]
                yield Entity(kind="time", value=value, text=word, start=start, end=end, score=0.9)


def _words(text: str | None) -> str:
    return " ".join((text or "").lower().split())
