from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from inwit.errors import AddressInUseError
from inwit.runtime.project import Project
from inwit.server import hostfile, lifecycle
from tests.server.conftest import Ran

PROGRAM = """
from inwit.runtime.project import Project
from inwit.server.lifecycle import serve
serve(Project.find(), port=0, token=None, on_ready=lambda url: print(url, flush=True))
"""


@pytest.fixture
def process(project: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A host in a process of its own, and its address."""
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as started:
        assert started.stdout is not None
        yield started, started.stdout.readline().strip()
        started.kill()


def test_host_json_names_the_host_for_its_owner_alone_and_goes_with_it(project: Path) -> None:
    running = lifecycle.start(Project.find(), port=0, token="s3cret")
    path = project / ".inwit" / "host.json"
    written, mode = json.loads(path.read_text()), stat.S_IMODE(path.stat().st_mode)

    running.stop()

    named = {"address": running.url, "pid": os.getpid(), "token": "s3cret"}
    assert written == {**named, "asks_everyone": True}
    assert mode == 0o600
    assert not path.exists()


def test_a_host_leaves_the_file_of_a_later_one_alone(project: Path) -> None:
    first = lifecycle.start(Project.find(), port=0)
    second = lifecycle.start(Project.find(), port=0)
    path = project / ".inwit" / "host.json"

    first.stop()
    kept = json.loads(path.read_text())["address"]
    second.stop()

    assert kept == second.url
    assert not path.exists()


def test_a_host_whose_folder_takes_no_file_answers_all_the_same(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (project / ".inwit" / "host.json").mkdir(parents=True)

    running = lifecycle.start(Project.find(), port=0)
    answered = httpx.get(f"{running.url}/mcp/live/executions")
    running.stop()

    assert answered.status_code == 200
    assert running.url in caplog.text
    assert [path.name for path in (project / ".inwit").glob("*.json*")] == ["host.json"]


def test_a_port_in_use_is_told_with_a_way_out(project: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(AddressInUseError) as caught:
            lifecycle.start(Project.find(), port=port)

    assert str(port) in caught.value.message
    assert "0 for any free one" in caught.value.hint
    assert not (project / ".inwit" / "host.json").exists()


def test_a_free_port_can_be_asked_for(url: str) -> None:
    assert not url.endswith(":0")
    assert httpx.get(f"{url}/healthz").json()["status"] == "ok"


def test_a_client_that_never_reads_does_not_hold_up_the_end(
    ran: Ran, process: tuple[subprocess.Popen[str], str]
) -> None:
    started, url = process
    place = urlsplit(url)
    with socket.create_connection((place.hostname or "", place.port or 80)) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(b"GET /mcp/live/events?after=0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert slow.recv(15) == b"HTTP/1.1 200 OK"
        for _ in range(250):
            ran.graph.invoke({"question": "a few words " * 1_000})
        asyncio.run(ran.graph.flush())
        with httpx.stream("GET", f"{url}/mcp/live/events?after=0&type=graph_registered") as quick:
            next(line for line in quick.iter_lines() if line.startswith("data:"))
        begun = time.monotonic()
        started.send_signal(signal.SIGTERM)
        errors = started.communicate(timeout=30)[1]
        took = time.monotonic() - begun

    assert took < 15  # a stream that is not ended would hold it up for good
    assert started.returncode == 0
    assert "Traceback" not in errors


@pytest.mark.parametrize(("sent", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, -signal.SIGINT)])
def test_a_signal_ends_the_host_though_streams_are_open(
    ran: Ran, process: tuple[subprocess.Popen[str], str], sent: signal.Signals, code: int
) -> None:
    started, url = process
    listen = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "subscriptions/listen",
        "params": {
            "notifications": {"resourcesListChanged": True},
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientInfo": {"name": "t", "version": "1"},
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        },
    }
    modern = {
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2026-07-28",
        "MCP-Method": "subscriptions/listen",
    }
    with (
        httpx.Client(base_url=url, timeout=30) as client,
        client.stream("GET", "/mcp/live/events") as events,
        client.stream("POST", "/mcp", json=listen, headers=modern) as listening,
    ):
        acknowledged = next(listening.iter_lines())
        begun = time.monotonic()
        started.send_signal(sent)
        ended = list(events.iter_lines())
        errors = started.communicate(timeout=30)[1]
        took = time.monotonic() - begun

    assert acknowledged.startswith("event:")
    assert not any(line.startswith("data:") for line in ended)
    assert took < 15  # a stream that is not ended would hold it up for good
    assert started.returncode == code
    assert "Exception in ASGI" not in errors
    assert not (Project.find().folder / "host.json").exists()


def test_a_second_host_says_so_and_gives_its_place_in_host_json_back(
    project: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = lifecycle.start(Project.find(), port=0)
    second = lifecycle.start(Project.find(), port=0)
    try:
        named = hostfile.read(Project.find())
        second.stop()
        named_after = hostfile.read(Project.find())
    finally:
        first.stop()

    assert named is not None
    assert named.address == second.url
    assert f"Another host of this project is at {first.url}" in caplog.text
    assert named_after is not None
    assert named_after.address == first.url
    assert hostfile.read(Project.find()) is None
