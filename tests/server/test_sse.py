from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anyio
import httpx
import pytest

from inwit.events import Custom
from inwit.runtime.project import Project
from inwit.runtime.store import Store
from inwit.server import hub, lifecycle, sse
from inwit.server.hub import Frame, Lost, Subscription
from tests.server.conftest import Ran, seeker

pytestmark = pytest.mark.anyio
Sent = dict[str, Any]


async def received(response: httpx.Response) -> AsyncIterator[Sent]:
    """Read a stream as an EventSource does."""
    event: Sent = {}
    async for line in response.aiter_lines():
        name, _, value = line.partition(": ")
        if not line and event:
            yield event
            event = {}
        elif name in ("id", "event"):
            event[name] = value
        elif name == "data":
            event["data"] = json.loads(value)


async def all_of(client: httpx.AsyncClient, path: str, **headers: str) -> list[Sent]:
    with anyio.fail_after(10):
        async with client.stream("GET", path, headers=headers) as response:
            assert response.status_code == 200
            assert response.headers["content-type"].startswith("text/event-stream")
            return [event async for event in received(response)]


@pytest.fixture
async def streams(url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=url, timeout=10) as client:
        yield client


async def test_a_finished_execution_streams_gapless_and_ends(
    streams: httpx.AsyncClient, ran: Ran
) -> None:
    for execution, end in ((ran.completed, "completed"), (ran.failed, "failed")):
        events = await all_of(streams, f"/mcp/live/executions/{execution}/events")

        assert [int(event["id"]) for event in events] == list(range(1, len(events) + 1))
        assert [event["event"] for event in events] == [event["data"]["type"] for event in events]
        assert events[0]["event"] == "execution_started"
        assert events[-1]["event"] == f"execution_{end}"


async def test_a_reader_resumes_after_the_last_event_it_has(
    streams: httpx.AsyncClient, ran: Ran
) -> None:
    path = f"/mcp/live/executions/{ran.completed}/events"
    every = await all_of(streams, path)

    rest = await all_of(streams, path, **{"Last-Event-ID": "4"})
    same = await all_of(streams, f"{path}?after=4")
    done = await streams.get(path, headers={"Last-Event-ID": every[-1]["id"]})

    assert rest == same == every[4:]
    assert done.status_code == 204


async def test_a_stream_of_one_execution_can_be_filtered_and_still_ends(
    streams: httpx.AsyncClient, ran: Ran
) -> None:
    path = f"/mcp/live/executions/{ran.completed}/events?type=node_exited,edge_taken"

    events = await all_of(streams, path)

    assert {event["event"] for event in events} == {"node_exited", "edge_taken"}
    assert sum(event["event"] == "node_exited" for event in events) == 4


async def test_a_running_execution_is_followed_to_its_end(
    streams: httpx.AsyncClient, project: Path
) -> None:
    from inwit import END, StateGraph
    from tests.server.conftest import State

    go = asyncio.Event()

    async def wait(state: State) -> dict[str, Any]:
        await go.wait()
        return {"answer": "at last"}

    graph = StateGraph(State)
    graph.add_node("wait", wait)
    graph.set_entry_point("wait")
    graph.add_edge("wait", END)
    app = graph.compile(name="waiter")
    with anyio.fail_after(10):
        running = asyncio.create_task(app.ainvoke({"question": "?"}, execution_id="abcdef01"))
        await asyncio.sleep(0)
        await app.flush()
        async with streams.stream("GET", "/mcp/live/executions/abcdef01/events") as response:
            events = received(response)
            entered = [await anext(events)]
            while entered[-1]["event"] != "node_entered":
                entered.append(await anext(events))
            go.set()
            rest = [event async for event in events]
        await running

    assert entered[0]["event"] == "execution_started"
    assert rest[-1]["event"] == "execution_completed"
    every = [int(event["id"]) for event in (*entered, *rest)]
    assert every == list(range(1, len(every) + 1))


