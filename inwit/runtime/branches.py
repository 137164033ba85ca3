"""The branches of one step: nodes that run at the same time."""

from __future__ import annotations

import asyncio
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

from inwit.errors import NodeTimeoutError
from inwit.runtime.attempts import after_failure
from inwit.runtime.context import Context, _current
from inwit.runtime.program import Node
from inwit.runtime.record import ENTER, EXIT
from inwit.runtime.watchdog import Watchdog

if TYPE_CHECKING:
    from inwit.runtime.engine import Execution


class Branch:
    """One node's visit in a step."""

    __slots__ = ("attempt", "node", "update", "visit")

    def __init__(self, node: Node, visit: int) -> None:
        self.node = node
        self.visit = visit
        self.attempt = 1
        self.update: Any = None


async def run_branches(execution: Execution, ready: list[int]) -> list[Branch]:
    """Run the nodes of one step; the first error cancels the others and is raised.

    Sync nodes run in place, one after another, after the async ones have been started.
    """
    branches = []
    for index in ready:
        execution.visits[index] += 1
        branches.append(Branch(execution.program.nodes[index], execution.visits[index]))
    waiting = [branch for branch in branches if branch.node.is_async]
    width = execution.options.limits.max_parallel
    gate = asyncio.Semaphore(width) if len(waiting) > width else None
    tasks = [_start(execution, branch, gate) for branch in waiting]
    try:
        if tasks and len(tasks) < len(branches):
            await asyncio.sleep(0)
        for branch in branches:
            if not branch.node.is_async:
                await _run(execution, branch)
        await _all(tasks)
    finally:
        await _give_up(tasks)
    return branches


def _start(
    execution: Execution, branch: Branch, gate: asyncio.Semaphore | None
) -> asyncio.Task[None]:
    work = _run(execution, branch) if gate is None else _gated(execution, branch, gate)
    return asyncio.get_running_loop().create_task(work)


async def _gated(execution: Execution, branch: Branch, gate: asyncio.Semaphore) -> None:
    async with gate:
        await _run(execution, branch)


async def _all(tasks: list[asyncio.Task[None]]) -> None:
    """Wait until all are done, or one has failed."""
    if not tasks:
        return
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    for task in tasks:
        if task in done:
            task.result()


async def _give_up(tasks: list[asyncio.Task[None]]) -> None:
    """Cancel what still runs, and wait for its clean-up."""
    open_tasks = [task for task in tasks if not task.done()]
    for task in open_tasks:
        task.cancel()
    if open_tasks:
        await asyncio.wait(open_tasks)
    for task in tasks:
        if not task.cancelled():
            task.exception()


async def _run(execution: Execution, branch: Branch) -> None:
    """Call one node with its policies; its update is left in the branch."""
    node = branch.node
    ctx = execution.ctx.fork(node, branch.visit)
    token = _current.set(ctx)
    watchdog = Watchdog.of_loop() if node.is_async else None
    if watchdog is not None:
        watchdog.watch(ctx)
    try:
        while True:
            ctx.started_ns = monotonic_ns()
            try:
                await _attempt(execution, branch, ctx)
                return
            except (Exception, asyncio.CancelledError) as exc:
                await after_failure(execution, node, ctx, ctx.started_ns, exc)
    finally:
        ctx.is_closed = True
        _current.reset(token)
        if watchdog is not None:
            watchdog.forget(ctx)


async def _attempt(execution: Execution, branch: Branch, ctx: Context) -> None:
    node, rec, t0 = branch.node, execution.recording, ctx.started_ns
    rec.add(ENTER, node.name, branch.visit, ctx.attempt, t0)
    update = node.call(execution.schema.view(execution.state), ctx)
    if node.is_async:
        update = await update
    t1 = monotonic_ns()
    if t1 - t0 > node.limit_ns:
        raise NodeTimeoutError(node.name, node.limit_ns / 1e9)
    rec.add(EXIT, node.name, branch.visit, ctx.attempt, t0, t1)
    branch.update, branch.attempt = update, ctx.attempt
