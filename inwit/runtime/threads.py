"""A thread of its own for a node's call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from inwit.runtime.context import Context
from inwit.runtime.loops import apart


def in_thread(call: Callable[[Any, Context], Any]) -> Callable[[Any, Context], Awaitable[Any]]:
    """Make a blocking call awaitable. A call that is given up goes on in its thread, unheard."""

    async def run(state: Any, ctx: Context) -> Any:
        return await apart(call, state, ctx)

    return run
