"""What every request passes before any route sees it: host, origin, caller, rate, size, form."""

from __future__ import annotations

import ipaddress
import json
import math
import re
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inwit.errors import (
    ForbiddenError,
    InvalidTokenError,
    InwitError,
    MalformedIdError,
    MalformedInputError,
    NotJsonError,
    RateLimitedError,
    ScopeError,
    TooLargeError,
    UnauthorizedError,
    shorten,
)
from inwit.server.auth import (
    ANONYMOUS,
    OPEN,
    READ,
    Authenticator,
    Caller,
    acting,
    challenge,
    scope_needed,
)
from inwit.server.limits import Meter
from inwit.server.problems import problem

BODY_LIMIT = 4 * 1024 * 1024
BODY_TIMEOUT_S = 30.0
HEAD_LIMIT = 64 * 1024
DEPTH_LIMIT = 64
AT_ONCE_BYTES = 64 * 1024
"""Bodies up to this are looked at between two requests, larger ones beside them."""
DISCARD_S, DISCARD_IDLE_S = 3.0, 0.25
"""How long the rest of a refused body is read, and how long one waits for more of it."""
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
CARD = "/.well-known/inwit.json"
"""Where other hosts learn this one's name and key, before they can send it anything."""
METADATA = "/.well-known/oauth-protected-resource"
"""Where clients learn who issues tokens (RFC 9728): the one route that asks for none."""
CSP = b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
PAGE_CSP = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    b"connect-src 'self'; font-src 'self'; frame-ancestors 'none'; base-uri 'none'; "
    b"form-action 'self'"
)
SEALS = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-resource-policy", b"same-origin"),
)

_CORS = b"access-control-"
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
    metadata_url: str | None = None
    """Where a client learns who issues tokens, where an issuer does."""
    cursor_key: bytes = b""
    """What binds cursors to tenants."""
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
    `is_taken` says whether a request is of a method that its path takes; without it all are.
    Without an `authenticator` the policy's token is the only one there is.
    """

    def __init__(
        self,
        app: ASGIApp,
        policy: Policy,
        takes_body: Callable[[Scope], bool] | None = None,
        authenticator: Authenticator | None = None,
        meter: Meter | None = None,
        *,
        is_taken: Callable[[Scope], bool] | None = None,
    ) -> None:
        self._app = app
        self._policy = policy
        self._takes_body = takes_body or (lambda _scope: True)
        self._is_taken = is_taken or (lambda _scope: True)
        self._authenticator = authenticator or Authenticator(
            token=policy.token, asks_everyone=policy.token is not None
        )
        self._meter = meter or Meter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        # A parser may leave white space at the end of header values; the protocols forbid it.
        scope["headers"] = [(name, value.strip(b" \t")) for name, value in scope["headers"]]
        sealed = _sealed(send)
        try:
            self._check_sender(scope)
            caller = await self._caller(scope)
            with self._meter.counted(caller):
                await self._admitted(caller, scope, receive, sealed)
        except InwitError as error:
            if scope.get("inwit.handed_on"):
                raise
            if not (scope.get("inwit.is_late") or scope.get("inwit.is_read")):
                await _discard(scope, receive)
            closing = {"Connection": "close"} if scope.get("inwit.is_late") else {}
            headers = {**self._headers(error), **closing}
            await problem(error, headers)(scope, receive, sealed)

    async def _admitted(self, caller: Caller, scope: Scope, receive: Receive, send: Send) -> None:
        body = await self._body(scope, receive)
        scope["inwit.is_read"] = True
        if body is None:
            return
        if not self._is_taken(scope):  # a wrong method changes nothing, and is told so
            caller.require(READ)
        elif not _is_open(scope):
            caller.require(scope_needed(scope["method"], scope["path"]))
        scope["inwit.handed_on"] = True
        with acting(caller, self._policy.cursor_key), _known_to_sdk(caller, scope):
            await _until_expiry(caller, self._app, scope, _replay(body, receive), send)

    def _check_sender(self, scope: Scope) -> None:
        size = sum(len(name) + len(value) for name, value in scope["headers"])
        if size > HEAD_LIMIT:
            raise TooLargeError("head of the request", size, HEAD_LIMIT)
        _check_host(_only(scope, b"host"), self._policy.hosts)
        _check_origin(_only(scope, b"origin"), _only(scope, b"host"), self._policy.hosts)
        _check_site(scope)
        path = scope["path"]
        if ".." in path.replace("\\", "/").split("/") or "\0" in path:
            raise MalformedIdError("path", path)

    async def _caller(self, scope: Scope) -> Caller:
        address = scope["client"][0] if scope.get("client") else ""
        given = _only(scope, b"authorization")
        find = self._authenticator.caller
        try:
            if _is_open(scope) and given is None:
                return OPEN
            if self._authenticator.is_cheap(given):
                return find(given)
            return await anyio.to_thread.run_sync(find, given)
        except InvalidTokenError:
            if self._is_for_registry(scope):
                return ANONYMOUS
            self._meter.failed(address)
            raise

    def _is_for_registry(self, scope: Scope) -> bool:
        """Whether a token may be one of the registry's own, which its routes check themselves."""
        is_registry = scope["path"].startswith("/api/v1/")
        return is_registry and not self._authenticator.asks_everyone

    def _headers(self, error: InwitError) -> dict[str, str]:
        if isinstance(error, RateLimitedError):
            return {"Retry-After": str(math.ceil(error.retry_s))}
        if isinstance(error, UnauthorizedError | ScopeError):
            url = self._policy.metadata_url
            return {"WWW-Authenticate": challenge(error, url) or "Bearer"}
        return {}

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


