"""Asking other hosts: who they are, what they know, what packages they have; with a deadline."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from inwit.errors import (
    FetchError,
    PeerUnreachableError,
    RefusedMessageError,
    shorten,
)
from inwit.registry.fetch import Fetched, Fetcher
from inwit.registry.peers import Peer, PeerBook
from inwit.registry.peers_card import CARD, Card, read_card
from inwit.registry.peers_messages import QUESTION_LASTS, Message, MessageKind, compose, opened
from inwit.registry.serve_client import API
from inwit.registry.trust_envelope import digest_of

MESSAGES = "/mcp/network/messages"
DEADLINE_S = 3.0
ARCHIVE_S = 120.0
ANSWER_LIMIT = 4 << 20


class RemotePeer:
    """One peer to be asked, as whoever asks several at once sees it."""

    def __init__(self, client: PeerClient, peer: Peer) -> None:
        self._client = client
        self._peer = peer

    @property
    def name(self) -> str:
        """What it is called here."""
        return self._peer.name

    def ask(
        self, question: str, *, level: str | None, graph: str | None, deadline_s: float
    ) -> Mapping[str, Any]:
        """Its answer to a question in plain words, as that host gives it.

        Raises:
            PeerError: It gives none.
        """
        body = {"ask": question, "level": level, "graph": graph}
        return self._client.send(self._peer, "query", body, deadline_s=deadline_s).body

    def packages(
        self, query: str, *, kind: str | None, limit: int, deadline_s: float
    ) -> Sequence[Mapping[str, Any]]:
        """The packages that it has for a query, as that host tells of them.

        Raises:
            PeerError: It gives none.
        """
        body = {"search": query, "kind": kind, "limit": limit}
        said = self._client.send(self._peer, "query", body, deadline_s=deadline_s).body
        found = said.get("packages")
        if not isinstance(found, list):
            raise PeerUnreachableError(self.name, "what it sent is no list of packages")
        return [one for one in found[:limit] if isinstance(one, dict)]


class PeerClient:
    """Speaks with the peers of one project."""

    def __init__(self, book: PeerBook) -> None:
        self.book = book

    def remote(self, names: Iterable[str] | None = None) -> list[RemotePeer]:
        """The peers of these names to be asked, all by default.

        Raises:
            UnknownPeerError: There is no peer of a name.
        """
        peers = self.book.every() if names is None else [self.book.get(name) for name in names]
        return [RemotePeer(self, peer) for peer in peers]

    def meet(self, peer: Peer, deadline_s: float = DEADLINE_S) -> Card:
        """Read a peer's card. Its key is pinned by the first, and every later one must have it.

        Raises:
            PeerUnreachableError: It does not answer, or not as a host does.
            RefusedMessageError: It is signed by another key than the one that is pinned.
        """
        card = read_card(self._fetched(peer, "GET", CARD, deadline_s=deadline_s).body)
        if peer.key and card.key != peer.key:
            raise RefusedMessageError(f"{peer.name} has another key than the one that is pinned")
        return card

    def add(self, name: str, url: str, *, key: str = "", token: str = "") -> tuple[Peer, Card]:
        """Meet a host and name it a peer.

        Raises:
            PeerError: As for `meet`.
        """
        draft = Peer(name=name, url=url.rstrip("/"), key=key, token=token)
        card = self.meet(draft)
        return self.book.add(name, url, key=card.key, token=token), card

    def known(self, peer: Peer, deadline_s: float = DEADLINE_S) -> Peer:
        """The peer with its key, which is pinned now where it has not been met."""
        if peer.key:
            return peer
        card = self.meet(peer, deadline_s)
        return self.book.add(peer.name, peer.url, key=card.key, token=peer.token)

    def send(
        self, peer: Peer, kind: MessageKind, body: dict[str, Any], *, deadline_s: float = DEADLINE_S
    ) -> Message:
        """Send a message and give what came back: an answer or an acknowledgement.

        Raises:
            PeerUnreachableError: It does not answer in time.
            RefusedMessageError: It refuses, or what came back is not its own.
        """
        ends = time.monotonic() + deadline_s
        peer = self.known(peer, deadline_s)
        message, envelope = compose(
            self.book.signer(), peer.key_id, kind, body, lasts=QUESTION_LASTS
        )
        left = max(ends - time.monotonic(), 0.001)
        return self.deliver(peer, envelope, message.id, deadline_s=left)

    def deliver(
        self, peer: Peer, envelope: str, message_id: str, *, deadline_s: float = DEADLINE_S
    ) -> Message:
        """Hand over an envelope that was made before.

        Raises:
            PeerUnreachableError: It does not answer in time.
            RefusedMessageError: It refuses, or what came back is not its own.
        """
        sent = msgspec.json.encode({"envelope": envelope})
        found = self._fetched(peer, "POST", MESSAGES, content=sent, deadline_s=deadline_s)
        said = _object(peer, found)
        answer = opened(
            str(said.get("envelope")), peer.key, recipient=self.book.signer().public_key.keyid
        )
        if answer.in_reply_to != message_id:
            raise RefusedMessageError(f"{peer.name} answers another message")
        return answer

    def archive(self, peer: Peer, digest: str, *, max_bytes: int) -> bytes:
        """The archive of that sha256, from a peer. What it is worth is for the caller to prove.

        Raises:
            PeerError: The peer does not answer, has none, or hands over other bytes.
        """
        path = f"{API}/packages/{digest}/archive"
        content = self._fetched(peer, "GET", path, deadline_s=ARCHIVE_S, limit_bytes=max_bytes).body
        if digest_of(content) != digest:
            raise RefusedMessageError(f"{peer.name} hands over other bytes than were asked for")
        return content

    def _fetched(
        self,
        peer: Peer,
        method: str,
        path: str,
        *,
        deadline_s: float,
        content: bytes | None = None,
        limit_bytes: int = ANSWER_LIMIT,
    ) -> Fetched:
        headers = {"content-type": "application/json"}
        if peer.token:
            headers["authorization"] = f"Bearer {peer.token}"
        fetcher = Fetcher(allow=[peer.address], limit_bytes=limit_bytes, timeout_s=deadline_s)
        try:
            found = fetcher.request(method, peer.url + path, content=content, headers=headers)
        except FetchError as exc:
            raise PeerUnreachableError(peer.name, exc.message) from exc
        if found.status in (401, 403, 429):
            raise RefusedMessageError(f"{peer.name}: {_told(found)}")
        if not found.is_success:
            raise PeerUnreachableError(peer.name, f"status {found.status}: {_told(found)}")
        return found


def _object(peer: Peer, found: Fetched) -> dict[str, Any]:
    try:
        said = msgspec.json.decode(found.body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise PeerUnreachableError(peer.name, "what it sent is no JSON") from exc
    return said


def _told(found: Fetched) -> str:
    """What a host said of why it refuses, quoted."""
    try:
        said = msgspec.json.decode(found.body, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return f"status {found.status}"
    return shorten(str(said.get("detail", "")), 200)
