"""A client's connection: HTTP/1.1 as uvicorn speaks it, and a short way for streams."""

from __future__ import annotations

import asyncio
from typing import Final, cast

import h11
import msgspec
from starlette.types import Scope
from uvicorn.protocols.http.h11_impl import H11Protocol

from inwit.errors import MalformedInputError
from inwit.server.bodies import BODY_LIMIT
from inwit.server.limits_connections import most_connections
from inwit.server.problems import describe

WRITE: Final = "inwit.write"
"""Where a request's scope holds what writes a part of the answer at once: see `Connection`."""


class Connection(H11Protocol):
    """Answers what is no HTTP at all as everything else that is refused, and lets streams write.

    What a stream writes by `WRITE` passes neither task nor middlewares, which are most of what an
    event costs where a thousand clients read it.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > most_connections():
            transport.abort()

    def handle_events(self) -> None:
        super().handle_events()
        if self.scope is not None:
            cast(Scope, self.scope)[WRITE] = self.write_part

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self.scope is not None:  # nothing waits for a garbage collection to be freed
            cast(Scope, self.scope).pop(WRITE, None)

    def write_part(self, data: bytes) -> bool:
        """Write a part of the answer; false where it must wait, or goes another way."""
        if self.flow.write_paused or self.transport.is_closing() or not self._is_in_parts():
            return False
        self.transport.write(b"%x\r\n%b\r\n" % (len(data), data))
        return True

    def _is_in_parts(self) -> bool:
        """Whether an answer without a given length has begun and is not over (RFC 9112, 7.1)."""
        is_begun = self.cycle.response_started and not self.cycle.response_complete
        return is_begun and self.conn.their_http_version == b"1.1"

    def send_400_response(self, msg: str) -> None:
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.close()  # an answer is on its way already
            return
        error = MalformedInputError(
            msg, hint=f"A request's head is HTTP/1.1 and at most {BODY_LIMIT:,} bytes."
        )
        body = msgspec.json.encode(describe(error))
        headers = [(b"content-type", b"application/problem+json"), (b"connection", b"close")]
        self.transport.write(
            self.conn.send(h11.Response(status_code=400, headers=headers, reason=b"Bad Request"))
            + self.conn.send(h11.Data(data=body))
            + self.conn.send(h11.EndOfMessage())
        )
        self.transport.close()
