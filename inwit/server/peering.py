"""What this host says to its peers: it takes their messages, answers their questions, shows its card."""

from __future__ import annotations

from typing import Any

from inwit import answers
from inwit.answers import LEVELS
from inwit.errors import InwitError, MalformedInputError
from inwit.introspection import network
from inwit.introspection.platform import installed_version
from inwit.registry.contributions import read_report
from inwit.registry.package import KINDS
from inwit.registry.peers import PeerBook
from inwit.registry.peers_card import make_card
from inwit.registry.peers_messages import Inbox, MessageKind, Received, compose
from inwit.runtime.store import audit
from inwit.server.asked import check_question
from inwit.server.host import Host
from inwit.server.problems import describe

SEARCHED = 50
_TOLD = ("id", "version", "kind", "description", "licence", "score", "why")


def card(host: Host) -> dict[str, Any]:
    """Who this host is, signed by its own key."""
    registry = host.registry.trust.fingerprint() if host.registry.exists else None
    return make_card(PeerBook(host.project), installed_version(), registry)


def take(host: Host, envelope: str) -> dict[str, Any]:
    """Take one message, and give the signed answer or acknowledgement.

    Raises:
        RefusedMessageError: It is forged, over, for another host, or came before.
        QueueFullError: Its sender has sent too many.
    """
    book = PeerBook(host.project)
    received = Inbox(book).receive(envelope)
    body = _answered(host, received)
    kind: MessageKind = "response" if received.message.kind == "query" else "ack"
    _, answer = compose(
        book.signer(), received.peer.key_id, kind, body, in_reply_to=received.message.id
    )  # fmt: skip
    return {"envelope": answer}


def _answered(host: Host, received: Received) -> dict[str, Any]:
    if received.message.kind == "query":
        try:
            return _queried(host, received.message.body)
        except InwitError as exc:
            return {"problem": describe(exc)}
    if not received.is_duplicate:
        _kept(host, received)
    return {"is_duplicate": received.is_duplicate}


def _queried(host: Host, body: dict[str, Any]) -> dict[str, Any]:
    if "ask" in body:
        level, graph = body.get("level"), body.get("graph")
        if level not in (None, *LEVELS) or not isinstance(graph, str | None):
            raise MalformedInputError("level or graph cannot be that.", hint="Leave them out.")
        question = check_question(body["ask"], "ask")
        return answers.to_json(host.introspector.ask(question, level=level, graph=graph))
    query, kind, limit = body.get("search"), body.get("kind"), body.get("limit", SEARCHED)
    is_fine = isinstance(query, str) and kind in (None, *KINDS) and isinstance(limit, int)
    if not is_fine:
        raise MalformedInputError("The query asks for nothing.", hint='Send "ask" or "search".')
    found = network.packages(host.project, query or None, kind, max(1, min(limit, SEARCHED)))
    listed = [{name: one[name] for name in _TOLD if name in one} for one in found["packages"]]
    return {"packages": listed, "total_count": found["total_count"]}


def _kept(host: Host, received: Received) -> None:
    """Note in the audit log that a peer sent something; a bug's report becomes a contribution."""
    message = received.message
    audit.append(
        host.project, actor=f"peer:{received.peer.name}", action=f"peer.{message.kind}",
        target=message.id, outcome="taken", details={"body": message.body},
    )  # fmt: skip
    report = message.body.get("report")
    if message.kind == "bug_report" and isinstance(report, dict):
        host.contributions.add(read_report({**report, "kind": "bug"}))
