"""Errors of packages, encoders and plans."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from inwit.errors.base import InwitError, nearest, shorten


class RegistryError(InwitError):
    """Something is wrong with packages or their index."""

    code = "registry.error"


class UnknownPackageError(RegistryError):
    """No package has that id."""

    code = "registry.unknown_package"
    status = 404

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(f"No package {shorten(name)}.", hint=nearest(name, known))


class InvalidPackageError(RegistryError):
    """A package's manifest or code does not hold what it must."""

    code = "registry.invalid_package"
    status = 422

    def __init__(self, file: str, field: str, value: object, hint: str) -> None:
        self.file = file
        self.field = field
        self.value = value
        super().__init__(f"{file}: {field} is {shorten(value)}.", hint=hint)


class ArchiveError(RegistryError):
    """An archive of a package holds what is refused: paths that lead out, links, too much."""

    code = "registry.archive"
    status = 422

    def __init__(self, place: str, field: str, value: object, allowed: object) -> None:
        self.place = place
        self.field = field
        self.value = value
        limit = f"At most {allowed:,}." if isinstance(allowed, int) else f"Allowed: {allowed}."
        super().__init__(f"{shorten(place)}: {field} is {shorten(value)}.", hint=limit)


class SourceError(RegistryError):
    """A source of packages cannot be reached or read."""

    code = "registry.source"
    status = 502

    def __init__(self, source: str, why: str) -> None:
        hint = "Its namespaces are taken from nowhere else; try again when it answers."
        super().__init__(f"{source}: {why}.", hint=hint)


class ResolutionError(RegistryError):
    """No versions fit all that is asked for together."""

    code = "registry.resolution"
    status = 409


class InstallError(RegistryError):
    """A package was not installed, changed or removed; everything is as it was."""

    code = "registry.install"
    status = 409


class ConsentError(InstallError):
    """An update asks for permissions that the installed version did not have."""

    code = "registry.consent"
    status = 403

    def __init__(self, package: str, permissions: Iterable[str]) -> None:
        asked = ", ".join(permissions)
        super().__init__(
            f"{package} now asks for: {asked}.", hint="Consent with --accept-permissions."
        )


class LockError(InstallError):
    """The lock file cannot be read, or does not fit what is asked for."""

    code = "registry.lock"


class SandboxError(RegistryError):
    """The code of a package cannot be run within bounds, or left them."""

    code = "registry.sandbox"
    status = 503


class PackageCodeError(SandboxError):
    """The package's own code raised; its type, message and trace are told as text."""

    code = "registry.package_code"
    status = 500

    def __init__(self, package: str, told: Mapping[str, Any]) -> None:
        self.raised, self.trace = str(told.get("type")), str(told.get("trace", ""))
        said = str(told.get("message", ""))[:500]
        super().__init__(f"{package} raised {self.raised}: {said}")


class EncoderError(RegistryError):
    """The encoder's library or files are missing or are not the pinned ones."""

    code = "registry.encoder"
    status = 503


class PlanError(InwitError):
    """Something is wrong with a plan."""

    code = "plan.error"


class UnknownPlanError(PlanError):
    """No plan has that id."""

    code = "plan.unknown"
    status = 404

    def __init__(self, plan_id: str) -> None:
        super().__init__(
            f"No plan {shorten(plan_id)}.", hint="`inwit self-improve plans` lists them."
        )


class IllegalMoveError(PlanError):
    """A plan cannot go from its status to the one that was asked for."""

    code = "plan.illegal_move"
    status = 409

    def __init__(self, plan_id: str, source: str, target: str, allowed: Sequence[str]) -> None:
        ways = f"From here it may become {', '.join(allowed)}." if allowed else "It is closed."
        if (source, target) == ("validated", "in_progress"):
            ways = f"A person approves it first: inwit self-improve approve {plan_id}"
        super().__init__(f"Plan {plan_id} is {source} and cannot become {target}.", hint=ways)


class PlanChangedError(PlanError):
    """Someone else has decided on the plan meanwhile."""

    code = "plan.changed"
    status = 409

    def __init__(self, plan_id: str, expected: int, found: int, told: str) -> None:
        super().__init__(
            f"Plan {plan_id} has revision {found}, not {expected}: {told}.",
            hint=f"Look at it again, then decide with revision {found}.",
        )


class PrincipalError(PlanError):
    """Who asks may not do that with a plan."""

    code = "plan.principal"
    status = 403


class ExpiredPlanError(PlanError):
    """What the plan is about is gone."""

    code = "plan.expired"
    status = 409


class InapplicableError(PlanError):
    """A plan's actions cannot be applied as they are."""

    code = "plan.inapplicable"
    status = 409
