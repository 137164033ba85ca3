"""The tail of the record, read once per host and handed to everyone who listens."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import anyio.to_thread
import msgspec

from inwit.errors import StoreError, TooManyStreamsError
from inwit.events import Event, Gap, timestamp
from inwit.runtime.store import Store

BATCH = 512
BUFFER = 1024
SUBSCRIBERS = 2000
PATIENCE_S = 0.25
"""How long a burst waits for readers that keep up, before it overruns them."""
CHECK_S = 0.5
"""How often the tail looks whether the host closes, where the record is silent."""

logger = logging.getLogger("inwit.server")


@dataclass(kw_only=True)
class Frame:
    """One event on its way to subscribers, encoded once for all of them."""

    position: int
    event: Event

    @cached_property
    def by_position(self) -> bytes:
        """The event as SSE writes it, to be resumed in the order of the whole record."""
        return encode(self.event, self.position)

    @cached_property
    def by_seq(self) -> bytes:
        """The event as SSE writes it, to be resumed within its execution."""
        return encode(self.event, self.event.seq)


def encode(event: Event, resume: int) -> bytes:
    """Write an event for SSE; JSON holds no line break, so one data line is enough."""
    data = msgspec.json.encode(event)
    return b"id: %d\r\nevent: %s\r\ndata: %s\r\n\r\n" % (resume, event.type.encode(), data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Frames that a subscriber did not take in time: the first and the last of them."""

    first: Frame
    last: Frame

    def gap(self, point: Callable[[Frame], int]) -> Gap:
        """Say it as an event, with the lost ones named by their resume points."""
        return Gap(
            execution_id="",
            seq=point(self.last),
            ts=timestamp(time.time_ns()),
            lost_from=point(self.first),
            lost_to=point(self.last),
            reason="The reader was slower than the record; ask again from before lost_from.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Anew:
    """The record is another file than before, whose positions begin again; `last` was the end."""

    last: int

    def gap(self) -> Gap:
        """Say it as an event."""
        return Gap(
            execution_id="",
            seq=0,
            ts=timestamp(time.time_ns()),
            lost_from=self.last,
            lost_to=self.last,
            reason="The record was moved aside or removed; a new one is begun, from position 0.",
        )


class Subscription:
    """A bounded buffer between the tail and one reader. It belongs to the event loop."""

    def __init__(
        self, joined: int, wants: Callable[[Event], bool], leave: Callable[[Subscription], None]
    ) -> None:
        self.joined = joined
        """The position from which on the tail delivers."""
        self._wants = wants
        self._leave = leave
        self._frames: deque[Frame | Anew] = deque()
        self._lost: Lost | None = None
        self._ready = asyncio.Event()
        self._is_closed = False

    @property
    def is_crowded(self) -> bool:
        """Whether a reader that kept up so far is about to lose something."""
        return self._lost is None and len(self._frames) > BUFFER - BATCH

    def offer(self, frames: Sequence[Frame]) -> None:
        """Take what the reader wants; what finds no room is remembered as lost."""
        for frame in frames:
            if not self._wants(frame.event):
                continue
            if self._lost is not None or len(self._frames) >= BUFFER:
                first = self._lost.first if self._lost else frame
                self._lost = Lost(first=first, last=frame)
            else:
                self._frames.append(frame)
        if self._frames or self._lost:
            self._ready.set()

    def begin_anew(self, marker: Anew) -> None:
        """Take that the record is another one."""
        self._frames.append(marker)
        self._ready.set()

    async def __aiter__(self) -> AsyncIterator[Frame | Lost | Anew]:
        while True:
            while self._frames:
                yield self._frames.popleft()
            if self._lost is not None:
                lost, self._lost = self._lost, None
                yield lost
            elif self._is_closed:
                return
            else:
                self._ready.clear()
                await self._ready.wait()

    def close(self) -> None:
        """End the reader's iteration once it has taken what is buffered."""
        self._is_closed = True
        self._leave(self)
        self._ready.set()


class Hub:
    """Reads the record's tail in one thread and fans it out to subscriptions.

    The thread starts with the first subscription and ends with `close`.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._subscriptions: set[Subscription] = set()
        self._stop = threading.Event()
        self._starting = asyncio.Lock()
        self._thread: threading.Thread | None = None
        self._position = 0

    @property
    def is_closed(self) -> bool:
        return self._stop.is_set()

    async def join(self, wants: Callable[[Event], bool]) -> Subscription:
        """Subscribe to the events that `wants` accepts, from now on.

        Raises:
            TooManyStreamsError: The host holds as many as it can.
        """
        if len(self._subscriptions) >= SUBSCRIBERS:
            raise TooManyStreamsError(SUBSCRIBERS)
        async with self._starting:
            if self._thread is None:
                await self._start()
        subscription = Subscription(self._position, wants, self._subscriptions.discard)
        if self.is_closed:
            subscription.close()
        else:
            self._subscriptions.add(subscription)
        return subscription

    def close(self) -> None:
        """End every subscription and the thread. Called on the event loop."""
        self._stop.set()
        for subscription in list(self._subscriptions):
            subscription.close()

    async def _start(self) -> None:
        self._position = await anyio.to_thread.run_sync(self._store.position)
        loop = asyncio.get_running_loop()
        self._thread = threading.Thread(
            target=self._tail, args=(loop, self._position), name="inwit-tail", daemon=True
        )
        self._thread.start()

    def _tail(self, loop: asyncio.AbstractEventLoop, position: int) -> None:
        while not self._stop.is_set():
            try:
                version = self._store.data_version()
                batch = self._store.tail(position, BATCH)
                if not batch and self._store.position() >= position:
                    self._store.wait_change(CHECK_S, version)
                    continue
            except StoreError as exc:
                logger.warning("The record cannot be read: %s", exc)
                self._stop.wait(CHECK_S)
                continue
            position = batch[-1][0] if batch else 0
            frames = [Frame(position=place, event=event) for place, event in batch]
            try:
                loop.call_soon_threadsafe(self._spread if batch else self._begin_anew, frames)
            except RuntimeError:
                return  # The loop is closed, and nobody listens any more.
            if len(batch) == BATCH:
                self._let_readers_catch_up()

    def _spread(self, frames: list[Frame]) -> None:
        self._position = frames[-1].position
        for subscription in list(self._subscriptions):
            subscription.offer(frames)

    def _begin_anew(self, _: list[Frame]) -> None:
        marker, self._position = Anew(last=self._position), 0
        for subscription in list(self._subscriptions):
            subscription.begin_anew(marker)

    def _let_readers_catch_up(self) -> None:
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end and not self._stop.wait(0.005):
            if not any(subscription.is_crowded for subscription in tuple(self._subscriptions)):
                return
