"""Streams of one execution: values, updates, what nodes write, events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from inwit.errors import MalformedInputError, NotInThisVersionError
from inwit.runtime import loops

if TYPE_CHECKING:
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


async def astream(
    execution: Execution, work: Coroutine[Any, Any, Any], modes: str | Sequence[str]
) -> AsyncGenerator[Any, None]:
    """Run `work` and give what it puts out; it waits while its reader is `_QUEUE_LIMIT` behind."""
    try:
        names = check_modes(modes)
    except Exception:
        work.close()
        raise
    queue: asyncio.Queue[Any] = asyncio.Queue()
    is_pair = not isinstance(modes, str)
    gate = asyncio.Event()
    gate.set()

    def put(mode: str, value: Any) -> None:
        if mode in names:
            shown = dict(value) if mode == "values" else value
            queue.put_nowait((mode, shown) if is_pair else shown)
            if queue.qsize() >= _QUEUE_LIMIT:
                gate.clear()

    loop = asyncio.get_running_loop()
    execution.output = put
    execution.gate = gate

    def write(data: Any) -> None:
        loop.call_soon_threadsafe(put, "custom", data)

    execution.ctx.write = write
    task = loop.create_task(work)
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
        loop.run_until_complete(items.aclose())


async def _next(items: AsyncIterator[Any]) -> Any:
    return await anext(items)


async def _collect(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]
