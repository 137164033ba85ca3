"""Answering with server-sent events that come for as long as the client listens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Final

import anyio
from sse_starlette import EventSourceResponse
from sse_starlette.sse import AppStatus
from starlette.types import Receive, Scope, Send

from inwit.server.connection import WRITE
from inwit.server.subscription import Subscription

HEARTBEAT_S: Final = 15.0
"""How often a client hears that the connection still stands."""
BEAT: Final = b": ping\r\n\r\n"

# The host closes its streams itself before the server drains; the library's own way is global to
# the process and would end the streams of every later host in it.
AppStatus.enable_automatic_graceful_drain = False


class EventStream(EventSourceResponse):
    """The library's answer, of chunks that are written already, with one task beside the sender.

    The library guards each send and keeps four tasks for each reader: that is most of what a
    thousand readers cost. The subscription is closed when the stream is over, however it ends.
    """

    def __init__(self, chunks: AsyncGenerator[bytes], subscription: Subscription) -> None:
        super().__init__(chunks)
        self._chunks = chunks
        self._subscription = subscription

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until there is no more to send or the client has gone."""
        if scope["method"] == "HEAD":
            self._subscription.close()
            await super().__call__(scope, receive, send)
            return
        head = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        with anyio.CancelScope() as listening:
            attending = asyncio.ensure_future(_attend(receive, send, listening))
            try:
                await send(head)
                self._subscription.write = scope.get(WRITE)
                async with aclosing(self._chunks) as chunks:
                    async for chunk in chunks:
                        await send({"type": "http.response.body", "body": chunk, "more_body": True})
                await send({"type": "http.response.body", "body": b"", "more_body": False})
            finally:
                attending.cancel()
                self._subscription.close()


async def _attend(receive: Receive, send: Send, listening: anyio.CancelScope) -> None:
    """End a stream whose client has gone, and let it hear something where nothing happens."""
    try:
        while True:
            with anyio.move_on_after(HEARTBEAT_S) as silent:
                message = await receive()
            if silent.cancelled_caught:
                await send({"type": "http.response.body", "body": BEAT, "more_body": True})
            elif message["type"] == "http.disconnect":
                return
    finally:
        listening.cancel()
