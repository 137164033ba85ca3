"""The labelled questions that the router is trained and measured on.

A `meaning` groups the phrasings of one question, a `voice` the questions of one manner of asking.
What is measured was fitted on neither: a group is held out as a whole, so that no paraphrase of a
held-out question has been seen, and nobody who asks like its asker has been heard.
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

    `world` names the catalogue that it is asked in. Among the questions that are trained on,
    metrics are labelled in the world ``desk`` alone.
    """

    question: str
    level: Level
    intent: Intent
    targets: tuple[str, ...]
    meaning: str
    world: str

    @property
    def voice(self) -> str:
        """Whose manner of asking it is; older questions have none but their meaning."""
        prefix, _, rest = self.meaning.partition("-")
        return rest.rpartition("-")[0] if prefix == "voice" else self.meaning

    @property
    def pair(self) -> tuple[Level, Intent]:
        """Level and intent together."""
        return self.level, self.intent


def fraction(meaning: str) -> float:
    """Spread meanings evenly over 0..1, the same on every machine."""
    return int.from_bytes(sha256(meaning.encode()).digest()[:4]) / 2**32


@cache
def load_examples(folder: Path = FOLDER) -> tuple[Example, ...]:
    """Read all labelled questions of a folder: by default those that are trained on."""
    lines = (folder / "questions.jsonl").read_bytes().splitlines()
    decoder = msgspec.json.Decoder(Example)
    return tuple(decoder.decode(line) for line in lines)


@cache
def load_worlds(folder: Path = FOLDER) -> dict[str, Catalogue]:
    """Read the catalogues that the questions of a folder are asked in."""
    return msgspec.json.decode((folder / "worlds.json").read_bytes(), type=dict[str, Catalogue])
