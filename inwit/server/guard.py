"""What every request passes before any route sees it: its head, caller, rate and body."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import anyio
import anyio.to_thread
from mcp.server.auth.middleware.auth_context import auth_context_var
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inwit.errors import (
    InvalidTokenError,
    InwitError,
    RateLimitedError,
    ScopeError,
    UnauthorizedError,
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
from inwit.server.bodies import BODY_LIMIT, discard, replay, take_body
from inwit.server.heads import LOOPBACK, check_head, only
from inwit.server.limits import Meter
from inwit.server.problems import problem
from inwit.server.seals import seal

CARD = "/.well-known/inwit.json"
"""Where other hosts learn this one's name and key, before they can send it anything."""
METADATA = "/.well-known/oauth-protected-resource"
"""Where clients learn who issues tokens (RFC 9728): the one route that asks for none."""


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
        sealed = seal(send)
        try:
            check_head(scope, self._policy.hosts)
            caller = await self._caller(scope)
            with self._meter.counted(caller):
                await self._admitted(caller, scope, receive, sealed)
        except InwitError as error:
            if scope.get("inwit.handed_on"):
                raise
            if not (scope.get("inwit.is_late") or scope.get("inwit.is_read")):
                await discard(scope, receive)
            closing = {"Connection": "close"} if scope.get("inwit.is_late") else {}
            headers = {**self._headers(error), **closing}
            await problem(error, headers)(scope, receive, sealed)

    async def _admitted(self, caller: Caller, scope: Scope, receive: Receive, send: Send) -> None:
        body = await take_body(scope, receive, self._policy.body_limit, self._takes_body)
        scope["inwit.is_read"] = True
        if body is None:
            return
        if not self._is_taken(scope):  # a wrong method changes nothing, and is told so
            caller.require(READ)
        elif not _is_open(scope):
            caller.require(scope_needed(scope["method"], scope["path"]))
        scope["inwit.handed_on"] = True
        with acting(caller, self._policy.cursor_key), _known_to_sdk(caller, scope):
            await _until_expiry(caller, self._app, scope, replay(body, receive), send)

    async def _caller(self, scope: Scope) -> Caller:
        address = scope["client"][0] if scope.get("client") else ""
        given = only(scope, b"authorization")
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
