"""Finding in a registry: by all at once, by words, by meaning, by what a package can do."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from inwit.errors import MalformedInputError, shorten
from inwit.registry.encoder import default_encoder
from inwit.registry.search import Entry, HybridIndex
from inwit.registry.search.catalogue import Catalogue
from inwit.registry.search.filters import Filters
from inwit.registry.store_releases import Published, Releases
from inwit.registry.trust import check_level, rank

CATALOGUE = "catalogue"
"""Where `inwit registry import` leaves a list."""
USED_FULLY = 1000
"""Installs from which on a package counts as used as much as any."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What a found package must be besides near to the query. `trust` is the least level."""

    kind: str | None = None
    capability: str | None = None
    trust: str | None = None
    licence: str | None = None
    version: str | None = None


def checked(wanted: Wanted) -> Wanted:
    """Return what can be wanted.

    Raises:
        MalformedInputError: The level or the range of versions is none.
    """
    if wanted.trust:
        check_level(wanted.trust)
    if wanted.version:
        _range(wanted.version)
    return wanted


class ReleaseSearch:
    """The newest releases of a registry, indexed anew when one came or was yanked.

    A list that was imported into the registry's folder is searched beside them.
    """

    def __init__(self, releases: Releases, folder: Path) -> None:
        self._releases = releases
        self._folder = folder
        self._listed: Catalogue | None = None
        self._lock = threading.Lock()
        self._seen: tuple[int, str] | None = None
        self._by_id: Mapping[str, Published] = {}
        self._index = HybridIndex(())

    def search(self, query: str, *, wanted: Wanted, limit: int) -> list[dict[str, Any]]:
        """Names, words, meaning and use together, best first, each with its reason."""
        index, held = self._current()
        found = index.search(query, kind=wanted.kind, limit=_reach(wanted, limit))
        rows = ((held[one.id], one.score, one.why) for one in found)
        shown = [*_shown(rows, wanted, limit), *self._imported(query, wanted, limit, held)]
        return sorted(shown, key=lambda one: -one["score"])[:limit]

    def keyword(self, query: str, *, wanted: Wanted, limit: int) -> list[dict[str, Any]]:
        """By words alone (BM25)."""
        index, held = self._current()
        found = index.by_words(query, kind=wanted.kind, limit=_reach(wanted, limit))
        return _shown(((held[one], score, "words") for one, score in found), wanted, limit)

    def semantic(self, query: str, *, wanted: Wanted, limit: int) -> list[dict[str, Any]]:
        """By meaning alone; empty where no encoder is installed."""
        index, held = self._current()
        found = index.by_meaning(query, kind=wanted.kind, limit=_reach(wanted, limit))
        rows = ((held[one], near, f"near in meaning (cosine {near:.2f})") for one, near in found)
        return _shown(rows, wanted, limit)

    def capability(self, name: str, *, wanted: Wanted, limit: int) -> list[dict[str, Any]]:
        """The packages that say that they provide a capability, the most used first."""
        _, held = self._current()
        able = [one for one in held.values() if name in _provided(one)]
        able.sort(key=lambda one: (-one.installs, one.id))
        return _shown(((one, 1.0, f"provides {name!r}") for one in able), wanted, limit)

    def _imported(
        self, query: str, wanted: Wanted, limit: int, held: Mapping[str, Published]
    ) -> list[dict[str, Any]]:
        """What an imported list has; what is published goes before what is only listed."""
        with self._lock:
            if self._listed is None and (self._folder / CATALOGUE / "rows.db").exists():
                self._listed = Catalogue(self._folder / CATALOGUE)
        if self._listed is None:
            return []
        filters = Filters(**msgspec.structs.asdict(wanted))
        found = self._listed.search(query, limit=limit, filters=filters)
        return [{**msgspec.to_builtins(one), "hash": None} for one in found if one.id not in held]

    def _current(self) -> tuple[HybridIndex, Mapping[str, Published]]:
        with self._lock:
            seen = self._releases.count()
            if seen != self._seen:
                self._by_id = {one.id: one for one in self._releases.latest()}
                entries = [_entry(one) for one in self._by_id.values()]
                # Vectors are kept by the hash of their text: a new release costs its own alone.
                self._index = HybridIndex(
                    entries, encoder=default_encoder(), folder=self._folder / "index"
                )
                self._seen = seen
            return self._index, self._by_id


def _entry(one: Published) -> Entry:
    about = one.manifest["package"]
    words = [*about.get("keywords", ()), *_provided(one)]
    text = f"{one.description} {one.kind.replace('-', ' ')}. {', '.join(words)}"
    prior = min(1.0, one.installs / USED_FULLY)
    return Entry(one.id, one.id.partition("/")[2], text, one.kind, prior)


def _provided(one: Published) -> list[str]:
    able = one.manifest.get("capabilities", {}).get("provides", ())
    named = [name for names in one.manifest.get("provides", {}).values() for name in names]
    return [*able, *named]


def _reach(wanted: Wanted, limit: int) -> int:
    """How many are looked at, so that a filter leaves enough."""
    return limit if wanted == Wanted(kind=wanted.kind) else max(100, limit * 5)


def _shown(
    rows: Iterable[tuple[Published, float, str]], wanted: Wanted, limit: int
) -> list[dict[str, Any]]:
    fits = [
        {**one.to_json(), "score": round(score, 4), "why": why}
        for one, score, why in rows
        if _fits(one, wanted)
    ]
    return fits[:limit]


def _fits(one: Published, wanted: Wanted) -> bool:
    least = check_level(wanted.trust) if wanted.trust else None
    return (
        wanted.kind in (None, one.kind)
        and (wanted.capability is None or wanted.capability in _provided(one))
        and (least is None or rank(one.level) >= rank(least))
        and wanted.licence in (None, one.manifest["package"].get("licence"))
        and (wanted.version is None or _range(wanted.version).contains(one.version))
    )


def _range(text: str) -> SpecifierSet:
    try:
        return SpecifierSet(text)
    except InvalidSpecifier as exc:
        raise MalformedInputError(f"{shorten(text)} is no range.", hint='As ">=1,<2".') from exc
