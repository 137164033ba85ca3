"""Errors as clients of HTTP meet them: application/problem+json, never a stack trace."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inwit.errors import (
    InternalError,
    InwitError,
    MethodNotAllowedError,
    UnauthorizedError,
    UnknownRouteError,
)
from inwit.ids import new_id
from inwit.server import logs

SCHEMA_VERSION = "1"
"""The version of all JSON that the host serves. Fields are added without a new one."""

logger = logging.getLogger("inwit.server")


def describe(error: InwitError) -> dict[str, Any]:
    """Show an error as RFC 9457 does, with its stable code and the way out."""
    return {
        "type": f"urn:inwit:error:{error.code}",
        "title": error.message,
        "status": error.status,
        "detail": str(error),
        "code": error.code,
        "hint": error.hint,
        "schema_version": SCHEMA_VERSION,
    }


def problem(error: InwitError, headers: Mapping[str, str] | None = None) -> Response:
    """Answer a request with an error."""
    sent = dict(headers or {})
    if isinstance(error, UnauthorizedError):
        sent.setdefault("WWW-Authenticate", "Bearer")
    if error.status == 413:
        sent["Connection"] = "close"
    body = msgspec.json.encode(describe(error))
    return Response(body, error.status, sent, media_type="application/problem+json")


def unexpected(exc: BaseException) -> InternalError:
    """Log what should not have happened, and give the error that may be shown."""
    error = InternalError(new_id())
    logger.error("%s: unexpected error", error.id, exc_info=exc)
    return error


async def on_typed(_request: Request, exc: Exception) -> Response:
    """Answer for an error of inwit that a route raised."""
    assert isinstance(exc, InwitError)
    return problem(exc)


async def on_http(request: Request, exc: Exception) -> Response:
    """Answer for what Starlette itself refuses: an unknown path, a wrong method."""
    assert isinstance(exc, HTTPException)
    path = request.url.path
    if exc.status_code == 405:
        allowed = (exc.headers or {}).get("Allow", "")
        return problem(MethodNotAllowedError(request.method, path, allowed), exc.headers)
    return problem(UnknownRouteError(path), exc.headers)


class Border:
    """The outermost layer: an exception that nobody expected leaves as a problem with an id."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, begun = 0, time.perf_counter()

        async def watched(message: Message) -> None:
            nonlocal status
            status = status or message.get("status", 0)
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as exc:  # noqa: BLE001 - the request's border
            error = exc if isinstance(exc, InwitError) else unexpected(exc)
            if not status:
                await problem(error)(scope, receive, watched)
        finally:
            if logs.requests.isEnabledFor(logging.INFO):
                client = (scope.get("client") or ("",))[0]
                logs.request(scope["method"], scope["path"], status, begun, client)
