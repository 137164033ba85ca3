"""The sources of a project in their order, and which one a namespace belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import msgspec

from inwit.errors import MalformedInputError, NamespaceError, UnknownPackageError
from inwit.registry.sources.base import Level, Release, Source
from inwit.registry.sources.git import GitSource
from inwit.registry.sources.local import FolderSource, PathSource
from inwit.runtime.project import Project, user_folder


class GitEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table ``[[sources]]`` of config.toml: a repository and the namespaces that it owns."""

    git: str
    """The repository's address."""
    namespaces: tuple[str, ...]
    """The first parts of the ids that are its own; no other source is asked for them."""
    rev: str = "HEAD"
    """The branch, tag or commit that is taken."""
    level: Level = "community"
    """How far its packages are trusted."""


class Sources:
    """Local folders, the team's repositories, the central registry, peers, in this order.

    A namespace belongs to the first that has it; the others are never asked for it, whatever
    versions they offer and whether or not its owner can be reached.
    """

    def __init__(
        self, sources: Sequence[Source], *, named: Sequence[PathSource] = (), shipped: str = ""
    ) -> None:
        self._sources = sources
        self._named: dict[str, Source] = {one.id: one for one in named}
        self.shipped = shipped
        """The name of the source whose packages come with inwit and are never copied."""

    @classmethod
    def of(cls, project: Project, *, named: Sequence[PathSource] = ()) -> Sources:
        """Those of a project, and packages that are named by path.

        Raises:
            MalformedInputError: The settings don't hold what they must.
        """
        from inwit.registry.packages import shipped_folder
        from inwit.registry.peers_source import peer_sources
        from inwit.registry.serve_client import RegistrySource

        shipped = FolderSource(shipped_folder())
        local: list[Source] = [
            FolderSource(project.folder / "packages"),
            FolderSource(user_folder() / "packages"),
            shipped,
        ]
        central = RegistrySource.of(project)
        remote: list[Source] = [*_repositories(project)]
        if central is not None:
            remote.append(central)
        remote.extend(peer_sources(project))
        return cls([*local, *remote], named=named, shipped=shipped.name)

    @property
    def names(self) -> tuple[str, ...]:
        """What its sources are called."""
        return tuple(one.name for one in self._sources)

    def keep(self, sources: Iterable[Source]) -> None:
        """Know packages that came from nowhere in this order, unless they are named anew."""
        for source in sources:
            for package_id in source.list():
                self._named.setdefault(package_id, source)

    def owner(self, package_id: str) -> Source:
        """The one source of a package.

        Raises:
            UnknownPackageError: No source has its namespace.
        """
        if package_id in self._named:
            return self._named[package_id]
        namespace = package_id.partition("/")[0]
        for source in self._sources:
            if source.owns(namespace):
                return source
        raise UnknownPackageError(package_id, self.ids)

    def releases(self, package_id: str) -> tuple[Release, ...]:
        """All versions of a package that its one source offers."""
        return tuple(self.owner(package_id).releases(package_id))

    def fetch(self, release: Release, *, max_bytes: int) -> bytes:
        """The archive of a release, from the source that it was resolved from.

        Raises:
            NamespaceError: Its namespace belongs to another source now.
        """
        owner = self.owner(release.id)
        if owner.name != release.source:
            raise NamespaceError(release.id.partition("/")[0], owner.name, release.source)
        if isinstance(owner, GitSource) and release.proof.get("commit") != owner.commit:
            owner = owner.at(str(release.proof["commit"]))
        return owner.fetch(release, max_bytes=max_bytes)

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """All that is offered under the namespaces of each source, for names that are near."""
        found: dict[str, None] = dict.fromkeys(self._named)
        for source in self._sources:
            for package_id in source.list():
                if self.owner_name(package_id) == source.name:
                    found[package_id] = None
        return tuple(found)

    @cached_property
    def own_ids(self) -> tuple[str, ...]:
        """The ids that are on this machine: shipped ones, the project's and the user's."""
        local = (one for one in self._sources if one.origin == "local")
        return tuple(package_id for source in local for package_id in source.list())

    def owner_name(self, package_id: str) -> str | None:
        """The name of a package's source; None where no source has its namespace."""
        namespace = package_id.partition("/")[0]
        return next((one.name for one in self._sources if one.owns(namespace)), None)


def _repositories(project: Project) -> Iterable[GitSource]:
    found: Any = project.settings().get("sources", [])
    try:
        entries = msgspec.convert(found, list[GitEntry])
    except msgspec.ValidationError as exc:
        hint = 'A source is [[sources]] with git = "…" and namespaces = ["…"].'
        raise MalformedInputError(f"[[sources]] of config.toml: {exc}.", hint=hint) from exc
    owners: dict[str, str] = {}
    for entry in entries:
        for namespace in entry.namespaces:
            if namespace in owners:
                raise NamespaceError(namespace, owners[namespace], entry.git)
            owners[namespace] = entry.git
        yield GitSource(entry.git, rev=entry.rev, namespaces=entry.namespaces, level=entry.level)
