from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.server.subscriptions import ResourceUpdated
from mcp_types import ResourceListChangedNotification, ResourceUpdatedNotification

from inwit import END, START, StateGraph
from inwit.runtime.project import Project
from inwit.runtime.store import Store
from inwit.server.mcp.changes import changes
from tests.server.conftest import Ran, State, seeker

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning"),
]


class Heard:
    """What a client of 2025 is told, in its order."""

    def __init__(self) -> None:
        self.updated: list[str] = []
        self.lists = 0
        self.moved = anyio.Event()

    async def __call__(self, message: Any) -> None:
        if isinstance(message, ResourceUpdatedNotification):
            self.updated.append(str(message.params.uri))
        elif isinstance(message, ResourceListChangedNotification):
            self.lists += 1
        else:
            return
        self.moved.set()

    async def until(self, is_so: Any) -> None:
        with anyio.fail_after(30):
            while not is_so():
                await self.moved.wait()
                self.moved = anyio.Event()


async def test_a_client_of_2025_hears_of_an_execution_that_it_watches(ran: Ran, url: str) -> None:
    heard, is_let_on = Heard(), asyncio.Event()

    async def linger(state: State) -> dict[str, Any]:
        await is_let_on.wait()
        return {"answer": "done"}

    graph = StateGraph(State)
    graph.add_node("linger", linger)
    graph.add_edge(START, "linger")
    graph.add_edge("linger", END)
    app = graph.compile(name="slow")
    uri, others = "execution://watched/summary", "graph://slow/executions"
    running = asyncio.create_task(app.ainvoke({"question": "?"}, execution_id="watched"))
    async with Client(f"{url}/mcp", mode="legacy", message_handler=heard, cache=None) as client:
        await client.session.subscribe_resource(uri)
        await client.session.subscribe_resource(others)
        is_let_on.set()
        await running
        await heard.until(lambda: {uri, others} <= set(heard.updated))
        await client.session.unsubscribe_resource(uri)

    assert set(heard.updated) == {uri, others}


async def test_lists_and_figures_of_a_graph_change_with_its_executions(ran: Ran) -> None:
    events = Store.of(Project.find()).events(ran.completed)
    told = {
        event.type: {
            change.uri
            for change in changes(event)
            if isinstance(change, ResourceUpdated) and change.uri.startswith("graph://")
        }
        for event in events
    }

    both = {"graph://seeker/executions", "graph://seeker/metrics"}
    assert told["execution_started"] == told["execution_completed"] == both
    assert told["node_entered"] == {"graph://seeker/executions"}
    assert told["state_changed"] == set()


async def test_a_client_of_2025_hears_of_graphs_that_come(
    ran: Ran, url: str, project: Path
) -> None:
    heard = Heard()
    async with Client(f"{url}/mcp", mode="legacy", message_handler=heard, cache=None) as client:
        await client.session.subscribe_resource("graph://newcomer/architecture")
        newcomer = seeker("newcomer")
        await newcomer.flush()
        await heard.until(lambda: heard.lists and heard.updated)

    assert heard.updated == ["graph://newcomer/architecture"]
