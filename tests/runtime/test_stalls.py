"""Async nodes that block are told of: once each, with the line, also to who asks the doctor later."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any, TypedDict

import pytest

from inwit import END, START, StateGraph
from inwit.runtime.project import Project
from inwit.runtime.stalls import HELD_S, LOOKS, _Sign
from inwit.runtime.store import Store
from inwit.runtime.store.journal import HELD


class State(TypedDict, total=False):
    n: int


@pytest.mark.anyio
async def test_an_async_node_that_blocks_is_told_of_once_with_its_line(
    project: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def block() -> None:
        deadline = time.monotonic() + 30
        while "held the event loop" not in caplog.text and time.monotonic() < deadline:
            time.sleep(0.005)

    async def fetch(state: State) -> State:
        block()
        return {"n": 1}

    app = StateGraph(State).add_node("fetch", fetch).add_edge(START, "fetch").add_edge("fetch", END)
    graph = app.compile(name="orders")
    await graph.ainvoke({"n": 0})
    await graph.ainvoke({"n": 0})
    await graph.flush()

    assert caplog.text.count("The async node 'fetch' of 'orders' held the event loop") == 1
    (held,) = Store.of(Project.find()).metrics(HELD)
    assert (held["labels"]["graph"], held["labels"]["node"]) == ("orders", "fetch")
    assert f"{__file__}:" in held["labels"]["at"]
    assert held["labels"]["at"].endswith("in block")
    assert held["value"] >= HELD_S


def test_a_node_is_said_to_hold_its_loop_where_it_was_seen_often_and_for_long() -> None:
    loop: Any = SimpleNamespace(call_soon_threadsafe=lambda call: None)
    node: Any = SimpleNamespace(started_ns=1)

    def seen(*looks: tuple[Any, float]) -> list[bool]:
        sign = _Sign(loop, 0.0)
        return [sign.see(ctx, now) for ctx, now in looks]

    for_long = [(node, HELD_S * number / LOOKS) for number in range(LOOKS + 1)]
    assert seen(*for_long) == [False] * LOOKS + [True]
    assert not any(seen(*[(node, HELD_S * 9)] * LOOKS)), "it was stopped, and seen at one moment"
    assert not any(seen((node, 0.0), *[(node, HELD_S * 9)] * (LOOKS - 2)))
    assert not any(
        seen(*((SimpleNamespace(started_ns=n), now) for n, (_, now) in enumerate(for_long)))
    )
    assert not any(seen(*((None, now) for _, now in for_long)))