async def _until_expiry(
    caller: Caller, app: ASGIApp, scope: Scope, receive: Receive, send: Send
) -> None:
    """Answer for as long as the caller's token holds; a stream that is open then ends."""
    if caller.expires_at is None:
        await app(scope, receive, send)
        return
    is_open = False

    async def watched(message: Message) -> None:
        nonlocal is_open
        await send(message)
        is_open = message["type"] == "http.response.start" or message.get("more_body", False)

    with anyio.move_on_after(max(caller.expires_at - time.time(), 0.0)) as holding:
        await app(scope, receive, watched)
    if holding.cancelled_caught and is_open:
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _is_open(scope: Scope) -> bool:
    is_open = scope["path"] in (METADATA, f"{METADATA}/mcp", CARD)
    return is_open and scope["method"] in ("GET", "HEAD")


@contextmanager
def _known_to_sdk(caller: Caller, scope: Scope) -> Iterator[None]:
    """Let MCP's library know who asks: it binds sessions and resumption to that."""
    if not caller.is_known:
        yield
        return
    claims = {"iss": caller.issuer} if caller.issuer else None
    user = AuthenticatedUser(
        AccessToken(
            token="",
            client_id=caller.id,
            scopes=sorted(caller.scopes),
            subject=caller.id,
            claims=claims,
        )
    )
    scope["user"] = user
    before = auth_context_var.set(user)
    try:
        yield
    finally:
        auth_context_var.reset(before)


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


def _check_site(scope: Scope) -> None:
    """Refuse what a page of another site loads: it comes without an Origin where it is a GET.

    A link that a person follows is no such thing.
    """
    site = _only(scope, b"sec-fetch-site")
    if site in (None, "same-origin", "none"):
        return
    if scope["method"] == "GET" and _only(scope, b"sec-fetch-mode") == "navigate":
        return
    if _only(scope, b"origin") is not None:  # it was looked at, and is one of ours
        return
    raise ForbiddenError(
        "Pages of other sites may not ask this host.", hint="Open the address itself."
    )


def _answers_to(hosts: Iterable[str]) -> str:
    return f"It answers to {', '.join(sorted(hosts))}."


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
    """Add what keeps browsers from guessing and caches from keeping; let no other site read it."""

    async def sealed(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = _with_seals(message["headers"])
        await send(message)

    return sealed


def _with_seals(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    kept = [(name, value) for name, value in headers if not name.lower().startswith(_CORS)]
    names = {name.lower() for name, _ in kept}
    is_page = any(
        name.lower() == b"content-type" and value.startswith(b"text/html") for name, value in kept
    )
    seals = (*SEALS, (b"content-security-policy", PAGE_CSP if is_page else CSP))
    return [*kept, *(seal for seal in seals if seal[0] not in names)]
