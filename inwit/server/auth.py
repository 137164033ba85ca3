"""Who asks: the caller of a request, and what its token lets it do.

A host without an issuer has one kind of caller: whoever reaches it on this machine may read, and
whoever holds the token of `host.json` may do everything that the host was started for. With an
issuer (`[auth]` in config.toml) every route asks for a token of it, and its callers are tenants:
they see what policies grant them, and nothing else (`inwit.server.tenants`).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from inwit.errors import InvalidTokenError, ScopeError, UnauthorizedError
from inwit.plans import Principal

READ: Final = "read"
RUN: Final = "run"
PLAN: Final = "plan"
ADMIN: Final = "admin"
SCOPES: Final = (READ, RUN, PLAN, ADMIN)

_NEEDED: Final = (
    ("POST", re.compile(r"/mcp/introspect"), READ),
    ("POST", re.compile(r"/mcp/live/executions/.*"), RUN),
    ("POST", re.compile(r"/mcp/plans/.*"), PLAN),
    # MCP's own routes: each tool that writes asks for its scope again.
    ("POST", re.compile(r"/mcp|/messages/"), READ),
    ("DELETE", re.compile(r"/mcp"), READ),
    # A peer's message is signed by a key that this host has pinned.
    ("POST", re.compile(r"/mcp/network/messages"), READ),
    # The registry has tokens of its own, with scopes for each namespace; its routes ask for them.
    ("POST", re.compile(r"/api/v1/.*"), READ),
    ("PUT", re.compile(r"/api/v1/.*"), READ),
    ("DELETE", re.compile(r"/api/v1/.*"), READ),
)
"""What a request that is not a GET needs; what is not named here needs `admin`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who sent a request."""

    id: str
    scopes: frozenset[str] = frozenset()
    is_tenant: bool = False
    """Whether it sees only what policies grant it."""
    kind: Literal["client", "person"] = "client"
    organisation: str = ""
    groups: tuple[str, ...] = ()
    issuer: str = ""
    is_known: bool = True
    """False for whoever sent no token."""
    expires_at: float | None = None
    """When its token is over, in seconds since 1970."""

    @property
    def principal(self) -> Principal:
        """Who acts, as plans and the audit log name it."""
        return Principal(self.kind, self.id)

    def require(self, scope: str) -> None:
        """Go on only where the caller's token has a scope.

        Raises:
            UnauthorizedError: There is no token at all.
            ScopeError: It does not reach that far.
        """
        if scope in self.scopes:
            return
        if not self.is_known:
            raise UnauthorizedError
        raise ScopeError(scope)


LOCAL: Final = Caller(id="local", scopes=frozenset(SCOPES))
"""Who speaks over standard input, or calls from within this process."""
ANONYMOUS: Final = Caller(id="anonymous", scopes=frozenset({READ}), is_known=False)
"""Who asks a host of this machine without a token."""
NOBODY: Final = Caller(id="nobody", is_tenant=True, is_known=False)
"""Who is meant where a caller should be known and is not: it sees nothing."""
OPEN: Final = Caller(id="open", is_known=False)
"""Who asks what is open to everyone: a route that reads nothing of the record."""
HOLDER: Final = Caller(id="host-token", scopes=frozenset(SCOPES))
"""Who holds the token of `host.json`."""

_current: ContextVar[Caller | None] = ContextVar("inwit_caller", default=None)
_cursor_key: ContextVar[bytes] = ContextVar("inwit_cursor_key")
_permitted: ContextVar[bool] = ContextVar("inwit_permitted", default=False)
_PROCESS_KEY: Final = secrets.token_bytes(32)


def current(otherwise: Caller = LOCAL) -> Caller:
    """Who asks in this context; also in worker threads that the request's handler starts."""
    return _current.get() or otherwise


def cursor_key() -> bytes:
    """The key that binds handles to callers: the project's, or this process's."""
    return _cursor_key.get(_PROCESS_KEY)


def permit() -> None:
    """Let the current caller write, until its request ends: what it may was looked at."""
    _permitted.set(True)


def is_permitted() -> bool:
    """Whether the current caller may write."""
    return _permitted.get()


@contextmanager
def acting(caller: Caller, key: bytes = b"") -> Iterator[None]:
    """Let a caller be the current one; `key` binds the handles that it is given."""
    before = _current.set(caller)
    key_before = _cursor_key.set(key or cursor_key())
    permitted_before = _permitted.set(False)
    try:
        yield
    finally:
        _current.reset(before)
        _permitted.reset(permitted_before)
        _cursor_key.reset(key_before)


def scope_needed(method: str, path: str) -> str:
    """The scope without which a request is not answered."""
    if method in ("GET", "HEAD", "OPTIONS"):
        return READ
    for one, pattern, scope in _NEEDED:
        if method == one and pattern.fullmatch(path):
            return scope
    return ADMIN


class Tokens(Protocol):
    """Knows the callers of tokens that are not the host's own."""

    def caller(self, token: str) -> Caller | None:
        """Find a token's caller; None where it is of another kind.

        Raises:
            InvalidTokenError: It is of this kind, and not to be trusted.
        """
        ...


class Authenticator:
    """Finds out who sent a request.

    Args:
        token: A token that lets its holder do everything; None: there is none.
        asks_everyone: Whether a request without a token is refused, reading as well.
        others: Where tokens of other callers are known, in the order in which they are asked.
    """

    def __init__(
        self, *, token: str | None, asks_everyone: bool = False, others: tuple[Tokens, ...] = ()
    ) -> None:
        self._digest = _digest(token) if token else None
        self.asks_everyone = asks_everyone
        self._others = others

    def caller(self, authorization: str | None) -> Caller:
        """Read who asks from the Authorization header. It may wait for an issuer's keys.

        Raises:
            UnauthorizedError: There is no token where one is asked for.
            InvalidTokenError: There is one, and it is not to be trusted.
        """
        if authorization is None:
            if self.asks_everyone:
                raise UnauthorizedError
            return ANONYMOUS
        scheme, _, given = authorization.partition(" ")
        given = given.strip()
        if scheme.lower() != "bearer" or not given:
            raise UnauthorizedError
        if self._digest is not None and hmac.compare_digest(_digest(given), self._digest):
            return HOLDER
        for tokens in self._others:
            found = tokens.caller(given)
            if found is not None:
                return found
        raise InvalidTokenError(
            "it is none that this host knows",
            hint="The one of now is in `.inwit/host.json`, or what `--token` was given.",
        )

    def is_cheap(self, authorization: str | None) -> bool:
        """Whether `caller` answers at once: nothing is to be verified or fetched."""
        return authorization is None or not self._others


def _digest(token: str) -> bytes:
    """What is compared in place of a token: it has one length, whatever was sent."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def challenge(error: Exception, metadata_url: str | None) -> str | None:
    """The WWW-Authenticate header for an error, where it has one (RFC 6750, RFC 9728)."""
    parts: list[str] = []
    if isinstance(error, InvalidTokenError):
        parts += ['error="invalid_token"', f'error_description="{_quoted(error.message)}"']
    elif isinstance(error, ScopeError):
        parts += ['error="insufficient_scope"', f'scope="{error.needed}"']
    elif isinstance(error, UnauthorizedError):
        parts.append('realm="inwit"')
    else:
        return None
    if metadata_url:
        parts.append(f'resource_metadata="{metadata_url}"')
    return f"Bearer {', '.join(parts)}"


def _quoted(text: str) -> str:
    kept = (char for char in text if char.isascii() and char.isprintable() and char not in '"\\')
    return "".join(kept)[:200]
