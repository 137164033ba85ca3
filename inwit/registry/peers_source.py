"""The colony: packages of peers, by the same proofs as those of any registry. Opt-in.

A peer that serves a registry signs its metadata by keys of its own; its card, signed by the key that
is pinned for the peer, names the registry's fingerprint. Archives of other registries are taken from
a peer by their hash, and checked as if they had come from the registry itself.
"""

from __future__ import annotations

from collections.abc import Sequence

from inwit.errors import (
    PeerError,
    RegistryUnreachableError,
    TrustError,
    UnsignedPackageError,
)
from inwit.registry.fetch import Fetcher
from inwit.registry.peers import Peer, PeerBook, installs_from_peers
from inwit.registry.peers_client import PeerClient
from inwit.registry.serve_client import Place, RegistrySource
from inwit.registry.sources.base import Origin, Release
from inwit.registry.trust import Policy, enforce, policy_of
from inwit.registry.trust_keys import KeyRing
from inwit.registry.trust_update import Updates
from inwit.runtime.project import Project


class PeerSource(RegistrySource):
    """The registry of one peer. It is met when it is first asked."""

    origin: Origin = "peer"

    def __init__(self, client: PeerClient, peer: Peer, policy: Policy) -> None:
        fetcher = Fetcher(allow=[peer.address])
        super().__init__(Place(url=peer.url, token=peer.token), fetcher=fetcher, policy=policy)
        self._client = client
        self._peer = peer

    def owns(self, namespace: str) -> bool:
        """Whether the peer's registry has the namespace; a peer that is away has what it had last."""
        try:
            return super().owns(namespace)
        except (PeerError, RegistryUnreachableError):
            return namespace in self.last_ring().namespaces

    def _trusted(self) -> tuple[Updates, KeyRing]:
        if self._place.fingerprint is None:
            card = self._client.meet(self._client.known(self._peer))
            if card.registry is None:
                raise RegistryUnreachableError(self.name, "the peer serves no registry")
            self._place = Place(url=self.name, fingerprint=card.registry, token=self._peer.token)
        return super()._trusted()


def peer_sources(project: Project) -> list[PeerSource]:
    """The registries of a project's peers; none unless ``[network] install = true``."""
    if not installs_from_peers(project):
        return []
    client = PeerClient(PeerBook(project))
    policy = policy_of(project.settings())
    return [PeerSource(client, peer, policy) for peer in client.book.every()]


def transfer(
    client: PeerClient,
    peers: Sequence[Peer],
    release: Release,
    source: RegistrySource,
    *,
    policy: Policy,
    max_bytes: int,
) -> bytes:
    """Take the archive of a release from whichever peer has it, proved as `source` proves its own.

    A peer that hands over something else is passed by.

    Raises:
        RegistryUnreachableError: No peer has it.
    """
    tried: list[str] = []
    for peer in peers:
        try:
            content = client.archive(peer, str(release.sha256), max_bytes=max_bytes)
            verdict = source.verify(release, content)
        except UnsignedPackageError:
            raise
        except (PeerError, TrustError) as exc:
            tried.append(exc.message)
            continue
        enforce(verdict, policy)
        return content
    why = "; ".join(tried) or "there are no peers"
    raise RegistryUnreachableError(source.name, f"no peer has {release.id} either ({why})")
