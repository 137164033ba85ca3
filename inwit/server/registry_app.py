"""A registry as a host of its own: the same routes, over a folder that is no project."""

from __future__ import annotations

import asyncio
from functools import partial

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from inwit.errors import InwitError
from inwit.introspection.platform import installed_version
from inwit.registry.contributions import ContributionBook
from inwit.registry.serve import Registry
from inwit.server import health, openapi
from inwit.server.auth import Authenticator
from inwit.server.drain import Drain
from inwit.server.guard import Guard, Policy
from inwit.server.host import Host
from inwit.server.offers import Offers
from inwit.server.problems import Border, on_http, on_typed
from inwit.server.registry_tokens import RegistryTokens
from inwit.server.routes import contributions, packages, packages_files

BODY_LIMIT = 72 << 20
"""An archive of 50 MiB in base64, and what comes with it."""
ALL = (*packages.ENDPOINTS, *contributions.ENDPOINTS, *health.ENDPOINTS)


def create_registry_app(registry: Registry, hosts: frozenset[str] | None = None) -> Starlette:
    """Make the application of a registry: everybody may read, tokens write.

    `hosts` are the names that it answers to; None stands for every name.
    """
    host = Host(registry.project, Offers(allow_write=True))
    host.registry = registry
    host.contributions = ContributionBook(registry.rows)
    endpoints = [endpoint.route(host) for endpoint in ALL]
    closing = asyncio.Event()
    app = Starlette(
        routes=[
            *(route for route in endpoints if "{" not in route.path),
            *packages_files.routes(host),
            *(route for route in endpoints if "{" in route.path),
            Route("/openapi.json", _document, methods=["GET"]),
        ],
        middleware=[
            Middleware(Drain, closing=closing),
            Middleware(Border),
            Middleware(
                Guard,
                policy=Policy(hosts=hosts, body_limit=BODY_LIMIT),
                takes_body=partial(_takes_body, endpoints),
                authenticator=Authenticator(token=None, others=(RegistryTokens(registry),)),
            ),
        ],
        exception_handlers={InwitError: on_typed, HTTPException: on_http},
    )
    app.router.redirect_slashes = False
    app.state.host = host
    app.state.close_streams = closing.set
    return app


def _takes_body(endpoints: list[Route], scope: Scope) -> bool:
    return scope["method"] == "POST" and any(
        route.matches(scope)[0] is Match.FULL for route in endpoints
    )


def _document(_request: Request) -> Response:
    described = openapi.document(ALL, packages_files.OTHERS, installed_version())
    return Response(msgspec.json.encode(described), media_type="application/json")
