"""Holding an execution between two steps, until it is let go or stopped.

Whoever asks sets the execution's deadline to 0, which its next step looks at anyway: nobody who is
not held pays for it. Time that is spent held does not count.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from time import monotonic_ns
from typing import TYPE_CHECKING

from inwit.runtime.context import NEVER_NS

if TYPE_CHECKING:
    from inwit.runtime.engine import Execution


class Hold:
    """That an execution is to wait, and the deadline that it has apart from that."""

    def __init__(self, deadline_ns: int, reason: str) -> None:
        self.deadline_ns = deadline_ns
        self.reason = reason
        self.is_reached = False
        """Whether the execution has come to it, and waits."""
        self.released: Future[None] = Future()
        self.lock = threading.Lock()

    @property
    def due_ns(self) -> int:
        """Until when the execution may run; it may wait as long as it is held."""
        return NEVER_NS if self.is_reached else self.deadline_ns

    def reach(self) -> bool:
        """Begin to wait; False where it was let go before."""
        with self.lock:
            self.is_reached = not self.released.done()
            return self.is_reached


def hold(execution: Execution, reason: str) -> None:
    """Let an execution wait at its next step; from any thread. Once held it stays so."""
    if execution.is_done or execution.hold is not None or execution.stopping is not None:
        return
    execution.hold = Hold(execution.deadline_ns, reason)
    execution.deadline_ns = 0


def let_go(execution: Execution) -> None:
    """Let a held execution go on; from any thread."""
    held = execution.hold
    if held is None:
        return
    with held.lock:
        if not held.is_reached:  # it has not come to it, and never will
            execution.hold = None
            if execution.stopping is None:
                execution.deadline_ns = held.deadline_ns
        if not held.released.done():
            held.released.set_result(None)


async def be_late(execution: Execution) -> None:
    """Wait where an execution was asked to, until it is let go; else it is over its time.

    Raises:
        ExecutionError: It is over its time, or was told to stop.
    """
    held = execution.hold
    if held is None:
        raise execution.out_of_time()
    if not held.reach():
        return
    begun_ns, shown = monotonic_ns(), [execution, *_waiting_around(execution)]
    for one in shown:
        one.emit_at("status_changed", status="paused", reason=held.reason)
    if execution.is_blocking:
        held.released.result()
    else:
        await asyncio.wrap_future(held.released)
    held.is_reached, execution.hold = False, None
    if execution.stopping is not None:
        raise execution.out_of_time()
    execution.deadline_ns = held.deadline_ns
    for one in shown:
        if 0 < one.deadline_ns < NEVER_NS:
            one.deadline_ns += monotonic_ns() - begun_ns
        one.emit_at("status_changed", status="running", reason="resumed")


def _waiting_around(execution: Execution) -> Iterator[Execution]:
    """The held executions that wait for one that runs within them, in the same thread."""
    around = execution
    while around.parent is not None:
        parent = around.parent.execution
        if parent.task is not around.task or parent.is_blocking != around.is_blocking:
            return
        around = parent
        if around.hold is not None:
            yield around


def with_inner(execution: Execution, found: Iterable[Execution]) -> list[Execution]:
    """An execution and those that run within it, of those that run here."""
    return [one for one in found if one is execution or _is_within(one, execution)]


def _is_within(one: Execution, execution: Execution) -> bool:
    while one.parent is not None:
        one = one.parent.execution
        if one is execution:
            return True
    return False
