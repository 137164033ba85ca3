"""The head of a request: which host it names, which page sends it, and that it says one thing."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.types import Scope

from inwit.errors import (
    ForbiddenError,
    MalformedIdError,
    MalformedInputError,
    TooLargeError,
    shorten,
)

HEAD_LIMIT = 64 * 1024
LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_AUTHORITY = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]/@\s]+)(?::(\d{1,5}))?")


def is_loopback(host: str) -> bool:
    """Say whether only this machine reaches that address."""
    name = host.strip("[]").lower()
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def check_head(scope: Scope, hosts: frozenset[str] | None) -> None:
    """Refuse a request that is not for this host, or that a page of another site makes.

    `hosts` are the names that it answers to; None stands for every name.

    Raises:
        TooLargeError: The head is over `HEAD_LIMIT` bytes.
        ForbiddenError: It names another host, or comes from a page of another site.
        MalformedInputError: A header that may be there once is there twice, or names nothing.
        MalformedIdError: The path climbs.
    """
    size = sum(len(name) + len(value) for name, value in scope["headers"])
    if size > HEAD_LIMIT:
        raise TooLargeError("head of the request", size, HEAD_LIMIT)
    _check_host(only(scope, b"host"), hosts)
    _check_origin(only(scope, b"origin"), only(scope, b"host"), hosts)
    _check_site(scope)
    path = scope["path"]
    if ".." in path.replace("\\", "/").split("/") or "\0" in path:
        raise MalformedIdError("path", path)


def only(scope: Scope, name: bytes) -> str | None:
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
    site = only(scope, b"sec-fetch-site")
    if site in (None, "same-origin", "none"):
        return
    if scope["method"] == "GET" and only(scope, b"sec-fetch-mode") == "navigate":
        return
    if only(scope, b"origin") is not None:  # it was looked at, and is one of ours
        return
    raise ForbiddenError(
        "Pages of other sites may not ask this host.", hint="Open the address itself."
    )


def _answers_to(hosts: Iterable[str]) -> str:
    return f"It answers to {', '.join(sorted(hosts))}."
