"""Connections that hold a host up: heads that never end, answers that nobody takes, too many."""

from __future__ import annotations

import asyncio
import resource
import socket
import struct
import time
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol
from weakref import WeakKeyDictionary

HEAD_S: Final = 10.0
"""How long a connection may be open, or go on after an answer, without a whole head of a request."""
SEND_S: Final = 30.0
"""How long a client may read nothing of what waits for it."""
CLOSING_S: Final = 3.0
"""How long a closed connection may take to read what was sent last."""
SPARE_FILES: Final = 256
"""Files that are left for the record, the packages and the rest."""


class Connected(Protocol):
    """What a server's protocol tells of its connection."""

    transport: Any
    flow: Any
    cycle: Any
    timeout_keep_alive_task: asyncio.TimerHandle | None


class Sweeper:
    """Ends connections that wait in vain; called every second or so on the event loop."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._waiting: WeakKeyDictionary[Any, tuple[str, float]] = WeakKeyDictionary()

    def sweep(self, connections: Iterable[Connected]) -> None:
        """Look at every connection once."""
        now = self._now()
        for one in list(connections):
            why, limit = _waits(one)
            before, since = self._waiting.get(one, ("", now))
            if why != before:
                self._waiting[one] = (why, now)
            elif why and now - since > limit:
                _end(one.transport)


def _end(transport: Any) -> None:
    """End a connection with what waits in it, in this process and in the system."""
    connection = transport.get_extra_info("socket")
    if connection is not None:
        at_once = struct.pack("ii", 1, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, at_once)
    transport.abort()


def _waits(one: Connected) -> tuple[str, float]:
    """What a connection waits for and for how long it may; nothing where it is busy."""
    if one.transport.is_closing():
        return "end", CLOSING_S
    if one.flow.write_paused:
        return "reader", SEND_S
    is_between = one.cycle is None or one.cycle.response_complete
    # Between two requests the server has a timer of its own, until the second one begins to come.
    if is_between and one.timeout_keep_alive_task is None:
        return "head", HEAD_S
    return "", 0.0


def most_connections() -> int:
    """How many connections the system's limit of open files leaves room for."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return 65_536
    return max(min(soft - SPARE_FILES, 65_536), 32)
