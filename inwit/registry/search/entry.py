"""What is searched, and what is found."""

from __future__ import annotations

import msgspec


class Entry(msgspec.Struct, frozen=True):
    """One thing that can be found. `id` is unique in its index; `prior`, in 0..1, is its usage."""

    id: str
    name: str
    text: str
    kind: str
    prior: float = 0.0


class Match(msgspec.Struct, frozen=True):
    """One thing that was found. `score` is in 0..1; `why` says what in the query led to it."""

    id: str
    score: float
    why: str
