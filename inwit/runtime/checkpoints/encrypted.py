"""Checkpoints that only those who have the key can read."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from typing import Any, Final

from inwit.errors import InvalidKeyError, MissingLibraryError, WrongKeyError
from inwit.runtime.checkpoints.base import Checkpointer, Row
from inwit.runtime.checkpoints.sealing import Sealing

KEYS_VARIABLE: Final = "INWIT_CHECKPOINT_KEYS"
"""The environment's variable that `from_env` reads: ``id:key,id:key``, the newest key first."""
_KEY_BYTES = 32
_NONCE_BYTES = 12
_FORMAT = b"\1"
Key = bytes | str


def new_key() -> str:
    """Make a key: 32 random bytes as base64, as a secrets' store keeps them."""
    return base64.b64encode(os.urandom(_KEY_BYTES)).decode()


class EncryptedCheckpointer(Sealing):
    """Keeps rows encrypted by AES-256-GCM in another checkpointer, and never in plain text.

    The values, the nodes that follow, the owner: all but a row's place, its id and its time. Each
    row is bound to its place, so that one cannot be put in another's stead.

    Args:
        inner: Where the encrypted rows are kept.
        keys: The keys by name, or one key; each 32 bytes, or those as base64. New rows are encrypted
            with the first one; the others only read. To rotate, put a new key before the old ones,
            and drop an old one when no row of it is kept any more.
        reads_plain: Also read rows that were put before there was encryption. Whoever can write to
            the storage can then put rows of their own there.

    Raises:
        InvalidKeyError: A key cannot be used.
        MissingLibraryError: cryptography is not installed.
    """

    kind = "aes-256-gcm"

    def __init__(
        self, inner: Checkpointer, keys: Key | Mapping[str, Key], *, reads_plain: bool = False
    ) -> None:
        super().__init__(inner)
        given = keys if isinstance(keys, Mapping) else {"1": keys}
        if not given:
            raise InvalidKeyError("", "there is none")
        self._ciphers = {key_id: _cipher(key_id, key) for key_id, key in given.items()}
        self._current = next(iter(self._ciphers))
        self._reads_plain = reads_plain

    @classmethod
    def from_env(cls, inner: Checkpointer, **options: Any) -> EncryptedCheckpointer:
        """Make one with the keys of the environment's ``INWIT_CHECKPOINT_KEYS``.

        Raises:
            InvalidKeyError: It is not set, or holds something else than keys.
        """
        keys: dict[str, Key] = {}
        for part in os.environ.get(KEYS_VARIABLE, "").split(","):
            key_id, is_named, key = part.strip().rpartition(":")
            if key:
                keys[key_id if is_named else "1"] = key
        if not keys:
            raise InvalidKeyError(KEYS_VARIABLE, "it is not set, or empty")
        return cls(inner, keys, **options)

    def seal(self, data: bytes, row: Row) -> bytes:
        """Encrypt a row."""
        nonce = os.urandom(_NONCE_BYTES)
        key_id = self._current.encode()
        head = _FORMAT + bytes([len(key_id)]) + key_id + nonce
        sealed: bytes = self._ciphers[self._current].encrypt(nonce, data, _bound(row, head))
        return head + sealed

    def open(self, data: bytes, row: Row) -> bytes:
        """Decrypt a row.

        Raises:
            WrongKeyError: Its key is not among ours, or is another one, or the row was changed.
        """
        from cryptography.exceptions import InvalidTag

        if len(data) < 2 or data[:1] != _FORMAT:
            raise WrongKeyError(row.thread_id, row.seq, "it is not in a form that is known")
        end = 2 + data[1]
        key_id = data[2:end].decode(errors="replace")
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            known = ", ".join(map(repr, self._ciphers))
            raise WrongKeyError(row.thread_id, row.seq, f"its key is {key_id!r}, not {known}")
        nonce = data[end : end + _NONCE_BYTES]
        head, sealed = data[: end + _NONCE_BYTES], data[end + _NONCE_BYTES :]
        try:
            opened: bytes = cipher.decrypt(nonce, sealed, _bound(row, head))
        except (InvalidTag, ValueError) as exc:
            reason = f"the key {key_id!r} is another one than wrote it, or it was changed"
            raise WrongKeyError(row.thread_id, row.seq, reason) from exc
        return opened

    def plain(self, row: Row) -> Row:
        """Refuse a row in plain text, unless told to read such.

        Raises:
            WrongKeyError: It is in plain text.
        """
        if not self._reads_plain:
            raise WrongKeyError(row.thread_id, row.seq, "it is not encrypted")
        return row


def _cipher(key_id: str, key: Key) -> Any:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError as exc:
        library = "cryptography"
        raise MissingLibraryError("EncryptedCheckpointer", "encryption", library) from exc
    if not 0 < len(key_id.encode()) < 256:
        raise InvalidKeyError(key_id, "its name has to have between 1 and 255 bytes")
    if isinstance(key, str):
        try:
            key = base64.b64decode(key, validate=True)
        except (binascii.Error, ValueError) as exc:
            raise InvalidKeyError(key_id, "it is not base64") from exc
    if len(key) != _KEY_BYTES:
        raise InvalidKeyError(key_id, f"it has {len(key)} bytes instead of {_KEY_BYTES}")
    return AESGCM(key)


def _bound(row: Row, head: bytes) -> bytes:
    """What the encryption is bound to beside its content."""
    place = f"{row.thread_id}\0{row.ns}\0{row.seq}\0{type(row).__name__}"
    return place.encode("utf-8", "surrogatepass") + b"\0" + head
