"""Long-term memory: answers that a reader wants to keep, in one small file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from inwit.runtime.project import Project


class Bookmarks:
    """Bookmarks of all threads, written whole and moved into place."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or Project.find().ensure() / "bookmarks.json"

    def all(self) -> list[dict[str, Any]]:
        """Every bookmark, oldest first."""
        try:
            kept: list[dict[str, Any]] = json.loads(self._path.read_text())
        except FileNotFoundError:
            return []
        return kept

    def add(self, question: str, citations: list[str]) -> None:
        """Keep a question and what answered it; a question is kept once."""
        kept = [mark for mark in self.all() if mark["question"] != question]
        kept.append({"question": question, "citations": citations})
        fresh = self._path.with_suffix(f".{os.getpid()}")
        fresh.write_text(json.dumps(kept, indent=1))
        fresh.replace(self._path)
