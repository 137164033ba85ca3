"""Identifiers: how they are made, and how a name from outside is checked before it is used."""

from __future__ import annotations

import os
import re
from random import Random

from inwit.errors import MalformedIdError

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:~@/-]{0,199}")

# Of its own, since a program that seeds `random` would make the same identifiers again, and its
# draws would not be those that it seeded.
_random = Random()  # noqa: S311 - it makes names, it keeps no secret
_AT_ONCE = 128
_getrandbits = _random.getrandbits
_made: list[str] = []
"""Identifiers for later: making many at once takes a third of the time."""


def _begin_anew() -> None:
    _random.seed()
    _made.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)


def new_id() -> str:
    """Make an identifier of 16 random hexadecimal digits.

    The random part comes first, so that a short prefix names one execution, as with a commit.
    """
    try:
        return _made.pop()
    except IndexError:
        digits = f"{_getrandbits(64 * _AT_ONCE):0{16 * _AT_ONCE}x}"
        _made.extend(digits[i : i + 16] for i in range(0, len(digits), 16))
        return new_id()


def check_id(kind: str, value: str) -> str:
    """Return `value` when it can be an identifier, and refuse it by name otherwise.

    Letters, digits and ``_ . : ~ @ / -``, at most 200 characters, no part that is ``..``.

    Raises:
        MalformedIdError: The value holds other characters, is empty or too long, or climbs folders.
    """
    if not _ID.fullmatch(value) or ".." in value.split("/"):
        raise MalformedIdError(kind, value)
    return value
