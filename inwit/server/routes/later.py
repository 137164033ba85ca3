"""Routes that the interface names and this version lacks: they answer 501 with the feature's name."""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from inwit.errors import NotInThisVersionError
from inwit.server.problems import problem

CONTROL = "Controlling executions over HTTP"
DECIDING = "Deciding on plans over HTTP"
REGISTRY = "The package registry over HTTP"
PAGES = "The web pages"

ANY_METHOD = ("GET", "POST", "PUT", "PATCH", "DELETE")
LATER: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("/mcp/live/executions/{id}/cancel", ("POST",), CONTROL),
    ("/mcp/live/executions/{id}/pause", ("POST",), CONTROL),
    ("/mcp/live/executions/{id}/resume", ("POST",), CONTROL),
    ("/mcp/plans/{id}/approve", ("POST",), DECIDING),
    ("/mcp/plans/{id}/reject", ("POST",), DECIDING),
    ("/mcp/plans/{id}/apply", ("POST",), DECIDING),
    ("/mcp/plans/{id}/rollback", ("POST",), DECIDING),
    ("/mcp/network/peers", ("GET",), "Peers"),
    ("/api/v1", ANY_METHOD, REGISTRY),
    ("/api/v1/{rest:path}", ANY_METHOD, REGISTRY),
    ("/sse", ("GET",), "The legacy SSE transport of MCP"),
    ("/messages/", ("POST",), "The legacy SSE transport of MCP"),
    ("/", ("GET",), PAGES),
)


def routes() -> list[Route]:
    """Make the routes that say what is not there yet."""
    return [
        Route(path, partial(_later, feature), methods=list(methods))
        for path, methods, feature in LATER
    ]


async def _later(feature: str, _request: Request) -> Response:
    return problem(NotInThisVersionError(feature))
