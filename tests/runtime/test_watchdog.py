"""The watchdog holds nothing: neither loops that were closed nor executions that have ended."""

from __future__ import annotations

import asyncio
import gc
from typing import Any, TypedDict
from weakref import ref

import pytest

from inwit import START, StateGraph


class State(TypedDict, total=False):
    n: int


async def node(state: State) -> dict[str, int]:
    return {"n": 1}


def compiled() -> Any:
    graph = StateGraph(State).add_node("node", node)
    return graph.add_edge(START, "node").compile(name="held")


def test_a_loop_that_was_closed_and_its_graph_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INWIT_OFF", "1")
    seen = []

    async def run() -> None:
        app = compiled()
        seen.extend([ref(asyncio.get_running_loop()), ref(app)])
        await app.ainvoke({})

    asyncio.run(run())
    asyncio.run(compiled().ainvoke({}))  # The last loop is remembered.
    gc.collect()

    assert [one() for one in seen] == [None, None]
