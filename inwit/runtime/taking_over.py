"""What takes over from a node that has failed for good: begun, and gone on with by a later execution.

That it has is kept with the thread, so that a node whose handler asked a person, or died, is not
called again.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from inwit.errors import EarlierError
from inwit.runtime.keeping import note
from inwit.runtime.progress import NOT_DONE, Progress
from inwit.runtime.serial import freeze, thaw
from inwit.runtime.waits import durable

if TYPE_CHECKING:
    from inwit.runtime.engine import Execution
    from inwit.runtime.program import Node

RELIEF = "\x1frelief"
"""The name under which it is kept that a node was given up, as that of no step of a node is."""


async def take_over(execution: Execution, relief: Node, ctx: Any, error: BaseException) -> None:
    """Let what is to take over from a node run next, in the node's place and under its task."""
    ctx.emit("custom", name="fallback", data={"to": relief.policy.relief_name})
    ctx.emit("edge_taken", target=relief.name, conditional=True, label="failed")
    output = execution.output
    if output is not None and output.is_detailed and relief.policy.error_handler:
        await output.failed(execution, ctx, error)
    progress = ctx.progress
    frozen = progress.memos[RELIEF] = freeze(_told(error, progress), strict=True)
    done = note(execution, "memo", progress.key, RELIEF, frozen)
    if done is not None and execution.saving is not None and execution.saving.is_sync:
        await durable(execution, done)
    _set(ctx, relief, error)


def go_on(ctx: Any, progress: Progress) -> None:
    """Let what had taken over from a node before run at once, where an earlier execution began it."""
    relief = ctx.at.relief
    if relief is None or RELIEF not in progress.memos or progress.done is not NOT_DONE:
        return
    told = thaw(progress.memos[RELIEF])
    progress.asked, progress.children = told["asked"], told["children"]
    progress.names = dict(told["names"])
    _set(ctx, relief, _error(told))


def _set(ctx: Any, relief: Node, error: BaseException) -> None:
    # Answers and steps of the task are counted on: what it asked or did is not this one's.
    name = relief.task.name
    ctx.key = ctx.key or name
    ctx.at, ctx.attempt, ctx.given_up = relief, 1, (relief, ctx.visit, error, name)


def _told(error: BaseException, progress: Progress) -> dict[str, Any]:
    kind = type(error)
    return {
        "module": kind.__module__, "type": kind.__qualname__, "message": str(error),
        "asked": progress.asked, "children": progress.children, "names": dict(progress.names),
    }  # fmt: skip


def _error(told: Mapping[str, Any]) -> BaseException:
    """The error again, where its class takes a message alone; else one that tells of it."""
    kind = getattr(sys.modules.get(told["module"]), told["type"], None)
    if isinstance(kind, type) and issubclass(kind, Exception):
        try:
            made = kind(told["message"])
        except Exception:  # noqa: BLE001 - a class may want anything
            return EarlierError(told["type"], told["message"])
        if str(made) == told["message"]:
            return made
    return EarlierError(told["type"], told["message"])
