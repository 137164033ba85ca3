"""Clock and chance for nodes: what they were told is recorded, so that a replay tells it again."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inwit.runtime.context import Context


def now(ctx: Context) -> datetime:
    """What `Context.now` gives."""
    tape = ctx.execution.tape
    told = None if tape is None else tape.take(ctx, "now")
    if told is not None:
        return datetime.fromisoformat(told)
    time = datetime.now(UTC)
    ctx.emit("custom", name="now", data=time.isoformat())
    return time


def chance(ctx: Context) -> float:
    """What `Context.random` gives."""
    tape = ctx.execution.tape
    told = None if tape is None else tape.take(ctx, "random")
    if told is not None:
        return float(told)
    found = random.random()  # noqa: S311 - for programs, not for secrets
    ctx.emit("custom", name="random", data=found)
    return found
