"""A client that leaves while it is answered: the server ends, and says nothing of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BEGIN = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "one that leaves", "version": "1"},
}


def test_a_server_whose_client_has_left_ends_without_a_word(project: Path) -> None:
    command = [sys.executable, "-m", "inwit", "mcp", "serve"]
    with subprocess.Popen(
        command, cwd=project, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        assert server.stderr is not None
        server.stdin.write(_frame(1, "initialize", BEGIN))
        server.stdin.flush()
        begun = json.loads(server.stdout.readline())
        for number in range(2, 300):
            server.stdin.write(_frame(number, "tools/list", {}))
        server.stdout.close()
        server.stdin.close()
        code, said = server.wait(20), server.stderr.read()

    assert "result" in begun
    assert (code, said) == (0, b"")


def _frame(number: int, method: str, params: object) -> bytes:
    message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
    return json.dumps(message).encode() + b"\n"
