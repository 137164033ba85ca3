"""The platform's own pages as an index: features, examples, API, errors, commands, docs."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from inwit.introspection import platform
from inwit.introspection.claims import platform_uri
from inwit.registry.encoder import default_encoder
from inwit.registry.search import Entry, HybridIndex, Match
from inwit.runtime.project import Project

TEXT_TAKEN = 600
"""Characters of an entry's text that are indexed."""
_KINDS = {
    "features": "feature",
    "examples": "example",
    "node-types": "type",
    "edge-types": "type",
    "states": "type",
    "cli": "command",
    "errors": "error",
    "api": "api",
    "docs": "page",
}
_BY_WORDS = ("errors", "api", "docs")
"""Topics whose names and words find them; encoding their hundreds would hold up a first answer."""


def find(project: Project, query: str, kind: str | None = None, limit: int = 10) -> list[Match]:
    """Find the pages that a query names or describes; their ids are uris."""
    found: list[Match] = []
    for index in _indexes(_folder(project)):
        if kind is None or any(one.kind == kind for one in index.entries):
            found += index.search(query, kind=kind, limit=limit)
    return sorted(found, key=lambda match: (-match.score, match.id))[:limit]


def entry(project: Project, uri: str) -> Entry:
    """The indexed page of a uri that `find` gave."""
    indexes = _indexes(_folder(project))
    return next(one for index in indexes for one in index.entries if one.id == uri)


def _folder(project: Project) -> Path | None:
    return project.folder / "index" if project.folder.is_dir() else None


@lru_cache(maxsize=4)
def _indexes(folder: Path | None) -> tuple[HybridIndex, HybridIndex]:
    by_meaning = [topic for topic in _KINDS if topic not in _BY_WORDS]
    return (
        HybridIndex(_entries(by_meaning), encoder=default_encoder(), folder=folder),
        HybridIndex(_entries(_BY_WORDS)),
    )


def _entries(topics: Iterable[str]) -> list[Entry]:
    return [
        Entry(platform_uri(topic, one["name"]), one["name"], _text(one), _KINDS[topic])
        for topic in topics
        for one in platform.entries(topic)
    ]


def _text(one: dict[str, object]) -> str:
    also = one.get("also") or ()
    names = ", ".join(str(name) for name in also) if isinstance(also, list | tuple) else ""
    parts = [str(one["name"]).replace("-", " "), str(one.get("description", "")), names]
    parts.append(str(one.get("keywords", "")))
    return ". ".join(part for part in parts if part)[:TEXT_TAKEN]
