"""Raw clients: requests on connections that stay open, and readers of event streams.

    python benchmarks/server_client.py URL READERS SECONDS

reads `/mcp/live/events` as many times at once and prints, as JSON, how late events came.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

HEADERS = {
    "content-type": "application/json",
    "accept": "application/json, text/event-stream",
    "mcp-protocol-version": "2026-07-28",
}


class Connection:
    """One connection that stays open; requests are written as bytes and answers read as such."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def to(cls, url: str) -> Connection:
        """Connect to a server."""
        place = urlsplit(url)
        return cls(*await asyncio.open_connection(place.hostname, place.port, limit=1 << 22))

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send a request; give its status and body."""
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        status, headers = int(head[9:12]), head.lower()
        if b"content-length:" in headers:
            length = int(headers.split(b"content-length:")[1].split(b"\r\n")[0])
            return status, await self._reader.readexactly(length)
        body = b""
        while True:  # in chunks
            size = int((await self._reader.readuntil(b"\r\n")).strip(), 16)
            chunk = await self._reader.readexactly(size + 2)
            if not size:
                return status, body
            body += chunk[:-2]

    def close(self) -> None:
        """End it."""
        self._writer.close()


def get(url: str, path: str) -> bytes:
    """A GET as bytes."""
    return f"GET {path} HTTP/1.1\r\nhost: {urlsplit(url).netloc}\r\n\r\n".encode()


def call(url: str, tool: str, arguments: dict[str, Any]) -> bytes:
    """A call of a tool as bytes, by the protocol's version of 2026-07-28."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": HEADERS["mcp-protocol-version"],
        "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    params = {"name": tool, "arguments": arguments, "_meta": meta}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    body = json.dumps(message).encode()
    headers = {**HEADERS, "mcp-method": "tools/call", "mcp-name": tool}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"POST /mcp HTTP/1.1\r\nhost: {urlsplit(url).netloc}\r\n{lines}content-length: {len(body)}\r\n\r\n"
    return head.encode() + body


@dataclass(slots=True)
class Heard:
    """What readers of a stream have heard; times are parsed once for all readers of an event."""

    late_ms: list[float] = field(default_factory=list)
    events: int = 0
    gaps: int = 0
    times: dict[bytes, float] = field(default_factory=dict)

    def take(self, line: bytes, now: float) -> None:
        """Count an event, and how late it is."""
        self.events += 1
        if b'"type":"gap"' in line:
            self.gaps += 1
        elif b'"type":"custom"' in line:
            at = line.index(b'"ts":"') + 6
            ts = line[at : line.index(b'"', at)]
            sent = self.times.get(ts)
            if sent is None:
                sent = self.times[ts] = datetime.fromisoformat(ts.decode()).timestamp()
            self.late_ms.append((now - sent) * 1e3)


class Listener(asyncio.Protocol):
    """One reader of the stream, as light as can be: what is measured is the host."""

    def __init__(self, request: bytes, heard: Heard, is_in: asyncio.Future[None]) -> None:
        self._request = request
        self._heard = heard
        self._is_in = is_in
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        now = time.time()
        if not self._is_in.done():
            self._is_in.set_result(None)
        *whole, self._rest = (self._rest + data).split(b"\r\n\r\n")
        for one in whole:
            at = one.find(b"data: ")
            if at >= 0:
                self._heard.take(one[at:], now)


async def listen(url: str, heard: Heard) -> asyncio.BaseTransport:
    """Read all events of a host until the transport is closed."""
    place, loop = urlsplit(url), asyncio.get_running_loop()
    is_in: asyncio.Future[None] = loop.create_future()
    request = get(url, "/mcp/live/events")
    transport, _ = await loop.create_connection(
        lambda: Listener(request, heard, is_in), str(place.hostname), int(place.port or 80)
    )
    await is_in
    return transport


async def read_all(url: str, readers: int, seconds: float) -> Heard:
    """Let many read at once; say on standard error when all of them listen."""
    heard = Heard()
    open_ = [await listen(url, heard) for _ in range(readers)]
    print("listening", file=sys.stderr, flush=True)
    await asyncio.sleep(seconds)
    for transport in open_:
        transport.close()
    return heard


if __name__ == "__main__":
    found = asyncio.run(read_all(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
    late = sorted(found.late_ms)
    share = {
        f"p{p}": late[min(len(late) - 1, len(late) * p // 100)] if late else None for p in (50, 99)
    }
    print(json.dumps({"events": found.events, "customs": len(late), "gaps": found.gaps, **share}))
