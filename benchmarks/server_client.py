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
    """What readers of a stream have heard."""

    late_ms: list[float] = field(default_factory=list)
    events: int = 0
    gaps: int = 0


async def listen(url: str, heard: Heard, ready: asyncio.Semaphore, end: float) -> None:
    """Read all events until a time of the monotonic clock."""
    place = urlsplit(url)
    reader, writer = await asyncio.open_connection(place.hostname, place.port, limit=1 << 20)
    writer.write(get(url, "/mcp/live/events"))
    await reader.readuntil(b"\r\n\r\n")
    ready.release()
    try:
        async with asyncio.timeout_at(end):
            while line := await reader.readline():
                if line.startswith(b"data: "):
                    _hear(line, heard)
    except TimeoutError:
        pass
    finally:
        writer.close()


def _hear(line: bytes, heard: Heard) -> None:
    now = time.time()
    heard.events += 1
    if b'"type":"gap"' in line:
        heard.gaps += 1
    elif b'"type":"custom"' in line:
        at = line.index(b'"ts":"') + 6
        sent = datetime.fromisoformat(line[at : line.index(b'"', at)].decode()).timestamp()
        heard.late_ms.append((now - sent) * 1e3)


async def read_all(url: str, readers: int, seconds: float) -> Heard:
    """Let many read at once; say on standard error when all of them listen."""
    heard, ready = Heard(), asyncio.Semaphore(0)
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds + 60
    tasks = []
    for _ in range(readers):
        tasks.append(asyncio.create_task(listen(url, heard, ready, end)))
        await ready.acquire()
    print("listening", file=sys.stderr, flush=True)
    await asyncio.sleep(seconds)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return heard


if __name__ == "__main__":
    found = asyncio.run(read_all(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
    late = sorted(found.late_ms)
    share = {
        f"p{p}": late[min(len(late) - 1, len(late) * p // 100)] if late else None for p in (50, 99)
    }
    print(json.dumps({"events": found.events, "customs": len(late), "gaps": found.gaps, **share}))
