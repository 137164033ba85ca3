"""What an analysis returns: claims, each with the uris that show it.

A claim whose evidence does not resolve is dropped before the answer leaves. What cannot be known
is said by a `limit`, which claims nothing and needs no evidence.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, TypeVar
from urllib.parse import quote

T = TypeVar("T")
_WORD = re.compile(r"[\w.:@/+%-]{1,80}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ref:
    """A uri and what it shows."""

    uri: str
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A statement and its evidence."""

    text: str
    refs: tuple[Ref, ...] = ()
    is_limit: bool = False


def claim(text: str, *refs: Ref | str | None) -> Claim:
    """Make a claim; a plain string is a uri, and None is left out."""
    made = tuple(Ref(uri=ref) if isinstance(ref, str) else ref for ref in refs if ref is not None)
    return Claim(text=text, refs=made)


def limit(text: str) -> Claim:
    """Say what is not known."""
    return Claim(text=text, is_limit=True)


@dataclass(slots=True, kw_only=True)
class Draft:
    """An answer before its evidence is checked.

    `certainty` is how far the claims follow from their evidence: 1.0 where facts are read or
    counted; a measured share (of usual executions that lie below) or `stats.holds_for_next` where
    they are inferred; the search's own score where they were searched for.
    """

    claims: list[Claim] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    certainty: float = 1.0

    def say(self, text: str, *refs: Ref | str | None) -> None:
        """Add a claim."""
        self.claims.append(claim(text, *refs))

    def admit(self, text: str) -> None:
        """Add what is not known."""
        self.claims.append(limit(text))


def graph_uri(name: str, topic: str = "about") -> str:
    """Name a topic of a graph."""
    return f"graph://{_part(name)}/{topic}"


def node_uri(graph: str, node: str) -> str:
    """Name a node of a graph."""
    return f"graph://{_part(graph)}/nodes/{_part(node)}"


def event_uri(execution_id: str, seq: int | None) -> str | None:
    """Name an event; None where there is no seq."""
    return None if seq is None else f"execution://{execution_id}/events/{seq}"


def execution_uri(execution_id: str, topic: str = "summary") -> str:
    """Name a topic of an execution."""
    return f"execution://{execution_id}/{topic}"


def platform_uri(topic: str, name: str | None = None) -> str:
    """Name a topic of the platform, or one thing in it."""
    return f"platform://{topic}" if name is None else f"platform://{topic}/{_part(name)}"


def _part(name: str) -> str:
    return quote(name, safe="~@:")


def alike(items: Sequence[T], key: Callable[[T], object]) -> list[list[T]]:
    """Neighbours of which the same would be said, together."""
    return [list(same) for _, same in groupby(items, key)]


def by_kind(items: Iterable[T], key: Callable[[T], Hashable]) -> list[list[T]]:
    """All of which the same would be said, together: the most frequent first, each in its order."""
    found: dict[Hashable, list[T]] = {}
    for one in items:
        found.setdefault(key(one), []).append(one)
    return sorted(found.values(), key=len, reverse=True)


def listed(names: Iterable[str], *, last: str = "and", most: int = 12) -> str:
    """Write names as a list in prose, cut after `most`."""
    shown = list(names)
    if len(shown) > most:
        shown = [*shown[:most], f"{len(shown) - most} more"]
    if len(shown) < 2:
        return "".join(shown)
    return f"{', '.join(shown[:-1])} {last} {shown[-1]}"


def count(number: int, noun: str, plural: str = "") -> str:
    """Write ``1 visit`` or ``3 visits``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def capitalised(text: str) -> str:
    """A text as the beginning of a sentence: its first letter large, the rest as it is."""
    return text[:1].upper() + text[1:]


def times(number: int) -> str:
    """Write ``once``, ``twice`` or ``3 times``."""
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def duration(ms: float | None) -> str:
    """Write milliseconds in a unit that reads well."""
    if ms is None:
        return "an unknown time"
    if abs(ms) < 1:
        return f"{ms:.2g} ms"
    if abs(ms) < 1000:
        return f"{ms:.0f} ms" if abs(ms) >= 100 else f"{ms:.1f} ms"
    if abs(ms) < 120_000:
        return f"{ms / 1000:.2f} s"
    return f"{ms / 60_000:.1f} min"


def quoted(text: str, most: int = 240) -> str:
    """Set a text that is not ours in quotation marks, cut: it is data, whatever it says.

    Example:
        >>> quoted("no such page"), quoted("'GBP'")
        ('“no such page”', "'GBP'")
    """
    cut = short(text, most)
    if len(cut) > 1 and cut[0] == cut[-1] and cut[0] in "'\"" and cut[0] not in cut[1:-1]:
        return cut
    return f"“{cut.replace('“', chr(34)).replace('”', chr(34))}”"


def told_value(value: Any, most: int = 120) -> str:
    """Tell a value of the record in a sentence of ours: a text of several words in quotation marks.

    Example:
        >>> told_value("t3"), told_value(0.5), told_value("do this now")
        ('t3', '0.5', '“do this now”')
    """
    is_text = isinstance(value, str) and not _WORD.fullmatch(value)
    return quoted(value, most) if is_text else short(value, most)


def short(value: Any, most: int = 120) -> str:
    """Quote a value from the record, cut to `most` characters."""
    text = value if isinstance(value, str) else repr(value)
    text = " ".join(text.split())
    return text if len(text) <= most else f"{text[: most - 1]}…"
