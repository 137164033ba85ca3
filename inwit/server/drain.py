"""Ends what is open when the host stops, so that no client holds it up."""

from __future__ import annotations

import asyncio

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from inwit.errors import HostError
from inwit.server.problems import problem

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
        has_begun = is_open = False

        async def watched(message: Message) -> None:
            nonlocal has_begun, is_open
            await send(message)
            is_begin = message["type"] == "http.response.start"
            has_begun = has_begun or is_begin
            is_open = is_begin or message.get("more_body", False)

        await self._app(scope, self._until_closing(receive), watched)
        if not self._closing.is_set():
            return
        with anyio.move_on_after(FAREWELL_S):  # a client that does not read is not waited for
            if not has_begun:
                await problem(_ending())(scope, receive, send)
            elif is_open:
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


def _ending() -> HostError:
    error = HostError(
        "The host ends.", hint="What it ran for this request is cancelled; ask again later."
    )
    error.status = 503
    return error
