"""Who may write to a registry: tokens with scopes, kept as digests only."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import msgspec

from inwit.errors import ForbiddenError, MalformedInputError, UnauthorizedError, shorten
from inwit.plans import Principal
from inwit.registry.store_rows import Rows

PREFIX = "inwit_"
SCOPES = ("publish", "yank", "contribute", "review", "admin")
"""`publish` and `yank` are for one namespace (``publish:acme``) or all (``publish:*``)."""


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks, and what for they may. Nobody is a caller without a name and scopes."""

    name: str = ""
    scopes: tuple[str, ...] = ()

    @property
    def principal(self) -> Principal:
        """The caller as the audit log names it."""
        return Principal(kind="client", id=self.name or "nobody")

    def may(self, scope: str, namespace: str = "*") -> bool:
        """Whether a scope is held, for that namespace where it is for one."""
        wanted = {"admin", f"{scope}:*", f"{scope}:{namespace}"}
        return bool(wanted & set(self.scopes)) or (namespace == "*" and scope in self.scopes)

    def need(self, scope: str, namespace: str = "*") -> None:
        """Refuse who does not hold a scope.

        Raises:
            UnauthorizedError: Nobody asks.
            ForbiddenError: The token is for other things.
        """
        if self.may(scope, namespace):
            return
        if not self.name:
            raise UnauthorizedError
        shown = scope if namespace == "*" else f"{scope}:{namespace}"
        raise ForbiddenError(
            f"The token {shorten(self.name)} has no scope {shown!r}.",
            hint=f"It has {', '.join(self.scopes) or 'none'}; `inwit registry token` makes others.",
        )


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A token as it is listed: what it may, never what it is."""

    name: str
    scopes: tuple[str, ...]
    made_at: str
    expires_at: str | None


def make_token(rows: Rows, name: str, scopes: Iterable[str], *, days: float | None = None) -> str:
    """Make a token and give it; it is not kept and cannot be shown again.

    Raises:
        MalformedInputError: A scope is none, or the name is taken.
    """
    held = tuple(scopes)
    for scope in held:
        if scope.partition(":")[0] not in SCOPES:
            raise MalformedInputError(
                f"No scope {shorten(scope)}.",
                hint=f"Scopes: {', '.join(SCOPES)}, each with :NAMESPACE.",
            )
    if not held or not name.strip():
        raise MalformedInputError("A token has a name and scopes.", hint="Give both.")
    token = PREFIX + secrets.token_urlsafe(32)
    now = datetime.now(UTC)
    expires = (now + timedelta(days=days)).isoformat() if days is not None else None
    with rows.transaction() as run:
        if run("SELECT 1 FROM tokens WHERE name = ?", name):
            raise MalformedInputError(f"There is a token {shorten(name)}.", hint="Revoke it first.")
        run(
            "INSERT INTO tokens VALUES (?, ?, ?, ?, ?)",
            _digest(token), name, " ".join(held), now.isoformat(), expires,
        )  # fmt: skip
    return token


def tokens(rows: Rows) -> list[Token]:
    """All tokens, by name."""
    found = rows.read("SELECT name, scopes, made_at, expires_at FROM tokens ORDER BY name")
    return [
        Token(name=name, scopes=tuple(scopes.split()), made_at=made, expires_at=expires)
        for name, scopes, made, expires in found
    ]


def revoke_token(rows: Rows, name: str) -> None:
    """Take a token back.

    Raises:
        MalformedInputError: There is none of that name.
    """
    with rows.transaction() as run:
        if not run("SELECT 1 FROM tokens WHERE name = ?", name):
            raise MalformedInputError(f"No token {shorten(name)}.", hint="Its name is meant.")
        run("DELETE FROM tokens WHERE name = ?", name)


def caller_of(rows: Rows, authorization: str | None) -> Caller:
    """Who a header ``Authorization: Bearer …`` stands for; nobody where there is none.

    Raises:
        UnauthorizedError: It is no token of this registry, or is over.
    """
    if not authorization:
        return Caller()
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise UnauthorizedError
    found = rows.read(
        "SELECT name, scopes, expires_at FROM tokens WHERE digest = ?", _digest(token.strip())
    )
    if not found:
        raise UnauthorizedError
    name, scopes, expires = found[0]
    if expires is not None and datetime.fromisoformat(expires) <= datetime.now(UTC):
        raise UnauthorizedError
    return Caller(name=name, scopes=tuple(scopes.split()))


def _digest(token: str) -> str:
    # Tokens are 256 random bits: there is nothing to guess, and so nothing to slow down.
    return hashlib.sha256(token.encode()).hexdigest()
