"""Choosing versions among the packages of a registry."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from inwit.errors import MalformedInputError, shorten
from inwit.registry.install.lock import Wanted
from inwit.registry.install.resolving import resolve as choose
from inwit.registry.package import ID_PATTERN
from inwit.registry.serve import Registry
from inwit.registry.sources.base import Origin, Release
from inwit.registry.sources.configured import Sources
from inwit.registry.store_releases import Published

_REQUIREMENT = re.compile(rf"({ID_PATTERN})(?:\[([a-z0-9, -]*)\])?\s*(.*)")


class ShelfSource:
    """The registry's own releases, as the resolver asks for them."""

    origin: Origin = "registry"
    namespaces: frozenset[str] | None = None

    def __init__(self, registry: Registry) -> None:
        self.name = "this registry"
        self._registry = registry

    def owns(self, namespace: str) -> bool:
        """Whether there is a package of the namespace."""
        return any(one.partition("/")[0] == namespace for one in self.list())

    def list(self) -> Iterable[str]:
        """The ids of all packages."""
        return self._registry.releases.ids()

    def releases(self, package_id: str) -> Sequence[Release]:
        """All versions of a package."""
        return tuple(_release(one, self.name) for one in self._registry.releases.of(package_id))

    def fetch(self, release: Release, *, max_bytes: int) -> bytes:  # noqa: ARG002 - a source's
        """The archive of a release."""
        return self._registry.content(str(release.sha256), count=False)


def resolve(registry: Registry, requirements: Sequence[str], inwit_version: str) -> dict[str, Any]:
    """Choose versions that fit the requirements and each other: ids, versions, hashes.

    Raises:
        MalformedInputError: A requirement is none.
        ResolutionError: No versions fit together; the error says who needs what.
        UnknownPackageError: The registry lacks a package.
    """
    wanted = dict(map(requirement, requirements))
    found = choose(wanted, Sources([ShelfSource(registry)]), inwit_version=inwit_version)
    return {
        "packages": [
            {
                "id": one.id, "version": one.version, "hash": one.sha256, "level": one.level,
                "size_bytes": one.size_bytes, "needs": list(found.needs[one.id]),
                "permissions": list(one.manifest.permissions.lines()),
            }
            for one in sorted(found.releases.values(), key=lambda one: one.id)
        ]
    }  # fmt: skip


def requirement(text: str) -> tuple[str, Wanted]:
    """Read ``namespace/name[extra]>=1,<2``.

    Raises:
        MalformedInputError: It is none.
    """
    found = _REQUIREMENT.fullmatch(text.strip())
    if found is None or len(text) > 300:
        raise MalformedInputError(
            f"{shorten(text)} is no requirement.", hint='Write it as "acme/rag[web]>=1,<2".'
        )
    package_id, *_, extras, version = found.groups()
    try:
        SpecifierSet(version)
    except InvalidSpecifier as exc:
        raise MalformedInputError(
            f"{shorten(version)} is no range.", hint='Write it as ">=1,<2".'
        ) from exc
    named = tuple(one.strip() for one in (extras or "").split(",") if one.strip())
    return package_id, Wanted(version=version, extras=named)


def _release(one: Published, source: str) -> Release:
    return Release(
        manifest=one.checked_manifest(),
        source=source,
        origin="registry",
        sha256=one.digest,
        size_bytes=one.size_bytes,
        level=one.level,
        yanked=None if one.yanked_at is None else one.yanked_why,
        published_s=datetime.fromisoformat(one.published_at).timestamp(),
    )
