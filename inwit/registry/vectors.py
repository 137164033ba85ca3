"""Vectors kept by the hash of their text, so that nothing is encoded twice."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import apsw

from inwit.registry.encoder import Encoder, Vectors

CHUNK = 256
"""Texts that are encoded between two commits, and between two reports of progress."""


def encode_cached(
    texts: Sequence[str],
    folder: Path,
    encoder: Encoder,
    progress: Callable[[int, int], None] | None = None,
) -> Vectors:
    """Encode texts, reading from `folder` what was encoded before and keeping there what is new.

    Each encoder has its own file, whose content can be lost: an unreadable one is made anew.
    `progress` is told how many of how many texts are done. An interruption loses one chunk at most.
    """
    import numpy as np

    keys = [_key(text) for text in texts]
    vectors = np.empty((len(texts), encoder.dimension), dtype=np.float32)
    cache = _open(folder, encoder.name)
    try:
        missing = _fill(vectors, keys, cache)
        done = len(texts) - len(missing)
        if progress:
            progress(done, len(texts))
        for start in range(0, len(missing), CHUNK):
            rows = missing[start : start + CHUNK]
            vectors[rows] = encoder.encode([texts[row] for row in rows])
            _keep(cache, [(keys[row], vectors[row].tobytes()) for row in rows])
            done += len(rows)
            if progress:
                progress(done, len(texts))
    finally:
        cache.close()
    return vectors


def _key(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()[:16]


def _fill(vectors: Vectors, keys: list[bytes], cache: apsw.Connection) -> list[int]:
    """Put in the rows that are known, and name the others."""
    import numpy as np

    missing = []
    size = vectors.shape[1] * vectors.itemsize
    cursor = cache.cursor()
    for row, key in enumerate(keys):
        found = cursor.execute("SELECT vector FROM vectors WHERE key = ?", (key,)).fetchone()
        if found is None or len(found[0]) != size:
            missing.append(row)
        else:
            vectors[row] = np.frombuffer(found[0], dtype=np.float32)
    return missing


def _keep(cache: apsw.Connection, rows: list[tuple[bytes, bytes]]) -> None:
    """Write what was encoded; a full or read-only disk costs the cache only."""
    try:
        with cache:
            cache.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)
    except (apsw.FullError, apsw.ReadOnlyError, apsw.IOError, apsw.BusyError):
        return


def _open(folder: Path, name: str) -> apsw.Connection:
    """Open the encoder's file; a corrupt one is made anew."""
    path = folder / f"vectors-{hashlib.sha256(name.encode()).hexdigest()[:12]}.db"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _prepared(path)
    except (apsw.CorruptError, apsw.NotADBError):
        path.unlink(missing_ok=True)
        return _prepared(path)
    except (OSError, apsw.CantOpenError, apsw.ReadOnlyError, apsw.IOError, apsw.FullError):
        return _prepared(None)


def _prepared(path: Path | None) -> apsw.Connection:
    cache = apsw.Connection(str(path) if path else ":memory:")
    cache.set_busy_timeout(5000)
    cache.execute(
        "CREATE TABLE IF NOT EXISTS vectors (key BLOB PRIMARY KEY, vector BLOB) WITHOUT ROWID"
    )
    return cache
