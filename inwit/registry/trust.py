"""How far a package is trusted: levels, the policy, and the verdict on one package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from inwit.errors import LevelTooLowError, MalformedInputError, UnsignedPackageError, nearest
from inwit.registry.sources.base import LEVELS, Level

__all__ = ["LEVELS", "Level", "Policy", "Verdict", "check_level", "enforce", "policy_of", "rank"]


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a package before it is used."""

    minimum: Level = "community"
    """The least level of packages from registries and peers."""
    allow_unsigned: tuple[str, ...] = ()
    """Packages, one by one, that may come without a signature."""
    allow_lookalikes: tuple[str, ...] = ()
    """Packages, one by one, whose name may be near to another's."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What was found about one package: its level, who signed, and what stands against it."""

    id: str
    version: str
    digest: str
    level: Level
    signers: tuple[str, ...] = ()
    """The ids of the keys whose signatures count."""
    owners: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()
    source: str = ""
    provenance: dict[str, Any] = {}

    @property
    def is_signed(self) -> bool:
        """Whether any signature counts."""
        return bool(self.signers)


def rank(level: Level) -> int:
    """The place of a level, 0 for the least."""
    return LEVELS.index(level)


def check_level(value: str) -> Level:
    """Return `value` when it is a level.

    Raises:
        MalformedInputError: It is none.
    """
    for level in LEVELS:
        if value == level:
            return level
    raise MalformedInputError(f"No level of trust {value!r}.", hint=nearest(value, LEVELS))


def enforce(verdict: Verdict, policy: Policy) -> None:
    """Refuse a package that came from elsewhere and is trusted less than the policy asks for.

    Raises:
        UnsignedPackageError: It is unsigned, and not allowed by name.
        LevelTooLowError: It is signed, but by too little.
    """
    name = f"{verdict.id} {verdict.version}"
    if verdict.id in policy.allow_unsigned:
        return
    if not verdict.is_signed:
        raise UnsignedPackageError(name, verdict.source)
    if rank(verdict.level) < rank(policy.minimum):
        raise LevelTooLowError(name, verdict.level, policy.minimum)


def policy_of(settings: Mapping[str, object]) -> Policy:
    """Read the policy from the table ``[trust]`` of a project's config.toml.

    Raises:
        MalformedInputError: The table does not hold what it must.
    """
    table = settings.get("trust")
    if table is None:
        return Policy()
    try:
        return msgspec.convert(table, Policy)
    except msgspec.ValidationError as exc:
        raise MalformedInputError(
            f"[trust] of config.toml: {exc}.",
            hint=f"minimum is one of {', '.join(LEVELS)}; the others are lists of package ids.",
        ) from exc


def weakest(verdicts: Sequence[Verdict]) -> Level:
    """The least level among several; the most where there is none."""
    return min((one.level for one in verdicts), key=rank, default=LEVELS[-1])
