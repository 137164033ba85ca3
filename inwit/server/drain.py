"""Ends what is open when the host stops, so that no client holds it up."""

from __future__ import annotations

import asyncio

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FAREWELL_S = 0.2


class Drain:
    """Tells open responses that their client has gone once `closing` is set, and completes them."""

    def __init__(self, app: ASGIApp, closing: asyncio.Event) -> None:
        self._app = app
        self._closing = closing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_open = False

        async def watched(message: Message) -> None:
            nonlocal is_open
            await send(message)
            is_open = message["type"] == "http.response.start" or message.get("more_body", False)

        await self._app(scope, self._until_closing(receive), watched)
        if is_open and self._closing.is_set():
            with anyio.move_on_after(FAREWELL_S):  # a client that does not read is not waited for
                await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _until_closing(self, receive: Receive) -> Receive:
        async def received() -> Message:
            if self._closing.is_set():
                return {"type": "http.disconnect"}
            message = asyncio.ensure_future(receive())
            closing = asyncio.ensure_future(self._closing.wait())
            try:
                await asyncio.wait({message, closing}, return_when=asyncio.FIRST_COMPLETED)
                return message.result() if message.done() else {"type": "http.disconnect"}
            finally:
                message.cancel()
                closing.cancel()

        return received
