"""The card of a host, `/.well-known/inwit.json`: who it is, what it offers, its key; signed by it."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from inwit.errors import BadSignatureError, RefusedMessageError
from inwit.registry.peers import PeerBook
from inwit.registry.trust_envelope import read_envelope, sign
from inwit.registry.trust_keys import public_key

CARD = "/.well-known/inwit.json"
PAYLOAD = "application/vnd.inwit.card+json"
OFFERS = ("query", "search", "packages", "messages")


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """What a host says of itself. `registry` is the fingerprint of the registry that it serves."""

    name: Annotated[str, msgspec.Meta(max_length=300)]
    id: str
    key: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
    version: Annotated[str, msgspec.Meta(max_length=100)]
    offers: tuple[str, ...] = ()
    registry: str | None = None
    schema_version: str = "1"


def make_card(book: PeerBook, version: str, registry: str | None) -> dict[str, Any]:
    """The card of this host as it is served: its fields, and the envelope that signs them."""
    signer = book.signer()
    card = Card(
        name=book.name, id=signer.public_key.keyid, key=signer.public_key.keyval["public"],
        version=version, offers=OFFERS, registry=registry,
    )  # fmt: skip
    said: dict[str, Any] = msgspec.to_builtins(card)
    return {**said, "envelope": sign(said, [signer], payload_type=PAYLOAD).decode()}


def read_card(data: bytes) -> Card:
    """Read a card and check that its own key signed it.

    Raises:
        RefusedMessageError: It is none, or another key did.
    """
    from securesystemslib.exceptions import VerificationError

    try:
        said = msgspec.json.decode(data, type=dict[str, Any])
        held = read_envelope(str(said.get("envelope", "")).encode(), PAYLOAD)
        card = msgspec.json.decode(held.payload, type=Card)
        key = public_key(card.key)
        held.verify([key], 1)
    except (BadSignatureError, VerificationError) as exc:
        raise RefusedMessageError("the card's signature does not fit") from exc
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise RefusedMessageError("what the host gave is no card") from exc
    if key.keyid != card.id:
        raise RefusedMessageError("the card's id is not that of its key")
    return card
