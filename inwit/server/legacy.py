"""The transport of MCP before streamable HTTP: a stream at /sse, messages posted to /messages/.

The SDK enters a server's lifespan once for each such stream, so nothing of a host lives there.
"""

from __future__ import annotations

from typing import Any, Final

from mcp.server.lowlevel import Server
from mcp.server.sse import SseServerTransport
from mcp.server.transport_security import TransportSecuritySettings
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from inwit.server import openapi

STREAM: Final = "/sse"
MESSAGES: Final = "/messages/"
DESCRIBED: Final = {
    STREAM: {"get": openapi.operation("MCP over the older transport.", "text/event-stream")},
    MESSAGES: {"post": openapi.operation("A message of that transport.", "application/json")},
}


class _Stream:
    def __init__(self, server: Server[Any], transport: SseServerTransport) -> None:
        self._server = server
        self._transport = transport

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        options = self._server.create_initialization_options()
        async with self._transport.connect_sse(scope, receive, send) as (incoming, outgoing):
            await self._server.run(incoming, outgoing, options)


class _Messages:
    def __init__(self, transport: SseServerTransport) -> None:
        self._transport = transport

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._transport.handle_post_message(scope, receive, send)


def routes(server: Server[Any]) -> list[BaseRoute]:
    """The two routes of the transport, for a server."""
    # The guard checks Host and Origin on every route, these included.
    settings = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    transport = SseServerTransport(MESSAGES, settings)
    return [
        Route(STREAM, _Stream(server, transport), methods=["GET"]),
        Route(MESSAGES, _Messages(transport), methods=["POST"]),
    ]
