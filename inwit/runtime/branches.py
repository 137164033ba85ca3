"""The branches of one step: nodes that run at the same time."""

from __future__ import annotations

import asyncio
from asyncio import Task
from collections.abc import Callable, Coroutine, Sequence
from contextvars import copy_context
from functools import partial
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

from inwit.errors import NodeTimeoutError
from inwit.runtime import loops
from inwit.runtime.attempts import after_failure
from inwit.runtime.commands import GraphBubbleUp, GraphInterrupt, ParentCommand
from inwit.runtime.context import Context, _current
from inwit.runtime.interrupts import Waiting, waiting_of
from inwit.runtime.keeping import note
from inwit.runtime.policies.timeouts import timed
from inwit.runtime.program import Node
from inwit.runtime.progress import NOT_DONE, Progress
from inwit.runtime.record import ENTER, EXIT
from inwit.runtime.relay import Relay
from inwit.runtime.taking_over import go_on
from inwit.runtime.updates import Packet, Ready, with_pushed
from inwit.runtime.waits import durable

if TYPE_CHECKING:
    from inwit.runtime.engine import Execution


class Branch(Context):
    """One node's visit in a step, and the context of its node."""

    # What is seldom set is the class's: a step of many branches makes many.
    packet: Packet | None = None
    update: Any = None
    is_done = False
    relay: Relay | None = None
    """Who calls its node in a thread."""
    waiting: tuple[Waiting, ...] | None = None
    """What its node asks; None where it asks nothing."""

    def __init__(self, execution: Execution, node: Node, visit: int) -> None:
        self.execution = self.recording = execution
        self.execution_id = execution.execution_id
        self.thread_id = execution.thread_id
        self.config = execution.config
        self.at: Node = node
        self.visit = visit

    @property
    def task_key(self) -> str:
        """The task's name within the step."""
        return self.key or self.at.name

    @property
    def triggers(self) -> tuple[str, ...]:
        """Why it runs, as LangGraph tells it."""
        return super().triggers if self.packet is None else ("__pregel_push",)

    @property
    def path(self) -> tuple[Any, ...]:
        """Where in its step it runs, as LangGraph tells it."""
        if self.packet is None:
            return super().path
        return ("__pregel_push", int(self.key.rpartition("#")[2]), False)

    @property
    def was_done(self) -> bool:
        """Whether an earlier execution ended its task."""
        return self._progress is not None and self._progress.done is not NOT_DONE

    def given_state(self) -> Any:
        """What its node is given."""
        if self.packet is not None:
            return self.at.read_packet(self.packet.arg)
        return self.at.view(self.execution.state)


class Step:
    """The branches that are under way; `done` is set when all are, or one has failed."""

    __slots__ = (
        "branches",
        "create",
        "done",
        "error",
        "execution",
        "failed",
        "later",
        "left",
        "tasks",
    )

    def __init__(self, branches: Sequence[Branch]) -> None:
        self.branches = branches
        self.left = len(branches)
        self.error: BaseException | None = None
        self.failed: Branch | None = None
        self.done: asyncio.Future[None] | None = None
        self.tasks: list[Task[None]] = []
        self.later: list[Branch] = []
        """Those that begin when others have ended, the last first."""

    def begin(self, execution: Execution, branches: Sequence[Branch], width: int) -> None:
        """Begin async branches, as many at once as `width`."""
        self.execution = execution
        self.create = _creator(is_late=len(branches) > width)
        for branch in branches[:width]:
            self._begin(branch)
        self.later = list(reversed(branches[width:]))

    def _begin(self, branch: Branch) -> None:
        branch.task = task = self.create(run_branch(self.execution, self, branch))
        self.tasks.append(task)

    def end(self, branch: Branch, error: BaseException | None) -> None:
        """Note that one branch has ended; the first error counts."""
        self.left -= 1
        if error is not None and self.error is None:
            self.error, self.failed = error, branch
            self.later.clear()
        if self.later:
            self._begin(self.later.pop())
        done = self.done
        if done is not None and not done.done() and (self.left == 0 or self.error is not None):
            done.set_result(None)


