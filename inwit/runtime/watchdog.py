"""One timer per event loop that cancels nodes and executions which run too long.

A timer per node would cost more than the node. The watchdog looks at all running contexts every
`TICK_S`, and only while there are any. It serves the limits that a graph has by default; a node that
declares a time-out has a timer of its own (`inwit.runtime.threads`).
"""

from __future__ import annotations

import asyncio
from asyncio import current_task, get_running_loop
from collections.abc import Callable
from contextvars import Context as ContextVars
from time import monotonic_ns
from weakref import WeakKeyDictionary, ref

from inwit.errors import NodeTimeoutError
from inwit.runtime.context import NEVER_NS, Context

TICK_S = 1.0
_FASTEST_S = 0.005
_NOTHING = ContextVars()

_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, Watchdog] = WeakKeyDictionary()
_last: tuple[asyncio.AbstractEventLoop | None, Watchdog | None] = (None, None)
"""The one that was asked for last, and its loop; it may be another thread's."""


class Watchdog:
    """Cancels the tasks of contexts that are over their limit; at most a second late."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = ref(loop)
        self.contexts: set[Context] = set()
        self.due_s: float | None = None
        """When it looks again, on the loop's clock; None while there is nothing to look at."""
        self._timer: Callable[[], asyncio.TimerHandle | None] = lambda: None
        """Gives the timer, weakly: it holds the loop, which one that was closed outlives."""

    @staticmethod
    def watch(ctx: Context) -> Watchdog:
        """Watch a context that runs in the current task; gives the watchdog of its loop."""
        global _last  # noqa: PLW0603 - each execution asks, and no look-up is faster
        loop = get_running_loop()
        known, found = _last
        if known is not loop or found is None:
            found = _by_loop.get(loop)
            if found is None:
                found = _by_loop[loop] = Watchdog(loop)
            _last = (loop, found)
        ctx.task = current_task(loop)
        found.contexts.add(ctx)
        if found.due_s is None:
            found.look_within(TICK_S)
        if ctx.budget_s is not None and ctx.budget_s < TICK_S:
            found.look_within(ctx.budget_s)
        return found

    def look_within(self, seconds: float) -> None:
        """Look again after at most so long."""
        loop = self.loop()
        if loop is None:
            return
        due = loop.time() + seconds
        if self.due_s is None or self.due_s > due + 0.001:
            timer = self._timer()
            if timer is not None:
                timer.cancel()
            # Its own context holds nothing of the execution that happens to begin it.
            self.due_s, self._timer = due, ref(loop.call_at(due, self._look, context=_NOTHING))

    def forget(self, ctx: Context) -> None:
        """Stop watching a context."""
        self.contexts.discard(ctx)

    def _look(self) -> None:
        self.due_s = None
        now, soonest = monotonic_ns(), TICK_S
        for ctx in self.contexts:
            for running in (ctx, *ctx.branches):
                soonest = min(soonest, self._check(running, now))
        if self.contexts:
            self.look_within(max(soonest, _FASTEST_S))

    def _check(self, ctx: Context, now: int) -> float:
        """Cancel a context over its limit; give the seconds that it has left."""
        if ctx.task is None or ctx.timed_out is not None:
            return TICK_S
        ends: list[tuple[int, Exception]] = []
        limit_ns = ctx.at.limit_ns
        if ctx.started_ns and limit_ns < NEVER_NS:
            left_ns = limit_ns - ctx.worked_ns(ctx.started_ns, now)
            ends.append((now + left_ns, NodeTimeoutError(ctx.node, limit_ns / 1e9)))
        if ctx.due_ns < NEVER_NS:
            ends.append((ctx.due_ns, ctx.execution.time_error()))
        for end, error in ends:
            if now >= end:
                ctx.timed_out = error
                ctx.task.cancel()
                return TICK_S
        return min(((end - now) / 1e9 for end, _ in ends), default=TICK_S)


def watched() -> list[Context]:
    """The contexts that run in any event loop of this process."""
    return [ctx for dog in list(_by_loop.values()) for ctx in list(dog.contexts)]


def watchdogs() -> list[tuple[asyncio.AbstractEventLoop, Watchdog]]:
    """The event loops of this process in which executions have run, each with its watchdog."""
    return list(_by_loop.items())


def budget_of(ctx: Context) -> float:
    """The seconds that an execution may take."""
    if ctx.budget_s is not None:
        return ctx.budget_s
    return (ctx.due_ns - ctx.execution.begun_ns) / 1e9
