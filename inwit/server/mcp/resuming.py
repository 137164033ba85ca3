"""What 2025 clients missed of a stream: the last messages of each, kept in memory.

A client whose connection broke asks again with the id of the last message that it has. An id holds
a secret of its stream, since whoever has a session of their own may ask with any id.
"""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict, deque

from mcp.server.streamable_http import EventCallback, EventMessage, EventStore
from mcp_types import JSONRPCMessage

STREAMS = 1_000
MESSAGES = 200
"""Of each stream; the oldest go first."""


class Missed(EventStore):
    """Keeps the messages of the streams that were used last."""

    def __init__(self) -> None:
        self._streams: OrderedDict[str, deque[tuple[int, JSONRPCMessage | None]]] = OrderedDict()
        self._by_event: dict[int, str] = {}
        self._secrets: dict[str, str] = {}
        self._last = 0

    async def store_event(self, stream_id: str, message: JSONRPCMessage | None) -> str:
        """Keep a message, and give it an id; no message stands for a stream's beginning."""
        self._last += 1
        kept = self._streams.setdefault(stream_id, deque())
        self._streams.move_to_end(stream_id)
        kept.append((self._last, message))
        self._by_event[self._last] = stream_id
        secret = self._secrets.setdefault(stream_id, secrets.token_hex(16))
        if len(kept) > MESSAGES:
            del self._by_event[kept.popleft()[0]]
        if len(self._streams) > STREAMS:
            gone, messages = self._streams.popitem(last=False)
            self._secrets.pop(gone, None)
            for number, _ in messages:
                del self._by_event[number]
        return f"{self._last}-{secret}"

    async def replay_events_after(
        self, last_event_id: str, send_callback: EventCallback
    ) -> str | None:
        """Send again what followed a message on its stream; None where it is not known any more."""
        given, _, told = last_event_id.partition("-")
        after = int(given) if given.isdecimal() and len(given) < 20 else 0
        stream_id = self._by_event.get(after)
        secret = self._secrets.get(stream_id or "", "")
        if stream_id is None or not hmac.compare_digest(told.encode(), secret.encode()):
            return None
        for number, message in list(self._streams[stream_id]):
            if number > after and message is not None:
                await send_callback(EventMessage(message, f"{number}-{secret}"))
        return stream_id
