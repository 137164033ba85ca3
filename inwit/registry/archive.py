"""The archive that carries a package: the same folder gives the same bytes, named by their sha256.

A ``.tar.gz`` without times, owners or names of its maker. It is unpacked by a filter of our own,
within limits that count while it streams: what `tarfile` alone would follow, ours refuses.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import msgspec

from inwit.errors import ArchiveError, InvalidPackageError
from inwit.registry.manifest import parse_manifest, read_manifest
from inwit.registry.package import FILE_NAME, MAX_BYTES, PackageManifest
from inwit.registry.paths import Places, checked_path

LEFT_OUT = frozenset({"__pycache__", ".git", ".hg", ".svn", ".inwit", ".venv", "node_modules"})
"""Folders that are never part of a package, besides all whose name begins with a dot."""
CHUNK = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What an archive may hold at most."""

    archive_bytes: int = 50 << 20
    entries: int = 5_000
    file_bytes: int = 50 << 20
    total_bytes: int = 200 << 20
    ratio: int = 200
    """Bytes unpacked for each byte of the archive; the first mebibyte is free."""


class File(msgspec.Struct, frozen=True):
    """One file of a package: its path with ``/``, the sha256 of its content, its bytes."""

    path: str
    sha256: str
    size: int


class Archive(msgspec.Struct, frozen=True, kw_only=True):
    """A built package. `sha256` is its address: the digest of `content`."""

    manifest: PackageManifest
    sha256: str
    content: bytes
    files: tuple[File, ...]

    @property
    def file_name(self) -> str:
        """``namespace.name-version.tar.gz``."""
        about = self.manifest.package
        return f"{about.namespace}.{about.name}-{about.version}.tar.gz"


def build_archive(folder: Path, limits: Limits | None = None) -> Archive:
    """Pack a folder with a manifest; the same files give the same bytes on every machine.

    Only names and contents count: times, owners, modes but "may be executed", and the order of
    the disk do not. Links and what is neither file nor folder are refused.

    Raises:
        InvalidPackageError: Its manifest is at fault.
        ArchiveError: A path or a size is not allowed.
    """
    manifest = read_manifest(folder)
    packed, files = io.BytesIO(), []
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=9, filename="", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name, path in _members(folder):
            content = path.read_bytes()
            info = tarfile.TarInfo(name)
            info.size = len(content)
            info.mode = 0o755 if os.access(path, os.X_OK) else 0o644
            tar.addfile(info, io.BytesIO(content))
            files.append(File(name, hashlib.sha256(content).hexdigest(), len(content)))
    content = packed.getvalue()
    # What is built must be what will be accepted.
    for _ in _entries(io.BytesIO(content), limits or Limits()):
        pass
    return Archive(
        manifest=manifest,
        sha256=hashlib.sha256(content).hexdigest(),
        content=content,
        files=tuple(files),
    )


def read_archive(content: bytes, limits: Limits | None = None) -> Archive:
    """Check an archive's bytes without writing anything, and say what it holds.

    Raises:
        ArchiveError: It is no such archive, or holds what is refused.
        InvalidPackageError: Its manifest is at fault.
    """
    allowed = limits or Limits()
    if len(content) > allowed.archive_bytes:
        raise ArchiveError("the archive", "size in bytes", len(content), allowed.archive_bytes)
    files, manifest = [], b""
    for name, file, _ in _entries(io.BytesIO(content), allowed):
        held = file.read()
        if name == FILE_NAME:
            manifest = held
        files.append(File(name, hashlib.sha256(held).hexdigest(), len(held)))
    if not manifest:
        raise ArchiveError("the archive", "content", [file.path for file in files], FILE_NAME)
    checked = parse_manifest(manifest)
    _check_modules(checked, {file.path for file in files})
    return Archive(
        manifest=checked,
        sha256=hashlib.sha256(content).hexdigest(),
        content=content,
        files=tuple(files),
    )


def unpack(archive: IO[bytes], into: Path, limits: Limits | None = None) -> tuple[File, ...]:
    """Unpack into an empty folder that must exist; on an error the folder is left for the caller.

    Nothing is written outside: paths are checked before any byte, files are made anew without
    following links, with modes of ours. What exceeds a limit is refused while it streams.

    Raises:
        ArchiveError: It is no such archive, or holds what is refused.
    """
    written = []
    root = os.open(into, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        for name, file, executable in _entries(archive, limits or Limits()):
            digest, size = _write(root, name, file, 0o755 if executable else 0o644)
            written.append(File(name, digest, size))
    finally:
        os.close(root)
    return tuple(written)


def _write(root: int, name: str, file: IO[bytes], mode: int) -> tuple[str, int]:
    *folders, last = name.split("/")
    place = os.dup(root)
    try:
        for folder in folders:
            with suppress(FileExistsError):
                os.mkdir(folder, 0o755, dir_fd=place)
            inner = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=place)
            os.close(place)
            place = inner
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        digest, size = hashlib.sha256(), 0
        with os.fdopen(os.open(last, flags, mode, dir_fd=place), "wb") as out:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
                size += len(chunk)
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
        return digest.hexdigest(), size
    finally:
        os.close(place)


