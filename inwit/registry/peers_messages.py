"""Messages between hosts: signed, for one host only, short-lived, and taken once.

Nothing that a message says is followed as an instruction; what it asks is answered by the same
functions that answer everyone.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import msgspec

from inwit.errors import BadSignatureError, QueueFullError, RefusedMessageError
from inwit.ids import new_id
from inwit.registry.peers import Peer, PeerBook, rows
from inwit.registry.trust_envelope import read_envelope, sign
from inwit.registry.trust_keys import public_key

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner

MessageKind = Literal["query", "response", "suggestion", "bug_report", "status", "ack"]
KINDS: tuple[MessageKind, ...] = get_args(MessageKind)
PAYLOAD = "application/vnd.inwit.message+json"
LASTS = timedelta(hours=24)
"""How long a message may wait; a question is asked at once, and lasts a minute."""
QUESTION_LASTS = timedelta(minutes=1)
SKEW = timedelta(seconds=60)
"""How far two clocks may be apart."""
INBOX_LIMIT = 1000
"""Unexpired messages of one peer."""

_Hex = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
_Id = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{16,64}$")]


class Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One message. `sender` and `recipient` are ids of keys."""

    id: _Id
    kind: MessageKind
    sender: _Hex
    recipient: _Hex
    sent_at: datetime
    expires_at: datetime
    in_reply_to: _Id | None = None
    body: dict[str, Any] = {}


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """A message that was checked, who sent it, and whether it was taken before."""

    message: Message
    peer: Peer
    is_duplicate: bool = False


def compose(
    signer: CryptoSigner,
    recipient: str,
    kind: MessageKind,
    body: dict[str, Any],
    *,
    in_reply_to: str | None = None,
    lasts: timedelta = LASTS,
) -> tuple[Message, str]:
    """Make a message for the host of a key, and its signed envelope."""
    now = datetime.now(UTC)
    message = Message(
        id=new_id() + new_id(), kind=kind, sender=signer.public_key.keyid, recipient=recipient,
        sent_at=now, expires_at=now + lasts, in_reply_to=in_reply_to, body=body,
    )  # fmt: skip
    said = msgspec.to_builtins(message)
    return message, sign(said, [signer], payload_type=PAYLOAD).decode()


def opened(envelope: str, key: str, *, recipient: str) -> Message:
    """Check an envelope: signed by that key, for that recipient, of now.

    Raises:
        RefusedMessageError: It is not.
    """
    from securesystemslib.exceptions import VerificationError

    try:
        held = read_envelope(envelope.encode(), PAYLOAD)
        held.verify([public_key(key)], 1)
        message = msgspec.json.decode(held.payload, type=Message)
    except BadSignatureError as exc:
        raise RefusedMessageError(exc.message) from exc
    except VerificationError as exc:
        raise RefusedMessageError("its signature is not its sender's") from exc
    except msgspec.MsgspecError as exc:
        raise RefusedMessageError(f"it is no message ({exc})") from exc
    if message.sender != public_key(key).keyid:
        raise RefusedMessageError("it names another sender than the key that signed it")
    if message.recipient != recipient:
        raise RefusedMessageError("it is for another host")
    _check_time(message)
    return message


def sender_of(envelope: str) -> str:
    """The id of the key that an envelope says it is signed by; not checked yet.

    Raises:
        RefusedMessageError: It has not one signature.
    """
    try:
        held = read_envelope(envelope.encode(), PAYLOAD)
    except BadSignatureError as exc:
        raise RefusedMessageError(exc.message) from exc
    if len(held.signatures) != 1:
        raise RefusedMessageError(f"it has {len(held.signatures)} signatures")
    return str(next(iter(held.signatures)))


class Inbox:
    """Takes each message once, and remembers it for as long as it could come again."""

    def __init__(self, book: PeerBook) -> None:
        self._book = book

    def receive(self, envelope: str) -> Received:
        """Check a message that came, and take it.

        A question that came before is refused, since its answer is for who asked first; of other
        messages it is only said that they came before.

        Raises:
            RefusedMessageError: It is forged, over, for somebody else, or came before.
            QueueFullError: Its sender has sent too many.
        """
        peer = self._book.by_key_id(sender_of(envelope))
        message = opened(envelope, peer.key, recipient=self._book.signer().public_key.keyid)
        if message.kind in ("response", "ack"):
            raise RefusedMessageError("it answers what was never asked")
        is_new = self._take(peer, message)
        if not is_new and message.kind == "query":
            raise RefusedMessageError("it came before")
        return Received(message=message, peer=peer, is_duplicate=not is_new)

    def messages(self, *, kind: str | None = None) -> list[dict[str, Any]]:
        """Messages that were taken and are not over, the newest first; questions are not kept."""
        names = {peer.key_id: peer.name for peer in self._book.every() if peer.key}
        found = self._book.read(
            "SELECT sender, id, kind, received_ns, body FROM inbox"
            " WHERE kind <> 'query' AND expires_ns > ? ORDER BY received_ns DESC",
            time.time_ns(),
        )
        return [
            {
                "from": names.get(sender, sender), "id": number, "kind": sort,
                "received_at": datetime.fromtimestamp(at / 1e9, UTC).isoformat(),
                "body": msgspec.json.decode(body),
            }
            for sender, number, sort, at, body in found
            if kind in (None, sort)
        ]  # fmt: skip

    def _take(self, peer: Peer, message: Message) -> bool:
        """Whether it is new. The row outlives the message by the skew of clocks."""
        now = time.time_ns()
        until = int((message.expires_at + SKEW).timestamp() * 1e9)
        kept = {} if message.kind == "query" else message.body
        self._book.declare()
        with self._book.database.transaction() as connection:
            connection.execute("DELETE FROM inbox WHERE expires_ns < ?", (now,))
            count, is_known = rows(
                connection,
                "SELECT count(*), coalesce(max(id = ?), 0) FROM inbox WHERE sender = ?",
                message.id,
                message.sender,
            )[0]
            if is_known:
                return False
            if count >= INBOX_LIMIT:
                raise QueueFullError(peer.name, INBOX_LIMIT)
            body = msgspec.json.encode(kept).decode()
            connection.execute(
                "INSERT INTO inbox VALUES (?, ?, ?, ?, ?, ?)",
                (message.sender, message.id, message.kind, now, until, body),
            )
        return True


def _check_time(message: Message) -> None:
    now = datetime.now(UTC)
    try:
        if message.sent_at > now + SKEW:
            raise RefusedMessageError("it is of a time to come; see the clocks")
        if message.expires_at < now:
            raise RefusedMessageError("its time is over")
        if message.expires_at - message.sent_at > LASTS:
            raise RefusedMessageError(f"it is to last longer than {LASTS}")
    except TypeError as exc:
        raise RefusedMessageError("its times have no zone") from exc
