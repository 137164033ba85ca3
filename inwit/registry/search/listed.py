"""Entries of a large list, kept in compressed blocks, found by their row."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import apsw
import msgspec
import zstandard

BLOCK = 32
"""Entries that are compressed together: few, since a search opens one block for each."""
DICTIONARY_BYTES = 112 << 10
LEVEL = 15


class Listed(msgspec.Struct, frozen=True, array_like=True):
    """One entry of a catalogue: what is searched, and what filters look at.

    `prior`, in 0..1, is its usage; 0 where nothing is known of it.
    """

    id: str
    name: str
    version: str = ""
    description: str = ""
    kind: str = ""
    level: str = ""
    licence: str = ""
    capabilities: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    prior: float = 0.0

    @property
    def text(self) -> str:
        """What words are looked for in, beside the name."""
        more = " ".join((*self.keywords, *self.capabilities))
        return f"{self.description} {more}" if more else self.description


class Rows:
    """The entries by row. Rows are never reused: what goes leaves a gap."""

    def __init__(self, path: Path, *, fresh: bool = False) -> None:
        self._lock = threading.Lock()
        self._db = apsw.Connection(str(path))
        self._db.set_busy_timeout(10_000)
        if fresh:
            self._db.pragma("page_size", 16_384)  # a block fills no page; less is left over
            self._db.pragma("journal_mode", "WAL")
            self._db.execute(_TABLES)
        dictionary = self._value("dictionary")
        shared = zstandard.ZstdCompressionDict(dictionary) if dictionary else None
        self._pack = zstandard.ZstdCompressor(level=LEVEL, dict_data=shared)
        self._unpack = zstandard.ZstdDecompressor(dict_data=shared)
        self._decode = msgspec.msgpack.Decoder(list[Listed]).decode

    def learn(self, sample: Sequence[Listed]) -> None:
        """Take a dictionary for compression from some entries; before the first are added."""
        blocks: list[Any] = [
            msgspec.msgpack.encode(sample[at : at + 4]) for at in range(0, len(sample), 4)
        ]
        try:
            shared = zstandard.train_dictionary(DICTIONARY_BYTES, blocks)
        except zstandard.ZstdError:
            return  # too few, or too much alike, to learn from
        self._put("dictionary", shared.as_bytes())
        self._pack = zstandard.ZstdCompressor(level=LEVEL, dict_data=shared)
        self._unpack = zstandard.ZstdDecompressor(dict_data=shared)

    def add(self, entries: Sequence[Listed]) -> int:
        """Append entries and give the row of the first."""
        first = self.next_row
        with self._db:
            self._db.executemany(
                "INSERT INTO blocks VALUES (?, ?, ?)",
                (
                    (
                        first + at,
                        min(BLOCK, len(entries) - at),
                        self._packed(entries[at : at + BLOCK]),
                    )
                    for at in range(0, len(entries), BLOCK)
                ),
            )
        return first

    def _packed(self, entries: Sequence[Listed]) -> bytes:
        return self._pack.compress(msgspec.msgpack.encode(entries))

    def remove(self, rows: Iterable[int]) -> None:
        """Note that rows are gone."""
        with self._db:
            self._db.executemany("INSERT OR IGNORE INTO gone VALUES (?)", ((row,) for row in rows))

    @property
    def next_row(self) -> int:
        """How many rows were ever given."""
        query = "SELECT first + length FROM blocks ORDER BY first DESC LIMIT 1"
        with self._lock:
            found: Any = self._db.execute(query).fetchone()
        return int(found[0]) if found else 0

    def gone(self) -> frozenset[int]:
        """The rows whose entries are gone."""
        found: Any = self._db.execute("SELECT row FROM gone")
        return frozenset(row for (row,) in found)

    def get(self, rows: Iterable[int]) -> dict[int, Listed]:
        """The entries of some rows. Safe to call from several threads."""
        with self._lock:
            return self._read(rows)

    def _read(self, rows: Iterable[int]) -> dict[int, Listed]:
        found: dict[int, Listed] = {}
        asked = set(rows)
        cursor = self._db.cursor()
        query = "SELECT first, data FROM blocks WHERE first <= ? ORDER BY first DESC LIMIT 1"
        while asked:
            row = min(asked)
            held: Any = cursor.execute(query, (row,)).fetchone()
            first, data = held
            entries = self._decode(self._unpack.decompress(data))
            here = [one for one in asked if first <= one < first + len(entries)]
            found |= {one: entries[one - first] for one in here}
            asked -= {*here, row}
        return found

    def all(self, start: int = 0) -> Iterator[tuple[int, Listed]]:
        """Every entry from a row on, in order, those that are gone too."""
        query = "SELECT first, data FROM blocks WHERE first + length > ? ORDER BY first"
        found: Any = self._db.execute(query, (start,))
        for first, data in found:
            for row, entry in enumerate(self._decode(self._unpack.decompress(data)), first):
                if row >= start:
                    yield row, entry

    def shrink(self) -> None:
        """Write everything to the one file, for a catalogue that is complete."""
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _value(self, name: str) -> bytes | None:
        query = "SELECT value FROM facts WHERE name = ?"
        found: Any = self._db.execute(query, (name,)).fetchone()
        return found[0] if found else None

    def _put(self, name: str, value: bytes) -> None:
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))


_TABLES = """
CREATE TABLE IF NOT EXISTS blocks (first INTEGER PRIMARY KEY, length INTEGER, data BLOB);
CREATE TABLE IF NOT EXISTS gone (row INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value BLOB);
"""
