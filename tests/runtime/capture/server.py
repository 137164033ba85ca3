"""A scripted server that speaks as OpenAI and Anthropic do, on loopback."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_PATHS = ("/completions", "/responses", "/messages", "/embeddings")


@dataclass
class Scripted:
    """What the server will say, in order, and what it was asked."""

    url: str = ""
    script: list[Script] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def says(self, *script: Script) -> None:
        self.script.extend(script)


@dataclass
class Script:
    """One answer: `parts` are sent one after another, each as soon as the one before is out."""

    parts: list[bytes]
    status: int = 200
    kind: str = "application/json"
    encoding: str = ""
    waits: bool = False
    """Whether it holds back its answer until the test releases it."""
    breaks: bool = False
    """Whether it closes the connection before all that it promised is sent."""


def whole(content: Any, status: int = 200, **more: Any) -> Script:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Script([data], status=status, **more)


def zipped(content: Any) -> Script:
    return Script([gzip.compress(json.dumps(content).encode())], encoding="gzip")


def events(*contents: Any, named: bool = False, **more: Any) -> Script:
    """A stream of server-sent events; Anthropic's are named by their type."""
    parts = []
    for content in contents:
        head = f"event: {content['type']}\n" if named else ""
        data = content if isinstance(content, str) else json.dumps(content)
        parts.append(f"{head}data: {data}\n\n".encode())
    return Script(parts, kind="text/event-stream", **more)


def chat(text: str = "Hello.", *, model: str = "gpt-4o-mini-2024-07-18", cached: int = 0) -> Any:
    return {
        "id": "c1", "object": "chat.completion", "created": 1, "model": model,
        "choices": [{
            "index": 0, "finish_reason": "stop", "logprobs": None,
            "message": {"role": "assistant", "content": text, "refusal": None},
        }],
        "usage": {
            "prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200,
            "prompt_tokens_details": {"cached_tokens": cached},
        },
    }  # fmt: skip


def chat_stream(*texts: str, usage: bool = True, done: bool = True) -> list[Any]:
    def chunk(delta: Any, reason: str | None = None) -> Any:
        return {
            "id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-mini",
            "choices": [{"index": 0, "delta": delta, "finish_reason": reason}],
        }  # fmt: skip

    said = [chunk({"role": "assistant", "content": text}) for text in texts]
    said.append(chunk({}, "stop"))
    if usage:
        said.append({
            "id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-mini",
            "choices": [], "usage": {
                "prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200,
            },
        })  # fmt: skip
    return [*said, "[DONE]"] if done else said


def message(text: str = "Hello.") -> Any:
    return {
        "id": "m1", "type": "message", "role": "assistant", "model": "claude-sonnet-5-5-20260901",
        "content": [{"type": "text", "text": text}], "stop_reason": "end_turn",
        "stop_sequence": None, "usage": {
            "input_tokens": 100, "cache_read_input_tokens": 900, "output_tokens": 50,
            "cache_creation_input_tokens": 0,
        },
    }  # fmt: skip


def message_stream(*texts: str) -> list[Any]:
    start = {**message(), "content": [], "stop_reason": None}
    deltas = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
        for text in texts
    ]
    return [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *deltas,
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None},
         "usage": {"output_tokens": 50}},
        {"type": "message_stop"},
    ]  # fmt: skip


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        scripted = self.server.scripted
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if not self.path.endswith(_PATHS):
            self._answer(whole({"path": self.path}))
            return
        scripted.asked.append(json.loads(body))
        scripted.keys.append(
            self.headers.get("authorization") or self.headers.get("x-api-key") or ""
        )
        self._answer(scripted.script.pop(0))

    def _answer(self, script: Script) -> None:
        if script.waits:
            self.server.scripted.released.wait(20)
        size = sum(map(len, script.parts)) + (10 if script.breaks else 0)
        self.send_response(script.status)
        self.send_header("content-type", script.kind)
        self.send_header("content-length", str(size))
        if script.encoding:
            self.send_header("content-encoding", script.encoding)
        self.end_headers()
        try:
            for part in script.parts:
                self.wfile.write(part)
                self.wfile.flush()
        except OSError:
            self.close_connection = True
        if script.breaks:
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, scripted: Scripted) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.scripted = scripted


@contextmanager
def serving() -> Iterator[Scripted]:
    """A server that runs as long as the block."""
    scripted = Scripted()
    http = _Server(scripted)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    scripted.url = f"http://127.0.0.1:{http.server_address[1]}/v1"
    try:
        yield scripted
    finally:
        scripted.released.set()
        http.shutdown()
        http.server_close()
        thread.join(5)
