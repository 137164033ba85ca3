"""Checkpoints as files in a folder."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import msgspec

from inwit import Checkpoint
from inwit.errors import ThreadGapError, ThreadTakenError
from inwit.runtime.checkpoints.base import Row, is_whole
from inwit.runtime.checkpoints.codec import decode, encode

SUFFIX = ".rows"


class FolderCheckpointer:
    """Keeps what is put by one call in one file, named ``first-last`` after the rows that it holds.

    Each thread has a folder, and in it one for each namespace.
    """

    def __init__(self, folder: str | Path, *, keep: int | None = None) -> None:
        """Keep checkpoints below `folder`; with `keep`, about that many of each thread."""
        if keep is not None and keep < 1:
            raise ValueError(f"keep is {keep}; at least one checkpoint has to stay.")
        self._folder = Path(folder)
        self._keep = keep

    def put(self, rows: Sequence[Row]) -> None:
        """Write rows; they are on the disk when this returns."""
        first, end = rows[0], rows[-1].seq
        place = self._place(first.thread_id, first.ns)
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = place / f"new-{uuid4().hex}"
        try:
            _write(fresh, msgspec.msgpack.encode([encode(row) for row in rows]))
            with _locked(place):
                last = _last(place)
                if first.seq <= last:
                    raise ThreadTakenError(first.thread_id, first.ns, first.seq)
                if first.seq > last + 1 and not (last == 0 and is_whole(first)):
                    raise ThreadGapError(first.thread_id, first.ns, first.seq, last)
                fresh.rename(place / f"{first.seq:012d}-{end:012d}{SUFFIX}")
                _sync(place)
        finally:
            fresh.unlink(missing_ok=True)
        if self._keep is not None and any(map(is_whole, rows)):
            self.prune(first.thread_id, keep=self._keep)

    def load(
        self, thread_id: str, checkpoint_id: str | None = None, *, ns: str = ""
    ) -> Sequence[Row]:
        """Give the rows that build one state, beginning with a whole checkpoint."""
        found: list[Row] = []
        is_found = False
        for row in self._newest_first(thread_id, ns):
            is_checkpoint = isinstance(row, Checkpoint)
            if is_checkpoint and not is_found:
                is_found = checkpoint_id in (None, row.checkpoint_id)
                found = found if is_found else []
                if not is_found:
                    continue
            found.append(row)
            if is_found and is_whole(row):
                return found[::-1]
        return []

    def history(
        self, thread_id: str, limit: int | None = None, *, ns: str = ""
    ) -> Sequence[Checkpoint]:
        """Give a thread's checkpoints, newest first."""
        rows = self._newest_first(thread_id, ns)
        found = [row for row in rows if isinstance(row, Checkpoint)]
        # A file that a kept checkpoint needs may also hold some that can't be built any more.
        while found and found[-1].state is None:
            found.pop()
        return found[:limit]

    def last_seq(self, thread_id: str, *, ns: str = "") -> int:
        """The number of the newest row."""
        return _last(self._place(thread_id, ns))

    def delete_thread(self, thread_id: str) -> None:
        """Forget a thread."""
        shutil.rmtree(self._folder / _hash(thread_id), ignore_errors=True)

    def prune(self, thread_id: str, *, keep: int) -> None:
        """Delete what is neither among the last `keep` checkpoints nor needed to build them."""
        for place in (self._folder / _hash(thread_id)).glob("*/"):
            files = _files(place)
            left = keep
            for at in range(len(files) - 1, -1, -1):
                rows = [row for row in _read(files[at])[::-1] if isinstance(row, Checkpoint)]
                if any(map(is_whole, rows[max(left - 1, 0) :])):
                    for file in files[:at]:
                        file.unlink(missing_ok=True)
                    break
                left -= len(rows)

    def threads(self) -> Sequence[str]:
        """The ids of all threads."""
        first = {
            place.parent: files[0]
            for place in self._folder.glob("*/*/")
            if (files := _files(place))
        }
        return sorted(_read(file)[0].thread_id for file in first.values())

    def _newest_first(self, thread_id: str, ns: str) -> Iterator[Row]:
        for file in reversed(_files(self._place(thread_id, ns))):
            yield from reversed(_read(file))

    def _place(self, thread_id: str, ns: str) -> Path:
        # Hashed: ids may hold slashes and be longer than names of files can be.
        return self._folder / _hash(thread_id) / _hash(ns)


def _files(place: Path) -> list[Path]:
    return sorted(place.glob(f"*{SUFFIX}")) if place.is_dir() else []


def _last(place: Path) -> int:
    files = _files(place)
    return int(files[-1].stem.partition("-")[2]) if files else 0


def _read(file: Path) -> list[Row]:
    return [decode(row) for row in msgspec.msgpack.decode(file.read_bytes(), type=list[bytes])]


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:32]


def _write(path: Path, data: bytes) -> None:
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one process at a time give out a number; the lock ends with its process."""
    descriptor = os.open(folder / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _sync(folder: Path) -> None:
    """Bring a folder's names to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
