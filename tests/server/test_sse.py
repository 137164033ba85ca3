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
from inwit.server import hub, lifecycle, sse, stream
from inwit.server.host import Host
from inwit.server.subscription import BUFFER, CHUNK, CHUNK_BYTES, Batch, Frame, Lost, Subscription
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
    with anyio.fail_after(30):
        async with client.stream("GET", path, headers=headers) as response:
            assert response.status_code == 200
            assert response.headers["content-type"].startswith("text/event-stream")
            return [event async for event in received(response)]


@pytest.fixture
async def streams(url: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
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
    with anyio.fail_after(30):
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
    with anyio.fail_after(30):
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
    with anyio.fail_after(30):
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
    with anyio.fail_after(30):
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
    with anyio.fail_after(30):
        async with streams.stream("GET", path) as response:
            await ran.graph.ainvoke({"question": "mine"})
            await other.ainvoke({"question": "other"})
            first = await anext(received(response))

    assert first["event"] == "execution_completed"
    assert first["data"]["graph_name"] == "other"


async def test_a_silent_stream_has_a_heartbeat(
    streams: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_S", 0.05)

    with anyio.fail_after(30):
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
    subscription.offer(Batch(frames=[custom(position) for position in range(1, BUFFER + 101)]))
    items = aiter(subscription)

    kept = [await anext(items) for _ in range(BUFFER)]
    lost = await anext(items)
    subscription.offer(Batch(frames=[custom(9999)]))
    later = await anext(items)

    assert [frame.position for frame in kept if isinstance(frame, Frame)] == list(
        range(1, BUFFER + 1)
    )
    assert isinstance(lost, Lost)
    gap = lost.gap()
    assert (gap.lost_from, gap.lost_to) == (BUFFER + 1, BUFFER + 100)
    assert isinstance(later, Frame)
    assert later.position == 9999


class Line:
    """A client's connection that takes what is written while it has room."""

    def __init__(self) -> None:
        self.has_room = True
        self.written: list[bytes] = []

    def write(self, data: bytes) -> bool:
        if self.has_room:
            self.written.append(data)
        return self.has_room


async def test_what_comes_while_a_reader_waits_with_all_before_it_is_written_at_once() -> None:
    subscription, line = Subscription(0, lambda _event: True, lambda _self: None), Line()
    subscription.write = line.write
    first, second, third, fourth = (Batch(frames=[custom(position)]) for position in range(1, 5))
    taken = []

    async def reader() -> None:
        held = 0
        while items := await subscription.taken(held):
            taken.append([item.position for item in items])
            held = items[-1].position

    async with anyio.create_task_group() as tasks:
        subscription.offer(first)  # nobody waits for it yet
        tasks.start_soon(reader)
        await anyio.wait_all_tasks_blocked()
        subscription.offer(second)
        line.has_room = False
        subscription.offer(third)
        line.has_room = True
        subscription.offer(fourth)  # the third one goes before it
        await anyio.wait_all_tasks_blocked()
        subscription.close()

    assert line.written == [second.written]
    assert taken == [[1], [3, 4]]


async def test_what_a_reader_has_already_and_what_is_too_long_are_not_written_at_once() -> None:
    subscription, line = Subscription(0, lambda _event: True, lambda _self: None), Line()
    subscription.write = line.write
    known = Batch(frames=[custom(7), custom(8)])
    long = Batch(frames=[custom(position) for position in range(9, 9 + CHUNK_BYTES // 50)])
    taken = []

    async def reader() -> None:
        while items := await subscription.taken(7):
            taken.extend([item.position for item in items])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reader)
        for batch in (known, long):
            await anyio.wait_all_tasks_blocked()
            subscription.offer(batch)
        await anyio.wait_all_tasks_blocked()
        subscription.close()

    assert line.written == []
    assert taken[:2] == [7, 8]
    assert len(taken) > CHUNK


async def test_a_client_of_http_1_0_reads_events_without_their_lengths(url: str, ran: Ran) -> None:
    place = urlsplit(url)
    with socket.create_connection((place.hostname or "", place.port or 80), timeout=20) as old:
        old.sendall(b"GET /mcp/live/events HTTP/1.0\r\nHost: localhost\r\n\r\n")
        head = await anyio.to_thread.run_sync(_read_until, old, b"\r\n\r\n")
        await ran.graph.ainvoke({"question": "q"})
        body = await anyio.to_thread.run_sync(_read_until, old, b"execution_completed")

    assert b"transfer-encoding" not in head.lower()
    assert body.startswith(b"id: ")
    assert body.count(b"id: ") == body.count(b"\r\n\r\nid: ") + 1


def _read_until(connection: socket.socket, end: bytes) -> bytes:
    read = b""
    while end not in read:
        read += connection.recv(1)
    return read


async def test_the_buffer_of_a_reader_that_never_reads_stays_bounded() -> None:
    subscription = Subscription(0, lambda _event: True, lambda _self: None)

    for start in range(0, 50_000, 1000):
        subscription.offer(Batch(frames=[custom(start + index) for index in range(1000)]))

    assert len(subscription._frames) == BUFFER


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
        with anyio.fail_after(30):
            async with (
                httpx.AsyncClient(base_url=running.url) as client,
                client.stream("GET", "/mcp/live/events"),
            ):
                refused = await client.get("/mcp/live/events")
    finally:
        running.stop()

    assert (refused.status_code, refused.json()["code"]) == (503, "host.too_many_streams")


async def test_a_reader_that_is_behind_takes_many_events_at_once() -> None:
    subscription = Subscription(0, lambda _event: True, lambda _self: None)
    subscription.offer(Batch(frames=[custom(position) for position in range(1, CHUNK + 3)]))

    first = await subscription.taken()
    second = await subscription.taken()

    assert [item.position for item in first] == list(range(1, CHUNK + 1))
    assert [item.position for item in second] == [CHUNK + 1, CHUNK + 2]


def test_what_is_sent_at_once_is_bounded_and_whole() -> None:
    written = [bytes([number]) * 40_000 for number in range(5)]

    chunks = list(sse._joined(written))

    assert b"".join(chunks) == b"".join(written)
    assert [len(chunk) for chunk in chunks] == [80_000, 80_000, 40_000]


async def test_the_stream_of_one_execution_reads_once_more_what_it_was_too_slow_for(
    project: Path,
) -> None:
    from inwit import END, Command, StateGraph, interrupt
    from tests.server.conftest import State

    graph = StateGraph(State)
    graph.add_node("wait", lambda _state: {"answer": interrupt("Which?")})
    graph.set_entry_point("wait")
    graph.add_edge("wait", END)
    app = graph.compile(name="asker")
    app.invoke({"question": "?"}, thread_id="t", execution_id="abcdef02")
    await app.flush()
    subscription = Subscription(0, lambda _event: True, lambda _self: None)
    host = Host(Project.find())
    stored = host.store.events("abcdef02")
    stream = sse._from_seq(host, subscription, "abcdef02", 0)
    before = [(await anext(stream))[0] for _ in stored]

    app.invoke(Command(resume="that"), thread_id="t")
    await app.flush()
    subscription.lose(Lost(first=custom(1), last=custom(900)))
    after = [event async for event, _ in stream]

    assert [event.seq for event in (*before, *after)] == list(range(1, len(before + after) + 1))
    assert after[-1].type == "execution_completed"


async def test_a_place_is_free_again_once_its_reader_has_left(
    streams: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "SUBSCRIBERS", 1)

    async with streams.stream("GET", "/mcp/live/events") as taken:
        refused = (await streams.get("/mcp/live/events")).status_code
    again = 503
    with anyio.fail_after(30):
        while again == 503:
            async with streams.stream("GET", "/mcp/live/events") as later:
                again = later.status_code

    assert (taken.status_code, refused, again) == (200, 503, 200)


async def test_a_head_of_a_stream_is_answered_and_takes_no_place(
    streams: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "SUBSCRIBERS", 1)

    heads = [await streams.head("/mcp/live/events") for _ in range(3)]

    assert [head.status_code for head in heads] == [200, 200, 200]
    assert heads[0].headers["content-type"].startswith("text/event-stream")
