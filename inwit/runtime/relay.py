"""Threads for the sync nodes of one step, so that those that block wait at the same time."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from typing import Any

from inwit.runtime.loops import node_threads

PATIENCE_S = 0.001
"""How long a call waits for the ones before it, until a further thread takes it."""


class _Call:
    """One call, from when it is asked for until it has ended."""

    __slots__ = (
        "call", "context", "error", "given", "has_begun", "has_ended", "is_given_up", "result", "told",
    )  # fmt: skip

    def __init__(
        self, call: Callable[..., Any], given: tuple[Any, ...], told: asyncio.Future[None]
    ) -> None:
        self.call = call
        self.given = given
        self.told = told
        """Done when whoever asked is to look."""
        self.context = copy_context()
        self.has_begun = self.has_ended = self.is_given_up = False
        self.result: Any = None
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.result = self.context.run(self.call, *self.given)
        except BaseException as exc:  # noqa: BLE001 - it is raised where it was asked for
            self.error = exc
        self.has_ended = True

    def tell(self) -> None:
        if not self.told.done():
            self.told.set_result(None)


class Relay:
    """Makes blocking calls for one event loop, in as few threads as do without waiting.

    To hand a call to a thread takes as long as a hundred small nodes. So one thread makes one call
    after another, and every `PATIENCE_S` in which some still wait one more thread joins in.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._waiting: deque[_Call] = deque()
        self._threads = 0
        self._timer: asyncio.TimerHandle | None = None

    async def call(self, call: Callable[..., Any], *given: Any) -> Any:
        """Make a call in a thread. It is not cut off: whoever is cancelled waits until it has ended."""
        one = _Call(call, given, self._loop.create_future())
        with self._lock:
            self._waiting.append(one)
            is_first = self._threads == 0
        if is_first:
            self._add_thread()
        elif self._timer is None:
            self._timer = self._loop.call_later(PATIENCE_S, self._look)
        try:
            await one.told
        except asyncio.CancelledError:
            await self._give_up(one)
            raise
        if one.error is not None:
            raise one.error
        return one.result

    async def _give_up(self, one: _Call) -> None:
        with self._lock:
            one.is_given_up = True
        while one.has_begun and not one.has_ended:
            one.told = self._loop.create_future()
            with suppress(asyncio.CancelledError):
                await one.told

    def _look(self) -> None:
        """Let one more thread join in while calls wait."""
        self._timer = None
        if self._waiting:
            self._add_thread()
            self._timer = self._loop.call_later(PATIENCE_S, self._look)

    def _add_thread(self) -> None:
        with self._lock:
            self._threads += 1
        node_threads().submit(self._work)

    def _work(self) -> None:
        while (one := self._take()) is not None:
            one.run()
            with suppress(RuntimeError):  # The loop is closed: nobody waits any more.
                self._loop.call_soon_threadsafe(one.tell)

    def _take(self) -> _Call | None:
        with self._lock:
            while self._waiting:
                one = self._waiting.popleft()
                if not one.is_given_up:
                    one.has_begun = True
                    return one
            self._threads -= 1
        return None
