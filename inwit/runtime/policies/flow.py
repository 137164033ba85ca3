"""How many calls of a node run at once, and how many begin within a time."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from time import monotonic, monotonic_ns
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from inwit.runtime.context import Context

ACall = Callable[[Any, "Context"], Awaitable[Any]]
_TOLD_NS = 1_000_000
"""A shorter wait is not worth an event."""


class RateLimit(msgspec.Struct, frozen=True):
    """At most `calls` calls begin within `per_s` seconds, on average; up to `burst` at once.

    A call that comes too early waits. The limit holds for all executions of a compiled graph in a
    process; a call that is cancelled while it waits has used its turn.
    """

    calls: float
    per_s: float = 1.0
    burst: int | None = None

    def __post_init__(self) -> None:
        if not (self.calls > 0 and self.per_s > 0 and (self.burst is None or self.burst >= 1)):
            raise ValueError(f"A rate limit is above 0 and its burst at least 1: {self!r}.")

    @property
    def told(self) -> dict[str, Any]:
        """What a manifest says of it."""
        return {"calls": self.calls, "per_s": self.per_s}


class Bucket:
    """A bucket of tokens: each call takes one, and waits until there is one for it."""

    def __init__(self, limit: RateLimit) -> None:
        self._per_s = limit.calls / limit.per_s
        self._size = float(limit.burst or max(limit.calls, 1.0))
        self._tokens = self._size
        self._seen_s: float | None = None
        self._lock = threading.Lock()

    def take(self, now_s: float) -> float:
        """Take a token; give the seconds until it is there."""
        with self._lock:
            passed = 0.0 if self._seen_s is None else max(now_s - self._seen_s, 0.0)
            self._seen_s = now_s
            self._tokens = min(self._tokens + passed * self._per_s, self._size) - 1.0
            return max(-self._tokens / self._per_s, 0.0)


def with_rate(call: ACall, limit: RateLimit) -> ACall:
    """Let a call wait for its turn, without holding the event loop."""
    bucket = Bucket(limit)

    async def run(state: Any, ctx: Context) -> Any:
        wait_s = bucket.take(monotonic())
        if wait_s > 0:
            with _Turn(ctx, "rate_limited"):
                await asyncio.sleep(wait_s)
        return await call(state, ctx)

    return run


class Gate:
    """Lets a number of tasks in at once, also of several event loops; in the order of their coming."""

    def __init__(self, width: int) -> None:
        self._free = width
        self._waiting: deque[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = deque()
        self._lock = threading.Lock()

    def try_enter(self) -> bool:
        """Go in where there is room and nobody waits."""
        with self._lock:
            if self._free == 0 or self._waiting:
                return False
            self._free -= 1
            return True

    async def enter(self) -> None:
        """Wait until there is room, and go in."""
        loop = asyncio.get_running_loop()
        with self._lock:
            if self._free and not self._waiting:
                self._free -= 1
                return
            place = (loop, loop.create_future())
            self._waiting.append(place)
        try:
            await place[1]
        except BaseException:
            with self._lock:
                is_out = place in self._waiting
                if is_out:
                    self._waiting.remove(place)
            if not is_out:
                self.leave()  # It had been let in already.
            raise

    def leave(self) -> None:
        """Make room: the next one that waits comes in."""
        with self._lock:
            while self._waiting:
                loop, turn = self._waiting.popleft()
                try:
                    loop.call_soon_threadsafe(_let_in, turn)
                except RuntimeError:  # Its loop is closed.
                    continue
                return
            self._free += 1


def _let_in(turn: asyncio.Future[None]) -> None:
    if not turn.done():
        turn.set_result(None)


def with_gate(call: ACall, width: int) -> ACall:
    """Let at most `width` calls run at once, in all executions of the graph.

    Raises:
        ValueError: `width` lets none in.
    """
    if width < 1:
        raise ValueError(f"max_concurrency is at least 1; it is {width!r}.")
    gate = Gate(width)

    async def run(state: Any, ctx: Context) -> Any:
        if not gate.try_enter():
            with _Turn(ctx, "concurrency_limited"):
                await gate.enter()
        try:
            return await call(state, ctx)
        finally:
            gate.leave()

    return run


class Turns:
    """How long one attempt of a node, or what runs within it, has waited for its turn."""

    __slots__ = ("_begun_ns", "_count", "_since_ns", "_waited_ns")

    def __init__(self) -> None:
        self._begun_ns = 0
        """When the attempt began that it is about."""
        self._count = 0
        """How many wait now: branches of a graph within may wait at once."""
        self._since_ns = 0
        self._waited_ns = 0

    def begin(self, begun_ns: int, now_ns: int) -> None:
        """Note that a wait begins, of the attempt that began at `begun_ns`."""
        if begun_ns != self._begun_ns:
            self._begun_ns, self._count, self._waited_ns = begun_ns, 0, 0
        if self._count == 0:
            self._since_ns = now_ns
        self._count += 1

    def end(self, begun_ns: int, now_ns: int) -> None:
        """Note that a wait ends."""
        if begun_ns == self._begun_ns:
            self._count -= 1
            if self._count == 0:
                self._waited_ns += now_ns - self._since_ns

    def waited_ns(self, begun_ns: int, now_ns: int) -> int:
        """How long the attempt that began at `begun_ns` has waited."""
        if begun_ns != self._begun_ns:
            return 0
        return self._waited_ns + (now_ns - self._since_ns if self._count else 0)


class _Turn:
    """A wait for a turn: it is told, and the limits by default of the nodes around don't count it."""

    def __init__(self, ctx: Context, name: str) -> None:
        self._ctx = ctx
        self._name = name
        self._around: list[tuple[Turns, int]] = []
        self._since_ns = 0

    def __enter__(self) -> None:
        self._since_ns = now = monotonic_ns()
        around: Context | None = self._ctx
        while around is not None:
            if around.turns is None:
                around.turns = Turns()
            self._around.append((around.turns, around.started_ns))
            around.turns.begin(around.started_ns, now)
            around = around.execution.parent

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        now = monotonic_ns()
        for turns, begun in self._around:
            turns.end(begun, now)
        waited = now - self._since_ns
        if kind is None and waited >= _TOLD_NS:
            self._ctx.emit("custom", name=self._name, data={"waited_ms": waited / 1e6})
