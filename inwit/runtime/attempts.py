"""What follows when a node's call fails: record it, wait and try again, or give up."""

from __future__ import annotations

import asyncio
from time import monotonic_ns
from typing import TYPE_CHECKING

from inwit.runtime.context import Context
from inwit.runtime.failures import failure_of, mark_node
from inwit.runtime.policies import NO_RETRY, RetryPolicy
from inwit.runtime.program import Node
from inwit.runtime.record import EVENT

if TYPE_CHECKING:
    from inwit.runtime.engine import Execution


async def after_failure(
    execution: Execution, node: Node, ctx: Context, t0: int, error: BaseException
) -> None:
    """Record a failed attempt; return when there is another one, raise when there is none."""
    error = own_timeout(ctx, error)
    rec, t1 = execution.recording, monotonic_ns()
    fields = {"error": failure_of(error), "duration_ms": (t1 - t0) / 1e6}
    rec.add(EVENT, t1, "node_failed", node.name, ctx.visit, ctx.attempt, fields)
    policy = _policy(execution, node)
    if not isinstance(error, Exception) or not policy.accepts(error, ctx.attempt):
        mark_node(error, node.name)
        raise error
    delay_s = policy.delay_s(ctx.attempt)
    ctx.emit("retry_scheduled", delay_ms=delay_s * 1e3, max_attempts=policy.max_attempts)
    ctx.started_ns = 0  # The wait is not the node's time.
    await execution.sleep(delay_s)
    ctx.attempt += 1


def own_timeout(ctx: Context, error: BaseException) -> BaseException:
    """Turn a cancellation that the watchdog asked for into the time-out that it means."""
    if not isinstance(error, asyncio.CancelledError) or ctx.timed_out is None:
        return error
    if ctx.task is not None:
        ctx.task.uncancel()
    found, ctx.timed_out = ctx.timed_out, None
    return found


def _policy(execution: Execution, node: Node) -> RetryPolicy:
    if node.policy.retry is not None:
        return node.policy.retry
    return NO_RETRY if node.policy.has_side_effects else execution.options.retry
