"""Streams of one execution: values, updates, messages, what nodes write, tasks, checkpoints, events."""

from __future__ import annotations

import asyncio
import sys
from asyncio import _get_running_loop  # asyncio exports it; it answers without raising
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from typing import TYPE_CHECKING, Any, Literal

from inwit.errors import MalformedInputError, nearest
from inwit.runtime import loops
from inwit.runtime.commands import Command
from inwit.runtime.context import Context

if TYPE_CHECKING:
    from inwit.events import Event
    from inwit.runtime.branches import Branch
    from inwit.runtime.engine import Execution

StreamMode = Literal[
    "values", "updates", "messages", "custom", "debug", "checkpoints", "tasks", "events"
]
MODES: tuple[StreamMode, ...] = (
    "values", "updates", "messages", "custom", "debug", "checkpoints", "tasks", "events",
)  # fmt: skip
_DETAILED = frozenset({"debug", "checkpoints", "tasks"})
_QUEUE_LIMIT = 64
_END = object()


def check_modes(modes: str | Sequence[str]) -> tuple[str, ...]:
    """Check the names of stream modes."""
    names = (modes,) if isinstance(modes, str) else tuple(modes)
    for name in names:
        if name not in MODES:
            raise MalformedInputError(
                f"No stream mode {name!r}.",
                hint=f"{nearest(name, MODES)} Known: {', '.join(MODES)}.",
            )
    return names


class Sink:
    """Where an execution, and the graphs within it, put what their readers asked for."""

    def __init__(
        self, modes: Iterable[str], put: Callable[[tuple[str, ...], str, Any], None],
        gate: asyncio.Event, keys: Any, *, with_subgraphs: bool,
    ) -> None:  # fmt: skip
        self.modes = frozenset(modes)
        self.put = put
        self.gate = gate
        self.keys = keys
        """The keys to show: None for all, one name for its value alone, or several."""
        self.with_subgraphs = with_subgraphs
        self.is_detailed = bool(self.modes & _DETAILED)
        """Whether each task's beginning is told as well."""
        self.within: tuple[str, ...] = ()
        self.seen: set[Any] = set()
        """Ids of the messages that were put."""

    def child(self, ns: str) -> Sink:
        """The sink of a graph within, which puts its place beside each thing."""
        sink = Sink(self.modes, self.put, self.gate, None, with_subgraphs=self.with_subgraphs)
        sink.within = tuple(ns.split("|"))
        return sink

    def wants(self, mode: str) -> bool:
        """Whether a mode is read."""
        return mode in self.modes

    async def begun(self, execution: Execution) -> None:
        """Tell the input's state."""
        if self.is_detailed:
            from inwit.runtime.details import tell_input

            tell_input(self, execution)
        if "values" in self.modes and (execution.source == "input" or execution.resumed == {}):
            self._values(execution)

    async def entered(self, execution: Execution, branch: Branch) -> None:
        """Tell that a task begins."""
        if self.is_detailed:
            from inwit.runtime.details import tell_task

            tell_task(self, execution, branch)

    async def branched(self, execution: Execution, branch: Branch) -> None:
        """Tell what one branch of a step returned."""
        self._update(execution, branch.at.name, branch.update, branch)
        if self.is_detailed:
            from inwit.runtime.details import tell_result

            tell_result(self, execution, branch)

    async def asked(self, execution: Execution, branch: Branch) -> None:
        """Tell that a branch asks a person."""
        if self.is_detailed:
            from inwit.runtime.details import tell_result

            tell_result(self, execution, branch)

    async def stepped(self, execution: Execution, done: Sequence[tuple[str, Any, Any]]) -> None:
        """Tell of a step that was one node."""
        for name, update, _ in done:
            self._update(execution, name, update, execution)
        await self.merged(execution, any(recorded for _, _, recorded in done))

    async def merged(self, execution: Execution, changed: bool) -> None:
        """Tell the state after a step."""
        if changed and "values" in self.modes:
            self._values(execution)
        if self.is_detailed:
            from inwit.runtime.details import tell_checkpoint

            tell_checkpoint(self, execution)
        await self.gate.wait()

    async def ended(self, execution: Execution) -> None:
        """Tell what the execution waits for."""
        if not execution.is_paused:
            return
        found = tuple(one.interrupt() for one in execution.waiting)
        if "updates" in self.modes:
            self.put(self.within, "updates", {"__interrupt__": found})
        if "values" in self.modes and found:
            shown = self._shown(execution)
            both = {**shown, "__interrupt__": found} if isinstance(shown, dict) else found
            self.put(self.within, "values", both)

    def _values(self, execution: Execution) -> None:
        self.put(self.within, "values", self._shown(execution))

    def _shown(self, execution: Execution) -> Any:
        state = execution.graph.shown_state(execution.state)
        return pick(state, self.keys)

    def _update(self, execution: Execution, name: str, returned: Any, ctx: Context) -> None:
        if "messages" in self.modes:
            from inwit.runtime.message_stream import tell_returned

            tell_returned(self, execution, ctx, returned)
        if "updates" not in self.modes or (name.startswith("__") and name.endswith("__")):
            return
        chunk = {name: self.shown_update(execution, returned)}
        if ctx.is_cached:
            chunk["__metadata__"] = {"cached": True}
            ctx.is_cached = False
        self.put(self.within, "updates", chunk)

    def shown_update(self, execution: Execution, returned: Any) -> Any:
        """An update as readers see it: the keys of the state."""
        if isinstance(returned, Command):
            returned = returned.update
        if returned is None:
            return None
        if isinstance(returned, list | tuple) and not _is_pairs(returned):
            shown = [self.shown_update(execution, one) for one in returned]
            return shown[0] if len(shown) == 1 else shown or None
        if _is_pairs(returned):
            returned = dict(returned)
        found = execution.graph.schema.keys_of(returned)
        if found is None:
            return returned
        names = execution.graph.shown_names
        kept = {key: value for key, value in found.items() if names is None or key in names}
        if self.keys is not None and not isinstance(self.keys, str):
            kept = {key: value for key, value in kept.items() if key in self.keys}
        return kept or (None if found else {})


