"""What a package says of itself: ``inwit-package.toml``, read and checked without running its code."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import msgspec

from inwit.errors import InvalidPackageError, nearest

FILE_NAME = "inwit-package.toml"
MAX_BYTES = 64 * 1024

Kind = Literal[
    "graph-template",
    "node-library",
    "tool-pack",
    "checkpointer-backend",
    "model-connector",
    "prompt-library",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
Origin = Literal["shipped", "project", "user"]

_Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
_Version = Annotated[str, msgspec.Meta(pattern=r"^\d+\.\d+\.\d+([-+][0-9A-Za-z.+-]+)?$")]
_Line = Annotated[str, msgspec.Meta(min_length=1, max_length=300, pattern=r"^[^\r\n]+$")]
_Requirement = Annotated[
    str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*(\[[a-z0-9, -]+\])?\s*([<>=!~].*)?$")
]
_EntryPoint = Annotated[
    str, msgspec.Meta(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*(:[A-Za-z_]\w*)?$")
]


class About(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``[package]``. `requires` are requirements as pip reads them."""

    namespace: _Name
    name: _Name
    version: _Version
    kind: Kind
    description: _Line
    keywords: tuple[_Line, ...] = ()
    authors: Annotated[tuple[_Line, ...], msgspec.Meta(min_length=1)]
    licence: _Line
    requires: tuple[_Requirement, ...] = ()


class PackageManifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file. `provides` lists names by what they are: nodes, tools, prompts, states.

    An entry point is ``module`` or ``module:attribute``, found in the package's folder; ``default``
    is what loading the package gives.
    """

    package: About
    provides: dict[str, tuple[_Line, ...]] = {}
    entry_points: dict[str, _EntryPoint]


class Package(msgspec.Struct, frozen=True, kw_only=True):
    """A package that was found. `id` is ``namespace/name``; `origin` says where it came from."""

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


def schema() -> dict[str, Any]:
    """The JSON Schema of the file, published as ``manifests/package.schema.json``."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": FILE_NAME,
        **msgspec.json.schema(PackageManifest),
    }


def read_package(folder: Path, origin: Origin) -> Package:
    """Read the manifest of the package in ``…/namespace/name``.

    Raises:
        InvalidPackageError: It cannot be read, or a field does not hold what it must; the error
            names the file, the field, its value and the way out.
    """
    path = folder / FILE_NAME
    table = _parsed(path)
    try:
        manifest = msgspec.convert(table, PackageManifest)
    except msgspec.ValidationError as exc:
        raise _invalid(path, table, str(exc)) from exc
    about = manifest.package
    _check_place(path, about)
    _check_entry_points(path, manifest.entry_points)
    return Package(
        id=f"{about.namespace}/{about.name}",
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
    )


def module_file(folder: Path, module: str) -> Path | None:
    """Find the file of a module of a package; None when the package has none of that name."""
    place = folder.joinpath(*module.split("."))
    for path in (place.with_suffix(".py"), place / "__init__.py"):
        if path.is_file():
            return path
    return None


def _parsed(path: Path) -> dict[str, Any]:
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise InvalidPackageError(
                str(path), "its size in bytes", size, f"At most {MAX_BYTES:,} bytes are read."
            )
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise InvalidPackageError(str(path), "the file", exc.strerror, "Make it readable.") from exc
    except UnicodeDecodeError as exc:
        value = exc.object[exc.start : exc.start + 8]
        raise InvalidPackageError(str(path), "its text", value, "Save it as UTF-8.") from exc
    except tomllib.TOMLDecodeError as exc:
        raise InvalidPackageError(str(path), "its syntax", str(exc), "It must be TOML.") from exc


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
    if "default" not in entry_points:
        names = sorted(entry_points)
        hint = "Add `default`: what loading the package gives."
        raise InvalidPackageError(str(path), "entry_points", names, hint)
    for name, value in entry_points.items():
        module = value.partition(":")[0]
        if module_file(path.parent, module) is None:
            hint = f"The package has no file {module.replace('.', '/')}.py."
            raise InvalidPackageError(str(path), f"entry_points.{name}", value, hint)


def _invalid(path: Path, table: dict[str, Any], message: str) -> InvalidPackageError:
    """Name the field, its value and the way out from what the checker says."""
    reason, _, place = message.partition(" - at `$")
    keys = re.findall(r"\.([\w-]+)|\[(\d+)\]|\[\.\.\.\]", place)
    field = ".".join(name or number or "*" for name, number in keys)
    lacking = re.search(r"(missing required|unknown) field `([^`]*)`", reason)
    if lacking:
        name = ".".join(part for part in (field, lacking[2]) if part)
        if lacking[1] == "unknown":
            known = About.__struct_fields__ if field else PackageManifest.__struct_fields__
            return InvalidPackageError(
                str(path), name, _at(table, name), f"No such field. {nearest(lacking[2], known)}"
            )
        return InvalidPackageError(str(path), name, None, "Add it; it is required.")
    hint = f"{reason}."
    if field == "package.kind":
        hint = nearest(str(_at(table, field)), KINDS)
    return InvalidPackageError(str(path), field or "the file", _at(table, field), hint)


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
