"""Change notices for clients of 2025: `resources/subscribe`, and lists that changed.

Clients of 2026 listen on a stream instead, which the SDK serves from the same bus.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from mcp.server.connection import Connection
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    PromptsListChanged,
    ResourcesListChanged,
    ResourceUpdated,
    ServerEvent,
    ToolsListChanged,
)
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    EmptyResult,
    SubscribeRequestParams,
    UnsubscribeRequestParams,
)

MOST = 200
"""Resources that one client may watch."""
PENDING = 256
"""Notices that wait for one client; what is over is forgotten, as its resources are read anew."""
_INITIALIZED = "notifications/initialized"

logger = logging.getLogger("inwit.server")
Context = ServerRequestContext[Any, Any]


@dataclass(slots=True, kw_only=True)
class _Watcher:
    connection: Connection
    uris: set[str] = field(default_factory=set)
    waiting: dict[ServerEvent, None] = field(default_factory=dict)
    is_due: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, event: ServerEvent) -> None:
        if isinstance(event, ResourceUpdated) and event.uri not in self.uris:
            return
        if len(self.waiting) < PENDING:
            self.waiting[event] = None  # told once, however often it happens until then
            self.is_due.set()

    async def tell(self) -> None:
        while True:
            await self.is_due.wait()
            self.is_due.clear()
            told, self.waiting = list(self.waiting), {}
            for event in told:
                await _send(self.connection, event)


async def _send(connection: Connection, event: ServerEvent) -> None:
    match event:
        case ResourceUpdated(uri=uri):
            await connection.send_resource_updated(uri)
        case ResourcesListChanged():
            await connection.send_resource_list_changed()
        case ToolsListChanged():
            await connection.send_tool_list_changed()
        case PromptsListChanged():
            await connection.send_prompt_list_changed()


class Watching:
    """Who watches what, by connection; a connection that ends is forgotten."""

    def __init__(self, changes: InMemorySubscriptionBus) -> None:
        self._changes = changes
        self._watchers: dict[Connection, _Watcher] = {}

    async def middleware(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """Tell each client that has introduced itself of lists that change."""
        result = await call_next(ctx)
        if ctx.method == _INITIALIZED:
            self._watcher(ctx)
        return result

    async def subscribe(self, context: Context, params: SubscribeRequestParams) -> EmptyResult:
        """Tell this client when a resource changes."""
        uris = self._watcher(context).uris
        if len(uris) >= MOST:
            raise MCPError(INVALID_PARAMS, f"A client may watch {MOST} resources.")
        uris.add(str(params.uri))
        return EmptyResult()

    async def unsubscribe(self, context: Context, params: UnsubscribeRequestParams) -> EmptyResult:
        """Tell this client no more."""
        self._watcher(context).uris.discard(str(params.uri))
        return EmptyResult()

    def _watcher(self, context: Context) -> _Watcher:
        connection = context.session._connection  # noqa: SLF001 - the SDK shows it nowhere else
        watcher = self._watchers.get(connection)
        if watcher is None:
            watcher = self._watchers[connection] = _Watcher(connection=connection)
            unsubscribe = self._changes.subscribe(watcher.hear)
            telling = asyncio.get_running_loop().create_task(watcher.tell())
            telling.add_done_callback(_note)
            forget = partial(self._forget, connection, unsubscribe, telling)
            connection.exit_stack.callback(forget)
        return watcher

    def _forget(
        self, connection: Connection, unsubscribe: Callable[[], None], telling: asyncio.Task[None]
    ) -> None:
        self._watchers.pop(connection, None)
        unsubscribe()
        telling.cancel()


def _note(telling: asyncio.Task[None]) -> None:
    if not telling.cancelled() and (error := telling.exception()) is not None:
        logger.warning("A client is not told of changes any more: %r", error)
