"""One call of a task, from its beginning to its end."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import Future
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

from inwit.errors import ExecutionCancelledError, NodeTimeoutError, UnserialisableError
from inwit.runtime.attempts import own_timeout, policies_of
from inwit.runtime.capture.langchain_config import told_task
from inwit.runtime.commands import GraphBubbleUp, GraphInterrupt
from inwit.runtime.context import _current
from inwit.runtime.failures import failure_of
from inwit.runtime.interrupts import Asked, waiting_of
from inwit.runtime.keeping import note
from inwit.runtime.policies.retry import next_attempt
from inwit.runtime.record import ENTER, EVENT, EXIT
from inwit.runtime.serial import freeze
from inwit.runtime.waits import durable
from inwit.runtime.watchdog import Watchdog

if TYPE_CHECKING:
    from inwit.runtime.functional.calls import Given, Scope, TaskContext


async def run(scope: Scope, ctx: TaskContext, given: Given, *, is_blocking: bool = False) -> Any:
    """Call a task with its policies, record it, keep its result and tell the stream.

    With `is_blocking` it never awaits, and holds its thread.
    """
    from inwit.runtime.functional.calls import close, give_up

    token, sink = _current.set(ctx), ctx.execution.output
    watchdog = None if is_blocking else Watchdog.watch(ctx)
    if sink is not None:
        sink.task_begun(ctx, given)
    try:
        result = await _attempts(ctx, given, is_blocking=is_blocking)
        await close(ctx)
        await _keep(ctx, result, is_blocking=is_blocking)
    except BaseException as exc:  # noqa: BLE001 - the task's border
        await give_up(ctx, exc)
        raise _told(scope, ctx, exc) from None
    else:
        if sink is not None:
            sink.task_ended(ctx, result)
        return result
    finally:
        ctx.is_closed = True
        if watchdog is not None:
            watchdog.forget(ctx)
        _current.reset(token)


async def _attempts(ctx: TaskContext, given: Given, *, is_blocking: bool) -> Any:
    node, rec = ctx.at, ctx.recording
    while True:
        t0 = ctx.started_ns = monotonic_ns()
        rec.add(ENTER, node.name, ctx.visit, ctx.attempt, t0)
        try:
            call = told_task(node) if "callbacks" in ctx.config else node.call
            result = call(given, ctx)
            if node.is_async:
                result = await result
            t1 = monotonic_ns()
            if ctx.worked_ns(t0, t1) > node.limit_ns:
                raise NodeTimeoutError(node.name, node.limit_ns / 1e9)  # noqa: TRY301 - it fails like a node
        except GraphBubbleUp:
            raise
        except (Exception, asyncio.CancelledError) as exc:  # noqa: BLE001 - what a task may raise
            await _failed(ctx, exc, t0, is_blocking=is_blocking)
        else:
            ctx.emit("custom", name="task", data=freeze({"given": _shown(given), "result": result}))
            rec.add(EXIT, node.name, ctx.visit, ctx.attempt, t0, t1)
            return result


async def _failed(ctx: TaskContext, error: BaseException, t0: int, *, is_blocking: bool) -> None:
    """Record a failed attempt; return when there is another one, raise when there is none."""
    error, t1, node = own_timeout(ctx, error), monotonic_ns(), ctx.at
    fields = {"error": failure_of(error), "duration_ms": (t1 - t0) / 1e6}
    ctx.recording.add(EVENT, t1, "node_failed", node.name, ctx.visit, ctx.attempt, fields)
    if ctx.attempt == 1:
        ctx.first_ns = t0
    policy = None
    if isinstance(error, Exception) and not isinstance(error, ExecutionCancelledError):
        policy = next_attempt(policies_of(ctx.execution, node), error, ctx.attempt)
    if policy is None or t1 > ctx.execution.due_ns:
        raise error
    delay_s = policy.delay_s(ctx.attempt)
    ctx.emit("retry_scheduled", delay_ms=delay_s * 1e3, max_attempts=policy.max_attempts)
    ctx.rest()
    if is_blocking:
        time.sleep(delay_s)  # noqa: ASYNC251 - no loop runs in this thread
    else:
        await asyncio.sleep(delay_s)
    ctx.progress.rewind()
    ctx.attempt += 1


async def _keep(ctx: TaskContext, result: Any, *, is_blocking: bool) -> None:
    """Keep a result with the thread, so that the task is not called again on resume.

    Raises:
        UnserialisableError: It cannot be kept, though there is a thread that keeps.
    """
    execution, progress = ctx.execution, ctx.caller.progress
    try:
        frozen = freeze(result, strict=True)
    except UnserialisableError:
        if execution.saving is None:
            return
        raise
    done: Future[None] | None = note(execution, "memo", progress.key, ctx.name, frozen)
    progress.memos[ctx.name] = frozen
    if done is not None and execution.saving is not None and execution.saving.is_sync:
        if is_blocking:
            done.result()
        else:
            await durable(execution, done)


def _told(scope: Scope, ctx: TaskContext, error: BaseException) -> BaseException:
    """Tell the stream how a call failed, or what it asks, and give what its caller is raised."""
    asked = waiting_of(error, ctx) if isinstance(error, GraphInterrupt) else ()
    scope.asked += asked
    sink = ctx.execution.output
    if sink is not None:
        sink.task_failed(ctx, None if asked else error, [one.interrupt() for one in asked])
    if not asked or isinstance(error, Asked):
        return error
    return Asked(asked)


def _shown(given: Given) -> Any:
    args, kwargs = given
    return {**{str(number): one for number, one in enumerate(args)}, **kwargs}
