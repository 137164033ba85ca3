"""The project folder: where the record of a project lives, and how it is found."""

from __future__ import annotations

import errno
import math
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inwit.errors import StoreError, StoreReadOnlyError, shorten

_found: dict[tuple[str, str], Project] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How much of the record is kept; the oldest finished executions go first."""

    executions: int = 10_000
    """How many executions are kept, at least 1."""
    days: float = 30.0
    """How long an execution is kept after its end, at least 0."""
    size_bytes: int = 2 << 30
    """How large the record's file may grow, at least 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """One project: a root and its folder. Two are equal when their folder is the same."""

    root: Path
    """Where the project's own files are."""
    folder: Path
    """Where inwit keeps what it knows of it; it may not exist yet."""

    @classmethod
    def find(cls, start: Path | None = None) -> Project:
        """Find the project of a folder, the working directory by default. Creates nothing.

        `.inwit` in the nearest parent that has one, else beside `pyproject.toml` or `.git`, else
        `~/.inwit/scratch`. `INWIT_HOME` moves the folder.
        """
        place = os.getcwd() if start is None else str(start)  # noqa: PTH109 - found at each compile
        key = (place, os.environ.get("INWIT_HOME", ""))
        found = _found.get(key)
        if found is None:
            found = _found[key] = _look_for(Path(place).resolve(), key[1])
        return found

    @staticmethod
    def is_off() -> bool:
        """Whether `INWIT_OFF` switches the record off for this process."""
        return os.environ.get("INWIT_OFF", "").lower() not in ("", "0", "false", "no")

    @property
    def database(self) -> Path:
        """The file of the record."""
        return self.folder / "inwit.db"

    def ensure(self) -> Path:
        """Make the folder where it is missing, private and unknown to git.

        Raises:
            StoreReadOnlyError: It cannot be made.
        """
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            ignore = self.folder / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n")
        except OSError as exc:
            if exc.errno in (errno.ENOSPC, errno.EDQUOT) and self.folder.is_dir():
                return self.folder
            raise StoreReadOnlyError(self.folder, exc.strerror or str(exc)) from exc
        return self.folder

    def secret(self, name: str) -> bytes:
        """Read, or make once, 32 random bytes that only this user can read.

        Where nothing can be written they last as long as the process.
        """
        path = self.folder / name
        try:
            if not path.exists():
                self._make_secret(path)
            return path.read_bytes()
        except OSError:
            return _process_secret

    def _make_secret(self, path: Path) -> None:
        draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        try:
            self.ensure()
            draft.touch(mode=0o600)
            draft.write_bytes(secrets.token_bytes(32))
            path.hardlink_to(draft)  # one process wins, and nobody reads half of it
        except (OSError, StoreReadOnlyError):
            pass
        finally:
            with suppress(OSError):
                draft.unlink()

    def retention(self) -> Retention:
        """Read the limits: environment before `config.toml` before the defaults.

        Raises:
            StoreError: A limit is no number, or less than it may be.
        """
        found = self.settings().get("retention")
        table: dict[str, Any] = found if isinstance(found, dict) else {}

        def limit(name: str, default: float, least: int) -> float:
            variable = f"INWIT_RETENTION_{name.upper()}"
            said = os.environ.get(variable)
            given, where = (said, variable) if said else (table.get(name, default), name)
            number = _number(given)
            if number is None or number < least:
                wrong = "no number" if number is None else f"less than {least}"
                place = (
                    f"the environment, or {name} below [retention] in {self.folder / 'config.toml'}"
                )
                hint = f"It is a number from {least} on, as usual {default:,g}. Mend {variable} in {place}."
                raise StoreError(f"{where} = {shorten(str(given))} is {wrong}.", hint=hint)
            return number

        return Retention(
            executions=int(limit("executions", 10_000, 1)),
            days=limit("days", 30.0, 0),
            size_bytes=int(limit("size_bytes", 2 << 30, 1)),
        )

    def settings(self) -> dict[str, object]:
        """What `config.toml` in the folder says; nothing where there is none.

        Raises:
            StoreError: It cannot be read, or is no TOML.
        """
        path = self.folder / "config.toml"
        try:
            text = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except OSError as exc:
            reason = exc.strerror or str(exc)
            raise StoreError(f"{path} cannot be read: {reason}.", hint="`inwit doctor`.") from exc
        import tomllib

        try:
            return tomllib.loads(text.decode())
        except ValueError as exc:
            raise StoreError(f"{path} is no TOML: {exc}.", hint="Mend that line.") from exc


def _number(given: Any) -> float | None:
    try:
        found = float(given)
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None


_process_secret = secrets.token_bytes(32)


def user_folder() -> Path:
    """The user's own folder, `~/.inwit`."""
    return Path.home() / ".inwit"


def _look_for(start: Path, home: str) -> Project:
    root = _root_of(start)
    if home:
        return Project(root=root or start, folder=Path(home).expanduser().resolve())
    if root is None:
        return Project(root=start, folder=user_folder() / "scratch")
    return Project(root=root, folder=root / ".inwit")


def _root_of(start: Path) -> Path | None:
    """The nearest parent with a project folder, else the nearest one that looks like a project."""
    parents = (start, *start.parents)
    mine = user_folder()
    for parent in parents:
        folder = parent / ".inwit"
        if folder != mine and folder.is_dir():
            return parent
    for parent in parents:
        if (parent / "pyproject.toml").is_file() or (parent / ".git").exists():
            return parent
    return None
