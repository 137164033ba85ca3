"""The tail of the record, read once per host and handed to everyone who listens."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from functools import partial

import anyio.to_thread

from inwit.errors import StoreError, TooManyStreamsError
from inwit.runtime.store import Store
from inwit.server.subscription import BATCH, Anew, Batch, Frame, Lost, Subscription, Wish

SUBSCRIBERS = 2000
PATIENCE_S = 0.25
"""How long a burst waits for readers that keep up, before it overruns them."""
LATE_S = 10.0
"""How far the tail may fall behind the record before it goes on at the record's end."""
CHECK_S = 0.5
"""How often the tail looks whether the host closes, where the record is silent."""

logger = logging.getLogger("inwit.server")


class Hub:
    """Reads the record's tail in one thread and fans it out to subscriptions.

    The thread starts with the first subscription and ends with `close`.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._wishes: dict[Wish, set[Subscription]] = {}
        """Who wants what: those who want alike are served alike."""
        self._stop = threading.Event()
        self._starting = asyncio.Lock()
        self._thread: threading.Thread | None = None
        self._is_spread = threading.Event()
        self._moved = asyncio.Event()
        """Set, and replaced, when the tail has gone on."""
        self._position = 0

    @property
    def is_closed(self) -> bool:
        return self._stop.is_set()

    @property
    def readers(self) -> int:
        """How many subscriptions there are."""
        return len(self._everyone())

    async def join(self, wants: Wish) -> Subscription:
        """Subscribe to the events that `wants` accepts, from now on.

        Raises:
            TooManyStreamsError: The host holds as many as it can.
        """
        if self.readers >= SUBSCRIBERS:
            raise TooManyStreamsError(SUBSCRIBERS)
        async with self._starting:
            if self._thread is None:
                await self._start()
        subscription = Subscription(self._position, wants, self._leave)
        if self.is_closed:
            subscription.close()
        else:
            self._wishes.setdefault(wants, set()).add(subscription)
        return subscription

    async def catch_up(self) -> None:
        """Wait until every subscription has been offered what the record holds now."""
        last = await anyio.to_thread.run_sync(self._store.last)
        while last is not None and self._position < last[0] and not self.is_closed:
            await self._moved.wait()

    def close(self) -> None:
        """End every subscription and the thread. Called on the event loop."""
        self._stop.set()
        self._moved.set()
        for subscription in self._everyone():
            subscription.close()

    def _everyone(self) -> list[Subscription]:
        return [one for readers in tuple(self._wishes.values()) for one in tuple(readers)]

    def _leave(self, subscription: Subscription) -> None:
        readers = self._wishes.get(subscription.wants, set())
        readers.discard(subscription)
        if not readers:
            self._wishes.pop(subscription.wants, None)

    async def _start(self) -> None:
        self._position = await anyio.to_thread.run_sync(self._store.position)
        loop = asyncio.get_running_loop()
        self._thread = threading.Thread(
            target=self._tail, args=(loop, self._position), name="inwit-tail", daemon=True
        )
        self._thread.start()

    def _tail(self, loop: asyncio.AbstractEventLoop, position: int) -> None:
        caught_up = time.monotonic()
        while not self._stop.is_set():
            try:
                version = self._store.data_version()
                batch = self._store.tail(position, BATCH)
                if not batch and self._store.position() >= position:
                    self._store.wait_change(CHECK_S, version)
                    caught_up = time.monotonic()
                    continue
                caught_up = caught_up if len(batch) == BATCH else time.monotonic()
                is_late = time.monotonic() - caught_up > LATE_S
                end = self._store.last() if is_late else None
            except StoreError as exc:
                logger.warning("The record cannot be read: %s", exc)
                self._stop.wait(CHECK_S)
                continue
            frames = [Frame(position=place, event=event) for place, event in batch]
            work = partial(self._spread, frames) if batch else self._begin_anew
            if end is not None and batch:
                frames.append(Frame(position=end[0], event=end[1]))
                work, caught_up = partial(self._pass_over, frames), time.monotonic()
            position = frames[-1].position if frames else 0
            if not self._run(loop, work):
                return
            if len(batch) == BATCH:
                self._let_readers_catch_up()

    def _run(self, loop: asyncio.AbstractEventLoop, work: Callable[[], None]) -> bool:
        """Run this on the loop and wait for it; false where nobody listens any more.

        One batch at a time: what piles up on the loop keeps every request waiting.
        """

        def run() -> None:
            try:
                work()
            finally:
                self._is_spread.set()
                self._moved.set()
                self._moved = asyncio.Event()

        self._is_spread.clear()
        try:
            loop.call_soon_threadsafe(run)
        except RuntimeError:  # the loop is closed
            return False
        while not self._is_spread.wait(CHECK_S) and not self.is_closed:
            pass
        return True

    def _pass_over(self, frames: list[Frame]) -> None:
        self._position = frames[-1].position
        for subscription in self._everyone():
            subscription.lose(Lost(first=frames[0], last=frames[-1]))

    def _spread(self, frames: list[Frame]) -> None:
        self._position = frames[-1].position
        for wants, readers in self._wishes.items():
            if wanted := [frame for frame in frames if wants(frame.event)]:
                batch = Batch(frames=wanted)
                for subscription in readers:
                    subscription.offer(batch)

    def _begin_anew(self) -> None:
        marker, self._position = Anew(last=self._position), 0
        for subscription in self._everyone():
            subscription.begin_anew(marker)

    def _let_readers_catch_up(self) -> None:
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end and not self._stop.wait(0.005):
            if not any(subscription.is_crowded for subscription in self._everyone()):
                return
