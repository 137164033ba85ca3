"""Running the async core from sync code."""

from __future__ import annotations

import asyncio
import atexit
import sys
import threading
from asyncio import _get_running_loop  # asyncio exports it; it answers without raising
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from functools import cache
from typing import Any, TypeVar

T = TypeVar("T")
held_loop: ContextVar[asyncio.AbstractEventLoop | None] = ContextVar("inwit_held", default=None)
"""The loop that waits for what runs here, and meanwhile runs nothing."""


def drive(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never waits, without an event loop."""
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    work.close()
    raise RuntimeError("A sync execution waited for an event loop.")


def is_in_loop() -> bool:
    """Whether an event loop runs in this thread."""
    return _get_running_loop() is not None


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in this thread's own loop.

    Where a loop runs here already, a worker thread runs it.
    """
    if not is_in_loop():
        return own_runner().run(work)
    with ThreadPoolExecutor(1, thread_name_prefix="inwit-invoke") as pool:
        return pool.submit(holding_context().run, asyncio.run, work).result()


@cache
def node_threads() -> ThreadPoolExecutor:
    """The threads in which nodes block."""
    return ThreadPoolExecutor(1000, thread_name_prefix="inwit-node")


async def apart(call: Callable[..., T], *given: Any) -> T:
    """Make a blocking call in a thread, while the loop goes on."""
    run = copy_context().run
    return await asyncio.get_running_loop().run_in_executor(node_threads(), run, call, *given)


def holding_context() -> Context:
    """A copy of this context for what runs elsewhere while this thread's loop waits for it."""
    context = copy_context()
    context.run(held_loop.set, _get_running_loop())
    return context


class _Runner:
    """A loop that is kept for the thread's next call and closed with the thread."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self._runner.get_loop()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        result = self._runner.run(work, context=copy_context())
        self.settle()
        return result

    def settle(self) -> None:
        """Cancel what still runs in the loop and wait for its clean-up."""
        loop = self.loop
        left = asyncio.all_tasks(loop)
        if left:
            for task in left:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))

    def __del__(self) -> None:
        with suppress(ValueError):  # A part of it was collected as garbage before this was.
            self._close()

    def _close(self) -> None:
        if self.loop.is_closed():
            return  # It was collected as garbage before this was, since each led to the other.
        if sys.is_finalizing():
            # Closing the runner would start a thread for its executor, which hangs by now.
            self.loop.close()
        elif is_in_loop():  # an error's traceback kept it, and was collected while another loop ran
            closing = threading.Thread(target=self._close_elsewhere)
            closing.start()
            closing.join()
        else:
            self._runner.close()

    def _close_elsewhere(self) -> None:
        with suppress(ValueError):  # as in `__del__`, which does not hear of it
            self._runner.close()


_local = threading.local()


def own_runner() -> _Runner:
    """The runner of this thread."""
    found: _Runner | None = getattr(_local, "runner", None)
    if found is None:
        found = _local.runner = _Runner()
        if threading.current_thread() is threading.main_thread():
            # A stream that nobody read to its end ends here, while the journal still hears of it.
            atexit.register(found.settle)
    return found


def own_loop() -> asyncio.AbstractEventLoop:
    """The loop that this thread's sync calls run in."""
    return own_runner().loop
