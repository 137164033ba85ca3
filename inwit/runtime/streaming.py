"""Streams of one execution: values, updates, what nodes write, events."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from inwit.errors import MalformedInputError, NotInThisVersionError
from inwit.runtime import loops

if TYPE_CHECKING:
    from inwit.events import Event
    from inwit.runtime.engine import Execution

StreamMode = Literal["values", "updates", "custom", "events"]
_MODES = ("values", "updates", "custom", "events")
_LATER = ("messages", "debug", "checkpoints", "tasks")
_QUEUE_LIMIT = 64
_END = object()


def check_modes(modes: str | Sequence[str]) -> tuple[str, ...]:
    """Check the names of stream modes."""
    names = (modes,) if isinstance(modes, str) else tuple(modes)
    for name in names:
        if name in _LATER:
            raise NotInThisVersionError(f"stream_mode={name!r}")
        if name not in _MODES:
            raise MalformedInputError(
                f"No stream mode {name!r}.", hint=f"Known: {', '.join(_MODES)}."
            )
    return names


def astream(
    execution: Execution,
    begin: Callable[[], Coroutine[Any, Any, Any]],
    modes: str | Sequence[str],
) -> AsyncGenerator[Any, None]:
    """Run what `begin` gives, and give what it puts out.

    It waits while its reader is `_QUEUE_LIMIT` behind.
    """
    names = check_modes(modes)
    if "events" in names and execution.journal is None:
        raise MalformedInputError(
            "There are no events to stream: the record is off.",
            hint="Unset INWIT_OFF, or stream another mode.",
        )
    return _Stream(execution, names, is_pair=not isinstance(modes, str)).read(begin)


class _Stream:
    """What one execution puts out, on its way to one reader."""

    def __init__(self, execution: Execution, names: tuple[str, ...], *, is_pair: bool) -> None:
        self._execution = execution
        self._names = names
        self._is_pair = is_pair
        self._queue: asyncio.Queue[Any] = asyncio.Queue()
        self._gate = asyncio.Event()
        self._gate.set()

    async def read(
        self, begin: Callable[[], Coroutine[Any, Any, Any]]
    ) -> AsyncGenerator[Any, None]:
        """Run, and give one thing after another."""
        loop = asyncio.get_running_loop()
        execution, queue, gate = self._execution, self._queue, self._gate
        execution.output, execution.gate = self._put, gate
        execution.ctx.write = lambda data: _hand(loop, self._put, "custom", data)
        task = loop.create_task(self._run(begin(), loop))
        task.add_done_callback(lambda _: queue.put_nowait(_END))
        try:
            while (item := await queue.get()) is not _END:
                yield item
                if queue.qsize() < _QUEUE_LIMIT // 2:
                    gate.set()
            task.result()
        finally:
            gate.set()
            if not task.done():
                task.cancel()
                await asyncio.wait([task])

    async def _run(self, work: Coroutine[Any, Any, Any], loop: asyncio.AbstractEventLoop) -> None:
        journal = self._execution.journal
        if "events" not in self._names or journal is None:
            await work
            return
        execution_id = self._execution.recording.execution_id

        def take(events: Sequence[Event]) -> None:
            for event in events:
                if event.execution_id == execution_id:
                    _hand(loop, self._put, "events", event)

        end = journal.subscribe(take)
        try:
            await work
        finally:
            await journal.aflush()
            end()

    def _put(self, mode: str, value: Any) -> None:
        if mode in self._names:
            shown = dict(value) if mode == "values" else value
            self._queue.put_nowait((mode, shown) if self._is_pair else shown)
            if self._queue.qsize() >= _QUEUE_LIMIT:
                self._gate.clear()


def _hand(
    loop: asyncio.AbstractEventLoop, put: Callable[[str, Any], None], mode: str, value: Any
) -> None:
    """Put from any thread."""
    loop.call_soon_threadsafe(put, mode, value)


def stream(items: AsyncGenerator[Any, None]) -> Iterator[Any]:
    """Read an async stream from sync code, item by item, in this thread's own loop."""
    if loops.is_in_loop():
        yield from loops.run(_collect(items))
        return
    loop = loops.own_loop()
    try:
        while True:
            try:
                yield loop.run_until_complete(_next(items))
            except StopAsyncIteration:
                return
    finally:
        # A reader who left this open has it closed when its thread, or the interpreter, ends; by
        # then the loop is closed, or its callbacks have lost their modules.
        if not (loop.is_closed() or sys.is_finalizing()):
            loop.run_until_complete(items.aclose())


async def _next(items: AsyncIterator[Any]) -> Any:
    return await anext(items)


async def _collect(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]
