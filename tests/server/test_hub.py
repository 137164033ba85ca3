"""The tail of the record, fanned out: what a host bears when the record runs ahead of its readers."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, TypedDict, cast

import anyio
import anyio.lowlevel
import pytest

from inwit import END as OVER
from inwit import START, CompiledGraph, StateGraph
from inwit.events import Custom, Event
from inwit.runtime.project import Project
from inwit.runtime.store import Journal, Store
from inwit.server import hub
from inwit.server.hub import Hub
from inwit.server.subscription import BATCH, CHUNK, Batch, Frame, Lost, Subscription

pytestmark = pytest.mark.anyio
END = 1_000_000


class State(TypedDict, total=False):
    topic: str


def plain() -> CompiledGraph[Any]:
    graph = StateGraph(State).add_node("read", lambda state: {"topic": state["topic"].upper()})
    return graph.add_edge(START, "read").add_edge("read", OVER).compile(name="plain")


class EndlessStore:
    """A record that always has another batch; `is_behind` is set once three were read."""

    def __init__(self) -> None:
        self.batches = 0
        self.is_behind = threading.Event()

    def position(self) -> int:
        return END if self.batches else 0

    def last(self) -> tuple[int, Event]:
        return self.tail(END - 1, 1)[0]

    def data_version(self) -> int:
        return self.batches

    def wait_change(self, _timeout_s: float, _version: int) -> None:
        raise AssertionError("there is always more")

    def tail(self, position: int, limit: int) -> list[tuple[int, Event]]:
        self.batches += 1
        if self.batches > 2:
            self.is_behind.set()
        return [
            (at, Custom(execution_id="e", graph_name="g", seq=at, ts="2026-01-01T00:00:00Z"))
            for at in range(position + 1, position + 1 + limit)
        ]


@pytest.fixture
def store() -> EndlessStore:
    return EndlessStore()


@pytest.fixture
async def tail(store: EndlessStore) -> AsyncIterator[Hub]:
    reading = Hub(cast(Store, store))
    yield reading
    reading.close()


async def test_no_more_than_one_batch_waits_for_a_busy_loop(store: EndlessStore, tail: Hub) -> None:
    await tail.join(lambda _event: True)

    # The loop does nothing else meanwhile, as under the load of many readers.
    is_piling_up = store.is_behind.wait(3 * hub.PATIENCE_S)

    assert not is_piling_up


class Choice:
    """A wish that counts how often it is asked; all are equal."""

    asked = 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Choice)

    def __hash__(self) -> int:
        return 0

    def __call__(self, _event: Event) -> bool:
        type(self).asked += 1
        return True


async def test_what_many_readers_want_alike_is_asked_once_for_each_event(tail: Hub) -> None:
    readers = [await tail.join(Choice()) for _ in range(50)]

    with anyio.fail_after(30):
        for reader in readers:
            await anext(aiter(reader))
    tail.close()

    assert 0 < Choice.asked < 50 * BATCH


async def test_a_reader_with_much_to_take_leaves_others_their_turn() -> None:
    wishes = Subscription(0, lambda _event: True, lambda _self: None)
    events = EndlessStore().tail(0, 512)
    wishes.offer(Batch(frames=[Frame(position=at, event=event) for at, event in events]))
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(other)
        for _ in range(512 // CHUNK):
            await wishes.taken()
        tasks.cancel_scope.cancel()

    assert turns >= 512 // CHUNK


async def test_a_tail_that_is_late_goes_on_at_the_end_and_says_what_it_passed_over(
    store: EndlessStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "LATE_S", 0.0)
    late = Hub(cast(Store, store))
    reader = await late.join(lambda _event: True)

    with anyio.fail_after(30):
        lost = await anext(item async for item in reader if isinstance(item, Lost))
    late.close()

    assert (lost.first.position, lost.last.position) == (1, END)


async def test_what_the_record_holds_has_come_once_a_tail_has_caught_up(project: Path) -> None:
    journal, store = Journal.of(Project.find()), Store.of(Project.find())
    reading = Hub(store)
    reader = await reading.join(lambda _event: True)
    await plain().ainvoke({"topic": "tea"}, execution_id="one")

    with anyio.fail_after(30):
        await anyio.to_thread.run_sync(journal.flush)
        await reading.catch_up()
        types = [one.event.type async for one in _until_end(reader)]
    reading.close()

    assert types[-1] == "execution_completed"


async def _until_end(reader: Subscription) -> AsyncIterator[Frame]:
    async for item in reader:
        if isinstance(item, Frame):
            yield item
            if item.event.type == "execution_completed":
                return


def test_the_last_event_is_the_end_of_the_tail(project: Path) -> None:
    store = Store.of(Project.find())
    assert store.last() is None

    plain().invoke({"topic": "tea"})
    Journal.of(Project.find()).flush()

    assert store.last() == store.tail(0)[-1]
