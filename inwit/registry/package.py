"""What a package says of itself, as types: the model of ``inwit-package.toml``.

Reading and checking it is `inwit.registry.manifest`'s; the archive that carries it is
`inwit.registry.archive`'s.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

import msgspec

FILE_NAME = "inwit-package.toml"
"""The name of a package's manifest, in the package's own folder."""
MAX_BYTES = 64 * 1024

Kind = Literal[
    "graph-template",
    "node-library",
    "tool-pack",
    "checkpointer-backend",
    "model-connector",
    "prompt-library",
]
"""What a package brings."""
KINDS: tuple[Kind, ...] = get_args(Kind)
"""All kinds of package."""

ID_PATTERN = r"[a-z0-9]+(-[a-z0-9]+)*/[a-z0-9]+(-[a-z0-9]+)*"

_Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)]
_Id = Annotated[str, msgspec.Meta(pattern=f"^{ID_PATTERN}$", max_length=121)]
_Line = Annotated[str, msgspec.Meta(min_length=1, max_length=300, pattern=r"^[^\r\n]+$")]
_Word = Annotated[str, msgspec.Meta(min_length=1, max_length=80, pattern=r"^[^\s]+$")]
_Requirement = Annotated[
    str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*(\[[a-z0-9, -]+\])?\s*([<>=!~].*)?$")
]
_EntryPoint = Annotated[
    str, msgspec.Meta(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*(:[A-Za-z_]\w*)?$")
]
_Host = Annotated[
    str, msgspec.Meta(pattern=r"^(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:\d{1,5})?$", max_length=260)
]
_Variable = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z_]\w*$", max_length=100)]


class About(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The table ``[package]``.

    `version` is a version by PEP 440. `requires` are requirements of Python distributions as pip
    reads them, `inwit` the versions of inwit that it is made for.
    """

    namespace: _Name
    name: _Name
    version: _Word
    kind: Kind
    description: _Line
    keywords: tuple[_Line, ...] = ()
    authors: Annotated[tuple[_Line, ...], msgspec.Meta(min_length=1)]
    licence: _Line
    inwit: Annotated[str, msgspec.Meta(max_length=100)] = ""
    requires: tuple[_Requirement, ...] = ()


class Capabilities(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What it can do for others, and what has to be there for it to work, by free names."""

    provides: tuple[_Line, ...] = ()
    requires: tuple[_Line, ...] = ()


class Dependency(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Another package that it stands on: which versions (PEP 440), and which of its extras."""

    version: Annotated[str, msgspec.Meta(max_length=100)] = ""
    extras: tuple[_Name, ...] = ()


Dependencies = dict[_Id, str | Dependency]


class Permissions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What its code may reach beyond its own folder; nothing unless it is said here.

    `network` lists hosts (``api.example.com``, ``api.example.com:443``, ``*.example.com``); `read`
    and `write` list files and folders, absolute or below the project's root; `environment` lists
    variables; `process` allows to start programs; `models` lists the models it may call.
    """

    network: tuple[_Host, ...] = ()
    read: tuple[_Line, ...] = ()
    write: tuple[_Line, ...] = ()
    environment: tuple[_Variable, ...] = ()
    process: bool = False
    models: tuple[_Line, ...] = ()

    def lines(self) -> tuple[str, ...]:
        """Each permission as one line, ``network api.example.com``; empty when it asks for none."""
        listed = ("network", "read", "write", "environment", "models")
        found = [f"{name} {value}" for name in listed for value in sorted(getattr(self, name))]
        return (*found, *(["process"] if self.process else []))

    def growth(self, before: Permissions) -> tuple[str, ...]:
        """The lines that `before` did not have."""
        known = set(before.lines())
        return tuple(line for line in self.lines() if line not in known)


class Lineage(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where it comes from: what it was made from, as ``namespace/name@version`` or a sha256."""

    derived_from: tuple[_Line, ...] = ()
    repository: Annotated[str, msgspec.Meta(max_length=300)] = ""
    commit: Annotated[str, msgspec.Meta(pattern=r"^([0-9a-f]{40}|[0-9a-f]{64})?$")] = ""


class PackageManifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file. `provides` lists names by what they are: nodes, tools, prompts, states.

    An entry point is ``module`` or ``module:attribute``, found in the package's folder; ``default``
    is what loading the package gives. `dependencies` are other packages by id; `extras` name sets
    of further ones that are taken only where asked for.
    """

    package: About
    provides: dict[str, tuple[_Line, ...]] = {}
    capabilities: Capabilities = Capabilities()
    dependencies: Dependencies = {}
    extras: dict[_Name, Dependencies] = {}
    permissions: Permissions = Permissions()
    lineage: Lineage = Lineage()
    entry_points: dict[str, _EntryPoint]

    @property
    def id(self) -> str:
        """``namespace/name``."""
        return f"{self.package.namespace}/{self.package.name}"

    def needs(self, extras: tuple[str, ...] = ()) -> dict[str, tuple[Dependency, ...]]:
        """What it stands on with these extras; one id may be asked for more than once.

        Unknown extras ask for nothing.
        """
        found: dict[str, list[Dependency]] = {}
        for table in (self.dependencies, *(self.extras.get(extra, {}) for extra in extras)):
            for package_id, wanted in table.items():
                one = Dependency(version=wanted) if isinstance(wanted, str) else wanted
                found.setdefault(package_id, []).append(one)
        return {package_id: tuple(each) for package_id, each in found.items()}


def schema() -> dict[str, Any]:
    """The JSON Schema of the file, published as ``manifests/package.schema.json``."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": FILE_NAME,
        **msgspec.json.schema(PackageManifest),
    }
