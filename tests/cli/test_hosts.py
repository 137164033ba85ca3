"""The commands that serve: serve, mcp serve, mcp config."""

import json
import os
import signal
import subprocess
import sys

import anyio
import httpx
import pytest
from mcp import Client, StdioServerParameters

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("client", "key"),
    [
        ("claude-code", "mcpServers"),
        ("claude-desktop", "mcpServers"),
        ("cursor", "mcpServers"),
        ("vscode", "servers"),
    ],
)
async def test_the_printed_configuration_starts_a_server_that_answers(
    inwit, counted, client, key
) -> None:
    entry = inwit("mcp", "config", client).json[key]["inwit"]
    server = StdioServerParameters(command=entry["command"], args=entry["args"], cwd="/")

    with anyio.fail_after(30):
        async with Client(server) as connected:
            result = await connected.call_tool(
                "introspect_ask", {"question": "Why did count run 3 times?"}
            )

    assert not result.is_error
    assert counted in json.dumps(result.structured_content)


async def test_a_host_serves_until_it_is_terminated_and_clients_are_told_of_it(
    inwit, project, counted
) -> None:
    program = [sys.executable, "-m", "inwit", "serve", "--port", "0", "--token", "s3cret", "--json"]
    with subprocess.Popen(
        program, stdout=subprocess.PIPE, env=os.environ | {"PYTHONUNBUFFERED": "1"}
    ) as host:
        try:
            assert host.stdout is not None
            told = b""
            with anyio.fail_after(30):
                while not told.strip().endswith(b"}"):
                    told += await anyio.to_thread.run_sync(host.stdout.readline)
            url = json.loads(told)["url"]
            entry = inwit("mcp", "config", "cursor", "--http").json["mcpServers"]["inwit"]
            async with httpx.AsyncClient(trust_env=False) as http:
                answered = await http.get(f"{url}/mcp/about", headers=entry["headers"])
                refused = await http.get(f"{url}/mcp/about")
        finally:
            host.send_signal(signal.SIGTERM)

    assert entry["url"] == f"{url}/mcp"
    assert answered.json()["name"] == "counter"
    assert refused.status_code == 401
    assert host.returncode == 0
    assert not (project / ".inwit" / "host.json").exists()


async def test_an_address_in_use_is_an_error(inwit, project) -> None:
    with anyio.fail_after(30):
        async with await anyio.create_tcp_listener(local_host="127.0.0.1") as busy:
            port = busy.extra(anyio.abc.SocketAttribute.local_port)
            said = await anyio.to_thread.run_sync(lambda: inwit("serve", "--port", str(port)))

    assert said.code == 1
    assert str(port) in said.err


async def test_an_address_beyond_this_machine_needs_a_token(inwit) -> None:
    said = await anyio.to_thread.run_sync(
        lambda: inwit("serve", "--host", "0.0.0.0", "--port", "0")
    )

    assert said.code == 1
    assert "token" in said.err
