"""A program that keeps checkpoints on a disk that fails.

``python -m tests.runtime.checkpoints.suffering KIND PATH``, KIND being ``fsync`` or ``full``, PATH a
file, or the folder of a project, whose record it is then. It puts rows, lets the disk fail, and puts
again; each put is told as ``kept SEQ`` or by its error's code.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from pathlib import Path

from inwit import SqliteCheckpointer
from inwit.errors import StoreError
from inwit.testing.rows import checkpoint, put
from tests.runtime.checkpoints.nursery import tell


def attempt(saver: SqliteCheckpointer, seq: int, size_bytes: int = 100) -> bool:
    try:
        put(saver, [checkpoint(seq, whole=seq == 1, values={"blob": os.urandom(size_bytes)})])
    except StoreError as exc:
        tell(exc.code)
        return False
    tell(f"kept {seq}")
    return True


def fail_to_sync(saver: SqliteCheckpointer) -> None:
    flag = Path(os.environ["SHIM_FLAG"])
    attempt(saver, 1)
    flag.touch()
    attempt(saver, 2)
    attempt(saver, 2)
    flag.unlink()
    attempt(saver, 2)
    attempt(saver, 3)


def fill(saver: SqliteCheckpointer, path: str) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    attempt(saver, 1)
    limit = Path(path).stat().st_size + 300_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    seq = 2
    while attempt(saver, seq, 10_000):
        seq += 1
    attempt(saver, seq + 1)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    attempt(saver, seq, 10_000)
    attempt(saver, seq + 1)


def main() -> None:
    kind, path = sys.argv[1:]
    if Path(path).is_dir():
        os.chdir(path)
    saver = SqliteCheckpointer(None if Path(path).is_dir() else path)
    if kind == "fsync":
        fail_to_sync(saver)
    else:
        fill(saver, path)


if __name__ == "__main__":
    main()
