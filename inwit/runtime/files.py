"""Files that are written whole or not at all, and outlive a loss of power."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from inwit.ids import new_id


def write_whole(path: Path, data: bytes, *, mode: int = 0o666) -> None:
    """Put `data` in the place of a file, or leave the file as it is.

    Args:
        path: The file; a link is replaced, not followed. Its folder must be there.
        data: All that it is to hold.
        mode: Its permissions, less those that the process's umask takes away.

    Raises:
        OSError: It cannot be written. Nothing of the attempt is left.
    """
    draft = path.with_name(f".{path.name}.{new_id()}")
    try:
        descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        draft.replace(path)
        sync_folder(path.parent)
    except OSError:
        with suppress(OSError):
            draft.unlink()
        raise


def sync_folder(folder: Path) -> None:
    """Make renames in a folder survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
