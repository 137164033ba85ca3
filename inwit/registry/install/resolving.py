"""Which versions fit together: resolvelib with backtracking, and a conflict told in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import resolvelib
from packaging.specifiers import SpecifierSet
from packaging.version import Version
from resolvelib.structs import RequirementInformation

from inwit.errors import ResolutionError, UnknownPackageError
from inwit.registry.install.lock import Wanted
from inwit.registry.sources.base import Release
from inwit.registry.sources.configured import Sources

MAX_ROUNDS = 2_000


class Requirement(NamedTuple):
    """A package that something needs: which versions, with which extra (one at a time)."""

    id: str
    version: str
    extra: str | None = None

    @property
    def specifier(self) -> SpecifierSet:
        """The range, as PEP 440 reads it."""
        return SpecifierSet(self.version)

    def __str__(self) -> str:
        extra = f"[{self.extra}]" if self.extra else ""
        return f"{self.id}{extra} {self.version or '(any version)'}".strip()


class Candidate(NamedTuple):
    """One version of a package, as itself or as one of its extras."""

    release: Release
    extra: str | None = None

    @property
    def version(self) -> Version:
        """Its version."""
        return Version(self.release.version)

    def __str__(self) -> str:
        return f"{self.release.id} {self.release.version}"


class Resolved(NamedTuple):
    """The chosen releases by id, and for each the ids that it stands on."""

    releases: dict[str, Release]
    needs: dict[str, tuple[str, ...]]


def resolve(
    wanted: Mapping[str, Wanted],
    sources: Sources,
    *,
    inwit_version: str,
    kept: Mapping[str, str] | None = None,
) -> Resolved:
    """Choose one version for each package that is needed, the newest that fits.

    `kept` are versions that are taken before newer ones, since they are installed.

    Raises:
        ResolutionError: No versions fit together; the error says who needs what.
        UnknownPackageError: No source has a package.
    """
    provider = _Provider(sources, Version(inwit_version), kept or {})
    asked = [
        Requirement(package_id, one.version, extra)
        for package_id, one in wanted.items()
        for extra in (None, *one.extras)
    ]
    resolver: resolvelib.Resolver[Any, Any, Any] = resolvelib.Resolver(
        provider, resolvelib.BaseReporter()
    )
    try:
        found = resolver.resolve(asked, max_rounds=MAX_ROUNDS)
    except resolvelib.ResolutionImpossible as exc:
        raise ResolutionError(provider.told(exc.causes), hint=provider.hint(exc.causes)) from exc
    except resolvelib.ResolutionTooDeep as exc:
        hint = "Say which versions you want of some of them."
        raise ResolutionError("No versions were found that fit in time.", hint=hint) from exc
    chosen = {key: one for key, one in found.mapping.items() if one.extra is None}
    needs: dict[str, set[str]] = {one.release.id: set() for one in chosen.values()}
    for one in found.mapping.values():
        needs[one.release.id] |= {need.id for need in provider.get_dependencies(one)}
        needs[one.release.id] -= {one.release.id}
    return Resolved(
        {one.release.id: one.release for one in chosen.values()},
        {package_id: tuple(sorted(ids)) for package_id, ids in needs.items()},
    )


class _Provider(resolvelib.AbstractProvider[Any, Any, Any]):
    def __init__(self, sources: Sources, inwit: Version, kept: Mapping[str, str]) -> None:
        self._sources = sources
        self._inwit = inwit
        self._kept = kept
        self._held: dict[str, tuple[Release, ...]] = {}

    def identify(self, requirement_or_candidate: Requirement | Candidate) -> tuple[str, str]:
        one = requirement_or_candidate
        package_id = one.id if isinstance(one, Requirement) else one.release.id
        return package_id, one.extra or ""

    def get_preference(
        self,
        identifier: tuple[str, str],
        resolutions: Mapping[Any, Candidate],  # noqa: ARG002 - resolvelib hands them over
        candidates: Mapping[Any, Iterator[Candidate]],  # noqa: ARG002
        information: Mapping[Any, Iterator[Any]],
        backtrack_causes: Sequence[Any],
    ) -> tuple[bool, bool, str]:
        # What caused a conflict is decided first, then what is pinned: both cut the search.
        causes = {self.identify(one.requirement) for one in backtrack_causes}
        pinned = any("==" in one.requirement.version for one in information[identifier])
        return identifier not in causes, not pinned, identifier[0]

    def find_matches(
        self,
        identifier: tuple[str, str],
        requirements: Mapping[Any, Iterator[Requirement]],
        incompatibilities: Mapping[Any, Iterator[Candidate]],
    ) -> Iterable[Candidate]:
        package_id, extra = identifier
        asked = list(requirements[identifier])
        refused = {str(one) for one in incompatibilities[identifier]}
        fitting = [
            Candidate(release, extra or None)
            for release in self.releases(package_id)
            if f"{release.id} {release.version}" not in refused
        ]
        # Early versions are for who names one, or where there is nothing else.
        early = any(need.specifier.prereleases for need in asked) or all(
            one.version.is_prerelease for one in fitting
        )
        fitting = [
            one
            for one in fitting
            if all(need.specifier.contains(one.version, prereleases=early) for need in asked)
            and self._usable(one, asked)
        ]
        kept = self._kept.get(package_id)
        return sorted(
            fitting, key=lambda one: (one.release.version == kept, one.version), reverse=True
        )

    def _usable(self, one: Candidate, asked: Sequence[Requirement]) -> bool:
        if one.release.yanked is not None:
            exact = f"=={one.release.version}"
            if exact not in {need.version for need in asked} and (
                self._kept.get(one.release.id) != one.release.version
            ):
                return False
        made_for = SpecifierSet(one.release.manifest.package.inwit)
        return made_for.contains(self._inwit, prereleases=True)

    def is_satisfied_by(self, requirement: Requirement, candidate: Candidate) -> bool:
        return requirement.specifier.contains(candidate.version, prereleases=True)

    def get_dependencies(self, candidate: Candidate) -> list[Requirement]:
        manifest, extra = candidate.release.manifest, candidate.extra
        if extra is None:
            needs = manifest.needs()
        else:
            needs = {one: each for one, each in manifest.needs((extra,)).items()
                     if one in manifest.extras.get(extra, {})}  # fmt: skip
        found = [
            Requirement(package_id, need.version, one)
            for package_id, each in needs.items()
            for need in each
            for one in (None, *need.extras)
        ]
        if extra is not None:
            found.append(Requirement(candidate.release.id, f"=={candidate.release.version}"))
        return found

    def releases(self, package_id: str) -> tuple[Release, ...]:
        """All versions of a package, asked for once."""
        if package_id not in self._held:
            found = self._sources.releases(package_id)
            if not found:
                raise UnknownPackageError(package_id, self._sources.ids)
            self._held[package_id] = found
        return self._held[package_id]

    def told(self, causes: Iterable[RequirementInformation[Any, Any]]) -> str:
        """Say who needs what, and what there is."""
        by_id: dict[str, list[str]] = {}
        for cause in causes:
            who = "you ask for" if cause.parent is None else f"{cause.parent} needs"
            line = f"{who} {cause.requirement}"
            lines = by_id.setdefault(cause.requirement.id, [])
            if line not in lines:
                lines.append(line)
        return " ".join(self._conflict(package_id, lines) for package_id, lines in by_id.items())

    def _conflict(self, package_id: str, lines: Sequence[str]) -> str:
        there = sorted(self.releases(package_id), key=lambda one: Version(one.version))
        shown = ", ".join(self._shown(one) for one in there[-8:])
        told = ", but ".join(lines)
        return f"{told[0].upper()}{told[1:]}; there is {shown}."

    def _shown(self, release: Release) -> str:
        made_for = release.manifest.package.inwit
        if release.yanked is not None:
            return f"{release.version} (withdrawn: {release.yanked})"
        if made_for and not SpecifierSet(made_for).contains(self._inwit, prereleases=True):
            return f"{release.version} (for inwit {made_for})"
        return release.version

    @staticmethod
    def hint(causes: Iterable[RequirementInformation[Any, Any]]) -> str:
        """What can be done."""
        held = list(causes)
        if all(cause.parent is None for cause in held):
            return "Ask for a version that is there."
        return "Ask for other versions of these, or leave one of them out."
