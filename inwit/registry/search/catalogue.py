"""A large list in a folder, found by name, words, meaning and usage.

Words can be searched as soon as they are written; meaning joins when its vectors are made. Rows
are only ever appended: an entry that is replaced or removed leaves a gap until the next rebuild.
"""

from __future__ import annotations

import fcntl
import shutil
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from math import log
from pathlib import Path
from typing import Any

import msgspec

from inwit.errors import MalformedInputError, UnknownPackageError
from inwit.registry.encoder import Encoder, default_encoder, printable
from inwit.registry.search.filters import Filters
from inwit.registry.search.listed import Listed, Rows
from inwit.registry.search.listvectors import ListVectors
from inwit.registry.search.listwords import POPULAR, ListWords
from inwit.registry.search.names import folded
from inwit.registry.search.ranking import Asked, rank

FORMAT = 1
SAMPLE = 4_000
"""Entries that compression learns from."""
REBUILT_FROM = 0.1
"""The part of rows that are gone, or wait for an index, from which on it is made anew."""

_FACTS = [("prior", "f2"), ("brevity", "u1")]

Progress = Callable[[str, int, int], None]


class Hit(msgspec.Struct, frozen=True, kw_only=True):
    """One entry that a query found. `score` is in 0..1; `why` says what led to it."""

    id: str
    name: str
    version: str
    description: str
    kind: str
    score: float
    why: str


