"""Executions that a question picks by a number of their input: "order 313", "customer no. 4471"."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from inwit.introspection.attributes import Called
from inwit.introspection.router.words import COMMON, word_set

_NUMBERED = re.compile(
    r"\b(?P<noun>[a-z_]\w+)\s+(?P<called>number\s+|no\.?\s*|nr\.?\s*|id\s+|#\s*|=\s*)?['\"`]?"
    r"(?P<value>(?:[a-z]{1,5}-)?\d{1,20})\b(?![.:%/-]\w|\w)"
    r"(?!['\"`]?\s*(?:%|(?:times|x|ms|milliseconds?|s|secs?|seconds?|min|mins|minutes?|hours?|days?|weeks?"
    r"|percent|more|of|executions?|runs?|nodes?|steps?|attempts?|retries|rounds?|visits?|calls?|tokens?|dollars?"
    r"|usd|users?|people|requests?|graphs?|or|to)\b))",
    re.IGNORECASE,
)
_NOUNS = word_set(
    """
    account action article batch booking case claim client commit customer document draft email entry file
    id index input invoice issue item job message number order page part person plan product profile project
    question record report request row sample session ticket title topic user
    """
)
"""Ordinary words that things with numbers are called by."""
_NO_NOUN = re.compile(
    r"(?:ed|ing|ly)$|^(?:exceed|jump|drop|rise|rose|fell|fall|hit|cap|max|min|top|http|gpt|claude|llama|python|py|port|january|february|march|april|may|june|july|august|september|october|november|december)$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbered:
    """A thing and its number."""

    noun: str
    value: str

    @property
    def words(self) -> str:
        """Both, as they are told."""
        return f"{self.noun} {self.value}"


def named(text: str) -> Numbered | None:
    """The first thing that a text names by its number; none that it only counts.

    Example:
        >>> named("Why did order 313 fail?")
        Numbered(noun='order', value='313')
        >>> named("Why did number 313 fail?")
        Numbered(noun='number', value='313')
        >>> named("Why did it take 300 ms?")
    """
    for match in _NUMBERED.finditer(text):
        noun = match["noun"].lower()
        if noun in _NOUNS or (noun not in COMMON and not _NO_NOUN.search(noun)):
            return Numbered(noun=noun, value=match["value"].lower())
        if match["called"] and match["called"].strip().lower() == "number":
            return Numbered(noun="number", value=match["value"].lower())
    return None


def holders(said: Numbered, called: Mapping[str, Called]) -> set[str]:
    """The executions that were called with a number: under the name of the thing, if any has one."""
    stem = said.noun.rstrip("s")
    by_name: set[str] = set()
    by_value: set[str] = set()
    is_named = False
    for execution_id, one in called.items():
        for attribute, value in one.attributes.items():
            is_its = any(part.lower().startswith(stem) for part in attribute.split(".")[1:])
            is_named = is_named or is_its
            if not isinstance(value, bool) and _is(value, said.value):
                by_value.add(execution_id)
                if is_its:
                    by_name.add(execution_id)
    return by_name if is_named else by_value


def _is(value: str | int | float, number: str) -> bool:
    """Whether a value is a number, or a text that is or holds it: ``4471``, ``"A-4471"``."""
    if isinstance(value, str):
        exact = rf"(?<!\w)(?<!\d[-.:/]){re.escape(number)}(?!\w|[-.:/]\d)"
        return re.search(exact, value.lower()) is not None
    return str(value) == number