def branches_of(execution: Execution, ready: Sequence[Ready]) -> list[Branch]:
    """Make the branches of a step, with what is known of their tasks from before."""
    nodes, visits, resumed = execution.program.nodes, execution.visits, execution.resumed
    branches = []
    for number, one in enumerate(ready):
        index = one.index if isinstance(one, Packet) else one
        visit = visits[index] = visits[index] + 1
        branch = Branch(execution, nodes[index], visit)
        if isinstance(one, Packet):
            branch.packet, branch.key = one, f"{nodes[index].name}#{number}"
            limit(branch)
        if resumed is not None:
            found = resumed.get(branch.task_key) or Progress(branch.task_key)
            branch._progress, found.visit, found.is_resumed = found, visit, True  # noqa: SLF001
            if found.memos and branch.at.relief is not None:
                go_on(branch, found)
        branches.append(branch)
    return branches


def limit(branch: Branch) -> None:
    """Give a branch the limits of its attempts that what was sent to it came with."""
    if branch.packet is not None and branch.packet.timeout is not None:
        branch.time_limits = branch.packet.timeout
        branch.at = timed(branch.at)


async def run_branches(execution: Execution, branches: Sequence[Branch]) -> Step:
    """Run the nodes of one step; the first error cancels the others, and is left in the step.

    Sync nodes run in threads, unless one is alone or says ``thread=False``.
    """
    if execution.is_blocking and len(branches) > 1 and any(may_block(one) for one in branches):
        return loops.run(_in_loop(execution, branches))
    step = Step(branches)
    execution.branches = branches
    if execution.output is not None:
        await execution.output.entered(branches)
    try:
        await _start(execution, step)
        if step.left and step.error is None:
            step.done = asyncio.get_running_loop().create_future()
            await step.done
    finally:
        execution.branches = ()
        if step.left:
            await give_up(step)
    return step


def may_block(branch: Branch) -> bool:
    """Whether a branch's node is a sync one that may be called in a thread."""
    return not (branch.at.is_async or branch.at.policy.in_thread is False)


async def _in_loop(execution: Execution, branches: Sequence[Branch]) -> Step:
    """Run a step of an execution that runs in no event loop in one, so that its nodes can overlap."""
    execution.is_blocking = False
    try:
        return await run_branches(execution, branches)
    finally:
        execution.is_blocking = True


async def _start(execution: Execution, step: Step) -> None:
    """Begin the async branches and run the sync ones; those that were done before end at once."""
    left: Sequence[Branch] = step.branches
    if execution.known:
        for branch in left:
            if branch.was_done:
                await run_branch(execution, step, branch)
        left = [branch for branch in left if not branch.was_done]
    # Where no loop runs, what is async by name does not wait: an entry point's sync function.
    waiting = [] if execution.is_blocking else _that_wait(step, left)
    if waiting:
        width = execution.graph.options.limits.max_parallel
        step.begin(execution, waiting, min(width, execution.config.get("max_concurrency") or width))
        if len(waiting) == len(step.branches):
            return
        await asyncio.sleep(0)
    for branch in left:
        if branch not in waiting and step.error is None:
            await run_branch(execution, step, branch)


def _that_wait(step: Step, branches: Sequence[Branch]) -> list[Branch]:
    """The branches that wait for others: async ones, and beside others sync ones, in threads."""
    relay: Relay | None = None
    found = []
    for branch in branches:
        if not branch.at.is_async:
            if len(step.branches) == 1 or not may_block(branch):
                continue
            relay = branch.relay = relay or Relay()
        found.append(branch)
    return found


def _creator(*, is_late: bool) -> Callable[[Coroutine[Any, Any, None]], Task[None]]:
    """What makes the running loop's tasks: the class itself, unless somebody has set a factory.

    Those that another task begins later have the context of now, not that task's.
    """
    loop = asyncio.get_running_loop()
    make = partial(Task, loop=loop) if loop.get_task_factory() is None else loop.create_task
    if not is_late:
        return make
    here = copy_context()
    return lambda work: make(work, context=here.copy())


async def give_up(step: Step) -> None:
    """Cancel what still runs and wait for its clean-up, also where this is cancelled meanwhile."""
    step.later.clear()
    still = [task for task in step.tasks if not task.done()]
    for task in still:
        task.cancel()
    cancelled: asyncio.CancelledError | None = None
    while still:
        try:
            await asyncio.wait(still)
        except asyncio.CancelledError as exc:
            cancelled = exc
        still = [task for task in still if not task.done()]
    if cancelled is not None:
        raise cancelled


