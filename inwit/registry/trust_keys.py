"""Keys: made and kept by their owner, and the ring in which a registry says whose count for what."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from inwit.errors import BadSignatureError, MalformedInputError, shorten
from inwit.registry.trust import Level
from inwit.runtime.project import user_folder

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner, SSlibKey

KEY_DAYS = 365
RING_PATH = "trust/keys.json"
"""The target of The Update Framework that holds the ring, signed by the top-level targets role."""
OFFICIAL_THRESHOLD = 2

_Moment = Annotated[datetime, msgspec.Meta(tz=True)]
_Hex = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]


class PublicKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key as the ring lists it. Times are RFC 3339 in UTC."""

    id: _Hex
    public: _Hex
    owner: str
    valid_from: _Moment
    expires: _Moment
    revoked_at: _Moment | None = None
    revoked_why: str = ""

    def fault(self, at: datetime) -> str | None:
        """Why a signature that was published at that time does not count; None where it does.

        A revoked key counts for nothing, not for what it signed before either: when it was stolen
        is what nobody knows.
        """
        if self.revoked_at is not None:
            why = f": {self.revoked_why}" if self.revoked_why else ""
            return f"the key {self.id[:12]} was revoked{why}"
        if not self.valid_from <= at < self.expires:
            return f"the key {self.id[:12]} is valid from {_day(self.valid_from)} to {_day(self.expires)}"
        return None

    def load(self) -> SSlibKey:
        """The key for verifying.

        Raises:
            BadSignatureError: The id is not that of the key: one key would count twice.
        """
        key = public_key(self.public)
        if key.keyid != self.id:
            raise BadSignatureError(f"The key {self.id[:12]}", "its id is not its own")
        return key


class Namespace(msgspec.Struct, frozen=True, kw_only=True):
    """Who may sign for a namespace: `threshold` of `keys`, and what that is worth."""

    level: Level
    threshold: Annotated[int, msgspec.Meta(ge=1, le=16)] = 1
    keys: tuple[_Hex, ...]


class KeyRing(msgspec.Struct, frozen=True, kw_only=True):
    """All keys and namespaces of a registry."""

    schema_version: str = "1"
    keys: dict[str, PublicKey] = {}
    namespaces: dict[str, Namespace] = {}

    def with_key(self, key: PublicKey) -> KeyRing:
        """The ring with one key more, or a newer entry for it."""
        return msgspec.structs.replace(self, keys={**self.keys, key.id: key})

    def with_namespace(self, name: str, namespace: Namespace) -> KeyRing:
        """The ring with a namespace granted or changed.

        Raises:
            MalformedInputError: A key is unknown, or an official namespace has too few.
        """
        unknown = [key for key in namespace.keys if key not in self.keys]
        if unknown:
            raise MalformedInputError(f"No key {unknown[0]}.", hint="Add it to the ring first.")
        needed = OFFICIAL_THRESHOLD if namespace.level == "official" else 1
        if namespace.threshold < needed or len(namespace.keys) < namespace.threshold:
            raise MalformedInputError(
                f"{namespace.level} with {namespace.threshold} of {len(namespace.keys)} keys.",
                hint=f"Level {namespace.level} needs a threshold of {needed} or more, and the keys for it.",
            )
        return msgspec.structs.replace(self, namespaces={**self.namespaces, name: namespace})

    def revoked(self, key_id: str, why: str, at: datetime | None = None) -> KeyRing:
        """The ring in which a key counts for nothing.

        Raises:
            MalformedInputError: The ring has no such key.
        """
        if key_id not in self.keys:
            raise MalformedInputError(f"No key {shorten(key_id)}.", hint="Give its whole id.")
        found = self.keys[key_id]
        at = at or datetime.now(UTC)
        return self.with_key(msgspec.structs.replace(found, revoked_at=at, revoked_why=why))


def read_ring(data: bytes) -> KeyRing:
    """Read a ring.

    Raises:
        BadSignatureError: It is none, or a key stands in it under another's id.
    """
    try:
        ring = msgspec.json.decode(data, type=KeyRing)
    except msgspec.MsgspecError as exc:
        raise BadSignatureError("The ring of keys", str(exc)) from exc
    if any(name != key.id for name, key in ring.keys.items()):
        raise BadSignatureError("The ring of keys", "a key stands under another's id")
    return ring


def entry(signer: CryptoSigner, owner: str, *, days: float = KEY_DAYS) -> PublicKey:
    """The ring's entry for a key that was just made; it lasts `days`."""
    now = datetime.now(UTC).replace(microsecond=0)
    return PublicKey(
        id=signer.public_key.keyid,
        public=signer.public_key.keyval["public"],
        owner=owner,
        valid_from=now,
        expires=now + timedelta(days=days),
    )


@lru_cache(maxsize=4096)
def public_key(hexadecimal: str) -> SSlibKey:
    """The ed25519 key of 64 hexadecimal digits.

    Raises:
        MalformedInputError: It is none.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from securesystemslib.signer import SSlibKey

    try:
        return SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(bytes.fromhex(hexadecimal)))
    except ValueError as exc:
        raise MalformedInputError(
            f"{shorten(hexadecimal)} is no ed25519 key.", hint="Give 64 hexadecimal digits."
        ) from exc


def make_key(path: Path) -> CryptoSigner:
    """Make a key and keep it in a file that only its owner can read.

    Raises:
        FileExistsError: There is one already.
    """
    from securesystemslib.signer import CryptoSigner

    signer = CryptoSigner.generate_ed25519()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(signer.private_bytes)
    return signer


def read_key(path: Path) -> CryptoSigner:
    """Read a key from its file.

    Raises:
        MalformedInputError: There is none, or it is of another kind.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from securesystemslib.signer import CryptoSigner

    try:
        private = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as exc:
        raise MalformedInputError(
            f"{path} is no key: {exc}.", hint="`inwit pkg key` makes one."
        ) from exc
    if not isinstance(private, Ed25519PrivateKey):
        raise MalformedInputError(f"{path} is no ed25519 key.", hint="`inwit pkg key` makes one.")
    return CryptoSigner(private)


def own_key(name: str = "publisher") -> CryptoSigner:
    """The user's own key of that name, made when it is first needed."""
    path = user_folder() / "keys" / f"{name}.pem"
    if not path.exists():
        try:
            return make_key(path)
        except FileExistsError:  # another process was faster
            pass
    return read_key(path)


def ring_json(ring: KeyRing) -> dict[str, Any]:
    """Show a ring as plain JSON values."""
    shown: dict[str, Any] = msgspec.to_builtins(ring)
    return shown


def encode_ring(ring: KeyRing) -> bytes:
    """The bytes of a ring: the same ring, the same bytes."""
    return msgspec.json.encode(ring, order="sorted")


def owners(ring: KeyRing, key_ids: tuple[str, ...]) -> tuple[str, ...]:
    """Who the keys belong to, each once."""
    return tuple(dict.fromkeys(ring.keys[key].owner for key in key_ids if key in ring.keys))


def _day(at: datetime) -> str:
    return f"{at:%Y-%m-%d}"
