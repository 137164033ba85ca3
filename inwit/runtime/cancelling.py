"""Telling executions from outside to stop, and finding those that run in this process."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from inwit.errors import ExecutionCancelledError, MalformedInputError
from inwit.runtime.watchdog import watched

if TYPE_CHECKING:
    from inwit.runtime.engine import Execution

_LOOK_S = 0.05
"""How often a thread that waits for an end looks whether that can still come."""


class Stop:
    """What an execution was told: why it is to stop, and whether it has."""

    def __init__(self, reason: str) -> None:
        self.error = ExecutionCancelledError(reason)
        self.ended: Future[None] = Future()

    def end(self) -> None:
        """Note that the execution has ended, and cleaned up."""
        if not self.ended.done():
            self.ended.set_result(None)


def stop(execution: Execution, reason: str | Stop) -> bool:
    """Tell an execution to stop; call it in its event loop, where it has one.

    A running async node is cancelled; a sync one is the last. False where the execution has not begun.
    """
    told = reason if isinstance(reason, Stop) else Stop(reason)
    if execution.is_done:
        told.end()
        return True
    if execution.stopping is not None:
        execution.stopping.ended.add_done_callback(lambda _: told.end())
        return True
    execution.stopping, execution.timed_out, execution.deadline_ns = told, told.error, 0
    if execution.task is not None:
        execution.task.cancel()
    return execution.is_blocking or execution.task is not None


def reason_of(execution: Execution, error: BaseException) -> str:
    """Why an execution was cancelled: what it, or one around it, was told."""
    if isinstance(error, ExecutionCancelledError):
        return error.reason
    while execution.stopping is None:
        if execution.parent is None:
            return type(error).__name__
        execution = execution.parent.execution
    return execution.stopping.error.reason


def running() -> Iterator[tuple[Execution, int | None]]:
    """The executions of this process that run, each with the thread that it holds, if it does."""
    from inwit.runtime.engine import Execution

    for ctx in watched():
        if isinstance(ctx, Execution):
            yield ctx, None
    for thread, top in sys._current_frames().items():  # noqa: SLF001 - it has no public name
        frame: Any = top
        while frame is not None:
            if frame.f_code is Execution.run.__code__ and frame.f_locals["self"].is_blocking:
                yield frame.f_locals["self"], thread
            frame = frame.f_back


class Cancelling:
    """A graph whose executions can be stopped."""

    name: str

    def cancel(
        self, *, execution_id: str | None = None, thread_id: str | None = None,
        reason: str = "cancelled",
    ) -> tuple[str, ...]:  # fmt: skip
        """Stop an execution of this process, or those of a thread, and give their ids.

        Returns when they have cleaned up, except those that wait for the caller itself: in the
        caller's event loop (there, use `acancel`) or around it. They are recorded as cancelled, with
        the reason; who awaits one is raised `ExecutionCancelledError`. A sync node is not cut off: it
        is the last. What waits for a person is closed.

        Raises:
            MalformedInputError: Neither id is given.
        """
        told = self._told(execution_id, thread_id, reason)
        for execution, thread, one in told:
            loop = _loop_of(execution)
            if thread == threading.get_ident() or (loop is not None and loop is _own_loop()):
                continue
            _wait(execution, one)
        return self._with_waiting(told, execution_id, thread_id, reason)

    async def acancel(
        self, *, execution_id: str | None = None, thread_id: str | None = None,
        reason: str = "cancelled",
    ) -> tuple[str, ...]:  # fmt: skip
        """Stop executions and await their clean-up; see `cancel`."""
        told = self._told(execution_id, thread_id, reason)
        for _, thread, one in told:
            if thread != threading.get_ident():
                await asyncio.wrap_future(one.ended)
        return self._with_waiting(told, execution_id, thread_id, reason)

    def _told(
        self, execution_id: str | None, thread_id: str | None, reason: str
    ) -> list[tuple[Execution, int | None, Stop]]:
        if execution_id is None and thread_id is None:
            raise MalformedInputError(
                "cancel() was not told what to stop.", hint="Give execution_id=… or thread_id=…."
            )
        told = []
        found = [one for one in running() if not _is_cut_off(one[0])]
        for execution, thread in found:
            if self._is_meant(execution, execution_id, thread_id):
                for within in _elsewhere_within(execution, (one for one, _ in found)):
                    _tell(within, Stop(reason))
                told.append((execution, thread, Stop(reason)))
                _tell(execution, told[-1][2])
        return told

    def _is_meant(
        self, execution: Execution, execution_id: str | None, thread_id: str | None
    ) -> bool:
        if execution_id is not None:
            return execution.execution_id == execution_id
        is_own = execution.graph.name == self.name and execution.parent is None
        return is_own and execution.thread_id == thread_id

    def _with_waiting(
        self: Any, told: list[tuple[Execution, int | None, Stop]], execution_id: str | None,
        thread_id: str | None, reason: str,
    ) -> tuple[str, ...]:  # fmt: skip
        """The ids of those that were stopped, and of one that waited and was closed."""
        ids = tuple(execution.execution_id for execution, _, _ in told)
        if ids:
            return ids
        closed = _close(self, thread_id or str(execution_id), execution_id, reason)
        return () if closed is None else (closed,)


def _own_loop() -> asyncio.AbstractEventLoop | None:
    return asyncio._get_running_loop()  # noqa: SLF001 - exported; it answers without raising


def _loop_of(execution: Execution) -> asyncio.AbstractEventLoop | None:
    return None if execution.task is None else execution.task.get_loop()


def _is_cut_off(execution: Execution) -> bool:
    """Whether its event loop was closed under it: nothing of it goes on."""
    loop = _loop_of(execution)
    return loop is not None and loop.is_closed()


def tell(execution: Execution, every: Iterable[Execution], reason: str) -> None:
    """Tell an execution to stop, and those within it that its own end does not reach; any thread."""
    for within in _elsewhere_within(execution, every):
        _tell(within, Stop(reason))
    _tell(execution, Stop(reason))


def _elsewhere_within(execution: Execution, found: Iterable[Execution]) -> Iterator[Execution]:
    """Executions that nodes of one have begun in other threads, where its own end does not reach."""
    for one in found:
        around, is_elsewhere = one, _loop_of(one) is not _loop_of(execution)
        while around.parent is not None and around is not execution:
            around = around.parent.execution
        if around is execution and one is not execution and (is_elsewhere or one.is_blocking):
            yield one


def _tell(execution: Execution, told: Stop) -> None:
    loop = _loop_of(execution)
    if loop is None or loop is _own_loop():
        stop(execution, told)
    else:
        loop.call_soon_threadsafe(stop, execution, told)


def _wait(execution: Execution, told: Stop) -> None:
    while not (execution.is_done or told.ended.done()):
        loop = _loop_of(execution)
        if loop is not None and loop.is_closed():
            return
        try:
            told.ended.result(_LOOK_S)
        except TimeoutError:
            continue


def _close(graph: Any, thread_id: str, execution_id: str | None, reason: str) -> str | None:
    """Record that an execution which waits is cancelled; its id, where there is one."""
    from inwit.runtime.checkpoints import split
    from inwit.runtime.resume import Place, begin

    rows = () if graph.saver is None else graph.saver.load(thread_id)
    pending = split(rows)[1] if rows else ()
    if not pending or pending[-1].key not in ("waiting_for_input", "paused"):
        return None
    if execution_id not in (None, pending[-1].execution_id):
        return None
    execution = begin(graph, None, {}, Place(thread_id=thread_id), graph.saver).execution
    execution.close_waiting(reason)
    return execution.execution_id
