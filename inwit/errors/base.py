"""The base of all errors, and the words that their messages share."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which known name is meant, or which names there are."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1)
    if near:
        return f"Did you mean {near[0]!r}?"
    if not names:
        return "None is known yet."
    shown = ", ".join(names[:10])
    return f"Known: {shown}." if len(names) <= 10 else f"Known: {shown} and {len(names) - 10} more."


def shorten(value: object, limit: int = 80) -> str:
    """Quote a value from outside for a message, cut to `limit` characters."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


class InwitError(Exception):
    """The base of all errors of inwit."""

    code = "inwit.error"
    status = 500
    """The HTTP status that the error is served with."""

    execution_id: str | None = None
    """The execution that raised it, where one did."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()
