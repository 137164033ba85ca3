"""The platform's own pages as an index: features, examples, API, errors, commands, docs."""

from __future__ import annotations

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
    "errors": "error",
    "cli": "command",
    "api": "api",
    "docs": "page",
}


def find(project: Project, query: str, kind: str | None = None, limit: int = 10) -> list[Match]:
    """Find the pages that a query names or describes; their ids are uris."""
    return _index(_folder(project)).search(query, kind=kind, limit=limit)


def entry(project: Project, uri: str) -> Entry:
    """The indexed page of a uri that `find` gave."""
    return next(one for one in _index(_folder(project)).entries if one.id == uri)


def _folder(project: Project) -> Path | None:
    return project.folder / "index" if project.folder.is_dir() else None


@lru_cache(maxsize=4)
def _index(folder: Path | None) -> HybridIndex:
    entries = [
        Entry(platform_uri(topic, one["name"]), one["name"], _text(one), kind)
        for topic, kind in _KINDS.items()
        for one in platform.entries(topic)
    ]
    return HybridIndex(entries, encoder=default_encoder(), folder=folder)


def _text(one: dict[str, object]) -> str:
    also = one.get("also") or ()
    names = ", ".join(str(name) for name in also) if isinstance(also, list | tuple) else ""
    parts = [str(one["name"]).replace("-", " "), str(one.get("description", "")), names]
    parts.append(str(one.get("keywords", "")))
    return ". ".join(part for part in parts if part)[:TEXT_TAKEN]
