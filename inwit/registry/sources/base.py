"""What every source of packages offers, and what it says of a release."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal, Protocol

import msgspec

from inwit.registry.package import PackageManifest

Origin = Literal["local", "git", "registry", "peer"]
"""The kind of a source; ``local`` proves nothing and needs no proof."""
Level = Literal["unverified", "community", "verified", "official"]
LEVELS: tuple[Level, ...] = ("unverified", "community", "verified", "official")
"""How far it is proved who made a package, the least first."""


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a package as a source offers it, known before its archive is fetched.

    `sha256` is the address of its archive; a git source that has not read it yet gives None.
    `proof` is what the level stands on, in the source's own words (a commit, key ids): it goes
    into the lock file as it is. `yanked` says why nobody should take it anew. `published_s` is in
    seconds since 1970, None where the source does not know.
    """

    manifest: PackageManifest
    source: str
    origin: Origin
    sha256: str | None = None
    size_bytes: int | None = None
    level: Level = "unverified"
    proof: dict[str, Any] = {}
    yanked: str | None = None
    published_s: float | None = None
    advisories: tuple[dict[str, Any], ...] = ()
    """Each ``{id, severity, summary, affected, fixed}``; `affected` is a range by PEP 440."""

    @property
    def id(self) -> str:
        """``namespace/name``."""
        return self.manifest.id

    @property
    def version(self) -> str:
        """As its manifest says."""
        return self.manifest.package.version


class Source(Protocol):
    """A place that packages come from. Its methods may be called from several threads.

    `name` is what the lock file and messages call it: a path, ``git+<url>``, or a registry's url.
    `namespaces` are those that it owns; None takes what no source before it owns. An unreachable
    source raises, and its namespaces are never looked for elsewhere.
    """

    name: str
    origin: Origin

    @property
    def namespaces(self) -> frozenset[str] | None:
        """Those that it owns, as far as it is known before it is asked."""
        ...

    def owns(self, namespace: str) -> bool:
        """Whether packages of a namespace are here and nowhere else."""
        ...

    def list(self) -> Iterable[str]:
        """The ids of all packages, for search and for names that look like others."""
        ...

    def releases(self, package_id: str) -> Sequence[Release]:
        """All versions of a package in any order, yanked ones too; empty when it has none.

        Raises:
            RegistryError: The source cannot be reached or believed.
        """
        ...

    def fetch(self, release: Release, *, max_bytes: int) -> bytes:
        """The archive of a release; the caller checks its sha256 before it is unpacked.

        A remote source stops reading at `max_bytes` and checks signatures before it returns.

        Raises:
            TrustError: The signature, or what the policy asks for, is not there.
            RegistryError: The source cannot be reached, or sends too much.
        """
        ...
