"""How long one attempt of a node may run, and how long it may go without a sign of progress."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from copy import copy
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Literal

from inwit.errors import NodeTimeoutError

if TYPE_CHECKING:
    import asyncio

    from inwit.runtime.context import Context
    from inwit.runtime.program import Node

Seconds = float | timedelta
ACall = Callable[[Any, "Context"], Awaitable[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeoutPolicy:
    """The limits of one attempt, in seconds.

    `run_timeout` is for the whole attempt. `idle_timeout` is the longest that it may go without a
    sign of progress: what it emits, streams or records of a model call, and ``heartbeat()``; with
    ``refresh_on="heartbeat"`` only the last.
    """

    run_timeout: Seconds | None = None
    idle_timeout: Seconds | None = None
    refresh_on: Literal["auto", "heartbeat"] = "auto"

    @property
    def seconds(self) -> tuple[float | None, float | None, Literal["auto", "heartbeat"]]:
        """The limits as `with_timeout` takes them."""
        run, idle = (_seconds(one, "timeout") for one in (self.run_timeout, self.idle_timeout))
        return run, idle, self.refresh_on

    @classmethod
    def kept(cls, seconds: tuple[float | None, float | None, Any]) -> TimeoutPolicy:
        """Make the policy of which these are the `seconds`."""
        run, idle, refresh_on = seconds
        return cls(run_timeout=run, idle_timeout=idle, refresh_on=refresh_on)

    @classmethod
    def coerce(cls, value: Seconds | TimeoutPolicy | None) -> TimeoutPolicy | None:
        """Make a policy with seconds of what was given; None where it limits nothing.

        Raises:
            ValueError: A limit is not above 0, or `refresh_on` is unknown.
        """
        if value is None:
            return None
        given = value if isinstance(value, TimeoutPolicy) else cls(run_timeout=value)
        if given.refresh_on not in ("auto", "heartbeat"):
            raise ValueError(f"refresh_on must be 'auto' or 'heartbeat', not {given.refresh_on!r}.")
        run = _seconds(given.run_timeout, "run_timeout")
        idle = _seconds(given.idle_timeout, "idle_timeout")
        if run is None and idle is None:
            return None
        if given is value and type(given.run_timeout) is type(run) and given.idle_timeout is idle:
            return given
        return cls(run_timeout=run, idle_timeout=idle, refresh_on=given.refresh_on)


def timed(node: Node) -> Node:
    """A node that keeps the limits that it is sent with, though it may have none of its own."""
    policy = node.policy
    if policy.timeout_s is not None or policy.idle_timeout_s is not None:
        return node
    from inwit.runtime.threads import in_thread

    made = copy(node)
    call = node.call if node.is_async else in_thread(node.call)
    made.call, made.is_async, made.is_plain = with_timeout(call, node.name, None), True, False
    return made


def _seconds(value: Seconds | None, name: str) -> float | None:
    if value is None:
        return None
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if not seconds > 0:
        raise ValueError(f"{name} must be greater than 0; it is {seconds:g}.")
    return seconds if not isinstance(value, float) else value


def with_timeout(
    call: ACall,
    name: str,
    run_s: float | None,
    idle_s: float | None = None,
    refresh_on: Literal["auto", "heartbeat"] = "auto",
) -> ACall:
    """Cancel an awaitable call that reaches one of its limits, or of those that it was sent with.

    Raises:
        NodeTimeoutError: It was cancelled for that reason, also where it did not let itself be.
    """
    import asyncio

    limits = (run_s, idle_s, refresh_on)

    async def run(state: Any, ctx: Context) -> Any:
        run_s, idle_s, refresh_on = ctx.time_limits.seconds if ctx.time_limits else limits
        begun = ctx.progressed_ns = ctx.beaten_ns = monotonic_ns()
        idle: _Idle | None = None
        try:
            async with asyncio.timeout(run_s) as limit:
                if idle_s is not None:
                    idle = _Idle(ctx, limit, idle_s, is_beat_only=refresh_on == "heartbeat")
                result = await call(state, ctx)
        except TimeoutError as exc:
            if not limit.expired():
                raise
            raise _error(name, begun, run_s, idle_s, idle) from exc
        finally:
            if idle is not None:
                idle.handle.cancel()
        if limit.expired():
            raise _error(name, begun, run_s, idle_s, idle)
        return result

    return run


def _error(
    name: str, begun: int, run_s: float | None, idle_s: float | None, idle: _Idle | None
) -> NodeTimeoutError:
    kind: Literal["idle", "run"] = "idle" if idle is not None and idle.is_over else "run"
    elapsed = (monotonic_ns() - begun) / 1e9
    return NodeTimeoutError(name, elapsed, kind=kind, run_timeout=run_s, idle_timeout=idle_s)


class _Idle:
    """Looks, whenever the limit could be reached, when the last sign of progress was."""

    def __init__(
        self, ctx: Context, limit: asyncio.Timeout, idle_s: float, *, is_beat_only: bool
    ) -> None:
        import asyncio

        self._ctx = ctx
        self._limit = limit
        self._idle_s = idle_s
        self._is_beat_only = is_beat_only
        self._loop = asyncio.get_running_loop()
        self.is_over = False
        self.handle = self._loop.call_later(idle_s, self._look)

    def _look(self) -> None:
        ctx = self._ctx
        last = ctx.beaten_ns if self._is_beat_only else max(ctx.beaten_ns, ctx.progressed_ns)
        left = self._idle_s - (monotonic_ns() - last) / 1e9
        if left > 0:
            self.handle = self._loop.call_later(left, self._look)
        elif not self._limit.expired():
            self.is_over = True
            self._limit.reschedule(self._loop.time())
