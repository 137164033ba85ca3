"""Questions that hold two, and single ones with an "and" in them, with how each part is read.

Those of the world ``kiosk`` were looked at while the router was changed; those of ``greenhouse``
were read once, when it was done.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from inwit.introspection.router import Catalogue, Reading, Router
from inwit.introspection.router.examples import load_worlds

FOLDER = Path(__file__).parent
EACH = 12
"""Pairs of one form."""

Form = Callable[[str, str], str]


class Case(msgspec.Struct, frozen=True):
    """A question and how its parts are read: a half alone, two in one, or one that stays one."""

    question: str
    kind: Literal["half", "two", "one"]
    read: tuple[str, ...]
    world: str


class Found(NamedTuple):
    """How many of so many questions were cut in two, and read rightly in both parts."""

    asked: int
    cut: int
    right: int


def _bare(text: str) -> str:
    return text.rstrip(" ?.!")


def _low(text: str) -> str:
    return text[0].lower() + text[1:]


FORMS: dict[str, Form] = {
    "X and y?": lambda one, two: f"{_bare(one)} and {_low(two)}",
    "X, and y?": lambda one, two: f"{_bare(one)}, and {_low(two)}",
    "X? Y?": lambda one, two: f"{one} {two}",
    "X? And y?": lambda one, two: f"{one} And {_low(two)}",
    "X and also y?": lambda one, two: f"{_bare(one)} and also {_low(two)}",
    "X as well as y?": lambda one, two: f"{_bare(one)} as well as {_low(two)}",
    "X plus y?": lambda one, two: f"{_bare(one)} plus {_low(two)}",
    "X; besides, y?": lambda one, two: f"{_bare(one)}; besides, {_low(two)}",
    "X? Oh, and y?": lambda one, two: f"{one} Oh, and {_low(two)}",
    "First, x, then y?": lambda one, two: f"First, {_low(_bare(one))}, then {_low(two)}",
    "Two things: x, and y?": lambda one, two: f"Two things: {_low(_bare(one))}, and {_low(two)}",
    "1) X? 2) Y?": lambda one, two: f"1) {one} 2) {two}",
    "X - y?": lambda one, two: f"{_bare(one)} - {_low(two)}",
    "x, y": lambda one, two: f"{_low(_bare(one))}, {_low(_bare(two))}",
}


@cache
def cases(kind: str, world: str) -> tuple[Case, ...]:
    """The questions of a kind and a world."""
    lines = (FOLDER / "questions.jsonl").read_bytes().splitlines()
    read = (msgspec.json.decode(line, type=Case) for line in lines)
    return tuple(one for one in read if (one.kind, one.world) == (kind, world))


def pairs(form: Form, world: str) -> list[Case]:
    """Halves joined in one form, drawn by a seed; a third of them may be read alike."""
    drawn = random.Random(5)
    found: list[Case] = []
    while len(found) < EACH:
        one, two = drawn.sample(cases("half", world), 2)
        if one.read != two.read or len(found) % 3 == 0:
            text = form(one.question, two.question)
            found.append(Case(text, "two", one.read + two.read, world))
    return found


def found(router: Router, asked: list[Case] | tuple[Case, ...]) -> Found:
    """Read questions, and count those that were cut in two, and those read rightly in both."""
    cut = right = 0
    for one in asked:
        parts = parts_of(router, one)
        cut += len(parts) == 2
        right += len(parts) == 2 and tuple(f"{p.level}/{p.intent}" for p in parts) == one.read
    return Found(len(asked), cut, right)


def parts_of(router: Router, case: Case) -> list[Reading]:
    """The readings of the parts of a question."""
    world: Catalogue = load_worlds(FOLDER)[case.world]
    return [one for one in router.route(case.question, world).readings if one.part]
