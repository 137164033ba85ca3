"""Errors of trust: signatures, metadata of registries, names that imitate, messages of peers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from inwit.errors.base import InwitError, nearest, shorten
from inwit.errors.registries import RegistryError


class TrustError(RegistryError):
    """Where something comes from is not proved."""

    code = "trust.error"
    status = 422


class UnsignedPackageError(TrustError):
    """A package from elsewhere carries no signature."""

    code = "trust.unsigned"

    def __init__(self, name: str, source: str) -> None:
        super().__init__(
            f"{name} from {shorten(source)} is unsigned.",
            hint="Packages from elsewhere need a signature; `inwit pkg publish` signs.",
        )


class BadSignatureError(TrustError):
    """A signature does not fit what it stands under, or who it must be from."""

    code = "trust.bad_signature"

    def __init__(self, what: str, why: str) -> None:
        super().__init__(f"{what}: {why}.", hint="Do not use it; ask its publisher.")


class TooFewSignaturesError(TrustError):
    """Fewer keys signed than the namespace asks for."""

    code = "trust.threshold"

    def __init__(self, what: str, found: int, needed: int, why: Sequence[str]) -> None:
        told = f" ({'; '.join(why)})" if why else ""
        super().__init__(
            f"{what} has {found} of {needed} signatures that count{told}.",
            hint="`inwit pkg verify` shows whose count.",
        )


class MetadataError(TrustError):
    """A registry's metadata breaks the rules of The Update Framework: it may be an attack."""

    code = "trust.metadata"
    status = 502

    def __init__(self, registry: str, why: str) -> None:
        super().__init__(
            f"The registry {shorten(registry)} cannot be trusted now: {why.rstrip('.')}.",
            hint="What was installed stays; try again later, or ask who runs it.",
        )


class WrongRootError(TrustError):
    """A registry is not the one whose fingerprint was pinned."""

    code = "trust.wrong_root"

    def __init__(self, registry: str, found: str, pinned: str) -> None:
        super().__init__(
            f"The root of {shorten(registry)} is {found}, not {pinned}.",
            hint="Ask who runs the registry for its fingerprint, over another way.",
        )


class LevelTooLowError(TrustError):
    """A package is trusted less than the policy asks for."""

    code = "trust.level"

    def __init__(self, what: str, found: str, needed: str) -> None:
        super().__init__(
            f"{what} is {found}; the policy asks for {needed}.",
            hint="Set `trust.minimum` in config.toml, or take another package.",
        )


class LookalikeError(TrustError):
    """A name is so near to a known one that it may be meant to be taken for it."""

    code = "trust.lookalike"

    def __init__(self, name: str, known: str, why: str) -> None:
        super().__init__(
            f"{shorten(name)} looks like {shorten(known)} ({why}).",
            hint=f"Take {known!r}, or consent to {name!r} with --allow-lookalike.",
        )


class NamespaceError(TrustError):
    """A namespace belongs to another source or another publisher."""

    code = "trust.namespace"
    status = 403

    def __init__(self, namespace: str, owner: str, other: str) -> None:
        super().__init__(
            f"The namespace {shorten(namespace)} belongs to {owner}, not to {other}.",
            hint="Publish into a namespace of your own; nothing is taken from two sources.",
        )


class PublishError(RegistryError):
    """What was sent cannot be published."""

    code = "registry.publish"
    status = 422


class AlreadyPublishedError(PublishError):
    """A version is published once, and never changes."""

    code = "registry.already_published"
    status = 409

    def __init__(self, package_id: str, version: str) -> None:
        super().__init__(
            f"{package_id} {version} is published already.", hint="Publish a higher version."
        )


class UnknownContributionError(RegistryError):
    """No contribution has that id."""

    code = "registry.unknown_contribution"
    status = 404

    def __init__(self, contribution_id: str) -> None:
        super().__init__(
            f"No contribution {shorten(contribution_id)}.",
            hint="`inwit pkg contrib list` shows them.",
        )


class RegistryUnreachableError(RegistryError):
    """A registry does not answer, or not as a registry does."""

    code = "registry.unreachable"
    status = 503

    def __init__(self, url: str, why: str) -> None:
        super().__init__(
            f"The registry {shorten(url)} cannot be asked: {why.rstrip('.')}.",
            hint="See INWIT_REGISTRY_URL; what is installed goes on working.",
        )


class RegistryRefusedError(RegistryError):
    """A registry refuses what was asked; `remote_code` is its own word for why."""

    code = "registry.refused"

    def __init__(self, url: str, status: int, remote_code: str, why: str) -> None:
        self.remote_code = remote_code
        self.status = status if 400 <= status < 500 else 502
        super().__init__(
            f"{shorten(url)} refuses ({status} {shorten(remote_code)}): {shorten(why, 400)}",
            hint="What stands in quotes is what the registry says.",
        )


class PeerError(InwitError):
    """Something is wrong between this host and another."""

    code = "peer.error"
    status = 502


class UnknownPeerError(PeerError):
    """No peer has that name or key."""

    code = "peer.unknown"
    status = 404

    def __init__(self, name: str, known: Iterable[str]) -> None:
        hint = f"{nearest(name, known)} `inwit network peers` lists them, `inwit network add` adds one."
        super().__init__(f"No peer {shorten(name)}.", hint=hint)


class PeerUnreachableError(PeerError):
    """A peer does not answer in time, or not as a peer does."""

    code = "peer.unreachable"
    status = 503

    def __init__(self, name: str, why: str) -> None:
        super().__init__(
            f"The peer {shorten(name)} cannot be asked: {why.rstrip('.')}.",
            hint="`inwit network peers` shows which answer.",
        )


class RefusedMessageError(PeerError):
    """A message is forged, came before, came late, or is for somebody else."""

    code = "peer.refused"
    status = 403

    def __init__(self, why: str) -> None:
        super().__init__(
            f"The message is refused: {why.rstrip('.')}.", hint="Sign a new one for this host."
        )


class QueueFullError(PeerError):
    """As many messages wait as may wait."""

    code = "peer.queue_full"
    status = 429

    def __init__(self, name: str, limit: int) -> None:
        super().__init__(
            f"{limit} messages wait for {shorten(name)}.", hint="They go or expire; try later."
        )
