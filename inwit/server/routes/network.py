"""The network level: this host's card, its peers and their packages, and messages between hosts."""

from __future__ import annotations

from typing import Any

import msgspec

from inwit.errors import MalformedInputError
from inwit.introspection import network
from inwit.introspection.others import DEADLINE_S, gather
from inwit.registry.peers import Peer, PeerBook
from inwit.registry.peers_card import CARD, Card
from inwit.registry.peers_client import MESSAGES, PeerClient, RemotePeer
from inwit.server import peering
from inwit.server.asked import Asked
from inwit.server.endpoint import Endpoint
from inwit.server.host import Host
from inwit.server.schema import BOOLEAN, INTEGER, OBJECT, STRING, array, maybe, record

EVERY = 100_000
FROM_PEERS = 50
OWN = "this project"


def _card(host: Host, _asked: Asked) -> dict[str, Any]:
    return peering.card(host)


def _message(host: Host, asked: Asked) -> dict[str, Any]:
    envelope = asked.body.get("envelope")
    if not isinstance(envelope, str):
        raise MalformedInputError("There is no envelope.", hint='Send {"envelope": "…"}.')
    return peering.take(host, envelope)


def _peers(host: Host, _asked: Asked) -> dict[str, Any]:
    """Meet each peer now: who answers is shown with its card, who does not with why."""
    client = PeerClient(PeerBook(host.project))
    every = client.book.every()
    met = gather({peer.name: _meeting(client, peer) for peer in every})
    listed = [
        _shown(peer, one.value) | one.told() for peer, one in zip(every, met, strict=True)
    ]  # fmt: skip
    return network.peers(host.project) | {"peers": listed, "total_count": len(listed)}


def _meeting(client: PeerClient, peer: Peer) -> Any:
    return lambda left: client.meet(peer, left)


def _shown(peer: Peer, card: Card | None) -> dict[str, Any]:
    told = {"says": msgspec.to_builtins(card)} if card else {}
    return {"name": peer.name, "url": peer.url, "key_id": peer.key_id or None, **told}


def _packages(host: Host, asked: Asked) -> dict[str, Any]:
    kind = asked.text("kind")
    own = network.packages(host.project, kind=kind, limit=EVERY)["packages"]
    return _with_peers(host, own, "", kind)


def _query(host: Host, asked: Asked) -> dict[str, Any]:
    question = asked.question("q")
    own = network.query(host.project, question)
    found = _with_peers(host, own["packages"], question, None)
    elsewhere = len(found["packages"]) - len(own["packages"])
    missing = [one["source"] for one in found["peers"] if one["status"] != "answered"]
    told = [own["answer"]]
    if elsewhere:
        told.append(f"Peers have {elsewhere} that may fit.")
    if missing:
        told.append(f"That is partial: no answer of {', '.join(missing)}.")
    return {**found, "answer": " ".join(told), "source": OWN}


def _with_peers(
    host: Host, own: list[dict[str, Any]], query: str, kind: str | None
) -> dict[str, Any]:
    """Own packages and those of peers, each with its source, and how each peer answered."""
    remotes = PeerClient(PeerBook(host.project)).remote()
    heard = gather({one.name: _searching(one, query, kind) for one in remotes}, DEADLINE_S)
    listed = [{**one, "source": OWN} for one in own]
    for one in heard:
        listed += [{**found, "source": one.source} for found in one.value or ()]
    return {
        "packages": listed,
        "total_count": len(listed),
        "peers": [one.told() for one in heard],
        "partial": any(one.value is None for one in heard),
    }


def _searching(remote: RemotePeer, query: str, kind: str | None) -> Any:
    return lambda left: remote.packages(query, kind=kind, limit=FROM_PEERS, deadline_s=left)


_SHARED = {
    "packages": array(OBJECT),
    "total_count": INTEGER,
    "peers": array(OBJECT),
    "partial": BOOLEAN,
}

ENDPOINTS = (
    Endpoint(
        path=CARD,
        summary="Who this host is, what it offers and its key, signed by it.",
        answer=_card,
        fields={"name": STRING, "id": STRING, "key": STRING, "offers": array(STRING)},
    ),
    Endpoint(
        path="/mcp/network/peers",
        summary="The peers of this host, each met now.",
        answer=_peers,
        fields={"peers": array(OBJECT), "host": maybe(OBJECT), "total_count": INTEGER},
    ),
    Endpoint(
        path="/mcp/network/packages",
        summary="The packages that this host and its peers know, by their source.",
        answer=_packages,
        fields=_SHARED,
        query=("kind",),
        listed="packages",
    ),
    Endpoint(
        path="/mcp/network/query",
        summary="Search the packages of this host and its peers, as far as they answer in time.",
        answer=_query,
        fields={"answer": STRING, "source": STRING, **_SHARED},
        query=("q",),
    ),
    Endpoint(
        path=MESSAGES,
        summary="Take a signed message of a peer, and answer or acknowledge it.",
        answer=_message,
        fields={"envelope": STRING},
        method="POST",
        takes=record({"envelope": STRING}),
    ),
)
