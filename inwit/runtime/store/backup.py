"""A copy of a project's folder that is whole, made while others write to it."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from inwit.errors import StoreError, StoreFullError, StoreReadOnlyError
from inwit.ids import new_id
from inwit.runtime.project import Project
from inwit.runtime.store.connection import open_reader, query, store_errors

_LEFT_OUT: Final = (
    "inwit.db*", "host.json", "lock", "index", ".*.json.*", "unsandboxed.json",
)  # fmt: skip
"""The record, which is copied by SQLite; what belongs to a running host; what is made anew; and to
what the user of this machine has consented."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """What a backup holds. It is the folder itself: put in the project's place, it is the project."""

    path: Path
    executions: int
    size_bytes: int


def back_up(project: Project, target: Path) -> Backup:
    """Copy the folder of a project: its record as of one moment, its keys, settings and packages.

    The copy appears whole or not at all; index files, which are made anew when they are missing,
    are left out.

    Raises:
        StoreError: There is no record, the target is there already, or it cannot be written.
    """
    if not project.database.is_file():
        raise StoreError(f"{project.folder} has no record.", hint="Run a graph there first.")
    if target.exists():
        raise StoreError(f"{target} is there already.", hint="Name a folder that is not.")
    draft = target.with_name(f".{target.name}.{new_id()}")
    try:
        draft.parent.mkdir(parents=True, exist_ok=True)
        draft.mkdir(mode=0o700)
        executions = _copy_record(project.database, draft / project.database.name)
        left_out = shutil.ignore_patterns(*_LEFT_OUT)
        shutil.copytree(
            project.folder, draft, ignore=left_out, dirs_exist_ok=True, copy_function=_copy
        )
        draft.chmod(0o700)
        draft.rename(target)
    except OSError as exc:  # as is what shutil raises
        if getattr(exc, "errno", None) == errno.ENOSPC:
            raise StoreFullError(target) from exc
        raise StoreReadOnlyError(target, str(exc)) from exc
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    size = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
    return Backup(path=target, executions=executions, size_bytes=size)


def _copy(source: str, target: str) -> None:
    """Copy a file, unless it is gone: drafts of a running host come and go."""
    with suppress(FileNotFoundError):
        shutil.copy2(source, target)


def _copy_record(source: Path, target: Path) -> int:
    """Copy the record as it is at one moment, and check the copy; gives how many executions it has."""
    os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    with store_errors(source):
        reader = open_reader(source)
        try:
            reader.execute("VACUUM INTO ?", (str(target),))
        finally:
            reader.close(True)
    with store_errors(target):
        copy = open_reader(target)
        try:
            verdict = query(copy, "PRAGMA integrity_check(1)")[0][0]
            if verdict != "ok":
                raise StoreError(f"The copy of {source} is damaged: {verdict}.", hint="Try again.")
            return int(query(copy, "SELECT count(*) FROM executions")[0][0])
        finally:
            copy.close(True)
