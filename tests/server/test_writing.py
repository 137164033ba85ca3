from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypedDict

import anyio
import pytest
from mcp import Client
from mcp_types import ElicitResult

from inwit import END, START, CompiledGraph, StateGraph, interrupt
from inwit.runtime.project import Project
from inwit.runtime.store import Journal, Store, audit
from inwit.server import lifecycle
from inwit.server.offers import Offers
from tests.server.talking import Person, connected, said, yes

pytestmark = pytest.mark.anyio


class State(TypedDict, total=False):
    topic: str
    draft: str
    approved: bool


def write(state: State) -> State:
    return {"draft": f"about {state['topic']}"}


def approve(state: State) -> State:
    return {"approved": interrupt(f"Send {state['draft']!r}?", schema={"type": "boolean"})}


async def linger(state: State) -> State:
    await asyncio.Event().wait()
    return {}


def letters(**options: Any) -> CompiledGraph[Any]:
    """A graph that writes a letter and asks whether it may be sent."""
    graph = StateGraph(State)
    graph.add_node("write", write)
    graph.add_node("approve", approve)
    graph.add_edge(START, "write")
    graph.add_edge("write", "approve")
    graph.add_edge("approve", END)
    return graph.compile(name="letters", **options)


def plain(name: str = "plain") -> CompiledGraph[Any]:
    graph = StateGraph(State)
    graph.add_node("write", write)
    graph.add_edge(START, "write")
    graph.add_edge("write", END)
    return graph.compile(name=name)


def endless() -> CompiledGraph[Any]:
    graph = StateGraph(State)
    graph.add_node("linger", linger)
    graph.add_edge(START, "linger")
    graph.add_edge("linger", END)
    return graph.compile(name="endless")


@pytest.fixture
def serve(project: Path) -> Iterator[Callable[..., str]]:
    """Serve the project's graphs to clients that may write; gives the address of MCP."""
    hosts = []

    def start(**offers: Any) -> str:
        hosts.append(
            lifecycle.start(Project.find(), port=0, offers=Offers(allow_write=True, **offers))
        )
        return f"{hosts[-1].url}/mcp"

    yield start
    for host in hosts:
        host.stop()


