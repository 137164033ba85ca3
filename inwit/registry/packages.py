"""The packages that can be used: shipped ones, the project's, installed ones and the user's.

A source is a folder of ``namespace/name/inwit-package.toml``; what is installed is what the lock
file names. Where two hold the same id, the project's goes before the installed one, that before
the user's, and that before the shipped one.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from inwit.errors import (
    InvalidPackageError,
    LockError,
    MalformedInputError,
    UnknownPackageError,
    nearest,
)
from inwit.registry.encoder import default_encoder
from inwit.registry.install.lock import Locked, installed_folder, read_lock
from inwit.registry.loading import load_entry_point
from inwit.registry.manifest import FILE_NAME, KINDS, Kind, Origin, Package, read_package
from inwit.registry.search import Entry, HybridIndex
from inwit.registry.search.filters import Filters, levels_up_to
from inwit.runtime.project import Project, user_folder

__all__ = ["KINDS", "Package", "PackageFault", "PackageIndex", "PackageMatch", "load"]

logger = logging.getLogger("inwit")

_Signature = tuple[tuple[str, int, int], ...]


class PackageMatch(msgspec.Struct, frozen=True):
    """A package that a query found. `why` says what in the query led to it."""

    package: Package
    score: float
    why: str


class PackageFault(msgspec.Struct, frozen=True, kw_only=True):
    """A folder that should hold a package and does not."""

    folder: str
    origin: Origin
    code: str
    message: str
    hint: str


Matches: TypeAlias = list[PackageMatch]


class PackageIndex:
    """The packages of one project. Safe to use from several threads; it sees changes on disk."""

    def __init__(
        self,
        sources: dict[Origin, Path],
        *,
        folder: Path | None = None,
        project: Project | None = None,
    ) -> None:
        self._sources = sources
        self._project = project
        self._folder = folder
        self._lock = threading.RLock()
        self._signature: _Signature | None = None
        self._packages: dict[str, Package] = {}
        self._faults: tuple[PackageFault, ...] = ()
        self._index: HybridIndex | None = None
        self._told_of_lock = False

    @classmethod
    def of(cls, project: Project) -> PackageIndex:
        """The index of a project's packages, one per project folder and process."""
        with _indexes_lock:
            key = (project.folder, user_folder())
            if key not in _indexes:
                sources: dict[Origin, Path] = {
                    "project": project.folder / "packages",
                    "user": user_folder() / "packages",
                    "shipped": shipped_folder(),
                }
                _indexes[key] = cls(sources, folder=project.folder / "index", project=project)
            return _indexes[key]

    def list(self, kind: str | None = None) -> list[Package]:
        """All packages, or those of one kind, by their ids.

        Raises:
            MalformedInputError: There is no such kind.
        """
        checked = _checked_kind(kind)
        packages = sorted(self._current().values(), key=lambda package: package.id)
        return [package for package in packages if checked in {None, package.kind}]

    def __iter__(self) -> Iterator[Package]:
        return iter(self.list())

    def __len__(self) -> int:
        return len(self._current())

    def get(self, package_id: str) -> Package:
        """The package of an id, ``namespace/name``; the name alone is enough where it is the only one.

        Raises:
            UnknownPackageError: There is none.
        """
        packages = self._current()
        if package_id in packages:
            return packages[package_id]
        named = [package for package in packages.values() if package.name == package_id]
        if len(named) == 1:
            return named[0]
        raise UnknownPackageError(package_id, packages)

    def search(
        self,
        query: str,
        kind: str | None = None,
        limit: int = 10,
        *,
        filters: Filters | None = None,
    ) -> Matches:
        """The packages that a query names or describes, best first.

        Raises:
            MalformedInputError: There is no such kind, level or range of versions.
        """
        wanted = filters or Filters()
        checked = _checked_kind(kind or wanted.kind)
        fits = wanted.predicate()
        with self._lock:
            packages = self._current()
            if self._index is None:
                # A search leaves no folder where nobody asked for one.
                kept = self._folder if self._folder and self._folder.parent.is_dir() else None
                entries = [_entry(package) for package in packages.values()]
                self._index = HybridIndex(entries, encoder=default_encoder(), folder=kept)
            index = self._index
        matches = index.search(query, kind=checked, limit=limit if filters is None else 1000)
        found = (PackageMatch(packages[one.id], one.score, one.why) for one in matches)
        return [one for one in found if fits(one.package) and _has(one.package, wanted)][:limit]

    def similar(
        self, package_id: str, *, filters: Filters | None = None, limit: int = 10
    ) -> Matches:
        """The other packages nearest in what they are for.

        Raises:
            UnknownPackageError: There is none of that id.
        """
        own = self.get(package_id)
        text = f"{own.description} {', '.join(own.keywords)}"
        found = self.search(text, limit=limit + 1, filters=filters)
        return [one for one in found if one.package.id != own.id][:limit]

    def faults(self) -> tuple[PackageFault, ...]:
        """The folders that should hold a package and do not, and why."""
        self._current()
        return self._faults

    def _current(self) -> dict[str, Package]:
        """Read the sources again when a manifest came, went or changed."""
        with self._lock:
            signature = tuple(self._signatures())
            if signature != self._signature:
                self._packages, self._faults = self._read()
                self._signature, self._index = signature, None
            return self._packages

    def _signatures(self) -> Iterator[tuple[str, int, int]]:
        for _, folder in self._folders():
            path = folder / FILE_NAME
            try:
                stat = path.stat()
                yield str(path), stat.st_mtime_ns, stat.st_size
            except OSError:
                yield str(path), 0, 0

    def _folders(self) -> Iterator[tuple[Origin, Path]]:
        for origin, source in self._sources.items():
            if origin == "user":
                yield from (("installed", folder) for folder in self._locked())
            try:
                found = sorted(path.parent for path in source.glob(f"*/*/{FILE_NAME}"))
            except OSError:
                continue
            yield from ((origin, folder) for folder in found)

    def _locked(self) -> dict[Path, Locked]:
        """The folders of what is installed."""
        if self._project is None:
            return {}
        try:
            lock = read_lock(self._project)
        except LockError as exc:
            if not self._told_of_lock:
                logger.warning("Installed packages are left out: %s", exc)
            self._told_of_lock = True
            return {}
        root = installed_folder(self._project)
        return {root / one.place: one for one in lock.packages}

    def _read(self) -> tuple[dict[str, Package], tuple[PackageFault, ...]]:
        packages: dict[str, Package] = {}
        faults = []
        locked = self._locked()
        for origin, folder in self._folders():
            try:
                package = _package(folder, origin, locked.get(folder))
                packages.setdefault(package.id, package)
            except InvalidPackageError as exc:
                logger.warning("A package is left out: %s", exc)
                faults.append(
                    PackageFault(
                        folder=str(folder),
                        origin=origin,
                        code=exc.code,
                        message=exc.message,
                        hint=exc.hint,
                    )
                )
        return packages, tuple(faults)


