"""The way from an execution to the reader of its stream: a bounded queue between them.

The reader is in an event loop. What is put comes from nodes in that loop, from nodes in threads of
it, and from graphs that run in other loops.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
from asyncio import _get_running_loop  # asyncio exports it; it answers without raising
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args
from weakref import WeakSet

from inwit.errors import MalformedInputError, nearest
from inwit.runtime.loops import held_loop

OnSlow = Literal["wait", "drop"]
"""What happens while a stream's reader is behind: the graph waits, or the reader loses the oldest."""
LIMIT: Final = 1024
"""How many items may wait for a reader."""
HARD_LIMIT: Final = 16_384
"""How many may wait where the node that puts them cannot be made to wait: it holds the loop."""
ENDED: Final = object()
"""What a reader is given last."""


@dataclass(frozen=True, slots=True)
class StreamGap:
    """Stands in a stream where items were dropped, since the reader was too slow for them."""

    lost: int
    """How many were dropped here."""
    reason: str = "the reader was too slow"


def check_policy(on_slow: str) -> None:
    """Refuse a policy that is none.

    Raises:
        MalformedInputError: It is none.
    """
    known = get_args(OnSlow)
    if on_slow not in known:
        raise MalformedInputError(f"No policy {on_slow!r}.", hint=nearest(on_slow, known))


_open: WeakSet[Delivery] = WeakSet()


def _close_all() -> None:
    for one in list(_open):
        one.close()


# The interpreter waits for threads before it closes what was left open: a thread that waits for a
# reader would never end.
getattr(threading, "_register_atexit", atexit.register)(_close_all)


class Delivery:
    """What one execution has put out and one reader has not taken yet."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, on_slow: OnSlow, limit: int = LIMIT
    ) -> None:
        self._loop = loop
        self._is_dropping = on_slow == "drop"
        self._limit = limit
        self._hard_limit = limit if self._is_dropping else max(limit, HARD_LIMIT)
        self._items: deque[Any] = deque()
        self._lost = 0
        self._room = threading.Condition()
        self._arrived = asyncio.Event()
        self._asked = asyncio.Event()
        """Set while the reader has taken everything and waits for more."""
        self._is_closed = False
        _open.add(self)

    def put(self, item: Any, *, may_wait: bool = True) -> None:
        """Take an item, from any thread; a thread that is not the loop's waits for room.

        Where it cannot wait, or shall not, the oldest are dropped.
        """
        is_here = _get_running_loop() is self._loop
        with self._room:
            if may_wait and not (is_here or self._is_dropping or held_loop.get() is self._loop):
                self._wait_for_room()
            if self._is_closed:
                return
            while len(self._items) >= self._hard_limit:
                self._items.popleft()
                self._lost += 1
            self._items.append(item)
        self._tell(is_here)

    def _wait_for_room(self) -> None:
        self._room.wait_for(lambda: len(self._items) < self._limit or self._is_closed)

    def end(self) -> None:
        """Let the reader end when it has taken what is there."""
        with self._room:
            self._items.append(ENDED)
        self._arrived.set()

    def close(self) -> None:
        """Take nothing more: the reader is gone."""
        with self._room:
            self._is_closed = True
            self._items.clear()
            self._room.notify_all()
        self._asked.set()

    async def get(self) -> Any:
        """The next item, a `StreamGap` where some were dropped, or `ENDED`."""
        while True:
            with self._room:
                if self._lost:
                    lost, self._lost = self._lost, 0
                    return StreamGap(lost)
                if self._items:
                    self._asked.clear()
                    self._room.notify()
                    return self._items.popleft()
                self._arrived.clear()
            self._asked.set()
            await self._arrived.wait()

    async def taken(self) -> None:
        """Wait until the reader has taken everything and asks for more.

        Where items are dropped instead, the reader is only given a turn; in another loop or none
        nothing is waited for.
        """
        if _get_running_loop() is not self._loop:
            return
        if self._is_dropping:
            await asyncio.sleep(0)
            return
        while not self._is_closed and (self._items or not self._asked.is_set()):
            self._asked.clear()
            await self._asked.wait()

    def _tell(self, is_here: bool) -> None:
        if is_here:
            self._arrived.set()
        elif not self._arrived.is_set():
            with suppress(RuntimeError):  # the loop was closed meanwhile, and its reader with it
                self._loop.call_soon_threadsafe(self._arrived.set)
