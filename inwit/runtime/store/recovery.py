"""What happens to a damaged file: it is moved aside, named, and never deleted."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import apsw


def move_aside(path: Path) -> Path | None:
    """Move the file and what belongs to it aside, if it is damaged indeed.

    The caller holds the project's exclusive lock; another process may have done it before, and
    then the file is a new one. Returns where it is now, None where it stays.
    """
    if not path.exists() or is_whole(path):
        return None
    target = _free_name(path)
    for suffix in ("-wal", "-shm", ""):
        part = Path(f"{path}{suffix}")
        if part.exists():
            part.rename(f"{target}{suffix}")
    sys.stderr.write(
        f"inwit: the record was damaged. It is kept as {target}, and a new one is begun.\n"
    )
    return target


def is_emptied(path: Path) -> bool:
    """Whether somebody cut the file to nothing while it was in use.

    To open it would remove the log that still holds what was committed last.
    """
    return path.exists() and path.stat().st_size == 0 and Path(f"{path}-shm").exists()


def say_if_empty(path: Path) -> None:
    """Warn of a file without a byte: whoever cut it did so while nobody had it open.

    The caller holds the project's exclusive lock, so that it is no file that is being begun.
    """
    if path.exists() and path.stat().st_size == 0:
        sys.stderr.write(
            f"inwit: the record {path} is empty: what it held, if anything, is gone. "
            f"A new one is begun in it.\n"
        )


def is_whole(path: Path) -> bool:
    """Check every page of the file."""
    if is_emptied(path):
        return False
    connection = None
    try:
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        connection.set_busy_timeout(1000)
        return bool(connection.execute("PRAGMA integrity_check(1)").fetchall() == [("ok",)])
    except (apsw.CorruptError, apsw.NotADBError, apsw.IOError):
        return False
    finally:
        if connection is not None:
            connection.close(True)


def _free_name(path: Path) -> Path:
    base = f"{path.name}.damaged-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
    for number in range(1, 1000):
        target = path.with_name(base if number == 1 else f"{base}-{number}")
        if not target.exists():
            return target
    return path.with_name(f"{base}-{os.getpid()}")
