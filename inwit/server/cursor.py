"""Opaque cursors, and lists that are cut to a page."""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import TypeVar

from inwit.errors import MalformedInputError, shorten

T = TypeVar("T")


def pack(offset: int) -> str:
    """Write an offset so that clients do not count on its form."""
    return urlsafe_b64encode(f"o{offset}".encode()).decode().rstrip("=")


def unpack(cursor: str | None) -> int:
    """Read a cursor that `pack` wrote; none means the beginning.

    Raises:
        MalformedInputError: It is not one of ours.
    """
    if not cursor:
        return 0
    try:
        text = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        text = ""
    if not (text.startswith("o") and text[1:].isdigit() and len(text) < 12):
        raise MalformedInputError(
            f"{shorten(cursor)} is no cursor.", hint="Give back the cursor of the last page."
        )
    return int(text[1:])


def page(items: Sequence[T], limit: int, cursor: str | None) -> tuple[list[T], str | None]:
    """Cut a list at its cursor and limit, and give the cursor of what follows."""
    start = unpack(cursor)
    end = start + limit
    return list(items[start:end]), pack(end) if end < len(items) else None
