"""A circuit that opens when a node keeps failing, so that what it calls is left alone for a while."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from inwit.errors import CircuitOpenError
from inwit.runtime.commands import GraphBubbleUp
from inwit.runtime.policies.retry import RetryPolicy

if TYPE_CHECKING:
    from inwit.runtime.context import Context

Call = Callable[[Any, "Context"], Any]
ACall = Callable[[Any, "Context"], Awaitable[Any]]


class CircuitBreaker(msgspec.Struct, frozen=True, kw_only=True):
    """When a node is no longer called, and when it is tried again.

    After `failure_threshold` failures in a row the circuit is open: calls fail at once with
    `CircuitOpenError`. After `recovery_s` seconds it is half open: up to `half_open_calls` calls at a
    time are let through, the first success closes it, a failure opens it again. All executions of a
    compiled graph share it. `failure_on` says which errors count, as `RetryPolicy.retry_on` does.
    """

    failure_threshold: int = 5
    recovery_s: float = 30.0
    half_open_calls: int = 1
    failure_on: Any = Exception

    def __post_init__(self) -> None:
        if self.failure_threshold < 1 or self.half_open_calls < 1 or self.recovery_s < 0:
            raise ValueError(f"A circuit's numbers are at least 1, its time not below 0: {self!r}.")


State = Literal["closed", "open", "half_open"]


class Ticket(NamedTuple):
    """A call that was let through; what comes of it counts only in the state that let it."""

    period: int


class Circuit:
    """The state of one node's circuit. Thread-safe."""

    def __init__(
        self, node: str, policy: CircuitBreaker, clock: Callable[[], float] = monotonic
    ) -> None:
        self.node = node
        self.policy = policy
        self.state: State = "closed"
        self.failures = 0
        """Failures in a row."""
        self._clock = clock
        self._counts = RetryPolicy(retry_on=policy.failure_on).takes
        self._opened_s = 0.0
        self._trials = 0
        self._period = 0
        """Counts the states that the circuit has had."""
        self._lock = threading.Lock()

    def enter(self) -> Ticket:
        """Let a call through.

        Raises:
            CircuitOpenError: The circuit is open, or half open and tried already.
        """
        with self._lock:
            if self.state == "open":
                left_s = self._opened_s + self.policy.recovery_s - self._clock()
                if left_s > 0:
                    raise CircuitOpenError(self.node, self.failures, left_s)
                self._become("half_open")
            if self.state == "half_open":
                if self._trials >= self.policy.half_open_calls:
                    raise CircuitOpenError(self.node, self.failures, 0.0)
                self._trials += 1
            return Ticket(self._period)

    def leave(self, ticket: Ticket, error: BaseException | None) -> State | None:
        """Note what came of a call; give the state that the circuit takes on for it, if another."""
        with self._lock:
            if ticket.period != self._period:
                return None
            if self.state == "half_open":
                self._trials -= 1
            if error is None:
                self.failures = 0
                return self._become("closed") if self.state == "half_open" else None
            if not self._is_failure(error):
                return None
            self.failures += 1
            if self.state == "closed" and self.failures < self.policy.failure_threshold:
                return None
            self._opened_s = self._clock()
            return self._become("open")

    def _is_failure(self, error: BaseException) -> bool:
        is_error = isinstance(error, Exception) and not isinstance(error, GraphBubbleUp)
        return is_error and self._counts(error)

    def _become(self, state: State) -> State:
        self.state, self._trials = state, 0
        self._period += 1
        return state


def with_circuit(call: Call, circuit: Circuit) -> Call:
    """Wrap a sync node's call."""

    def run(state: Any, ctx: Context) -> Any:
        ticket = circuit.enter()
        try:
            result = call(state, ctx)
        except BaseException as exc:
            _tell(ctx, circuit, circuit.leave(ticket, exc))
            raise
        _tell(ctx, circuit, circuit.leave(ticket, None))
        return result

    return run


def with_acircuit(call: ACall, circuit: Circuit) -> ACall:
    """Wrap an async node's call."""

    async def run(state: Any, ctx: Context) -> Any:
        ticket = circuit.enter()
        try:
            result = await call(state, ctx)
        except BaseException as exc:
            _tell(ctx, circuit, circuit.leave(ticket, exc))
            raise
        _tell(ctx, circuit, circuit.leave(ticket, None))
        return result

    return run


def _tell(ctx: Context, circuit: Circuit, state: State | None) -> None:
    if state is not None:
        data = {"state": state, "failures": circuit.failures}
        ctx.emit("custom", name="circuit", data=data)
