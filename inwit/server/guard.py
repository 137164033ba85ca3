"""What every request passes before any route sees it: host, origin, token, size, form."""

from __future__ import annotations

import hmac
import ipaddress
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inwit.errors import (
    ForbiddenError,
    InwitError,
    MalformedIdError,
    MalformedInputError,
    NotJsonError,
    TooLargeError,
    UnauthorizedError,
    shorten,
)
from inwit.server.problems import problem

BODY_LIMIT = 4 * 1024 * 1024
BODY_TIMEOUT_S = 30.0
HEAD_LIMIT = 64 * 1024
DEPTH_LIMIT = 64
DISCARD_S, DISCARD_IDLE_S = 3.0, 0.25
"""How long the rest of a refused body is read, and how long one waits for more of it."""
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")

_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]/@\s]+)(?::(\d{1,5}))?")
_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Who may ask what of a host.

    `hosts` are the names it answers to, each with any port or none; None stands for every name,
    which is for a host that is bound to all addresses and asks for a token.
    """

    hosts: frozenset[str] | None = frozenset(LOOPBACK)
    token: str | None = None
    body_limit: int = BODY_LIMIT


def is_loopback(host: str) -> bool:
    """Say whether only this machine reaches that address."""
    name = host.strip("[]").lower()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


class Guard:
    """Refuses what the policy forbids and hands on a request whose body is already read.

    `takes_body` says whether a route reads the body of a request; without it all are taken to.
    """

    def __init__(
        self, app: ASGIApp, policy: Policy, takes_body: Callable[[Scope], bool] | None = None
    ) -> None:
        self._app = app
        self._policy = policy
        self._takes_body = takes_body or (lambda _scope: True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        # A parser may leave white space at the end of header values; the protocols forbid it.
        scope["headers"] = [(name, value.strip(b" \t")) for name, value in scope["headers"]]
        try:
            self._check_sender(scope)
            body = await self._body(scope, receive)
        except InwitError as error:
            await _discard(scope, receive)
            await problem(error)(scope, receive, send)
            return
        if body is None:
            return
        await self._app(scope, _replay(body, receive), _sealed(send))

    def _check_sender(self, scope: Scope) -> None:
        size = sum(len(name) + len(value) for name, value in scope["headers"])
        if size > HEAD_LIMIT:
            raise TooLargeError("head of the request", size, HEAD_LIMIT)
        _check_host(_only(scope, b"host"), self._policy.hosts)
        _check_origin(_only(scope, b"origin"), _only(scope, b"host"), self._policy.hosts)
        _check_token(_only(scope, b"authorization"), self._policy.token)
        path = scope["path"]
        if ".." in path.replace("\\", "/").split("/") or "\0" in path:
            raise MalformedIdError("path", path)

    async def _body(self, scope: Scope, receive: Receive) -> bytes | None:
        if scope["method"] not in ("POST", "PUT", "PATCH"):
            return b""
        declared = _only(scope, b"content-type") or ""
        is_json = declared.split(";")[0].strip().lower() == "application/json"
        # What no route takes is refused by its method or its path, whatever its body is.
        if not is_json and self._takes_body(scope):
            raise NotJsonError(declared)
        _check_length(_only(scope, b"content-length"), self._policy.body_limit)
        try:
            with anyio.fail_after(BODY_TIMEOUT_S):
                body = await _read(receive, self._policy.body_limit)
        except TimeoutError:
            raise MalformedInputError(
                "The body did not come.", hint=f"It is waited for {BODY_TIMEOUT_S:.0f} s."
            ) from None
        if body is not None and is_json:
            check_depth(body)
        return body


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


def _only(scope: Scope, name: bytes) -> str | None:
    """The one value of a header; a header that is repeated says two things and is refused."""
    values = [value for key, value in scope["headers"] if key == name]
    if len(values) > 1:
        raise MalformedInputError(
            f"The header {name.decode()!r} came {len(values)} times.", hint="Send it once."
        )
    return values[0].decode("latin-1") if values else None


def _check_host(host: str | None, hosts: frozenset[str] | None) -> None:
    found = _AUTHORITY.fullmatch((host or "").lower())
    if found is None:
        raise MalformedInputError(
            f"The Host header {shorten(host or '')} names no host.",
            hint="Send it once, as HTTP does.",
        )
    if hosts is not None and found[1] not in hosts:
        raise ForbiddenError(
            f"This host does not answer to {shorten(host)}.", hint=_answers_to(hosts)
        )


def _check_origin(origin: str | None, host: str | None, hosts: frozenset[str] | None) -> None:
    if origin is None:
        return
    scheme, separator, authority = origin.lower().partition("://")
    found = _AUTHORITY.fullmatch(authority)
    is_web = scheme in ("http", "https") and bool(separator) and found is not None
    known = hosts if hosts is not None else {*LOOPBACK, urlsplit(f"//{host}").netloc.lower()}
    if not is_web or found is None or not {found[1], authority} & known:
        raise ForbiddenError(
            f"Pages of {shorten(origin)} may not ask this host.", hint=_answers_to(known)
        )


def _answers_to(hosts: Iterable[str]) -> str:
    return f"It answers to {', '.join(sorted(hosts))}."


def _check_token(sent: str | None, token: str | None) -> None:
    if token is None:
        return
    scheme, _, given = (sent or "").partition(" ")
    is_same = hmac.compare_digest(given.strip().encode(), token.encode())
    if scheme.lower() != "bearer" or not is_same:
        raise UnauthorizedError


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


async def _discard(scope: Scope, receive: Receive) -> None:
    """Read on for a while, so that a client that still sends comes to read why it is refused.

    A connection closed with unread bytes is reset, and what was answered is lost with it.
    """
    if not any(name in (b"content-length", b"transfer-encoding") for name, _ in scope["headers"]):
        return
    if _only(scope, b"expect") is not None:  # it waits for a word before it sends
        return
    has_more = True
    with anyio.move_on_after(DISCARD_S):
        while has_more:
            with anyio.move_on_after(DISCARD_IDLE_S) as idle:
                message = await receive()
            if idle.cancelled_caught:
                return
            has_more = message["type"] != "http.disconnect" and message.get("more_body", False)


def _replay(body: bytes, receive: Receive) -> Receive:
    is_given = False

    async def replayed() -> Message:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed


def _sealed(send: Send) -> Send:
    """Add what keeps browsers from guessing and caches from keeping."""

    async def sealed(message: Message) -> None:
        if message["type"] == "http.response.start":
            names = {name.lower() for name, _ in message["headers"]}
            extra = [(b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store")]
            message["headers"] = [*message["headers"], *(e for e in extra if e[0] not in names)]
        await send(message)

    return sealed
