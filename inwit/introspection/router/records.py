"""What the router takes and gives: the names of a project, and how a question is read."""

from __future__ import annotations

from typing import Literal

import msgspec

from inwit.answers import Intent, Level

EntityKind = Literal[
    "node", "graph", "key", "exec", "thread", "package", "tool", "metric", "time", "version"
]


class Catalogue(msgspec.Struct, frozen=True, kw_only=True):
    """The names that a question may mean. `nodes` maps a graph to the names of its nodes."""

    graphs: tuple[str, ...] = ()
    nodes: dict[str, tuple[str, ...]] = {}
    state_keys: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()


class Entity(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a question names.

    `text` is the question's own wording at ``question[start:end]``, `value` the name in the
    catalogue (for a time or a metric its canonical form). `score` is 1.0 for an exact name and
    less for a spelling that was mended or a word that context alone made a name.
    """

    kind: EntityKind
    value: str
    text: str
    start: int
    end: int
    score: float = 1.0


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One way to understand a question, or the `part` of it that is quoted.

    `probability` is calibrated on held-out questions. `part` is empty for the whole question.
    """

    level: Level
    intent: Intent
    probability: float
    part: str = ""


class Routing(msgspec.Struct, frozen=True, kw_only=True):
    """How a question was read: the best reading first, a second when it is close.

    A question of two parts has one reading for each. When `abstained`, the question is outside
    of what can be answered; the first reading is then level ``none``, and the best reading
    inside comes second as a guess. `unknown` are code-like or quoted words that name nothing. `nouns`
    are graphs that are meant by a word of their name: where to look, and nothing of how it is read.
    """

    readings: tuple[Reading, ...]
    entities: tuple[Entity, ...] = ()
    abstained: bool = False
    truncated: bool = False
    unknown: tuple[str, ...] = ()
    nouns: tuple[Entity, ...] = ()

    @property
    def best(self) -> Reading:
        """The first reading."""
        return self.readings[0]

    def values(self, kind: EntityKind) -> tuple[str, ...]:
        """The distinct values of one kind, in the question's order."""
        return tuple(dict.fromkeys(one.value for one in self.entities if one.kind == kind))
