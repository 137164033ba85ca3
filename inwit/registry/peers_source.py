"""The colony: packages of peers, by the same proofs as those of any registry. Opt-in.

A peer that serves a registry signs its metadata by keys of its own; its card, signed by the key that
is pinned for the peer, names the registry's fingerprint. Archives of other registries are taken from
a peer by their hash, and checked as if they had come from the registry itself.
"""

from __future__ import annotations

from inwit.errors import PeerError, RegistryError, RegistryUnreachableError
from inwit.registry.archive import build_archive
from inwit.registry.fetch import Fetcher
from inwit.registry.install.lock import installed_folder, read_lock
from inwit.registry.peers import Peer, PeerBook, installs_from_peers
from inwit.registry.peers_client import PeerClient
from inwit.registry.serve_client import Nearby, Place, RegistrySource
from inwit.registry.sources.base import Origin, Release
from inwit.registry.trust import Policy, policy_of
from inwit.registry.trust_keys import KeyRing
from inwit.registry.trust_update import Updates
from inwit.runtime.project import Project

MOST_TRIED = 8
MEET_S = 1.0


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


def nearby_of(project: Project) -> Nearby:
    """Takes archives from whichever peer has them, by their hash.

    A peer that is away, has none or hands over other bytes is passed by: what it hands over is
    proved by the caller as if the registry had sent it.
    """
    client = PeerClient(PeerBook(project))

    def take(release: Release, max_bytes: int) -> bytes | None:
        for peer in client.book.every()[:MOST_TRIED]:
            try:
                client.meet(peer, MEET_S)
                return client.archive(peer, str(release.sha256), max_bytes=max_bytes)
            except PeerError:
                continue
        return None

    return take


def installed_archive(project: Project, digest: str) -> bytes | None:
    """The archive of a package that is installed here from a registry or a peer, made again.

    None where there is none: what came from a folder or a repository is not handed on.
    """
    for one in read_lock(project).packages:
        if one.sha256 == digest and one.origin in ("registry", "peer"):
            try:
                made = build_archive(installed_folder(project) / one.place)
            except RegistryError:
                return None
            return made.content if made.sha256 == digest else None
    return None
