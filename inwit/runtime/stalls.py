"""Noticing async nodes that hold their event loop: a call in them that blocks instead of being awaited.

The journal's thread asks the loops of running executions for a sign ten times a second, and looks
again every few milliseconds; who runs pays for one callback. A loop that gives none while one visit
of one async node stays the running one is held by it. Short holds are not found, and those of an
execution that is not recorded neither.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from types import FrameType
from typing import Final
from weakref import WeakKeyDictionary

from inwit.runtime.context import Context
from inwit.runtime.watchdog import Watchdog, watchdogs

EVERY_S: Final = 0.1
"""How often a loop is asked for a sign."""
HELD_S: Final = 0.25
"""How long a loop has to be silent under one node to be called held."""
LOOKS: Final = 6
"""How often that has to be seen: a process that was stopped is not held by what it did then."""
_NOT_THEIRS: Final = (
    f"{Path(os.__file__).parent}{os.sep}", f"{Path(__file__).parents[1]}{os.sep}", "<frozen",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stall:
    """A node that held its event loop."""

    graph: str
    node: str
    seconds: float
    """At least so long."""
    at: str
    """The line that ran, ``file:line in function``; empty where it is not known."""

    def __str__(self) -> str:
        place = f" at {self.at}" if self.at else ""
        return (
            f"The async node {self.node!r} of {self.graph!r} held the event loop for {self.seconds:.2f} s"
            f" or more{place}: meanwhile nothing else ran there, and no time-out could end it."
            " Await that call's async form, or `await asyncio.to_thread(…)`."
        )


class _Sign:
    """That a loop was asked for a sign, and what was seen of it since."""

    def __init__(self, loop: asyncio.AbstractEventLoop, now: float) -> None:
        self.sent = self.since = now
        self.is_given = False
        self.visit: tuple[Context, int] | None = None
        self.looks = 0
        self.thread: int | None = getattr(loop, "_thread_id", None)
        loop.call_soon_threadsafe(self._give)

    def _give(self) -> None:
        self.is_given, self.visit = True, None

    def see(self, ctx: Context | None, now: float) -> bool:
        """Note which visit runs; whether that has held the loop for long."""
        visit = None if ctx is None else (ctx, ctx.started_ns)
        if visit != self.visit:
            self.visit, self.since, self.looks = visit, now, 0
        self.looks += 1
        return visit is not None and self.looks >= LOOKS and now - self.since >= HELD_S


class Stalls:
    """Looks at the loops of this process, and tells of each node once."""

    def __init__(self, tell: Callable[[Stall], None]) -> None:
        self._tell = tell
        self._signs: WeakKeyDictionary[asyncio.AbstractEventLoop, _Sign] = WeakKeyDictionary()
        self._told: set[tuple[str, str]] = set()

    def look(self) -> None:
        """Ask loops for a sign, or see who keeps them from giving one."""
        now = monotonic()
        for loop, dog in watchdogs():
            sign = self._signs.get(loop)
            if sign is not None and not sign.is_given:
                ctx = _running(loop, dog)
                if sign.see(ctx, now) and ctx is not None:
                    self._note(ctx, now - sign.since, sign.thread)
            elif dog.contexts and (sign is None or now - sign.sent >= EVERY_S):
                with suppress(RuntimeError):  # the loop was closed
                    self._signs[loop] = _Sign(loop, now)

    def _note(self, ctx: Context, seconds: float, thread: int | None) -> None:
        key = (ctx.execution.graph_name, ctx.node)
        if key not in self._told:
            self._told.add(key)
            self._tell(Stall(*key, round(seconds, 3), _place(thread)))


def _running(loop: asyncio.AbstractEventLoop, dog: Watchdog) -> Context | None:
    """The innermost context of the task that runs, where that is in an async node."""
    task = asyncio.current_task(loop)
    if task is None:
        return None
    every = (one for ctx in list(dog.contexts) for one in (ctx, *ctx.branches))
    found = max(
        (one for one in every if one.task is task), key=lambda one: one.started_ns, default=None
    )
    return found if found is not None and found.started_ns and found.is_async else None


def _place(thread: int | None) -> str:
    """The line of the program's own code that a thread is at."""
    if thread is None or thread == threading.get_ident():
        return ""
    for frame in _frames(sys._current_frames().get(thread)):  # noqa: SLF001 - there is no other way
        file = frame.f_code.co_filename
        if not file.startswith(_NOT_THEIRS) and f"{os.sep}site-packages{os.sep}" not in file:
            return f"{file}:{frame.f_lineno} in {frame.f_code.co_name}"
    return ""


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back
