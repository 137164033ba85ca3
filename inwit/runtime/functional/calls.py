"""Calling tasks: each call is a future, a visit in the record, and kept with its thread when done."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from asyncio import _get_running_loop  # asyncio exports it; it answers without raising
from collections import Counter
from collections.abc import Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from inwit.errors import OutsideNodeError
from inwit.runtime import loops
from inwit.runtime.commands import GraphInterrupt
from inwit.runtime.context import Context
from inwit.runtime.functional.running import run
from inwit.runtime.interrupts import Asked, Waiting
from inwit.runtime.program import is_coroutine_function
from inwit.runtime.progress import Progress
from inwit.runtime.serial import thaw

if TYPE_CHECKING:
    from inwit.runtime.engine import Execution
    from inwit.runtime.functional.tasks import TaskFunction
    from inwit.runtime.program import Node

SEPARATOR = " > "
"""Between the key of a task and that of what called it."""
Given = tuple[tuple[Any, ...], dict[str, Any]]
AnyFuture = Future[Any] | asyncio.Future[Any]
_making = threading.Lock()


class TaskContext(Context):
    """The place of one call of a task: its own node, visit and progress in the execution around."""

    def __init__(self, caller: Context, node: Node, key: str, number: int) -> None:
        self.caller = caller
        self.execution = caller.execution
        self.recording = caller.recording
        self.execution_id = caller.execution_id
        self.thread_id = caller.thread_id
        self.config = caller.config
        self.at: Node = node
        self.name = key
        self.key = f"{caller.progress.key}{SEPARATOR}{key}"
        self.number = number
        self.visit = tasks_of(self.execution).visit(node.name)
        found = self.execution.known.get(self.key) or Progress(self.key)
        found.visit, found.is_resumed = self.visit, bool(self.execution.known)
        self._progress = found

    @property
    def triggers(self) -> tuple[str, ...]:
        """Why it runs, as LangGraph tells it."""
        return ("__pregel_push",)

    @property
    def path(self) -> tuple[Any, ...]:
        """Where in its step it runs, as LangGraph tells it."""
        return ("__pregel_push", self.caller.path, self.number, True)


class Tasks:
    """All that is common to the tasks of one execution."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        """Orders what they keep with the thread, since they may run in several threads."""
        self.scopes: WeakSet[Scope] = WeakSet()
        self._visits: Counter[str] = Counter()

    def visit(self, name: str) -> int:
        """Count a call of a task."""
        with self.lock:
            self._visits[name] += 1
            return self._visits[name]

    async def settle(self, *, is_given_up: bool = False) -> None:
        """Wait until all of them have ended."""
        for scope in list(self.scopes):
            await scope.settle(is_given_up=is_given_up)


def tasks_of(execution: Execution) -> Tasks:
    """What is common to the tasks of an execution."""
    with _making:
        if execution.tasks is None:
            execution.tasks = Tasks()
        return execution.tasks


class Scope:
    """The tasks that one node, or one task, has called."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        limits, config = ctx.execution.graph.options.limits, ctx.config
        self._width = min(limits.max_parallel, config.get("max_concurrency") or limits.max_parallel)
        self._pool: ThreadPoolExecutor | None = None
        self._gate: asyncio.Semaphore | None = None
        self._open: set[AnyFuture] = set()
        self._count = 0
        self.asked: list[Waiting] = []
        """What tasks have asked of a person."""

    @classmethod
    def of(cls, ctx: Context) -> Scope:
        """The scope of what runs in a context."""
        if ctx.scope is None:
            ctx.scope = cls(ctx)
            tasks_of(ctx.execution).scopes.add(ctx.scope)
        return ctx.scope

    def start(self, task: TaskFunction[Any, Any], given: Given) -> AnyFuture:
        """Begin a call of a task, or give what it returned when it was called before."""
        ctx = self.ctx
        if ctx.is_closed:
            raise OutsideNodeError(f"The task {task.name!r}")
        is_awaited = _get_running_loop() is not None and _is_async(ctx)
        progress, node = ctx.progress, task.node_of(ctx.execution.graph)
        key = progress.step_key(f"task {task.name}")
        self._count += 1
        made = TaskContext(ctx, node, key, self._count - 1)
        if key in progress.memos:
            made.emit("custom", name="task_known", data={"task": task.name})
            return _done(thaw(progress.memos[key]), is_awaited=is_awaited)
        future = self._begin(node, made, given, is_awaited=is_awaited)
        self._open.add(future)
        future.add_done_callback(self._ended)
        return future

    def _ended(self, future: Any) -> None:
        self._open.discard(future)
        if not future.cancelled():
            future.exception()  # Who called it was told, or did not care.

    def _begin(self, node: Node, made: TaskContext, given: Given, *, is_awaited: bool) -> AnyFuture:
        if node.is_async and is_awaited:
            return asyncio.get_running_loop().create_task(self._gated(run(self, made, given)))
        if node.is_async:
            return self._elsewhere(self._gated(run(self, made, given)))
        future = self._submit(loops.drive, run(self, made, given, is_blocking=True))
        return asyncio.wrap_future(future) if is_awaited else future

    def _elsewhere(self, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        """Run an async task that sync code waits for: in the execution's loop, if that is free."""
        own = self.ctx.execution.task
        if own is None or _get_running_loop() is not None:
            return self._submit(asyncio.run, work)
        return asyncio.run_coroutine_threadsafe(work, own.get_loop())

    def _submit(self, call: Any, work: Coroutine[Any, Any, Any]) -> Future[Any]:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._width, thread_name_prefix="inwit-task")
        future = self._pool.submit(copy_context().run, call, work)
        future.add_done_callback(lambda done: work.close() if done.cancelled() else None)
        return future

    async def _gated(self, work: Coroutine[Any, Any, Any]) -> Any:
        if self._gate is None:
            self._gate = asyncio.Semaphore(self._width)
        async with self._gate:
            return await work

    async def settle(self, *, is_given_up: bool = False) -> None:
        """Wait until all calls have ended; those that were given up are cancelled first."""
        while found := list(self._open):
            if is_given_up:
                for future in found:
                    future.cancel()
            await _all_ended(found)
            self._open.difference_update(found)
        if self._pool is not None:
            self._pool.shutdown(wait=False)
            self._pool = None


async def close(ctx: Context) -> None:
    """Wait for what was called in a context.

    Raises:
        Asked: A task asks a person, though nobody has waited for it.
    """
    if ctx.scope is not None:
        await ctx.scope.settle()
        if ctx.scope.asked:
            raise Asked(ctx.scope.asked)


async def give_up(ctx: Context, error: BaseException) -> None:
    """End what was called in a context that failed with an error; a question leaves it to its end."""
    if ctx.scope is not None:
        await ctx.scope.settle(is_given_up=not isinstance(error, GraphInterrupt))


async def _all_ended(futures: list[AnyFuture]) -> None:
    if _get_running_loop() is None:
        concurrent.futures.wait([one for one in futures if isinstance(one, Future)])
        return
    wrapped = [asyncio.wrap_future(one) if isinstance(one, Future) else one for one in futures]
    await asyncio.wait(wrapped)
    for one in wrapped:
        if not one.cancelled():
            one.exception()


def _is_async(ctx: Context) -> bool:
    """Whether the code that runs in a context can await."""
    return is_coroutine_function(getattr(ctx.at, "function", None))


def _done(result: Any, *, is_awaited: bool) -> AnyFuture:
    future: AnyFuture = asyncio.get_running_loop().create_future() if is_awaited else Future()
    future.set_result(result)
    return future
