"""A client that leaves while it is answered: the server ends, and says nothing of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters

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


@pytest.mark.anyio
async def test_a_graph_runs_in_its_project_wherever_the_client_starts_the_server(
    project: Path,
) -> None:
    (project / "there.py").write_text(
        "import os\nfrom typing import TypedDict\nfrom inwit import END, START, StateGraph\n"
        "class State(TypedDict, total=False):\n    where: str\n"
        "graph = StateGraph(State)\ngraph.add_node('one', lambda state: {'where': os.getcwd()})\n"
        "graph.add_edge(START, 'one')\ngraph.add_edge('one', END)\n"
        "app = graph.compile(name='there')\n"
    )
    await anyio.run_process(
        [sys.executable, "-m", "inwit", "run", "there.py:app"], cwd=project, check=True
    )
    given = ["-m", "inwit", "mcp", "serve", "--allow-write", "--no-confirm"]
    started = StdioServerParameters(
        command=sys.executable, args=[*given, "--project", str(project)], cwd="/"
    )

    async with Client(started, cache=None) as client:
        result = await client.call_tool("run_graph", {"graph": "there", "input": {}})

    assert result.structured_content is not None
    assert result.structured_content["output"] == {"where": str(project)}


def _frame(number: int, method: str, params: object) -> bytes:
    message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
    return json.dumps(message).encode() + b"\n"
