"""What follows when a node's call fails: record it, wait and try again, or give up."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import monotonic_ns
from typing import TYPE_CHECKING

from inwit.errors import ExecutionCancelledError, NodeCancelledError
from inwit.runtime.context import Context
from inwit.runtime.failures import failure_of, mark_node
from inwit.runtime.policies import RetryPolicy
from inwit.runtime.policies.retry import as_policies, next_attempt, with_transient
from inwit.runtime.program import Node
from inwit.runtime.record import EVENT
from inwit.runtime.waits import sleep

if TYPE_CHECKING:
    from inwit.runtime.engine import Execution


async def after_failure(
    execution: Execution, node: Node, ctx: Context, t0: int, error: BaseException
) -> None:
    """Record a failed attempt; return when there is another one, raise when there is none.

    Where a node has a fallback or a handler of errors, that takes over from it: it is what runs next.
    """
    error = _own_cancellation(node, own_timeout(ctx, error))
    rec, t1 = execution.recording, monotonic_ns()
    fields = {"error": failure_of(error), "duration_ms": (t1 - t0) / 1e6}
    rec.add(EVENT, t1, "node_failed", node.name, ctx.visit, ctx.attempt, fields)
    if ctx.attempt == 1:
        ctx.first_ns = t0
    over = execution.spending.error() if execution.spending is not None else None
    if over is not None:
        mark_node(over, node.name)
        raise over from (None if error is over else error)
    is_told = isinstance(error, ExecutionCancelledError)
    is_last = is_told or not isinstance(error, Exception) or t1 > execution.due_ns
    policy = (
        None
        if is_last or ctx.relieved is not None
        else next_attempt(policies_of(execution, node), error, ctx.attempt)
    )
    if policy is not None:
        await _wait(execution, ctx, policy)
        ctx.attempt += 1
        if ctx._progress is not None:  # noqa: SLF001 - the engine's own
            ctx._progress.rewind()  # noqa: SLF001
    elif is_last or node.relief is None:
        mark_node(error, node.task.name)
        raise error
    else:
        from inwit.runtime.taking_over import take_over

        await take_over(execution, node.relief, ctx, error)


async def _wait(execution: Execution, ctx: Context, policy: RetryPolicy) -> None:
    delay_s = policy.delay_s(ctx.attempt)
    ctx.emit("retry_scheduled", delay_ms=delay_s * 1e3, max_attempts=policy.max_attempts)
    ctx.rest()  # The wait is not the node's time.
    await sleep(execution, delay_s)


def own_timeout(ctx: Context, error: BaseException) -> BaseException:
    """Turn a cancellation that the watchdog asked for into the time-out that it means."""
    if not isinstance(error, asyncio.CancelledError) or ctx.timed_out is None:
        return error
    if ctx.task is not None:
        ctx.task.uncancel()
    found, ctx.timed_out = ctx.timed_out, None
    return found


def _own_cancellation(node: Node, error: BaseException) -> BaseException:
    """Turn a cancellation that nobody asked of the execution's task into the node's failure."""
    if not isinstance(error, asyncio.CancelledError):
        return error
    try:
        task = asyncio.current_task()
    except RuntimeError:  # No loop runs.
        task = None
    if task is not None and task.cancelling():
        return error
    made = NodeCancelledError(node.name)
    made.__cause__ = error
    return made


def policies_of(execution: Execution, node: Node) -> Sequence[RetryPolicy]:
    """By which policies a node's failures are tried again."""
    own, options = node.policy.retry, execution.graph.options
    if own is not None:
        return as_policies(own) if options.is_langgraph else with_transient(as_policies(own))
    return () if node.policy.has_side_effects else (options.retry,)
