"""Changing files that belong to the user: with a copy of what was, and by one rename."""

from __future__ import annotations

import os
import time
from pathlib import Path

from inwit.cli.frame import Failure
from inwit.runtime.files import write_whole

OWN = 0o600
"""The mode of a file that is made here: a client's may come to hold a token."""


def replace(file: Path, text: str) -> Path | None:
    """Write a file, made where it is missing; give the copy of what it was, if it held something.

    A link stays one, and permissions stay as they are.

    Raises:
        Failure: It cannot be written.
    """
    target = Path(os.path.realpath(file))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        mode = target.stat().st_mode & 0o777 if target.exists() else None
        backup = _back_up(target, mode) if mode is not None and target.stat().st_size else None
        write_whole(target, text.encode(), mode=OWN if mode is None else mode)
        if mode is not None:
            target.chmod(mode)
    except OSError as exc:
        raise Failure(f"{target} cannot be written: {exc.strerror or exc}.") from exc
    return backup


def _back_up(target: Path, mode: int) -> Path:
    stamp, number = time.strftime("%Y%m%d-%H%M%S"), 1
    copy = target.with_name(f"{target.name}.{stamp}.bak")
    while copy.exists():
        number += 1
        copy = target.with_name(f"{target.name}.{stamp}-{number}.bak")
    copy.touch(mode)
    copy.write_bytes(target.read_bytes())
    return copy