class Catalogue:
    """The entries of one folder. Several threads may search; one process at a time writes."""

    def __init__(self, folder: Path, *, encoder: Encoder | None = None) -> None:
        if not (folder / "rows.db").exists():
            raise MalformedInputError(
                f"{folder} holds no catalogue.", hint="`inwit registry import` makes one."
            )
        self.folder = folder
        self._encoder = encoder or default_encoder()
        self._opening = threading.RLock()
        self._open()

    @classmethod
    def create(cls, folder: Path, *, encoder: Encoder | None = None) -> Catalogue:
        """Make an empty one."""
        folder.mkdir(parents=True, exist_ok=True)
        Rows(folder / "rows.db", fresh=True).close()
        return cls(folder, encoder=encoder)

    @classmethod
    def build(
        cls,
        folder: Path,
        entries: Sequence[Listed],
        *,
        encoder: Encoder | None = None,
        progress: Progress | None = None,
    ) -> Catalogue:
        """Write a catalogue anew beside the old one, with its words, and put it in its place."""
        fresh = folder.with_name(f"{folder.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        made = cls.create(fresh, encoder=encoder)
        made.rows.learn(entries[:: max(1, len(entries) // SAMPLE)])
        made.add(entries, progress=progress)
        made.close()
        old = folder.with_name(f"{folder.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        if folder.exists():
            folder.rename(old)
        fresh.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
        return cls(folder, encoder=encoder)

    def _signature(self) -> tuple[int, ...]:
        """What changes when another process writes: the files, and which files they are."""
        found = []
        for name in ("rows.db", "facts.npy", "vectors/index.faiss"):
            try:
                stat = (self.folder / name).stat()
                found += [stat.st_ino, stat.st_mtime_ns if name != "rows.db" else 0]
            except OSError:
                found += [0, 0]
        return tuple(found)

    def _follow(self) -> None:
        """Open anew what another process has replaced or gone on with."""
        if self._signature() != self._seen:
            with self._opening:
                if self._signature() != self._seen and (self.folder / "rows.db").exists():
                    self._open()

    def _open(self) -> None:
        import numpy as np

        self._seen = self._signature()
        self.rows = Rows(self.folder / "rows.db")
        self.words = ListWords(self.folder / "words")
        self._gone = self.rows.gone()
        path = self.folder / "facts.npy"
        self._facts: Any = np.load(path) if path.exists() else np.empty(0, dtype=_FACTS)
        self.vectors = (
            ListVectors(self.folder / "vectors", self._encoder) if self._encoder else None
        )
        self._hold_facts()

    def _hold_facts(self) -> None:
        import numpy as np

        self.priors = self._facts["prior"]
        self.brevity = self._facts["brevity"] / np.float32(3)
        self.has_priors = bool(self.priors.any())

    def _popular(self) -> list[int]:
        import numpy as np

        if not self.has_priors:
            return []
        least = np.float16(_threshold(self.priors))
        rows = np.flatnonzero((self.priors > 0) & (self.priors >= least))
        return [int(row) for row in rows if row not in self._gone]

    def close(self) -> None:
        """Close its files."""
        self.rows.close()

    def __len__(self) -> int:
        return self.rows.next_row - len(self._gone)

    def facts(self) -> dict[str, Any]:
        """How much it holds, how much of it can be found by meaning, and its size on disk."""
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        return {
            "entries": len(self),
            "by_meaning": self.vectors.indexed if self.vectors is not None else 0,
            "has_usage": self.has_priors,
            "size_bytes": sum(path.stat().st_size for path in files),
            "folder": str(self.folder),
        }

    def warm_up(self) -> None:
        """Answer a question once: what is read from disk or set up at first use is, from then on."""
        self.search("warm up", limit=1)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the catalogue against other writers."""
        with (self.folder / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def add(self, entries: Sequence[Listed], *, progress: Progress | None = None) -> None:
        """Append entries; those whose ids are here already replace them. Words find them at once."""
        import numpy as np

        tell = progress or _silent
        with self.writing():
            if len(self):
                self._replace(entries)
            least = _threshold(np.asarray([one.prior for one in entries])) if entries else 0.0
            for start in range(0, len(entries), 50_000):
                self.rows.add(entries[start : start + 50_000])
                tell("entries", min(start + 50_000, len(entries)), len(entries))
            first = self.rows.next_row - len(entries)
            self.words.add(self._indexed(entries, first, least, tell), len(entries))
            facts = np.array([(one.prior, _brevity(one)) for one in entries], dtype=_FACTS)
            self._facts = np.concatenate([self._facts, facts])
            with (self.folder / "facts.new").open("wb") as file:
                np.save(file, self._facts)
            (self.folder / "facts.new").replace(self.folder / "facts.npy")
            self.rows.shrink()
            self._gone = self.rows.gone()
        self._hold_facts()

    def _replace(self, entries: Sequence[Listed]) -> None:
        rows = [row for one in entries if (row := self.row_of(one.id)) is not None]
        self.rows.remove(rows)

    @staticmethod
    def _indexed(
        entries: Sequence[Listed], first: int, least: float, tell: Progress
    ) -> Iterator[tuple[int, Listed, bool]]:
        for row, entry in enumerate(entries, first):
            if (row - first) % 10_000 == 9_999:
                tell("words", row - first + 1, len(entries))
            yield row, entry, entry.prior > 0 and entry.prior >= least

    def remove(self, ids: Iterable[str]) -> int:
        """Take entries out; give how many were there."""
        with self.writing():
            rows = [row for one in ids if (row := self.row_of(one)) is not None]
            self.rows.remove(rows)
            self._gone = self.rows.gone()
        return len(rows)

    def make_vectors(self, progress: Progress | None = None) -> None:
        """Encode what has no vector yet, then make the index. It goes on where it was left."""
        if self.vectors is None:
            return
        with self.writing():
            self.vectors.refresh()
            total, done = self.rows.next_row, len(self.vectors)
            tell = progress or _silent
            texts = (_meant(entry) for _, entry in self.rows.all(done))
            self.vectors.make(texts, total, lambda at, of: tell("vectors", at, of))
            waiting = self.vectors.waiting
            if not self.vectors.indexed or waiting > REBUILT_FROM * total or waiting > 1_000:
                self.vectors.build(self._popular())

    def row_of(self, entry_id: str) -> int | None:
        """The row of an id."""
        rows = [row for row in self.words.named(folded(entry_id)) if row not in self._gone]
        entries = self.rows.get(rows)
        return next((row for row in rows if entries[row].id == entry_id), None)

    def search(self, query: str, *, limit: int = 10, filters: Filters | None = None) -> list[Hit]:
        """What the query names or describes, best first; empty when nothing is near."""
        self._follow()
        query = printable(query).strip()
        if not query or not len(self) or limit <= 0:
            return []
        wanted = filters or Filters()
        fits = wanted.predicate()
        asked = Asked(query=query, facets=wanted.facets(), limit=limit)
        ranked = (one for one in rank(self, asked, self._gone) if fits(one[1]))
        return [_hit(entry, score, why) for _, entry, score, why in islice(ranked, limit)]

    def similar(
        self, entry_id: str, *, limit: int = 10, filters: Filters | None = None
    ) -> list[Hit]:
        """The entries nearest in meaning to one of them; by its words while there are no vectors.

        Raises:
            UnknownPackageError: It has none of that id.
        """
        row = self.row_of(entry_id)
        if row is None:
            raise UnknownPackageError(entry_id, ())
        entry = self.rows.get([row])[row]
        if self.vectors is None or row >= min(len(self.vectors), self.vectors.indexed):
            found = self.search(f"{entry.name} {entry.text}", limit=limit + 1, filters=filters)
            return [one for one in found if one.id != entry_id][:limit]
        fits, taken = (filters or Filters()).predicate(), limit * (20 if filters else 2) + 20
        near = self.vectors.search(self.vectors.vector(row), taken, with_popular=False)
        best = sorted(near.items(), key=lambda one: (-one[1], one[0]))
        entries = self.rows.get(one for one in near if one not in self._gone)
        kept = [(entries[one], cosine) for one, cosine in best if one in entries and one != row]
        return [
            _hit(
                other, max(cosine, 0.0), f"near in meaning to {entry.name!r} (cosine {cosine:.2f})"
            )
            for other, cosine in islice((one for one in kept if fits(one[0])), limit)
        ]


def prior_of_rank(rank_: float, count: int) -> float:
    """Usage in 0..1 from a place in a list of `count`: 1 for the first, less by its logarithm."""
    return max(0.0, 1 - log(max(rank_, 1.0)) / log(max(count, rank_, 2.0) + 1))


def _silent(_what: str, _done: int, _total: int) -> None:
    """Nobody watches."""


def _hit(entry: Listed, score: float, why: str) -> Hit:
    return Hit(
        id=entry.id, name=entry.name, version=entry.version, description=entry.description,
        kind=entry.kind, score=round(score, 4), why=why,
    )  # fmt: skip


def _threshold(priors: Any) -> float:
    """The usage from which on an entry is among the popular."""
    import numpy as np

    used = np.asarray(priors, dtype=np.float32)
    used = used[used > 0]
    if len(used) <= POPULAR:
        return 1e-9
    return float(np.partition(used, len(used) - POPULAR)[len(used) - POPULAR])


def _brevity(entry: Listed) -> int:
    """3 for a name of one word, 0 for one of four and more: what is usual is named shortly."""
    return max(0, 3 - folded(entry.name).count("-"))


def _meant(entry: Listed) -> str:
    """What is encoded of an entry."""
    text = entry.text.strip()
    return f"{entry.name}: {text}" if text else entry.name
