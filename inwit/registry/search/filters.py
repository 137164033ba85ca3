"""What narrows a search."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from inwit.errors import MalformedInputError, nearest

LEVELS = ("unverified", "community", "verified", "official")


class _Described(Protocol):
    @property
    def version(self) -> str: ...


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """What a result must be. `trust` is the least level, `version` a range by PEP 440."""

    kind: str | None = None
    capability: str | None = None
    trust: str | None = None
    licence: str | None = None
    version: str | None = None

    def __post_init__(self) -> None:
        if self.trust is not None and self.trust not in LEVELS:
            message = f"No level of trust {self.trust!r}."
            raise MalformedInputError(message, hint=nearest(self.trust, LEVELS))

    def facets(self) -> list[str]:
        """Those that an index of words knows; the range of versions is no such."""
        names = ("kind", "capability", "trust", "licence")
        return [f"{name}={getattr(self, name)}" for name in names if getattr(self, name)]

    def predicate(self) -> Callable[[_Described], bool]:
        """Whether something's version is in the range.

        Raises:
            MalformedInputError: It is no range.
        """
        if not self.version:
            return lambda _: True
        try:
            wanted = SpecifierSet(self.version)
        except InvalidSpecifier as exc:
            hint = 'A range is written as PEP 440 says, as ">=1.2,<2".'
            raise MalformedInputError(f"No range {self.version!r}.", hint=hint) from exc

        def fits(found: _Described) -> bool:
            try:
                return wanted.contains(Version(found.version), prereleases=True)
            except InvalidVersion:
                return False

        return fits


def levels_up_to(level: str) -> tuple[str, ...]:
    """The levels that something of this one also reaches."""
    return LEVELS[: LEVELS.index(level) + 1] if level in LEVELS else ()
