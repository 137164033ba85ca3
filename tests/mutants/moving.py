"""A change that was drawn in one tree, made in another whose file may be a later one."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path


def moved(before: Path, changed: str, after: Path) -> str | None:
    """The text of `after` with what `changed` changes in `before`; None if that place is another there."""
    if not after.is_file():
        return None
    if before.read_bytes() == after.read_bytes():
        return changed
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
        file.write(changed)
        file.flush()
        merge = ["git", "merge-file", "--stdout", str(after), str(before), file.name]
        merged = subprocess.run(merge, capture_output=True, text=True, check=False)
    is_made = merged.returncode == 0 and merged.stdout != after.read_text("utf-8")
    return merged.stdout if is_made else None
