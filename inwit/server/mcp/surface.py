"""What an MCP server offers, apart from how it is served: its tools, resources and prompts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import anyio.to_thread
from mcp.server.subscriptions import InMemorySubscriptionBus
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS
from pydantic import BaseModel

from inwit.errors import InwitError
from inwit.server.host import Host
from inwit.server.mcp.reply import hint_of
from inwit.server.problems import unexpected

P = TypeVar("P")
R = TypeVar("R")
Handler = Callable[[Any, Any], Awaitable[Any]]
"""Called with the request's context of the SDK, and with its params."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surface:
    """The handlers of a server, by what they answer, and what tells of changes."""

    instructions: str
    list_tools: Handler
    call_tool: Handler
    list_resources: Handler
    list_templates: Handler
    read_resource: Handler
    list_prompts: Handler
    get_prompt: Handler
    complete: Handler
    changes: InMemorySubscriptionBus
    tool_schema: Callable[[str], Mapping[str, Any] | None] | None = None
    """The input schema of a tool some of whose arguments come as headers too.

    Without it each call lists all tools to find that out.
    """
    others: Mapping[str, tuple[type[BaseModel], Handler]] = field(default_factory=dict)
    """Further requests, with the models of their params."""


def answered(answer: Callable[[Host, P], R], host: Host) -> Callable[[Any, P], Awaitable[R]]:
    """Call a handler in a worker thread, and tell its errors as the protocol does."""

    async def handler(_context: Any, params: P) -> R:
        try:
            return await anyio.to_thread.run_sync(partial(answer, host, params))
        except MCPError:
            raise
        except Exception as exc:
            raise told(exc) from exc

    return handler


def told(exc: Exception) -> MCPError:
    """Show an error as the protocol's: what the client did wrong, or that something broke here."""
    error = exc if isinstance(exc, InwitError) else unexpected(exc)
    code = INVALID_PARAMS if 400 <= error.status < 500 else INTERNAL_ERROR
    hint = hint_of(error)
    data = {"code": error.code, "message": error.message, "hint": hint}
    return MCPError(code=code, message=f"{error.message} {hint}".strip(), data=data)
