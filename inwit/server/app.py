"""The one application of the host: MCP, HTTP and SSE behind one guard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from functools import partial

import anyio.to_thread
import msgspec
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from inwit.errors import InwitError
from inwit.introspection.platform import installed_version
from inwit.registry.peers import PeerBook
from inwit.registry.peers_client import PeerClient
from inwit.registry.peers_queue import Courier, Outbox
from inwit.runtime.project import Project
from inwit.server import docs, health, legacy, mcp, metrics, openapi, sse
from inwit.server.auth_setup import Entrance, entrance
from inwit.server.drain import Drain
from inwit.server.guard import METADATA, Guard, Policy
from inwit.server.heads import LOOPBACK
from inwit.server.host import Host
from inwit.server.mcp.resuming import Missed
from inwit.server.offers import Offers
from inwit.server.problems import Border, on_http, on_typed
from inwit.server.routes import ENDPOINTS, later, packages_files

EVENTS = "/mcp/live/events"
EXECUTION_EVENTS = "/mcp/live/executions/{id}/events"
ALL = (*ENDPOINTS, *health.ENDPOINTS)
STREAM = "text/event-stream"
ANSWERS = Offers()
SESSIONS = 2_000
"""How many clients of 2025 may have a session; one takes some 45 KB."""
METADATA_PATHS = (METADATA, METADATA + "/mcp")
RETRY_MS = 500
"""How soon a client of 2025 asks again for a stream that broke off."""
OTHERS = {
    "/mcp": {
        method: openapi.operation("MCP over streamable HTTP.", "application/json")
        for method in ("get", "post", "delete")
    },
    EVENTS: {
        "get": openapi.operation(
            "The events of all executions as they happen.", STREAM, query=("graph", "type", "after")
        )
    },
    EXECUTION_EVENTS: {
        "get": openapi.operation(
            "The events of one execution, until it is over.",
            STREAM,
            path=EXECUTION_EVENTS,
            query=("type", "after"),
        )
    },
    "/metrics": {"get": openapi.operation("Figures for Prometheus.", metrics.MEDIA_TYPE)},
    "/openapi.json": {"get": openapi.operation("This document.", "application/json")},
    **packages_files.OTHERS,
    **docs.OTHERS,
}
"""The routes that answer with something else than the JSON of an endpoint."""


def create_app(
    project: Project,
    *,
    token: str | None = None,
    hosts: Iterable[str] | None = LOOPBACK,
    offers: Offers = ANSWERS,
) -> Starlette:
    """Make the application that answers for a project.

    With a `token` every route asks for it; else only what changes something does, for that of
    `host.json`. The application serves once: its lifespan cannot be entered again.
    ``app.state.close_streams()`` ends what is open, for a server that drains.
    """
    door = entrance(project, token)
    host = Host(project, offers, has_tenants=door.issuer is not None)
    server = mcp.create_server(host)
    closing = asyncio.Event()
    spliced = server.lowlevel.streamable_http_app(
        streamable_http_path="/mcp",
        event_store=Missed(),
        retry_interval=RETRY_MS,
        # The guard checks Host and Origin on every route, these included.
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),
    )

    transports = [*spliced.routes, *(legacy.routes(server.lowlevel) if offers.legacy_sse else ())]

    server.lowlevel.session_manager.max_sessions = SESSIONS

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        courier = Courier(Outbox(PeerClient(PeerBook(project))))
        courier.start()
        async with server.lowlevel.session_manager.run():
            try:
                yield
            finally:
                close()
                await anyio.to_thread.run_sync(courier.stop)

    def close() -> None:
        host.hub.close()
        server.close()
        closing.set()

    known = None if hosts is None else frozenset(name.lower() for name in hosts) | door.hosts
    posted = [endpoint.route(host) for endpoint in ALL if endpoint.method == "POST"]
    routes = [*_routes(host, transports, door), *_metadata(door)]
    app = Starlette(
        routes=routes,
        middleware=[
            Middleware(Drain, closing=closing),
            Middleware(Border),
            Middleware(
                Guard,
                policy=Policy(
                    hosts=known, metadata_url=door.metadata_url, cursor_key=door.cursor_key
                ),
                takes_body=partial(_takes_body, (*posted, *transports)),
                is_taken=partial(_is_taken, routes),
                authenticator=door.authenticator,
                meter=door.meter,
            ),
            *spliced.user_middleware,
        ],
        exception_handlers={InwitError: on_typed, HTTPException: on_http},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.host = host
    app.state.close_streams = close
    return app


def _routes(host: Host, spliced: list[BaseRoute], door: Entrance) -> list[BaseRoute]:
    return [
        *(endpoint.route(host) for endpoint in ALL if "{" not in endpoint.path),
        Route(EVENTS, partial(sse.every_execution, host), methods=["GET"]),
        Route(EXECUTION_EVENTS, partial(sse.one_execution, host), methods=["GET"]),
        *packages_files.routes(host),
        *(endpoint.route(host) for endpoint in ALL if "{" in endpoint.path),
        Route("/metrics", partial(_metrics, host), methods=["GET"]),
        Route("/openapi.json", _document(host, door), methods=["GET"]),
        *docs.routes(),
        *spliced,
        *later.routes(),
    ]


def _metadata(door: Entrance) -> list[Route]:
    """Who issues tokens for this host (RFC 9728); nothing where nobody does."""
    if door.metadata is None:
        return []
    body = msgspec.json.encode(door.metadata)

    def metadata(_request: Request) -> Response:
        return Response(body, media_type="application/json")

    return [Route(path, metadata, methods=["GET"]) for path in METADATA_PATHS]


def _is_taken(routes: Iterable[BaseRoute], scope: Scope) -> bool:
    """Whether a request is not just of a wrong method, which a known path would tell."""
    method = scope["method"]
    if method in ("GET", "HEAD", "OPTIONS"):
        return True
    if scope["path"] == "/mcp":  # the SDK's route takes every method, to refuse it
        return method in ("POST", "DELETE")
    found = {route.matches(scope)[0] for route in routes}
    return Match.FULL in found or Match.PARTIAL not in found


def _takes_body(posted: Iterable[BaseRoute], scope: Scope) -> bool:
    """Whether a route reads the body of a request: those of MCP read that of a POST."""
    return scope["method"] == "POST" and any(
        route.matches(scope)[0] is not Match.NONE for route in posted
    )


async def _metrics(host: Host, _request: Request) -> Response:
    written = await anyio.to_thread.run_sync(metrics.write, host.store)
    if not host.caller.is_tenant:
        write_host = partial(metrics.write_host, host.project, host.hub.readers)
        written += await anyio.to_thread.run_sync(write_host)
    return Response(written, media_type=metrics.MEDIA_TYPE)


def _document(host: Host, door: Entrance) -> Callable[[Request], Response]:
    issuing = {
        path: {"get": openapi.operation("Who issues tokens for this host.", "application/json")}
        for path in (METADATA_PATHS if door.metadata else ())
    }
    older = legacy.DESCRIBED if host.offers.legacy_sse else {}
    described = openapi.document(ALL, {**OTHERS, **older, **issuing}, installed_version())
    body = msgspec.json.encode(described)

    def document(_request: Request) -> Response:
        return Response(body, media_type="application/json")

    return document
