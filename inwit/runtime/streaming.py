"""Streams of one execution: values, updates, messages, what nodes write, tasks, checkpoints, events."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Coroutine,
    Iterator,
    Mapping,
    Sequence,
)
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from inwit.errors import MalformedInputError, nearest
from inwit.runtime import loops
from inwit.runtime.both import Both
from inwit.runtime.delivery import ENDED, Delivery, OnSlow, StreamGap, check_policy
from inwit.runtime.facade import typed
from inwit.runtime.sink import Sink, pick

if TYPE_CHECKING:
    from inwit.events import Event
    from inwit.runtime.engine import Execution

StreamMode = Literal[
    "values", "updates", "messages", "custom", "debug", "checkpoints", "tasks", "tools", "events"
]
"""What a stream may tell."""
MODES: tuple[StreamMode, ...] = (
    "values", "updates", "messages", "custom", "debug", "checkpoints", "tasks", "tools", "events",
)  # fmt: skip


class StreamOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How a stream is read."""

    subgraphs: bool = False
    """Whether graphs within are told of as well, each by its place."""
    keys: Any = None
    """The keys to show: None for all, one name for its value alone, or several."""
    on_slow: OnSlow = "wait"
    version: Literal["v1", "v2"] = "v1"


def check_modes(modes: str | Sequence[str]) -> tuple[str, ...]:
    """Check the names of stream modes.

    Raises:
        MalformedInputError: There is no such mode.
    """
    names = (modes,) if isinstance(modes, str) else tuple(modes)
    for name in names:
        if name not in MODES:
            raise MalformedInputError(
                f"No stream mode {name!r}.",
                hint=f"{nearest(name, MODES)} Known: {', '.join(MODES)}.",
            )
    return names


def astream(
    execution: Execution,
    begin: Callable[[], Coroutine[Any, Any, Any]],
    modes: str | Sequence[str],
    options: StreamOptions,
    printed: str | Sequence[str] = (),
) -> AsyncGenerator[Any, None]:
    """Run what `begin` gives, and give what it puts out; print the modes `printed`.

    A step ends when its reader has taken everything and asks for more; with ``on_slow="drop"`` the
    graph goes on, and the reader finds a `StreamGap` where the oldest were dropped.
    """
    names = check_modes(modes)
    check_policy(options.on_slow)
    if "events" in (*names, *check_modes(printed)) and execution.graph.journal is None:
        raise MalformedInputError(
            "There are no events to stream: the record is off.",
            hint="Unset INWIT_OFF, or stream another mode.",
        )
    is_pair = not isinstance(modes, str)
    return _Stream(execution, names, options, check_modes(printed), is_pair=is_pair).read(begin)


async def printing(
    execution: Execution,
    begin: Callable[[], Coroutine[Any, Any, Any]],
    modes: str | Sequence[str],
) -> Any:
    """Run what `begin` gives, print what it puts out, and give its result."""
    options = StreamOptions(subgraphs=True)
    stream = _Stream(execution, (), options, check_modes(modes), is_pair=False)
    async for _ in stream.read(begin):
        pass
    return stream.result


