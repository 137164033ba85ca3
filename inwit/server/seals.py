"""What every answer carries, so that browsers neither guess nor keep nor let other sites read it."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.types import Message, Send

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


def seal(send: Send) -> Send:
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
    added = (*SEALS, (b"content-security-policy", PAGE_CSP if is_page else CSP))
    return [*kept, *(one for one in added if one[0] not in names)]