def _is_pairs(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(
        isinstance(one, tuple) and len(one) == 2 and type(one[0]) is str for one in value
    )  # fmt: skip


def pick(state: Mapping[str, Any], keys: Any) -> Any:
    """The keys that were asked for: all, one's value, or several."""
    if keys is None:
        return dict(state)
    if isinstance(keys, str):
        return state.get(keys)
    return {key: state[key] for key in keys if key in state}


def astream(
    execution: Execution,
    begin: Callable[[], Coroutine[Any, Any, Any]],
    modes: str | Sequence[str],
    *,
    subgraphs: bool = False,
    keys: Any = None,
) -> AsyncGenerator[Any, None]:
    """Run what `begin` gives, and give what it puts out.

    It waits while its reader is `_QUEUE_LIMIT` behind.
    """
    names = check_modes(modes)
    if "events" in names and execution.graph.journal is None:
        raise MalformedInputError(
            "There are no events to stream: the record is off.",
            hint="Unset INWIT_OFF, or stream another mode.",
        )
    stream = _Stream(execution, names, is_pair=not isinstance(modes, str))
    return stream.read(begin, subgraphs=subgraphs, keys=keys)


class _Stream:
    """What one execution puts out, on its way to one reader."""

    def __init__(self, execution: Execution, names: tuple[str, ...], *, is_pair: bool) -> None:
        self._execution = execution
        self._names = names
        self._is_pair = is_pair
        self._is_placed = False
        self._queue: asyncio.Queue[Any] = asyncio.Queue()
        self._gate = asyncio.Event()
        self._gate.set()

    async def read(
        self, begin: Callable[[], Coroutine[Any, Any, Any]], *, subgraphs: bool, keys: Any
    ) -> AsyncGenerator[Any, None]:
        """Run, and give one thing after another."""
        loop = asyncio.get_running_loop()
        execution, queue, gate = self._execution, self._queue, self._gate
        self._is_placed = subgraphs

        def put(within: tuple[str, ...], mode: str, value: Any) -> None:
            _hand(loop, self._put, within, mode, value)

        sink = Sink(self._names, put, gate, keys, with_subgraphs=subgraphs)
        execution.output = sink
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
        journal = self._execution.graph.journal
        if "events" not in self._names or journal is None:
            await work
            return
        execution_id = self._execution.execution_id

        def take(events: Sequence[Event]) -> None:
            for event in events:
                if event.execution_id == execution_id:
                    _hand(loop, self._put, (), "events", event)

        end = journal.subscribe(take)
        try:
            await work
        finally:
            await journal.aflush()
            end()

    def _put(self, within: tuple[str, ...], mode: str, value: Any) -> None:
        if mode not in self._names:
            return
        item = (mode, value) if self._is_pair else value
        if self._is_placed:
            item = (within, mode, value) if self._is_pair else (within, value)
        self._queue.put_nowait(item)
        if self._queue.qsize() >= _QUEUE_LIMIT:
            self._gate.clear()


def _hand(loop: asyncio.AbstractEventLoop, put: Callable[..., None], *item: Any) -> None:
    """Put from any thread; at once where this is the loop's own."""
    if _get_running_loop() is loop:
        put(*item)
    else:
        loop.call_soon_threadsafe(put, *item)


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
