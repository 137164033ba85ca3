"""Which visit of a node a question means: "the third visit", "round 2", "the second time"."""

from __future__ import annotations

import re

_ORDINALS = {
    "first": 1, "second": 2, "third": 3, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7,
    "eighth": 8, "ninth": 9, "tenth": 10,
}  # fmt: skip
_CARDINALS = {name: number for number, name in enumerate(
    ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"), 1
)}  # fmt: skip
_WHAT = r"(?:visit|round|iteration|pass|loop|time|turn|cycle|go)"
_WORD = re.compile(rf"\b({'|'.join(_ORDINALS)}|(\d{{1,6}})(?:st|nd|rd|th)) {_WHAT}\b")
_NUMBER = re.compile(
    rf"\b{_WHAT} (?:number |no\.? ?|nr\.? ?|# ?)?(\d{{1,6}}|{'|'.join(_CARDINALS)})\b(?! ?(?:ms|s|x|times|%))"
)


def visit_number(words: str) -> int | None:
    """Read which visit is meant, from 1; None where the words name none.

    Example:
        >>> visit_number("what did judge decide on its third visit?")
        3
    """
    found = _WORD.search(words)
    if found is not None:
        return int(found[2]) if found[2] else _ORDINALS[found[1]]
    found = _NUMBER.search(words)
    if found is None:
        return None
    return _CARDINALS.get(found[1]) or int(found[1])