class _Stream:
    """What one execution puts out, as one reader wants to see it."""

    def __init__(
        self,
        execution: Execution,
        names: tuple[str, ...],
        options: StreamOptions,
        printed: tuple[str, ...],
        *,
        is_pair: bool,
    ) -> None:
        self._execution = execution
        self._names = names
        self._options = options
        self._printed = printed
        self._is_pair = is_pair
        self.result: Any = None

    async def read(
        self, begin: Callable[[], Coroutine[Any, Any, Any]]
    ) -> AsyncGenerator[Any, None]:
        """Run, and give one thing after another; a reader that leaves ends the execution."""
        loop, execution, options = asyncio.get_running_loop(), self._execution, self._options
        delivery = Delivery(loop, options.on_slow)
        modes = tuple({**dict.fromkeys(self._names), **dict.fromkeys(self._printed)})
        own = Sink(modes, delivery, options.keys, with_subgraphs=options.subgraphs)
        around = execution.output
        execution.output = own if around is None else Both(own, around)
        task = loop.create_task(self._run(begin(), delivery))
        task.add_done_callback(lambda _: delivery.end())
        try:
            while (item := await delivery.get()) is not ENDED:
                if self._printed:
                    self._print(item)
                if isinstance(item, StreamGap) or item[1] in self._names:
                    yield self._shown(item)
            self.result = task.result()
        finally:
            delivery.close()
            if not task.done():
                await self._give_up(task)

    async def _give_up(self, task: asyncio.Task[Any]) -> None:
        from inwit.runtime.cancelling import stop

        if not stop(self._execution, "The reader of its stream went away."):
            task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # It was told to stop, and says so to nobody.

    async def _run(self, work: Coroutine[Any, Any, Any], delivery: Delivery) -> Any:
        if "messages" in self._names or "messages" in self._printed:
            from inwit.runtime.message_stream import listen

            listen()
        if "tools" in self._names or "tools" in self._printed:
            from inwit.runtime import tool_stream

            tool_stream.listen()
        journal = self._execution.graph.journal
        if "events" not in (*self._names, *self._printed) or journal is None:
            return await work
        execution_id = self._execution.execution_id

        def take(events: Sequence[Event]) -> None:
            for event in events:
                if event.execution_id == execution_id:
                    delivery.put(((), "events", event), may_wait=False)

        end = journal.subscribe(take)
        try:
            return await work
        finally:
            await journal.aflush()
            end()

    def _print(self, item: Any) -> None:
        if not isinstance(item, StreamGap) and item[1] in self._printed:
            within, mode, value = item
            place = f" [graph={'|'.join(within)}]" if within else ""
            print(f"[{mode}]{place} {value!r}")  # noqa: T201 - what it was asked for

    def _shown(self, item: Any) -> Any:
        """One thing in the form that was asked for."""
        is_gap = isinstance(item, StreamGap)
        within, mode, value = ((), "gap", item) if is_gap else item
        if self._options.version == "v2":
            return _second_version(within, mode, self._typed(within, mode, value))
        if self._is_pair:
            return (within, mode, value) if self._options.subgraphs else (mode, value)
        return (within, value) if self._options.subgraphs else value

    def _typed(self, within: tuple[str, ...], mode: str, value: Any) -> Any:
        """A thing whose state is an object of its class, as the second version shows it."""
        if mode not in ("values", "checkpoints", "debug") or not isinstance(value, Mapping):
            return value
        made = self._execution.graph.graph_at("|".join(within)).OutputType
        if mode == "values":
            return value if self._options.keys is not None else _typed_state(value, made)
        payload = value.get("payload") if mode == "debug" else value
        if not isinstance(payload, Mapping) or not payload.get("values"):
            return value
        with suppress(TypeError, ValueError):  # Before the input there may be too little for one.
            payload = {**payload, "values": typed(payload["values"], made)}
        return {**value, "payload": payload} if mode == "debug" else payload


def _typed_state(value: Mapping[str, Any], made: type) -> Any:
    """A state as an object, and beside it what it waits for."""
    plain = {key: one for key, one in value.items() if key != "__interrupt__"}
    found = typed(plain, made)
    if found is plain:
        return value
    return _Waiting(found, value["__interrupt__"]) if "__interrupt__" in value else found


class _Waiting:
    """A state as an object, with what it waits for."""

    def __init__(self, state: Any, interrupts: Any) -> None:
        self.state = state
        self.interrupts = interrupts


def _second_version(within: tuple[str, ...], mode: str, value: Any) -> dict[str, Any]:
    shown: dict[str, Any] = {"type": mode, "ns": within, "data": value}
    if mode == "values":
        asked: Any = ()
        if isinstance(value, _Waiting):
            asked, shown["data"] = value.interrupts, value.state
        elif isinstance(value, Mapping) and "__interrupt__" in value:
            asked = value["__interrupt__"]
            shown["data"] = {key: one for key, one in value.items() if key != "__interrupt__"}
        shown["interrupts"] = asked
    return shown


def stream(items: AsyncGenerator[Any, None]) -> Iterator[Any]:
    """Read an async stream from sync code, item by item, in this thread's own loop.

    Where a loop runs here already, a worker thread reads, while that loop waits.
    """
    if loops.is_in_loop():
        yield from _read_elsewhere(items)
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
        if not (loop.is_closed() or loop.is_running() or sys.is_finalizing()):
            loop.run_until_complete(items.aclose())


def _read_elsewhere(items: AsyncGenerator[Any, None]) -> Iterator[Any]:
    context = loops.holding_context()
    with ThreadPoolExecutor(1, thread_name_prefix="inwit-stream") as pool:

        def run(work: Coroutine[Any, Any, Any]) -> Any:
            own = loops.own_loop
            return pool.submit(context.run, lambda: own().run_until_complete(work)).result()

        try:
            while True:
                try:
                    yield run(_next(items))
                except StopAsyncIteration:
                    return
        finally:
            run(_close(items))


async def _next(items: AsyncIterator[Any]) -> Any:
    return await anext(items)


async def _close(items: AsyncGenerator[Any, None]) -> None:
    await items.aclose()


__all__ = [
    "MODES",
    "StreamMode",
    "StreamOptions",
    "astream",
    "check_modes",
    "pick",
    "printing",
    "stream",
]