def _members(folder: Path) -> Iterator[tuple[str, Path]]:
    """Files in the order of their names' bytes."""
    found = []
    for place, folders, files in os.walk(folder, followlinks=False):
        for name in sorted(folders):
            if (Path(place) / name).is_symlink():
                raise ArchiveError(str(Path(place) / name), "type", "a link", "a file or folder")
        folders[:] = [one for one in folders if one not in LEFT_OUT and not one.startswith(".")]
        for name in files:
            path = Path(place) / name
            if name.startswith(".") or name.endswith((".pyc", ".pyo")):
                continue
            if path.is_symlink() or not path.is_file():
                raise ArchiveError(str(path), "type", "a link or device", "a file or folder")
            found.append((path.relative_to(folder).as_posix(), path))
    yield from sorted(found, key=lambda one: one[0].encode("utf-8", "surrogateescape"))


def _entries(archive: IO[bytes], limits: Limits) -> Iterator[tuple[str, IO[bytes], bool]]:
    """Each file's checked path, its bytes and whether it may be executed, as they stream by."""
    places = Places()
    counted: Any = _Counted(archive, limits)  # all that tarfile asks of a file is `read`
    count = 0
    try:
        with tarfile.open(fileobj=counted, mode="r|", bufsize=CHUNK) as tar:
            for info in tar:
                count += 1
                if count > limits.entries:
                    raise ArchiveError("the archive", "number of entries", count, limits.entries)
                if info.isdir():
                    places.add_folder(checked_path(info.name))
                    continue
                yield _member(tar, info, places, limits)
    except _MALFORMED as exc:
        raise ArchiveError(
            "the archive", "form", str(exc), "a .tar.gz as `pkg build` makes it"
        ) from exc


def _member(
    tar: tarfile.TarFile, info: tarfile.TarInfo, places: Places, limits: Limits
) -> tuple[str, IO[bytes], bool]:
    # A sparse file could claim any size; links lead anywhere; devices are no content.
    if not info.isreg() or info.issparse():
        raise ArchiveError(info.name, "type", _TYPES.get(info.type, "unknown"), "a file or folder")
    if info.size > limits.file_bytes:
        raise ArchiveError(info.name, "size in bytes", info.size, limits.file_bytes)
    name = checked_path(info.name)
    places.add_file(name)
    file = tar.extractfile(info)
    assert file is not None
    return name, file, bool(info.mode & 0o100)


_MALFORMED = (tarfile.TarError, EOFError, zlib.error, ValueError, RecursionError, OverflowError)
_TYPES = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a character device",
    tarfile.BLKTYPE: "a block device",
    tarfile.FIFOTYPE: "a named pipe",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
}


class _Counted:
    """Gunzips while counting: what grows beyond its limits is never held nor written."""

    def __init__(self, source: IO[bytes], limits: Limits) -> None:
        self._source = source
        self._limits = limits
        self._unzip: Any = zlib.decompressobj(wbits=31)
        self._taken = self._given = 0
        self._held = b""

    def read(self, size: int) -> bytes:
        found = b""
        while len(found) < size and not self._unzip.eof:
            if not self._held:
                self._held = self._source.read(CHUNK)
                self._taken += len(self._held)
                if not self._held:
                    raise EOFError("it ends too early")
                if self._taken > self._limits.archive_bytes:
                    self._refuse("size in bytes", self._taken, self._limits.archive_bytes)
            found += self._unzip.decompress(self._held, size - len(found))
            self._held = self._unzip.unconsumed_tail
        self._given += len(found)
        self._check()
        return found

    def _check(self) -> None:
        if self._given > self._limits.total_bytes:
            self._refuse("unpacked size in bytes", self._given, self._limits.total_bytes)
        if self._given > (1 << 20) + self._limits.ratio * self._taken:
            ratio = self._given // max(self._taken, 1)
            self._refuse("ratio of unpacked to packed bytes", ratio, self._limits.ratio)

    @staticmethod
    def _refuse(what: str, found: int, limit: int) -> None:
        raise ArchiveError("the archive", what, found, limit)


def _check_modules(manifest: PackageManifest, files: set[str]) -> None:
    for name, value in manifest.entry_points.items():
        place = value.partition(":")[0].replace(".", "/")
        if not {f"{place}.py", f"{place}/__init__.py"} & files:
            hint = f"The archive has no file {place}.py."
            raise InvalidPackageError(FILE_NAME, f"entry_points.{name}", value, hint)


assert Limits().file_bytes >= MAX_BYTES
