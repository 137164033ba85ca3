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

from inwit import Checkpoint
from inwit.runtime.checkpoints.codec import decode, encode

SUFFIX = ".checkpoint"


class FolderCheckpointer:
    """Keeps each checkpoint in a file of its own, named ``number-kind-id``.

    The kind is ``whole`` for a checkpoint that holds the whole state and ``delta`` for one that holds
    what a step changed, so that reading a state opens no file that it does not need.
    """

    def __init__(self, folder: str | Path, *, keep: int | None = None) -> None:
        """Keep checkpoints below `folder`; with `keep`, about that many of each thread."""
        if keep is not None and keep < 1:
            raise ValueError(f"keep is {keep}; at least one checkpoint has to stay.")
        self._folder = Path(folder)
        self._keep = keep

    def put(self, checkpoint: Checkpoint) -> None:
        """Write one checkpoint; it is on the disk when this returns."""
        place = self._place(checkpoint.thread_id)
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        kind = "delta" if checkpoint.state is None else "whole"
        fresh = place / f"new-{uuid4().hex}"
        try:
            _write(fresh, encode(checkpoint))
            with _locked(place):
                files = self._files(place)
                number = _number(files[-1]) + 1 if files else 1
                name = f"{number:012d}-{kind}-{_hash(checkpoint.checkpoint_id)}{SUFFIX}"
                fresh.rename(place / name)
        finally:
            fresh.unlink(missing_ok=True)
        _sync(place)
        if self._keep is not None and kind == "whole":
            self._forget(place, self._keep)

    def load(self, thread_id: str, checkpoint_id: str | None = None) -> Sequence[Checkpoint]:
        """Give the checkpoints that build one state, beginning with a whole one."""
        files = self._files(self._place(thread_id))
        if checkpoint_id is not None:
            wanted = f"-{_hash(checkpoint_id)}{SUFFIX}"
            last = max(
                (i for i, file in enumerate(files) if file.name.endswith(wanted)), default=-1
            )
            files = files[: last + 1]
        first = max(
            (i for i, file in enumerate(files) if "-whole-" in file.name), default=len(files)
        )
        return [decode(file.read_bytes()) for file in files[first:]]

    def history(self, thread_id: str, limit: int | None = None) -> Sequence[Checkpoint]:
        """Give a thread's checkpoints, newest first."""
        newest = self._files(self._place(thread_id))[::-1]
        return [decode(file.read_bytes()) for file in newest[:limit]]

    def delete_thread(self, thread_id: str) -> None:
        """Forget a thread."""
        shutil.rmtree(self._place(thread_id), ignore_errors=True)

    def _place(self, thread_id: str) -> Path:
        # Hashed: ids may hold slashes and be longer than names of files can be.
        return self._folder / _hash(thread_id)

    def _forget(self, place: Path, keep: int) -> None:
        """Delete what is neither among the last `keep` nor needed to build their states."""
        files = self._files(place)
        oldest = max(len(files) - keep, 0)
        needed = max((i for i in range(oldest + 1) if "-whole-" in files[i].name), default=0)
        for file in files[:needed]:
            file.unlink(missing_ok=True)

    def _files(self, place: Path) -> list[Path]:
        return sorted(place.glob(f"*{SUFFIX}")) if place.is_dir() else []


def _number(file: Path) -> int:
    return int(file.name.partition("-")[0])


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