# One function, since each coroutine of its own would cost a tenth of a branch.
async def run_branch(  # noqa: PLR0912, PLR0915
    execution: Execution, step: Step, branch: Branch
) -> None:
    """Call one node with its policies; what it returns, or why it failed, is left in the step."""
    token = _current.set(branch)
    error: BaseException | None = None
    rec, visit = execution.recording, branch.visit
    try:
        if branch.was_done:
            _repeat(execution, branch)
        while not branch.is_done:
            node, attempt = branch.at, branch.attempt
            name = node.name
            t0 = branch.started_ns = monotonic_ns()
            # Nothing between a seq and its row gives the interpreter a chance to switch threads.
            rec.seq = seq = rec.seq + 1
            rec.rows.append((ENTER, seq, name, visit, attempt, t0))
            try:
                if branch.relay is not None or (
                    execution.output is not None and not execution.is_blocking
                ):
                    update = await _call_apart(execution, branch)
                else:
                    given = branch.given_state()
                    update = node.function(given) if node.is_plain else node.call(given, branch)
                    if node.is_async:
                        update = await update
                if branch.pushed is not None:
                    update = with_pushed(branch, update)
                t1 = monotonic_ns()
                if t1 - t0 > node.limit_ns and branch.worked_ns(t0, t1) > node.limit_ns:
                    raise NodeTimeoutError(name, node.limit_ns / 1e9)  # noqa: TRY301 - the node's
            except GraphBubbleUp as exc:
                if isinstance(exc, GraphInterrupt):
                    branch.waiting, branch.is_done = waiting_of(exc, branch), True
                    break
                if not (isinstance(exc, ParentCommand) and exc.is_from_within):
                    raise
                update, t1 = exc.command.as_own(), monotonic_ns()
            except (Exception, asyncio.CancelledError) as exc:  # noqa: BLE001 - the node's border
                await after_failure(execution, node, branch, t0, exc)
                continue
            rec.seq = seq = rec.seq + 1
            rec.rows.append((EXIT, seq, name, visit, attempt, t0, t1))
            branch.update, branch.is_done = update, True
        if execution.saving is not None or execution.output is not None:
            await _settle(execution, branch)
    except asyncio.CancelledError as exc:
        error = exc
        raise
    except BaseException as exc:  # noqa: BLE001 - the node's border: the step raises it
        error = exc
        if execution.output is not None:
            await execution.output.failed(execution, branch, exc)
    finally:
        branch.is_closed = True
        _current.reset(token)
        step.end(branch, error)


async def _call_apart(execution: Execution, branch: Branch) -> Any:
    """Call a node; a sync one in a thread, where others run beside it or a reader follows."""
    node, given, output = branch.at, branch.given_state(), execution.output
    if not node.is_async:
        if branch.relay is not None:
            return await branch.relay.call(node.call, given, branch)
        if output is not None and output.is_live:
            return await loops.apart(node.call, given, branch)
    update = node.function(given) if node.is_plain else node.call(given, branch)
    return await update if node.is_async else update


async def _settle(execution: Execution, branch: Branch) -> None:
    """Keep that a branch is done, where a crash would make it run again; tell the stream."""
    if branch.waiting is not None:
        if execution.output is not None:
            await execution.output.asked(execution, branch)
        return
    saving = execution.saving
    if saving is not None and not saving.holds_done and not branch.was_done:
        from inwit.runtime.returned import pack_returned

        done = note(execution, "done", branch.task_key, "", pack_returned(branch.update))
        if done is not None and saving.is_sync:
            await durable(execution, done)
    if execution.output is not None:
        await execution.output.branched(execution, branch)


def _repeat(execution: Execution, branch: Branch) -> None:
    """Take what a branch returned before it was cut off by a crash or a question of another."""
    from inwit.runtime.returned import unpack_returned

    rec, name, now = execution.recording, branch.at.name, monotonic_ns()
    rec.seq = seq = rec.seq + 1
    rec.rows.append((ENTER, seq, name, branch.visit, 1, now))
    rec.seq = seq = rec.seq + 1
    rec.rows.append((EXIT, seq, name, branch.visit, 1, now, now))
    branch.update, branch.is_done = unpack_returned(branch.progress.done), True
    branch.is_cached = True
