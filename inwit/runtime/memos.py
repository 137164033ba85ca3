"""Steps inside a node that are done once: `ctx.step`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from inwit.runtime.keeping import note
from inwit.runtime.replay_tape import NOTHING, tape_of
from inwit.runtime.serial import freeze, thaw
from inwit.runtime.waits import durable

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
    if (tape := tape_of(ctx)) is not None:
        known = tape.step(ctx, key)
        if known is not NOTHING:
            return known
    result = function(*args, **kwargs)
    if inspect.isawaitable(result):
        result = await result
    frozen = freeze(result, strict=True)
    done = note(ctx.execution, "memo", progress.key, key, frozen)
    progress.memos[key] = frozen  # A checkpoint that is made meanwhile must tell of it.
    if done is not None:
        await durable(ctx.execution, done)
    ctx.emit("custom", name="step", data={"step": key, "result": frozen})
    return result