async def test_the_stream_of_all_gives_positions_that_replay_what_was_missed(
    streams: httpx.AsyncClient, ran: Ran
) -> None:
    with anyio.fail_after(10):
        async with streams.stream("GET", "/mcp/live/events?graph=seeker") as response:
            live = received(response)
            await ran.graph.ainvoke({"question": "again"}, execution_id="0000aaaa")
            seen = []
            async for event in live:
                seen.append(event)
                if event["event"] == "execution_completed":
                    break
        cut = seen[len(seen) // 2]
        headers = {"Last-Event-ID": cut["id"]}
        async with streams.stream("GET", "/mcp/live/events", headers=headers) as response:
            replayed = []
            async for event in received(response):
                replayed.append(event)
                if event["event"] == "execution_completed":
                    break

    assert {event["data"]["execution_id"] for event in seen} == {"0000aaaa"}
    assert [event["data"]["seq"] for event in seen] == list(range(1, len(seen) + 1))
    positions = [int(event["id"]) for event in seen]
    assert positions == sorted(positions)
    assert replayed == seen[len(seen) // 2 + 1 :]


async def test_a_reader_goes_on_with_a_record_that_begins_anew(
    streams: httpx.AsyncClient, ran: Ran, project: Path
) -> None:
    with anyio.fail_after(10):
        async with streams.stream("GET", "/mcp/live/events") as response:
            live = received(response)
            for path in (project / ".inwit").glob("inwit.db*"):
                path.rename(f"{path}.old")
            told = await anext(live)
            await ran.graph.ainvoke({"question": "again"}, execution_id="0000bbbb")
            seen = [await anext(live)]
            while seen[-1]["event"] != "execution_completed":
                seen.append(await anext(live))

    assert (told["id"], told["event"]) == ("0", "gap")
    ours = [event for event in seen if event["data"]["execution_id"] == "0000bbbb"]
    assert [event["data"]["seq"] for event in ours] == list(range(1, len(ours) + 1))


async def test_a_resume_point_beyond_the_record_is_told_and_all_there_is_comes(
    streams: httpx.AsyncClient, ran: Ran
) -> None:
    headers = {"Last-Event-ID": str(2**50)}
    with anyio.fail_after(10):
        async with streams.stream("GET", "/mcp/live/events", headers=headers) as response:
            events = received(response)
            told, first = await anext(events), await anext(events)
            while first["event"] != "execution_started":
                first = await anext(events)

    assert (told["id"], told["event"]) == ("0", "gap")
    assert first["data"]["seq"] == 1


async def test_the_stream_of_all_is_filtered_by_graph_and_type(
    streams: httpx.AsyncClient, ran: Ran
) -> None:
    path = "/mcp/live/events?graph=other&type=execution_completed"
    other = seeker("other")
    await other.flush()
    with anyio.fail_after(10):
        async with streams.stream("GET", path) as response:
            await ran.graph.ainvoke({"question": "mine"})
            await other.ainvoke({"question": "other"})
            first = await anext(received(response))

    assert first["event"] == "execution_completed"
    assert first["data"]["graph_name"] == "other"


async def test_a_silent_stream_has_a_heartbeat(
    streams: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT_S", 0.05)

    with anyio.fail_after(10):
        async with streams.stream("GET", "/mcp/live/events") as response:
            beats = [line async for line in _first(response.aiter_lines(), 2)]

    assert all(line.startswith(": ping") for line in beats)


async def _first(lines: AsyncIterator[str], count: int) -> AsyncIterator[str]:
    async for line in lines:
        if line:
            yield line
            count -= 1
        if not count:
            return


def custom(position: int) -> Frame:
    event = Custom(execution_id="e", graph_name="g", seq=position, ts="2026-01-01T00:00:00Z")
    return Frame(position=position, event=event)


async def test_a_reader_that_falls_behind_is_told_exactly_what_it_lost() -> None:
    subscription = Subscription(0, lambda _event: True, lambda _self: None)
    subscription.offer([custom(position) for position in range(1, hub.BUFFER + 101)])
    items = aiter(subscription)

    kept = [await anext(items) for _ in range(hub.BUFFER)]
    lost = await anext(items)
    subscription.offer([custom(9999)])
    later = await anext(items)

    assert [frame.position for frame in kept if isinstance(frame, Frame)] == list(
        range(1, hub.BUFFER + 1)
    )
    assert isinstance(lost, Lost)
    gap = lost.gap(lambda frame: frame.position)
    assert (gap.lost_from, gap.lost_to) == (hub.BUFFER + 1, hub.BUFFER + 100)
    assert isinstance(later, Frame)
    assert later.position == 9999


async def test_the_buffer_of_a_reader_that_never_reads_stays_bounded() -> None:
    subscription = Subscription(0, lambda _event: True, lambda _self: None)

    for start in range(0, 50_000, 1000):
        subscription.offer([custom(start + index) for index in range(1000)])

    assert len(subscription._frames) == hub.BUFFER


async def test_a_slow_reader_gets_a_gap_event_and_holds_up_nobody(url: str, ran: Ran) -> None:
    place = urlsplit(url)
    slow = socket.create_connection((place.hostname or "", place.port or 80))
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    slow.sendall(b"GET /mcp/live/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    text = "a few words " * 1_000
    with anyio.fail_after(60):
        async with (
            httpx.AsyncClient(base_url=url, timeout=30) as client,
            client.stream("GET", "/mcp/live/events?type=execution_completed") as quick,
        ):
            runs = 250
            for _ in range(runs):
                await ran.graph.ainvoke({"question": text})
            completed = received(quick)
            seen = [await anext(completed) for _ in range(runs)]
        got = await anyio.to_thread.run_sync(_read_until_gap, slow)
    slow.close()

    assert {event["event"] for event in seen} == {"execution_completed"}
    assert b"event: gap" in got
    gap = json.loads(got.partition(b"event: gap\r\ndata: ")[2].partition(b"\r\n")[0])
    before = int(
        got.partition(b"event: gap")[0]
        .rsplit(b"\r\n\r\n", 1)[0]
        .rsplit(b"id: ", 1)[1]
        .split(b"\r\n")[0]
    )
    lost = [
        position
        for position, _ in Store.of(Project.find()).tail(before, 100_000)
        if position <= gap["lost_to"]
    ]
    assert lost[0] == gap["lost_from"]


def _read_until_gap(connection: socket.socket) -> bytes:
    connection.settimeout(20)
    read = b""
    while b"event: gap" not in read or not read.rpartition(b"event: gap")[2].count(b"\r\n\r\n"):
        chunk = connection.recv(1 << 20)
        if not chunk:
            break
        read += chunk
    return read


async def test_the_host_refuses_more_streams_than_it_can_hold(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "SUBSCRIBERS", 1)
    running = lifecycle.start(Project.find(), port=0)
    try:
        with anyio.fail_after(10):
            async with (
                httpx.AsyncClient(base_url=running.url) as client,
                client.stream("GET", "/mcp/live/events"),
            ):
                refused = await client.get("/mcp/live/events")
    finally:
        running.stop()

    assert (refused.status_code, refused.json()["code"]) == (503, "host.too_many_streams")
