"""Steps inside a node that are done once: `ctx.step`."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from inwit.runtime.serial import freeze, thaw

if TYPE_CHECKING:
    from inwit.runtime.context import Context


async def once(
    ctx: Context, name: str, function: Callable[..., Any], args: Any, kwargs: Mapping[str, Any]
) -> Any:
    """Call `function`, or give what it returned before."""
    progress = ctx.progress
    key = progress.step_key(name)
    if key in progress.memos:
        return thaw(progress.memos[key])
    result = function(*args, **kwargs)
    if inspect.isawaitable(result):
        result = await result
    frozen = freeze(result, strict=True)
    done = ctx.execution.note("memo", progress.key, key, frozen)
    if done is not None:
        await asyncio.wrap_future(done)
    progress.memos[key] = frozen
    return result
