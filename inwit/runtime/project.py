"""The project folder: where the record of a project lives, and how it is found."""

from __future__ import annotations

import errno
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from inwit.errors import StoreReadOnlyError

_found: dict[tuple[str, str], Project] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How much of the record is kept; the oldest finished executions go first."""

    executions: int = 10_000
    days: float = 30.0
    size_bytes: int = 2 << 30


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
        place = os.fspath(start) if start is not None else os.getcwd()
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
        """Read, or make once, 32 random bytes that only this user can read."""
        path = self.folder / name
        try:
            self.ensure()
            with os.fdopen(
                os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb"
            ) as file:
                file.write(secrets.token_bytes(32))
        except (FileExistsError, StoreReadOnlyError):
            pass
        try:
            return path.read_bytes() or _process_secret
        except OSError:
            return _process_secret

    def retention(self) -> Retention:
        """Read the limits: environment before `config.toml` before the defaults."""
        table = self.settings().get("retention", {})
        table = table if isinstance(table, dict) else {}
        values = {
            name: os.environ.get(f"INWIT_RETENTION_{name.upper()}", table.get(name, default))
            for name, default in (("executions", 10_000), ("days", 30.0), ("size_bytes", 2 << 30))
        }
        return Retention(
            executions=max(int(values["executions"]), 1),
            days=float(values["days"]),
            size_bytes=int(values["size_bytes"]),
        )

    def settings(self) -> dict[str, object]:
        """What `config.toml` in the folder says; nothing where there is none."""
        path = self.folder / "config.toml"
        if not path.exists():
            return {}
        import tomllib

        with path.open("rb") as file:
            return tomllib.load(file)


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
