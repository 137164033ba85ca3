"""Packages that were installed from a path: known from what is installed, without the path."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from inwit.errors import InvalidPackageError, SourceError
from inwit.registry.install.lock import Lock, Locked, installed_folder
from inwit.registry.manifest import read_manifest
from inwit.registry.sources.base import Origin, Release
from inwit.registry.sources.local import PathSource
from inwit.runtime.project import Project


class KeptSource:
    """One package as it is installed; its archive is at the path it came from, if it still is."""

    origin: Origin = "local"
    namespaces: frozenset[str] | None = frozenset()

    def __init__(self, locked: Locked, folder: Path) -> None:
        self.name = locked.source
        self._locked = locked
        self._folder = folder

    def owns(self, namespace: str) -> bool:  # noqa: ARG002 - a source is asked so
        """No namespace as a whole."""
        return False

    def list(self) -> Iterable[str]:
        """Its package."""
        return (self._locked.id,)

    def releases(self, package_id: str) -> Sequence[Release]:
        """The version that is installed."""
        if package_id != self._locked.id:
            return ()
        try:
            manifest = read_manifest(self._folder)
        except InvalidPackageError:  # it is not installed here, or was damaged
            return PathSource(Path(self.name)).releases(package_id)
        return (
            Release(
                manifest=manifest, source=self.name, origin="local", sha256=self._locked.sha256,
                proof=self._locked.proof,
            ),
        )  # fmt: skip

    def fetch(self, release: Release, *, max_bytes: int) -> bytes:
        """Its archive, from where it came from.

        Raises:
            SourceError: It is there no longer.
        """
        path = Path(self.name)
        if not path.exists():
            raise SourceError(self.name, f"{release.id} is there no longer")
        return PathSource(path).fetch(release, max_bytes=max_bytes)


def kept_sources(project: Project, lock: Lock, owners: Iterable[str]) -> list[KeptSource]:
    """The packages of a lock file that came from paths, and from no source of the project."""
    known = set(owners)
    return [
        KeptSource(one, installed_folder(project) / one.place)
        for one in lock.packages
        if one.origin == "local" and one.source not in known
    ]
