"""Which package a file belongs to, by the manifest above it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from inwit.errors import InvalidPackageError
from inwit.registry.manifest import read_manifest
from inwit.registry.package import FILE_NAME, PackageManifest

DEPTH = 6


@lru_cache(maxsize=512)
def package_of(file: str) -> PackageManifest | None:
    """The manifest of the package that holds a file; None where none does."""
    for folder in list(Path(file).parents)[:DEPTH]:
        if (folder / FILE_NAME).is_file():
            try:
                return read_manifest(folder)
            except InvalidPackageError:
                return None
    return None
