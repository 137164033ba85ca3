"""A supervisor and its workers: `inwit.prebuilt.supervisor` as a package."""

from __future__ import annotations

from inwit.prebuilt import by_model, by_words, join_notes
from inwit.prebuilt import supervisor as build

__all__ = ["build", "by_model", "by_words", "join_notes"]
