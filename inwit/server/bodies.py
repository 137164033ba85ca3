"""The body of a request: read within limits, refused where two readers may read it in two ways."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import anyio
import anyio.to_thread
from starlette.types import Message, Receive, Scope

from inwit.errors import MalformedInputError, NotJsonError, TooLargeError, shorten
from inwit.server.heads import only

BODY_LIMIT = 4 * 1024 * 1024
BODY_TIMEOUT_S = 30.0
DEPTH_LIMIT = 64
AT_ONCE_BYTES = 64 * 1024
"""Bodies up to this are looked at between two requests, larger ones beside them."""
DISCARD_S, DISCARD_IDLE_S = 3.0, 0.25
"""How long the rest of a refused body is read, and how long one waits for more of it."""
_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)


async def take_body(
    scope: Scope, receive: Receive, limit: int, is_wanted: Callable[[Scope], bool]
) -> bytes | None:
    """Read the body of a request; None where the client has left.

    Where the route wants one it must be declared as JSON. ``inwit.is_late`` and
    ``inwit.is_read`` in the scope tell how far the reading came.

    Raises:
        NotJsonError: It is declared as something else, which a page's form could send.
        TooLargeError: It is over `limit` bytes.
        MalformedInputError: It did not come within `BODY_TIMEOUT_S`, or is JSON of a bad form.
    """
    if scope["method"] not in ("POST", "PUT", "PATCH"):
        return b""
    declared = only(scope, b"content-type") or ""
    is_json = declared.split(";")[0].strip().lower() == "application/json"
    # What no route takes is refused by its method or its path, whatever its body is.
    if not is_json and is_wanted(scope):
        raise NotJsonError(declared)
    _check_length(only(scope, b"content-length"), limit)
    try:
        with anyio.fail_after(BODY_TIMEOUT_S):
            body = await _read(receive, limit)
    except TimeoutError:
        scope["inwit.is_late"] = True
        raise MalformedInputError(
            "The body did not come.", hint=f"It is waited for {BODY_TIMEOUT_S:.0f} s."
        ) from None
    scope["inwit.is_read"] = True
    if body is not None and is_json:
        if len(body) > AT_ONCE_BYTES:  # others are not to wait for it
            await anyio.to_thread.run_sync(_check_form, body)
        else:
            _check_form(body)
    return body


def _check_form(body: bytes) -> None:
    check_depth(body)
    check_unequivocal(body)


def check_depth(body: bytes) -> None:
    """Refuse JSON that is nested deeper than any request needs.

    Raises:
        MalformedInputError: The nesting is deeper than `DEPTH_LIMIT`.
    """
    if body.count(b"[") + body.count(b"{") <= DEPTH_LIMIT:
        return
    depth = 0
    for match in _STRING_OR_BRACKET.finditer(body):
        first = body[match.start()]
        if first in b"[{":
            depth += 1
            if depth > DEPTH_LIMIT:
                raise MalformedInputError(
                    f"The JSON is nested deeper than {DEPTH_LIMIT}.", hint="Send it flatter."
                )
        elif first in b"]}":
            depth -= 1


def check_unequivocal(body: bytes) -> None:
    """Refuse JSON that two readers may read in two ways: an object that gives a key twice.

    What is no JSON at all is left to the route, whose protocol has its own word for that.

    Raises:
        MalformedInputError: It is such.
    """
    try:
        json.loads(body, object_pairs_hook=_unique)
    except _RepeatedKey as exc:
        raise MalformedInputError(
            f"The JSON gives the key {shorten(exc.key)} twice.", hint="Give each key once."
        ) from None
    except (ValueError, RecursionError):
        return


class _RepeatedKey(Exception):  # noqa: N818 - it never leaves this module
    def __init__(self, key: str) -> None:
        self.key = key


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _RepeatedKey(key)
            seen.add(key)
    return found


def _check_length(declared: str | None, limit: int) -> None:
    if declared is not None and declared.isdigit() and int(declared[:20]) > limit:
        raise TooLargeError("body", int(declared[:20]), limit)


async def _read(receive: Receive, limit: int) -> bytes | None:
    """Read a body, counted as it comes, since a chunked one declares no length."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise TooLargeError("body", size, limit)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


async def discard(scope: Scope, receive: Receive) -> None:
    """Read on for a while, so that a client that still sends comes to read why it is refused.

    A connection closed with unread bytes is reset, and what was answered is lost with it.
    """
    if not any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"]):
        return
    if only(scope, b"expect") is not None:  # it waits for a word before it sends
        return
    has_more = True
    with anyio.move_on_after(DISCARD_S):
        while has_more:
            with anyio.move_on_after(DISCARD_IDLE_S) as idle:
                message = await receive()
            if idle.cancelled_caught:
                return
            has_more = message["type"] != "http.disconnect" and message.get("more_body", False)


def replay(body: bytes, receive: Receive) -> Receive:
    is_given = False

    async def replayed() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed
