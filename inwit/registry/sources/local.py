"""Packages on this machine: a folder of packages, one package's folder, or one archive."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path

from inwit.errors import ArchiveError, InvalidPackageError, UnknownPackageError
from inwit.registry.archive import Archive, Limits, build_archive, read_archive
from inwit.registry.package import FILE_NAME
from inwit.registry.sources.base import Origin, Release


class FolderSource:
    """A folder of ``namespace/name/inwit-package.toml``, as ``~/.inwit/packages``.

    What lies here is the user's own: it proves nothing and needs no proof.
    """

    origin: Origin = "local"

    def __init__(self, folder: Path) -> None:
        self.name = str(folder)
        self._folder = folder

    @property
    def namespaces(self) -> frozenset[str] | None:
        """Those that a folder is here for."""
        return frozenset(one.partition("/")[0] for one in self.list())

    def owns(self, namespace: str) -> bool:
        """Whether there is a package of the namespace."""
        return namespace in (self.namespaces or ())

    def list(self) -> Iterable[str]:
        """The ids by their folders."""
        return sorted(
            f"{path.parent.parent.name}/{path.parent.name}"
            for path in self._folder.glob(f"*/*/{FILE_NAME}")
        )

    def releases(self, package_id: str) -> Sequence[Release]:
        """The one version that lies here."""
        if package_id not in self.list():
            return ()
        return (_release(build_archive(self._folder / package_id), self.name),)

    def fetch(self, release: Release, *, max_bytes: int) -> bytes:
        """Its archive, built now."""
        return _within(build_archive(self._folder / release.id).content, max_bytes)


class PathSource:
    """One package, from its folder or its archive; it owns the package's namespace by being named."""

    origin: Origin = "local"

    def __init__(self, path: Path) -> None:
        self.name = str(path.resolve())
        self._path = path

    @cached_property
    def archive(self) -> Archive:
        """The package, read once: what is resolved is what is installed.

        Raises:
            ArchiveError: It is no archive, or holds what is refused.
            InvalidPackageError: Its manifest is at fault.
        """
        if self._path.is_dir():
            return build_archive(self._path)
        limit = Limits().archive_bytes
        try:
            with self._path.open("rb") as file:
                return read_archive(_within(file.read(limit + 1), limit))
        except OSError as exc:
            hint = "Give a package's folder or archive."
            raise InvalidPackageError(self.name, "the file", exc.strerror, hint) from exc

    @property
    def id(self) -> str:
        """The id of its package."""
        return self.archive.manifest.id

    @property
    def namespaces(self) -> frozenset[str] | None:
        """None of its own: it is named for one package, and owns nothing else."""
        return frozenset()

    def owns(self, namespace: str) -> bool:  # noqa: ARG002 - a source is asked so
        """No namespace as a whole."""
        return False

    def list(self) -> Iterable[str]:
        """Its package."""
        return (self.id,)

    def releases(self, package_id: str) -> Sequence[Release]:
        """Its one version."""
        return (_release(self.archive, self.name),) if package_id == self.id else ()

    def fetch(self, release: Release, *, max_bytes: int) -> bytes:
        """Its archive."""
        if release.id != self.id:
            raise UnknownPackageError(release.id, [self.id])
        return _within(self.archive.content, max_bytes)


def _release(archive: Archive, source: str) -> Release:
    return Release(
        manifest=archive.manifest,
        source=source,
        origin="local",
        sha256=archive.sha256,
        size_bytes=len(archive.content),
    )


def _within(content: bytes, max_bytes: int) -> bytes:
    if len(content) > max_bytes:
        raise ArchiveError("the archive", "size in bytes", len(content), max_bytes)
    return content
