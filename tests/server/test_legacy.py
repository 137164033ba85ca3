from __future__ import annotations

import time
from collections.abc import Iterator

import anyio
import anyio.to_thread
import httpx
import pytest
from mcp import Client
from mcp.client.sse import sse_client
from mcp_types import TextContent

from inwit.runtime.project import Project
from inwit.server import lifecycle
from inwit.server.lifecycle import Running
from inwit.server.offers import Offers
from tests.server.conftest import Ran

pytestmark = pytest.mark.anyio


@pytest.fixture
def host(ran: Ran) -> Iterator[Running]:
    running = lifecycle.start(Project.find(), port=0, offers=Offers(legacy_sse=True))
    yield running
    running.stop()


async def test_clients_of_the_older_transport_are_answered_each_on_a_stream_of_its_own(
    host: Running,
) -> None:
    with anyio.fail_after(30):
        async with (
            Client(sse_client(f"{host.url}/sse"), mode="legacy") as one,
            Client(sse_client(f"{host.url}/sse"), mode="legacy") as other,
        ):
            asked = {"question": "Why did search run 3 times?"}
            first = await one.call_tool("introspect_ask", asked)
            second = await other.call_tool("introspect_ask", asked)

    (told,) = first.content
    assert isinstance(told, TextContent)
    assert "search" in told.text
    assert first.content == second.content


async def test_an_open_stream_of_the_older_transport_holds_no_shutdown(host: Running) -> None:
    with anyio.fail_after(30):
        async with (
            httpx.AsyncClient(base_url=host.url) as client,
            client.stream("GET", "/sse") as stream,
        ):
            assert stream.status_code == 200
            begun = time.monotonic()
            await anyio.to_thread.run_sync(host.stop)
            taken_s = time.monotonic() - begun

    assert not host.thread.is_alive()
    assert taken_s < 2


def test_the_older_transport_is_there_only_where_it_was_asked_for(url: str) -> None:
    found = httpx.get(f"{url}/sse")

    assert found.status_code == 501
    assert "--legacy-sse" in found.json()["hint"]