def _package(folder: Path, origin: Origin, locked: Locked | None) -> Package:
    package = read_package(folder, origin, in_place=locked is None)
    if locked is None:
        return package
    # What was copied from the user's own folder is the user's own.
    is_own = locked.origin == "local" and Path(locked.source) == user_folder() / "packages"
    level = "" if is_own else locked.level
    return msgspec.structs.replace(package, level=level)


_indexes: dict[tuple[Path, Path], PackageIndex] = {}
_indexes_lock = threading.Lock()


def load(
    package_id: str,
    entry_point: str = "default",
    *,
    project: Project | None = None,
    allow_unsandboxed: bool = False,
) -> Any:
    """Import a package and return what its entry point names: a graph's factory, a tool pack, ….

    This runs the package's code; listing and searching don't. Of an installed package that nobody
    vouches for it runs in a sandbox, and what is returned stands in for what is there. Where no
    sandbox can be made, `allow_unsandboxed` lets it run in a process without bounds.

    Raises:
        UnknownPackageError: No source has the package.
        InvalidPackageError: It cannot be imported, or has no such entry point.
        SandboxError: It must be sandboxed and cannot be.

    Example:
        >>> build = load("inwit/map-reduce")
        >>> app = build(map_item=len, reduce_items=sum).compile(name="letters")
        >>> app.invoke({"items": ["one", "three"]})["result"]
        8
    """
    found = project or Project.find()
    package = PackageIndex.of(found).get(package_id)
    if package.level != "unverified":
        return load_entry_point(package, entry_point)
    from inwit.registry.install.consents import unsandboxed
    from inwit.registry.sandbox.loading import load_sandboxed

    consents = allow_unsandboxed or package.id in unsandboxed(found)
    return load_sandboxed(package, entry_point, found.root, allow_unsandboxed=consents)


def shipped_folder() -> Path:
    """Where the packages are that come with inwit: in the wheel, else in the source tree."""
    inwit = Path(__file__).resolve().parents[1]
    installed = inwit / "_manifests" / "packages"
    return installed if installed.is_dir() else inwit.parent / "manifests" / "packages"


def _entry(package: Package) -> Entry:
    """What a package is found by: all that it says of itself."""
    provided = [name for names in package.provides.values() for name in names]
    provided += package.capabilities.provides
    # Words of the name stand in the text too: a package's name mostly says what it is for.
    text = (
        f"{package.description} {package.name.replace('-', ' ')} {package.kind.replace('-', ' ')}. "
        f"{', '.join(package.keywords)}. {' '.join(provided)}"
    )
    return Entry(id=package.id, name=package.name, text=text, kind=package.kind)


def _has(package: Package, wanted: Filters) -> bool:
    """Whether a package has the capability, licence and level that are asked for."""
    given = (
        (wanted.capability, package.capabilities.provides),
        (wanted.licence, (package.licence,)),
        (wanted.trust, levels_up_to(package.level)),
    )
    return all(one is None or one in had for one, had in given)


def _checked_kind(kind: str | None) -> Kind | None:
    for known in KINDS:
        if kind == known:
            return known
    if kind is None:
        return None
    raise MalformedInputError(f"No kind of packages {kind!r}.", hint=nearest(kind, KINDS))
