"""Opaque cursors, and lists that are cut to a page."""

from __future__ import annotations

import binascii
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from hashlib import blake2b
from typing import TypeVar

from inwit.errors import MalformedInputError, shorten
from inwit.server import auth

T = TypeVar("T")


def pack(offset: int) -> str:
    """Write an offset so that clients do not count on its form."""
    return bind(urlsafe_b64encode(f"o{offset}".encode()).decode().rstrip("="))


def unpack(cursor: str | None) -> int:
    """Read a cursor that `pack` wrote; none means the beginning.

    Raises:
        MalformedInputError: It is not one of ours.
    """
    if not cursor:
        return 0
    cursor = unbind(cursor)
    try:
        text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        text = ""
    if not (text.startswith("o") and text[1:].isdigit() and len(text) < 12):
        raise _no_cursor(cursor)
    return int(text[1:])


def bind(cursor: str) -> str:
    """Make a cursor a tenant's own: nobody else can go on with it."""
    mac = _mac(cursor)
    return f"{cursor}.{mac}" if mac else cursor


def unbind(cursor: str) -> str:
    """Read a cursor that was bound to whoever asks now.

    Raises:
        MalformedInputError: It was bound to somebody else, or to nobody.
    """
    plain, _, given = cursor.rpartition(".")
    mac = _mac(plain)
    if not mac:
        return cursor
    if not hmac.compare_digest(given.encode("utf-8", "replace"), mac.encode()):
        raise _no_cursor(cursor)
    return plain


def _mac(cursor: str) -> str:
    """What only this caller's cursor carries; nothing for who is no tenant."""
    caller = auth.current()
    if not caller.is_tenant:
        return ""
    data = f"{caller.issuer}\0{caller.id}\0{cursor}".encode("utf-8", "replace")
    digest = blake2b(data, key=auth.cursor_key(), digest_size=12).digest()
    return urlsafe_b64encode(digest).decode()


def _no_cursor(cursor: str) -> MalformedInputError:
    return MalformedInputError(
        f"{shorten(cursor)} is no cursor.", hint="Give back the cursor of the last page."
    )


def page(items: Sequence[T], limit: int, cursor: str | None) -> tuple[list[T], str | None]:
    """Cut a list at its cursor and limit, and give the cursor of what follows."""
    start = unpack(cursor)
    end = start + limit
    return list(items[start:end]), pack(end) if end < len(items) else None
