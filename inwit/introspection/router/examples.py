"""The labelled questions that the router is trained and measured on.

A `meaning` groups the phrasings of one question; a group is trained on or held out as a whole,
so that no paraphrase of a held-out question has been seen.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from pathlib import Path

import msgspec

from inwit.answers import Intent, Level
from inwit.introspection.router.records import Catalogue

FOLDER = Path(__file__).parent.parent / "data"


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """A question, how it is to be read, and the entities in it as ``kind:value``.

    `world` names the catalogue that it is asked in. Metrics are labelled in the world ``desk``
    alone.
    """

    question: str
    level: Level
    intent: Intent
    targets: tuple[str, ...]
    meaning: str
    world: str

    @property
    def is_held_out(self) -> bool:
        """Whether its meaning is kept from training: one in five, but none that we promise."""
        return fraction(self.meaning) < 0.2 and not self.meaning.startswith("stated-")

    @property
    def pair(self) -> tuple[Level, Intent]:
        """Level and intent together."""
        return self.level, self.intent


def fraction(meaning: str) -> float:
    """Spread meanings evenly over 0..1, the same on every machine."""
    return int.from_bytes(sha256(meaning.encode()).digest()[:4]) / 2**32


@cache
def load_examples() -> tuple[Example, ...]:
    """Read all labelled questions."""
    lines = (FOLDER / "questions.jsonl").read_bytes().splitlines()
    decoder = msgspec.json.Decoder(Example)
    return tuple(decoder.decode(line) for line in lines)


@cache
def load_worlds() -> dict[str, Catalogue]:
    """Read the catalogues that the questions are asked in."""
    return msgspec.json.decode((FOLDER / "worlds.json").read_bytes(), type=dict[str, Catalogue])
