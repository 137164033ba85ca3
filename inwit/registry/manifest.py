"""What a package says of itself: ``inwit-package.toml``, read and checked without running its code."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any, Literal

import msgspec
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from inwit.errors import InvalidPackageError, nearest
from inwit.registry.package import (
    FILE_NAME,
    KINDS,
    MAX_BYTES,
    About,
    Capabilities,
    Dependency,
    Kind,
    Lineage,
    PackageManifest,
    Permissions,
    schema,
)

__all__ = [
    "FILE_NAME",
    "KINDS",
    "Kind",
    "Origin",
    "Package",
    "PackageManifest",
    "module_file",
    "parse_manifest",
    "read_manifest",
    "read_package",
    "schema",
]

Origin = Literal["shipped", "project", "user", "installed"]
"""Where a package lies: with inwit itself, with the project, with the user, or in the lock file."""


class Package(msgspec.Struct, frozen=True, kw_only=True):
    """A package that was found. `id` is ``namespace/name``; `origin` says where it came from.

    `level` says how far it is proved who made it; empty for one that lies here as its own source.
    """

    id: str
    version: str
    kind: Kind
    name: str
    description: str
    keywords: tuple[str, ...]
    authors: tuple[str, ...]
    licence: str
    requires: tuple[str, ...]
    provides: dict[str, tuple[str, ...]]
    entry_points: dict[str, str]
    origin: Origin
    folder: str
    capabilities: Capabilities = Capabilities()
    dependencies: dict[str, str | Dependency] = {}
    permissions: Permissions = Permissions()
    lineage: Lineage = Lineage()
    level: str = ""

    @property
    def source(self) -> str:
        """The uri that names the package in evidence."""
        return f"package://{self.id}"

    def readme(self) -> str:
        """The text of its README.md; empty where it has none."""
        try:
            return (Path(self.folder) / "README.md").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""


def read_package(folder: Path, origin: Origin, *, in_place: bool = True) -> Package:
    """Read the manifest of the package in ``…/namespace/name``.

    What is installed lies elsewhere: `in_place=False` takes it from any folder.

    Raises:
        InvalidPackageError: It cannot be read, or a field does not hold what it must; the error
            names the file, the field, its value and the way out.
    """
    manifest = read_manifest(folder)
    about = manifest.package
    if in_place:
        _check_place(folder / FILE_NAME, about)
    return Package(
        id=manifest.id,
        version=about.version,
        kind=about.kind,
        name=about.name,
        description=about.description,
        keywords=about.keywords,
        authors=about.authors,
        licence=about.licence,
        requires=about.requires,
        provides=manifest.provides,
        entry_points=manifest.entry_points,
        origin=origin,
        folder=str(folder),
        capabilities=manifest.capabilities,
        dependencies=manifest.dependencies,
        permissions=manifest.permissions,
        lineage=manifest.lineage,
    )


def read_manifest(folder: Path) -> PackageManifest:
    """Read and check the manifest in a folder, with the modules that its entry points name.

    Raises:
        InvalidPackageError: As for `read_package`.
    """
    path = folder / FILE_NAME
    manifest = parse_manifest(_content(path), str(path))
    _check_entry_points(path, manifest.entry_points)
    return manifest


def parse_manifest(content: bytes, file: str = FILE_NAME) -> PackageManifest:
    """Check the bytes of a manifest, as an archive or a registry hands them over.

    Raises:
        InvalidPackageError: As for `read_package`; `file` is what it names.
    """
    table = _parsed(content, file)
    try:
        manifest = msgspec.convert(table, PackageManifest)
    except msgspec.ValidationError as exc:
        raise _invalid(file, table, str(exc)) from exc
    _check_versions(file, manifest)
    if "default" not in manifest.entry_points:
        hint = "Add `default`: what loading the package gives."
        raise InvalidPackageError(file, "entry_points", sorted(manifest.entry_points), hint)
    return manifest


def module_file(folder: Path, module: str) -> Path | None:
    """Find the file of a module of a package; None when the package has none of that name."""
    place = folder.joinpath(*module.split("."))
    for path in (place.with_suffix(".py"), place / "__init__.py"):
        if path.is_file():
            return path
    return None


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as exc:
        raise InvalidPackageError(str(path), "the file", exc.strerror, "Make it readable.") from exc


def _parsed(content: bytes, file: str) -> dict[str, Any]:
    if len(content) > MAX_BYTES:
        hint = f"At most {MAX_BYTES:,} bytes are read."
        raise InvalidPackageError(file, "its size in bytes", len(content), hint)
    try:
        return tomllib.loads(content.decode())
    except UnicodeDecodeError as exc:
        value = exc.object[exc.start : exc.start + 8]
        raise InvalidPackageError(file, "its text", value, "Save it as UTF-8.") from exc
    except (tomllib.TOMLDecodeError, RecursionError) as exc:
        raise InvalidPackageError(file, "its syntax", str(exc), "It must be TOML.") from exc


def _check_versions(file: str, manifest: PackageManifest) -> None:
    """Versions and ranges are those of PEP 440, so that they have one order."""
    about = manifest.package
    try:
        Version(about.version)
    except InvalidVersion as exc:
        hint = "A version is written as PEP 440 says, as 1.2.0 or 2.0rc1."
        raise InvalidPackageError(file, "package.version", about.version, hint) from exc
    ranges = {"package.inwit": about.inwit}
    for extra in (None, *manifest.extras):
        where = f"extras.{extra}" if extra else "dependencies"
        for package_id, needs in manifest.needs((extra,) if extra else ()).items():
            ranges |= {f"{where}.{package_id}": one.version for one in needs}
    for field, wanted in ranges.items():
        try:
            SpecifierSet(wanted)
        except InvalidSpecifier as exc:
            hint = 'A range is written as PEP 440 says, as ">=1.2,<2".'
            raise InvalidPackageError(file, field, wanted, hint) from exc


def _check_place(path: Path, about: About) -> None:
    """A package is where its id says, so that an id names one folder."""
    for field, value, part in (
        ("package.name", about.name, path.parent.name),
        ("package.namespace", about.namespace, path.parent.parent.name),
    ):
        if value != part:
            raise InvalidPackageError(
                str(path), field, value, f"Its folder is {part!r}; give both the same name."
            )


def _check_entry_points(path: Path, entry_points: dict[str, str]) -> None:
    for name, value in entry_points.items():
        module = value.partition(":")[0]
        if module_file(path.parent, module) is None:
            hint = f"The package has no file {module.replace('.', '/')}.py."
            raise InvalidPackageError(str(path), f"entry_points.{name}", value, hint)


def _invalid(file: str, table: dict[str, Any], message: str) -> InvalidPackageError:
    """Name the field, its value and the way out from what the checker says."""
    reason, _, place = message.partition(" - at `$")
    keys = re.findall(r"\.([\w-]+)|\[(\d+)\]|\[\.\.\.\]", place)
    field = ".".join(name or number or "*" for name, number in keys)
    lacking = re.search(r"(missing required|unknown) field `([^`]*)`", reason)
    if lacking:
        name = ".".join(part for part in (field, lacking[2]) if part)
        if lacking[1] == "unknown":
            known = _TABLES.get(field, PackageManifest).__struct_fields__
            return InvalidPackageError(
                file, name, _at(table, name), f"No such field. {nearest(lacking[2], known)}"
            )
        return InvalidPackageError(file, name, None, "Add it; it is required.")
    hint = f"{reason}."
    if field == "package.kind":
        hint = nearest(str(_at(table, field)), KINDS)
    return InvalidPackageError(file, field or "the file", _at(table, field), hint)


_TABLES: dict[str, type[msgspec.Struct]] = {
    "package": About,
    "capabilities": Capabilities,
    "permissions": Permissions,
    "lineage": Lineage,
}


def _at(table: Any, field: str) -> Any:
    """The value at a dotted path, as far as it can be followed."""
    for key in field.split(".") if field else ():
        if isinstance(table, dict) and key in table:
            table = table[key]
        elif isinstance(table, list) and key.isdecimal() and int(key) < len(table):
            table = table[int(key)]
        else:
            return table
    return table
