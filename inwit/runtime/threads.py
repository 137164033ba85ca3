"""Wrappers around a node's call: a thread of its own, a time-out of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from inwit.errors import NodeTimeoutError
from inwit.runtime.context import Context


def in_thread(call: Callable[[Any, Context], Any]) -> Callable[[Any, Context], Awaitable[Any]]:
    """Make a blocking call awaitable. A call that is given up goes on in its thread, unheard."""

    async def run(state: Any, ctx: Context) -> Any:
        return await asyncio.to_thread(call, state, ctx)

    return run


def with_timeout(
    call: Callable[[Any, Context], Awaitable[Any]], name: str, timeout_s: float
) -> Callable[[Any, Context], Awaitable[Any]]:
    """Cancel an awaitable call after `timeout_s`.

    Raises:
        NodeTimeoutError: It was cancelled for that reason.
    """

    async def run(state: Any, ctx: Context) -> Any:
        try:
            async with asyncio.timeout(timeout_s) as limit:
                return await call(state, ctx)
        except TimeoutError as exc:
            if not limit.expired():
                raise
            raise NodeTimeoutError(name, timeout_s) from exc

    return run
