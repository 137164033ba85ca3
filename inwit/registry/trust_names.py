"""Names that may be meant to be taken for others: one edit away, look-alikes, swapped separators."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

_SHORTEST = 4
"""Names shorter than this are near to each other by chance."""
# Pairs that fonts draw alike, in ASCII; letters of other scripts are told by their names.
_ALIKE = (("rn", "m"), ("vv", "w"), ("cl", "d"), ("0", "o"), ("1", "l"), ("i", "l"), ("5", "s"))
_SCRIPT_LETTERS = str.maketrans(
    "аеорсухіјѕԁһӏԛԝνοαικρτυχγΑΒΕΖΗΙΚΜΝΟΡΤΥΧАВЕКМНОРСТХ",
    "aeopcyxijsdhlqwvoaikptuxyABEZHIKMNOPTYXABEKMHOPCTX",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lookalike:
    """A known name that another one is near to, and in which way."""

    name: str
    known: str
    why: str


def lookalike(name: str, known: Iterable[str]) -> Lookalike | None:
    """Find the known package id that `name` may be meant to be taken for.

    Ids are compared whole, and by their parts where the other part is the same: an attacker may
    take the name of a package under a namespace near to its own. A known name itself is none.
    """
    others = [one for one in known if one != name]
    if name in set(known):
        return None
    for one in others:
        why = _near(name, one)
        if why is not None:
            return Lookalike(name=name, known=one, why=why)
    return None


def _near(name: str, known: str) -> str | None:
    namespace, _, short = name.partition("/")
    known_namespace, _, known_short = known.partition("/")
    if namespace == known_namespace:  # its owner may call packages as they like
        return None
    if short == known_short:
        return _alike(namespace, known_namespace)
    return _alike(name, known)


def _alike(name: str, known: str) -> str | None:
    if _skeleton(name) == _skeleton(known):
        return "letters that look alike"
    if re.sub(r"[-_.]", "", name) == re.sub(r"[-_.]", "", known):
        return "other separators"
    if _swapped(name) == _swapped(known):
        return "its parts swapped"
    if min(len(name), len(known)) >= _SHORTEST and _is_one_edit(name, known):
        return "one letter differs"
    return None


def _skeleton(name: str) -> str:
    """The name as an eye takes it in."""
    text = unicodedata.normalize("NFKC", name).translate(_SCRIPT_LETTERS).casefold()
    for seen, meant in _ALIKE:
        text = text.replace(seen, meant)
    return text


def _swapped(name: str) -> tuple[str, ...]:
    parts = [one for one in re.split(r"[-_./]", name) if one]
    return tuple(sorted(parts)) if len(parts) > 1 else (name,)


def _is_one_edit(a: str, b: str) -> bool:
    """Whether one letter added, left out, changed, or two neighbours swapped make `b` of `a`."""
    if abs(len(a) - len(b)) > 1 or a == b:
        return False
    first = next(
        (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b))
    )
    x, y = a[first:], b[first:]
    if len(x) == len(y):
        return x[1:] == y[1:] or (x[:2] == y[1::-1] and x[2:] == y[2:])
    return x[1:] == y if len(x) > len(y) else x == y[1:]
