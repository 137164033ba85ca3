"""What stands between the record's tail and one reader: events on their way, and their buffer."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import msgspec

from inwit.events import Event, Gap, timestamp

BATCH = 512
BUFFER = 1024
CHUNK = 64
"""How many events a reader that is behind is sent as one."""
CHUNK_BYTES = 64 * 1024
"""How much is sent at once; for a reader that does not read, that much waits beside its buffer."""


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

    @property
    def position(self) -> int:
        """The position of the last one."""
        return self.last.position

    @property
    def by_position(self) -> bytes:
        """The gap as SSE writes it, in the order of the whole record."""
        return encode(self.gap(), self.position)

    def gap(self) -> Gap:
        """Say it as an event, with the lost ones named by their positions."""
        return Gap(
            execution_id="",
            seq=self.position,
            ts=timestamp(time.time_ns()),
            lost_from=self.first.position,
            lost_to=self.position,
            reason="The reader was slower than the record; ask again from before lost_from.",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Anew:
    """The record is another file than before, whose positions begin again; `last` was the end."""

    last: int
    position: ClassVar[int] = 0

    @property
    def by_position(self) -> bytes:
        """The gap as SSE writes it, in the order of the whole record."""
        return encode(self.gap(), self.position)

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


@dataclass(kw_only=True)
class Batch:
    """Frames that come at once, the same for everyone who wants them alike."""

    frames: Sequence[Frame]

    @cached_property
    def written(self) -> bytes:
        """All of them as SSE writes them, to be resumed in the order of the whole record."""
        return b"".join(frame.by_position for frame in self.frames)


Wish = Callable[[Event], bool]
"""Says of an event whether it is wanted."""
Write = Callable[[bytes], bool]
"""Writes to the client at once; false where something waits there already."""


class Subscription:
    """A bounded buffer between the tail and one reader. It belongs to the event loop."""

    def __init__(self, joined: int, wants: Wish, leave: Callable[[Subscription], None]) -> None:
        self.joined = joined
        """The position from which on the tail delivers."""
        self.wants = wants
        """Which events it takes; what is equal to that of another subscription is asked once."""
        self.write: Write | None = None
        """The short way for a reader that waits with nothing in its buffer."""
        self._leave = leave
        self._frames: deque[Frame | Anew] = deque()
        self._lost: Lost | None = None
        self._ready = asyncio.Event()
        self._held: int | None = None
        """Up to which position the reader that waits has all; nothing while it is busy."""
        self._is_closed = False

    @property
    def is_crowded(self) -> bool:
        """Whether a reader that kept up so far is about to lose something."""
        return self._lost is None and len(self._frames) > BUFFER - BATCH

    def offer(self, batch: Batch) -> None:
        """Take what the reader wants, told by `wants`; what finds no room is remembered as lost."""
        if self._is_written(batch):
            return
        frames = batch.frames
        room = 0 if self._lost else max(BUFFER - len(self._frames), 0)
        self._frames.extend(frames[:room])
        if late := frames[room:]:
            self._lost = Lost(first=self._lost.first if self._lost else late[0], last=late[-1])
        self._ready.set()

    def _is_written(self, batch: Batch) -> bool:
        """Write it past the buffer, where nothing is before it on the way to the reader."""
        if self.write is None or self._held is None or self._frames or self._lost:
            return False
        if batch.frames[0].position <= self._held or len(batch.written) > CHUNK_BYTES:
            return False
        return self.write(batch.written)

    def lose(self, lost: Lost) -> None:
        """Take that something was passed over for every reader, whatever this one wants of it."""
        self._lost = Lost(first=self._lost.first, last=lost.last) if self._lost else lost
        self._ready.set()

    def begin_anew(self, marker: Anew) -> None:
        """Take that the record is another one."""
        self._frames.append(marker)
        self._ready.set()

    async def taken(self, held: int | None = None) -> Sequence[Frame | Lost | Anew]:
        """Wait for what is there and take it, `CHUNK` at most; nothing once all is over.

        A reader that has all up to the position `held` lets what comes while it waits be written
        by `write`, and does not hear of it.
        """
        if self._frames:
            await asyncio.sleep(0)  # others' turn: sending does not wait while there is room
        while True:
            if self._frames:
                return [self._frames.popleft() for _ in range(min(CHUNK, len(self._frames)))]
            if self._lost is not None:
                lost, self._lost = self._lost, None
                return [lost]
            if self._is_closed:
                return []
            self._ready.clear()
            self._held = held
            await self._ready.wait()
            self._held = None

    async def __aiter__(self) -> AsyncIterator[Frame | Lost | Anew]:
        while items := await self.taken():
            for item in items:
                yield item

    def close(self) -> None:
        """End the reader's iteration once it has taken what is buffered."""
        self._is_closed = True
        self._leave(self)
        self._ready.set()
