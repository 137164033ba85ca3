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

if TYPE_CHECKING:
    from inwit.runtime.engine import Execution


class Branch:
    """One node's visit in a step."""

    __slots__ = ("attempt", "ctx", "node", "update", "visit")

    def __init__(self, node: Node, visit: int, ctx: Context) -> None:
        self.node = node
        self.visit = visit
        self.ctx = ctx
        self.attempt = 1
        self.update: Any = None


class Step:
    """The branches that are under way; `done` is set when all are, or one has failed."""

    __slots__ = ("branches", "done", "error", "left", "tasks")

    def __init__(self, branches: list[Branch]) -> None:
        self.branches = branches
        self.left = len(branches)
        self.error: BaseException | None = None
        self.done: asyncio.Future[None] | None = None
        self.tasks: list[asyncio.Task[None]] = []

    def end(self, error: BaseException | None) -> None:
        """Note that one branch has ended; the first error counts."""
        self.left -= 1
        if error is not None and self.error is None:
            self.error = error
        done = self.done
        if done is not None and not done.done() and (self.left == 0 or self.error is not None):
            done.set_result(None)


async def run_branches(execution: Execution, ready: list[int]) -> list[Branch]:
    """Run the nodes of one step; the first error cancels the others and is raised.

    Sync nodes run in place, one after another, after the async ones have begun.
    """
    nodes, visits, fork = execution.program.nodes, execution.visits, execution.ctx.fork
    branches = []
    for index in ready:
        visit = visits[index] = visits[index] + 1
        branches.append(Branch(nodes[index], visit, fork(nodes[index], visit)))
    step = Step(branches)
    execution.ctx.branches = [branch.ctx for branch in branches]
    try:
        await _start(execution, step)
        if step.left and step.error is None:
            step.done = asyncio.get_running_loop().create_future()
            await step.done
    finally:
        execution.ctx.branches = ()
        await _give_up(step)
    if step.error is not None:
        raise step.error
    return branches


async def _start(execution: Execution, step: Step) -> None:
    """Begin the async branches and run the sync ones."""
    waiting = [branch for branch in step.branches if branch.node.is_async]
    if waiting:
        create = asyncio.get_running_loop().create_task
        width = execution.options.limits.max_parallel
        gate = asyncio.Semaphore(width) if len(waiting) > width else None
        for branch in waiting:
            work = _run if gate is None else _gated(gate)
            branch.ctx.task = task = create(work(execution, step, branch))
            step.tasks.append(task)
        if len(waiting) == len(step.branches):
            return
        await asyncio.sleep(0)
    for branch in step.branches:
        if not branch.node.is_async and step.error is None:
            await _run(execution, step, branch)


def _gated(gate: asyncio.Semaphore) -> Any:
    async def run(execution: Execution, step: Step, branch: Branch) -> None:
        async with gate:
            await _run(execution, step, branch)

    return run


async def _give_up(step: Step) -> None:
    """Cancel what still runs and wait for its clean-up."""
    if step.left == 0:
        return
    still = [task for task in step.tasks if not task.done()]
    for task in still:
        task.cancel()
    if still:
        await asyncio.wait(still)


async def _run(execution: Execution, step: Step, branch: Branch) -> None:
    """Call one node with its policies; what it returns, or why it failed, is left in the step."""
    ctx = branch.ctx
    token = _current.set(ctx)
    error: BaseException | None = None
    try:
        while not await _attempt(execution, branch):
            pass
    except asyncio.CancelledError as exc:
        error = exc
        raise
    except BaseException as exc:  # noqa: BLE001 - the node's border: the step raises it
        error = exc
    finally:
        ctx.is_closed = True
        _current.reset(token)
        step.end(error)


async def _attempt(execution: Execution, branch: Branch) -> bool:
    """Call the node once; False when it failed and may be called again."""
    node, rec, ctx = branch.node, execution.recording, branch.ctx
    name, visit, attempt = node.name, branch.visit, ctx.attempt
    t0 = ctx.started_ns = monotonic_ns()
    # Nothing between a seq and its row gives the interpreter a chance to switch threads.
    rec.seq = seq = rec.seq + 1
    rec.rows.append((ENTER, seq, name, visit, attempt, t0))
    try:
        given = execution.schema.view(execution.state)
        update = node.function(given) if node.is_plain else node.call(given, ctx)
        if node.is_async:
            update = await update
        t1 = monotonic_ns()
        if t1 - t0 > node.limit_ns:
            raise NodeTimeoutError(name, node.limit_ns / 1e9)  # noqa: TRY301 - it fails like a node
    except (Exception, asyncio.CancelledError) as exc:  # noqa: BLE001 - what a node may raise
        await after_failure(execution, node, ctx, t0, exc)
        return False
    rec.seq = seq = rec.seq + 1
    rec.rows.append((EXIT, seq, name, visit, attempt, t0, t1))
    branch.update, branch.attempt = update, attempt
    return True
