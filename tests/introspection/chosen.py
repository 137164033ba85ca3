"""A clock that stands still unless a node lets time pass, so that what is recorded takes chosen times."""

from __future__ import annotations

import asyncio
import math
import selectors
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

BEFORE_NS = 900 * 10**9
"""How long ago the wall clock begins: what was recorded is over by the time at which it is asked for.

The other one begins now: it counts from the start of the machine, which may be less long ago.
"""
_CLOCKS = {name: getattr(time, name) for name in ("monotonic_ns", "time_ns")}


class Clock:
    """Time as the program sees it while it is patched in."""

    def __init__(self) -> None:
        self.passed_ns = 0
        self.at_end = ExitStack()
        """What is to be done when nothing is asked any more, such as letting go of what waits."""

    def takes(self, ms: float) -> None:
        """Let this much time pass."""
        self.passed_ns += int(ms * 1e6)


@contextmanager
def chosen_times() -> Iterator[Clock]:
    """Replace the clocks of the recording and of the analyses, for as long as it lasts."""
    clock = Clock()
    fake = {
        "monotonic_ns": _standing(clock, time.monotonic_ns()),
        "time_ns": _standing(clock, time.time_ns() - BEFORE_NS),
    }
    _exchange(_CLOCKS, fake)
    try:
        with clock.at_end:
            yield clock
    finally:
        _exchange(fake, _CLOCKS)


@contextmanager
def sleeping_at_once() -> Iterator[Clock]:
    """Choose times, and let who sleeps in a loop of this thread wake at once, by that much later.

    So what is recorded takes just as long as its nodes sleep, however busy the machine is.
    """
    mine, wait = threading.get_ident(), selectors.DefaultSelector.select
    with chosen_times() as clock, pytest.MonkeyPatch.context() as patched:

        def select(selector: Any, timeout: float | None = None) -> Any:
            if not timeout or threading.get_ident() != mine:
                return wait(selector, timeout)
            clock.passed_ns += math.ceil(timeout * 1e9)
            return wait(selector, 0)

        patched.setattr(selectors.DefaultSelector, "select", select)
        patched.setattr(asyncio.SelectorEventLoop, "time", lambda _: clock.passed_ns / 1e9)
        yield clock


def _standing(clock: Clock, begun_ns: int) -> Callable[[], int]:
    return lambda: begun_ns + clock.passed_ns


def _exchange(old: dict[str, Callable[[], int]], new: dict[str, Callable[[], int]]) -> None:
    modules = [one for name, one in sys.modules.items() if name.partition(".")[0] == "inwit"]
    for name in _CLOCKS:
        for module in (time, *modules):
            if vars(module).get(name) is old[name]:
                setattr(module, name, new[name])
