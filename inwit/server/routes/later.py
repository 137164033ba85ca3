"""Routes that the interface names and this version lacks: they answer 501 with the feature's name."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from inwit.errors import NotInThisVersionError
from inwit.server.problems import problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Later:
    """A feature that some routes are for, and what does its work until it is there."""

    name: str
    instead: str


LEGACY = Later(
    name="The legacy SSE transport of MCP",
    instead="Start the host with --legacy-sse, or connect by streamable HTTP, at /mcp.",
)
PAGES = Later(
    name="A page for browsers",
    instead="/openapi.json lists the routes; /docs/README.md is to be read; "
    "/mcp/introspect?q=... answers a question.",
)

LATER: tuple[tuple[str, tuple[str, ...], Later], ...] = (
    ("/sse", ("GET",), LEGACY),
    ("/messages/", ("POST",), LEGACY),
    ("/", ("GET",), PAGES),
)


def routes() -> list[Route]:
    """Make the routes that say what is not there yet."""
    return [
        Route(path, partial(_later, feature), methods=list(methods))
        for path, methods, feature in LATER
    ]


async def _later(feature: Later, _request: Request) -> Response:
    return problem(NotInThisVersionError(feature.name, hint=feature.instead))