@pytest.fixture(params=["2025", "2026"])
def era(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_a_graph_runs_once_a_person_has_said_yes_and_asks_what_it_asks(
    serve: Any, era: str
) -> None:
    app, person = letters(), Person(yes(), yes(answer=True))
    async with connected(serve(), era, person) as client:
        result = await client.call_tool("run_graph", {"graph": app.name, "input": {"topic": "tea"}})

    assert said(result)["status"] == "completed"
    assert said(result)["output"] == {"topic": "tea", "draft": "about tea", "approved": True}
    assert person.asked[0].startswith("Run the graph 'letters'")
    assert "Send 'about tea'?" in person.asked[1]


async def test_nothing_runs_where_the_person_says_no(serve: Any, era: str) -> None:
    app = letters()
    answers = ElicitResult(action="decline"), yes(yes=False)
    async with connected(serve(), era, Person(*answers)) as client:
        refused = [
            await client.call_tool("run_graph", {"graph": app.name, "input": {"topic": "tea"}})
            for _ in answers
        ]

    assert [said(one)["error"]["code"] for one in refused] == ["request.not_confirmed"] * 2
    assert Store.of(Project.find()).executions().items == ()


async def test_a_client_that_cannot_ask_confirms_by_calling_twice(serve: Any, era: str) -> None:
    app = letters()
    call = {"graph": app.name, "input": {"topic": "tea"}}
    async with connected(serve(), era) as client:
        first = await client.call_tool("run_graph", call)
        token = said(first)["confirm"]
        another = await client.call_tool(
            "run_graph", {**call, "input": {"topic": "rum"}, "confirm": token}
        )
        second = await client.call_tool("run_graph", {**call, "confirm": token})
        again = await client.call_tool("run_graph", {**call, "confirm": token})

    assert said(first)["status"] == "unconfirmed"
    assert said(another)["error"]["code"] == "request.not_confirmed"
    assert said(second)["status"] == "waiting_for_input"
    assert said(again)["error"]["code"] == "request.not_confirmed"
    assert len(Store.of(Project.find()).executions().items) == 1


async def test_a_client_that_cannot_ask_answers_by_control_execution(serve: Any, era: str) -> None:
    app = letters()
    call = {"graph": app.name, "input": {"topic": "tea"}}
    async with connected(serve(confirms=False), era) as client:
        waiting = said(await client.call_tool("run_graph", call))
        answer = {
            "execution_id": waiting["execution_id"], "action": "resume",
            "expected_seq": waiting["seq"],
        }  # fmt: skip
        refused = await client.call_tool("control_execution", {**answer, "value": "perhaps"})
        answered = await client.call_tool("control_execution", {**answer, "value": True})

    assert waiting["interrupts"][0]["schema"] == {"type": "boolean"}
    assert said(refused)["error"]["code"] == "execution.invalid_answer"
    assert said(answered)["outcome"] == "done"


async def test_an_answer_that_does_not_fit_is_asked_for_again(serve: Any) -> None:
    app = letters()
    person = Person(yes(), yes(answer="perhaps"), yes(answer=False))
    async with connected(serve(), "2025", person) as client:
        result = await client.call_tool("run_graph", {"graph": app.name, "input": {"topic": "tea"}})

    assert said(result)["output"]["approved"] is False


async def test_an_exposed_graph_is_a_tool_with_its_inputs_schema(serve: Any, era: str) -> None:
    exposed, app = letters(expose=True), plain()
    told: list[tuple[float, str | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, message))

    async with connected(serve(), era, Person(yes())) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    async with connected(serve(graph_tools=True), era, Person(yes())) as client:
        every = {tool.name: tool for tool in (await client.list_tools()).tools}
        result = await client.call_tool("graph_plain", {"topic": "tea"}, progress_callback=hear)

    assert "graph_letters" in tools
    assert "graph_plain" not in tools
    assert every["graph_plain"].input_schema["properties"]["topic"] == {
        "title": "Topic", "type": "string",
    }  # fmt: skip
    assert said(result)["output"]["draft"] == "about tea"
    assert told == [(1, "write has ended")]
    assert {exposed.name, app.name} == {"letters", "plain"}


async def test_many_tools_come_in_pages_and_each_has_a_name_of_its_own(serve: Any) -> None:
    graphs = [plain(f"letter:{number}") for number in range(94)] + [plain("a.b"), plain("a_b")]
    await anyio.to_thread.run_sync(Journal.of(Project.find()).flush)
    async with connected(serve(graph_tools=True), "2026") as client:
        first = await client.list_tools()
        second = await client.list_tools(cursor=first.next_cursor)

    names = [tool.name for tool in (*first.tools, *second.tools)]
    assert len(first.tools) == 100
    assert second.next_cursor is None
    assert len(set(names)) == len(names) == 10 + len(graphs)


async def until_one_is(status: str) -> None:
    store = Store.of(Project.find())
    with anyio.fail_after(20):
        while not store.executions(status=status).items:
            await anyio.to_thread.run_sync(store.wait_change, 0.1, store.data_version())


async def test_a_client_that_leaves_ends_the_graph(serve: Any, era: str) -> None:
    app = endless()
    async with (
        connected(serve(confirms=False), era) as client,
        anyio.create_task_group() as calling,
    ):
        call = {"graph": app.name, "input": {}}
        calling.start_soon(client.call_tool, "run_graph", call)
        await until_one_is("running")
        calling.cancel_scope.cancel()

    await until_one_is("cancelled")


async def test_what_clients_change_is_in_the_audit_log(serve: Any) -> None:
    app = letters()
    async with connected(serve(confirms=False), "2026") as client:
        waiting = said(
            await client.call_tool("run_graph", {"graph": app.name, "input": {"topic": "tea"}})
        )
        await client.call_tool(
            "control_execution", {"execution_id": waiting["execution_id"], "action": "cancel"}
        )

    rows = [(row.actor, row.action, row.target) for row in audit.rows(Project.find())]

    assert rows == [
        ("client:host-token", "graph.run", "graph://letters"),
        ("client:host-token", "execution.cancel", f"execution://{waiting['execution_id']}"),
    ]


async def test_a_host_that_only_answers_offers_no_tool_that_changes_anything(
    url: str, era: str
) -> None:
    app = letters(expose=True)
    async with connected(f"{url}/mcp", era) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        with pytest.raises(Exception, match="No tool"):
            await client.call_tool("run_graph", {"graph": app.name, "input": {}})

    assert len(names) == 7
    assert not names & {"run_graph", "control_execution", "decide_plan", "graph_letters"}


async def test_who_holds_no_token_is_offered_nothing_that_changes_anything(serve: Any) -> None:
    app = letters(expose=True)
    async with Client(serve(), cache=None) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        refused = await client.call_tool("run_graph", {"graph": app.name, "input": {}})

    assert len(names) == 7
    assert said(refused)["error"]["code"] == "request.unauthorized"


async def test_a_graph_of_another_file_is_loaded_from_it(serve: Any, project: Path) -> None:
    (project / "there.py").write_text(
        "from typing import TypedDict\nfrom inwit import END, START, StateGraph\n"
        "class State(TypedDict, total=False):\n    n: int\n"
        "graph = StateGraph(State)\ngraph.add_node('one', lambda state: {'n': 1})\n"
        "graph.add_edge(START, 'one')\ngraph.add_edge('one', END)\n"
        "app = graph.compile(name='there')\n"
    )
    await anyio.run_process([sys.executable, "-m", "inwit", "run", "there.py:app"], check=True)

    async with connected(serve(confirms=False, graph_tools=True), "2026") as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        result = await client.call_tool("run_graph", {"graph": "there", "input": {}})

    assert "graph_there" in names
    assert said(result)["output"] == {"n": 1}


async def test_a_graph_that_cannot_be_loaded_says_so(serve: Any) -> None:
    app = plain()
    await app.flush()
    name, app = app.name, None  # type: ignore[assignment]
    async with connected(serve(confirms=False), "2026") as client:
        refused = await client.call_tool("run_graph", {"graph": name, "input": {"topic": "tea"}})

    assert said(refused)["error"]["code"] == "request.graph_not_here"
    assert "inwit serve FILE:GRAPH" in json.dumps(said(refused))
