"""An answer, and the evidence that it stands on."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

Level = Literal["platform", "app", "live", "network", "none"]
Intent = Literal[
    "why", "whatif", "howcan", "ami", "whatis", "when", "state", "search", "howto", "none"
]
LEVELS: tuple[Level, ...] = ("platform", "app", "live", "network", "none")
INTENTS: tuple[Intent, ...] = (
    "why", "whatif", "howcan", "ami", "whatis", "when", "state", "search", "howto", "none",
)  # fmt: skip


class Evidence(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a claim points at.

    `uri` resolves (an event, a graph's part, a plan, a package, a page of the platform's
    documentation); `quote` is text found there, data and never instruction; `why` says what
    it shows.
    """

    uri: str
    quote: str
    why: str = ""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What is known in reply to a question. In JSON `text` is called ``answer``.

    `confidence` is in 0..1. `data` has one schema per intent. An answer of level ``none`` says
    that the question is out of this world; its follow-ups can be answered.
    """

    text: str = msgspec.field(name="answer")
    level: Level
    intent: Intent
    evidence: tuple[Evidence, ...] = ()
    confidence: float = 0.0
    data: dict[str, Any] = {}
    follow_ups: tuple[str, ...] = ()
    levels_tried: tuple[Level, ...] = ()

    def __str__(self) -> str:
        return self.text


def to_json(answer: Answer) -> dict[str, Any]:
    """Show an answer as plain JSON values."""
    shown: dict[str, Any] = msgspec.to_builtins(answer)
    return shown
