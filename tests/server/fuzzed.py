"""Sending frames that no client should send, and what must hold of what comes back."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.server.frames import LEGACY, FrameSent

HANG_S = 60
ACCEPT = "application/json, text/event-stream"
INTERNAL = -32603


class _Noted(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.tracebacks: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self.tracebacks.append(f"{record.name}: {record.getMessage()}: {record.exc_info[1]!r}")


@contextmanager
def no_tracebacks() -> Iterator[None]:
    """Nothing that runs meanwhile logs a traceback."""
    noted = _Noted()
    logging.getLogger().addHandler(noted)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(noted)
    assert noted.tracebacks == []


class OverHttp:
    """A client of one host that keeps its connection; frames of 2025 go into a session of it."""

    def __init__(self, url: str, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}", "Accept": ACCEPT}
        self.client = httpx.Client(base_url=url, headers=headers, timeout=HANG_S)
        self.session: dict[str, str] = {}

    def begin(self) -> None:
        """Introduce itself, as clients of 2025 do."""
        params = {
            "protocolVersion": LEGACY, "capabilities": {},
            "clientInfo": {"name": "fuzzer", "version": "1"},
        }  # fmt: skip
        first = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
        answer = self.client.post("/mcp", json=first)
        self.session = {
            "Mcp-Session-Id": answer.headers["mcp-session-id"], "MCP-Protocol-Version": LEGACY,
        }  # fmt: skip
        ready = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        self.client.post("/mcp", json=ready, headers=self.session)

    def send(self, frame: FrameSent) -> None:
        """Send a frame, and check what comes back."""
        headers = frame.headers or self.session
        content = {"Content-Type": "application/json"}
        try:
            answer = self.client.post("/mcp", content=frame.body, headers={**headers, **content})
        except (httpx.InvalidURL, UnicodeEncodeError, httpx.LocalProtocolError):
            return  # it cannot be sent at all
        check_answer(frame, answer.status_code, answer.text)

    def close(self) -> None:
        """Close the connection."""
        self.client.close()


def check_answer(frame: FrameSent, status: int, text: str) -> None:
    """A frame is answered or refused in the protocol's way, without a word of how we are made."""
    told = f"{frame!r}\n{status} {text[:2000]}"
    assert status < 500, told
    assert "Traceback" not in text, told
    for line in text.splitlines():
        found = line.removeprefix("data:").strip()
        if found.startswith("{"):
            check_message(json.loads(found), told)


def check_message(message: dict[str, Any], told: str) -> None:
    """No message says that something broke here."""
    assert message.get("error", {}).get("code") != INTERNAL if "error" in message else True, told
    result = message.get("result")
    if isinstance(result, dict) and result.get("isError"):
        content = result.get("structuredContent") or {}
        assert content.get("error", {}).get("code") != "internal.error", told


def over_stdio(project: Path, sent: Iterable[FrameSent]) -> int:
    """Send frames to a server that a client starts; the count of what it answered.

    After each hundred it must still answer a question.
    """
    command = [sys.executable, "-m", "inwit", "mcp", "serve", "--allow-write", "--tools", "run"]
    process = subprocess.Popen(
        command, cwd=project, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    errors: list[bytes] = []
    reading = threading.Thread(target=lambda: errors.extend(process.stderr or ()))
    reading.start()
    watch = threading.Timer(300, process.kill)
    watch.start()
    answered = 0
    try:
        _begin(process.stdin)
        for number, frame in enumerate(sent):
            process.stdin.write(frame.body.replace(b"\r", b" ") + b"\n")
            if number % 100 == 99:
                answered += _is_alive(process, f"alive-{number}")
        answered += _is_alive(process, "alive-last")
    finally:
        watch.cancel()
        process.stdin.close()
        process.stdout.close()
        process.wait(HANG_S)
        reading.join(10)
        process.stderr.close()
    said = b"".join(errors).decode(errors="replace")
    assert "Traceback" not in said, said[:4000]
    return answered


def _begin(stdin: Any) -> None:
    params = {
        "protocolVersion": LEGACY, "capabilities": {},
        "clientInfo": {"name": "fuzzer", "version": "1"},
    }  # fmt: skip
    for message in (
        {"jsonrpc": "2.0", "id": "begin", "method": "initialize", "params": params},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
    ):
        stdin.write(json.dumps(message).encode() + b"\n")


def _is_alive(process: subprocess.Popen[bytes], name: str) -> int:
    """Ask something that is answered, and read until its answer; every line is a message."""
    assert process.stdin is not None
    assert process.stdout is not None
    asked = {"jsonrpc": "2.0", "id": name, "method": "prompts/list", "params": {}}
    process.stdin.write(json.dumps(asked).encode() + b"\n")
    process.stdin.flush()
    for count, line in enumerate(process.stdout, 1):
        message = json.loads(line)
        check_message(message, line.decode()[:2000])
        if message.get("id") == name:
            assert "result" in message
            return count
    raise AssertionError("the server ended")
