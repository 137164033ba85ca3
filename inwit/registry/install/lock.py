"""The lock file: what was asked for, and what exactly is installed for it.

It is the one truth: what it names is installed, and its rename is the moment in which an
installation, an update or a removal happens. Beside a project's own files it is meant to be
committed; ``inwit pkg install --frozen`` makes another machine equal to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from inwit.errors import LockError
from inwit.registry.package import Permissions
from inwit.registry.sources.base import Level, Origin, Release
from inwit.runtime.files import write_whole
from inwit.runtime.project import Project

FILE = "inwit.lock"
FORMAT = 1
MAX_BYTES = 16 << 20


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """One package that was asked for by name: which versions, with which extras."""

    version: str = ""
    extras: tuple[str, ...] = ()


class Locked(msgspec.Struct, frozen=True, kw_only=True):
    """One package that is installed."""

    id: str
    version: str
    sha256: str
    source: str
    origin: Origin
    level: Level
    proof: dict[str, Any] = {}
    dependencies: tuple[str, ...] = ()
    permissions: Permissions = Permissions()

    @property
    def place(self) -> str:
        """Its folder below the folder of what is installed: one for each content."""
        return f"{self.id}/{self.version}-{self.sha256[:16]}"


class Lock(msgspec.Struct, frozen=True, kw_only=True):
    """The whole file."""

    format: int = FORMAT
    wanted: dict[str, Wanted] = {}
    packages: tuple[Locked, ...] = ()

    def get(self, package_id: str) -> Locked | None:
        """The installed package of an id."""
        return next((one for one in self.packages if one.id == package_id), None)

    def needed_by(self, package_id: str) -> tuple[str, ...]:
        """The installed packages that stand on it."""
        return tuple(one.id for one in self.packages if package_id in one.dependencies)

    def without(self, gone: Iterable[str]) -> Lock:
        """The lock when some are no longer asked for: what nothing needs any more goes too."""
        wanted = {one: self.wanted[one] for one in self.wanted if one not in set(gone)}
        kept, open_ = set[str](), list(wanted)
        while open_:
            one = open_.pop()
            found = self.get(one)
            if found is not None and one not in kept:
                kept.add(one)
                open_ += found.dependencies
        packages = tuple(one for one in self.packages if one.id in kept)
        return Lock(wanted=wanted, packages=packages)


def lock_path(project: Project) -> Path:
    """Beside the project's own files, else in its folder."""
    own = project.folder == project.root / ".inwit"
    return (project.root if own else project.folder) / FILE


def installed_folder(project: Project) -> Path:
    """Where installed packages are."""
    return project.folder / "installed"


def read_lock(project: Project) -> Lock:
    """Read the lock file; an empty one where there is none.

    Raises:
        LockError: It cannot be read, or does not hold what it must.
    """
    path = lock_path(project)
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES)
        found = msgspec.json.decode(content, type=Lock)
    except FileNotFoundError:
        return Lock()
    except OSError as exc:
        raise LockError(
            f"{path} cannot be read: {exc.strerror}.", hint="Make it readable."
        ) from exc
    except (msgspec.DecodeError, RecursionError) as exc:
        hint = "Restore it, or remove it and install again."
        raise LockError(f"{path} is no lock file: {exc}.", hint=hint) from exc
    if found.format != FORMAT:
        raise LockError(f"{path} has format {found.format}.", hint="A newer inwit wrote it.")
    for one in found.packages:
        _check_place(path, one)
    return found


def write_lock(project: Project, lock: Lock) -> None:
    """Put a lock in the place of the old one; an empty one takes the file away."""
    path = lock_path(project)
    if not lock.packages and not lock.wanted:
        path.unlink(missing_ok=True)
        return
    order = tuple(sorted(lock.packages, key=lambda one: one.id))
    content = msgspec.json.format(
        msgspec.json.encode(msgspec.structs.replace(lock, packages=order), order="sorted"), indent=2
    )
    write_whole(path, content + b"\n")


def locked(release: Release, sha256: str, dependencies: Iterable[str]) -> Locked:
    """What is written of a release that was fetched."""
    return Locked(
        id=release.id,
        version=release.version,
        sha256=sha256,
        source=release.source,
        origin=release.origin,
        level=release.level,
        proof=release.proof,
        dependencies=tuple(sorted(dependencies)),
        permissions=release.manifest.permissions,
    )


def _check_place(path: Path, one: Locked) -> None:
    """A lock file comes from anywhere: what it names becomes a path."""
    import re

    from inwit.registry.package import ID_PATTERN

    plain = re.fullmatch(ID_PATTERN, one.id) and re.fullmatch(r"[0-9a-f]{64}", one.sha256)
    if not plain or not re.fullmatch(r"[0-9A-Za-z.!+_-]{1,80}", one.version):
        hint = "Restore it, or remove it and install again."
        raise LockError(f"{path} names no package with {one.id!r} {one.version!r}.", hint=hint)
