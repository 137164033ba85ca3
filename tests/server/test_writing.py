from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypedDict

import anyio
import httpx2
import pytest
from mcp import Client
from mcp_types import CallToolResult, ElicitResult, TextContent

from inwit import END, START, CompiledGraph, StateGraph, interrupt
from inwit.runtime.project import Project
from inwit.runtime.store import Journal, Store, audit
from inwit.runtime.store.control import request
from inwit.server import lifecycle
from inwit.server.auth_setup import host_token
from inwit.server.host import Host
from inwit.server.mcp.confirming import check_token, mint_token
from inwit.server.offers import Offers
from tests.server.talking import Person, connected, modern_call, said, yes

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
    assert said(answered)["output"]["approved"] is True
    assert '"approved": true' in prose(answered)


async def test_a_person_is_shown_question_and_answer_and_not_asked_about_what_cannot_be(
    serve: Any,
) -> None:
    app, person = letters(), Person(yes())
    app.invoke({"topic": "tea"}, execution_id="waits")
    app.invoke({"topic": "rum"}, execution_id="over")
    await app.flush()
    request(Project.find(), "over", "cancel", actor="person:ada")
    answer = {"execution_id": "waits", "action": "resume"}
    async with connected(serve(), "2025", person) as client:
        refused = [
            await client.call_tool("control_execution", {**answer, **wrong})
            for wrong in ({"value": "perhaps"}, {}, {"value": True, "expected_seq": 3})
        ]
        await client.call_tool("control_execution", {**answer, "value": False})
        again = {"execution_id": "over", "action": "cancel"}
        unchanged = await client.call_tool("control_execution", again)

    assert said(unchanged)["outcome"] == "unchanged"
    assert [said(one)["error"]["code"] for one in refused] == [
        "execution.invalid_answer", "execution.answer_needed", "execution.stale",
    ]  # fmt: skip
    assert len(person.asked) == 1
    assert "Send 'about tea'?" in person.asked[0]
    assert person.asked[0].endswith("Answer: false?")


async def test_progress_goes_on_where_it_was_when_a_question_is_answered(
    serve: Any, era: str
) -> None:
    app, told = letters(), []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, message))

    async with connected(serve(), era, Person(yes(), yes(answer=True))) as client:
        call = {"graph": app.name, "input": {"topic": "tea"}}
        await client.call_tool("run_graph", call, progress_callback=hear)

    assert told == [(1, "write has ended"), (2, "approve has ended")]


def test_a_confirmation_that_one_host_took_is_refused_by_all_others_of_the_project(
    project: Path,
) -> None:
    host, call = Host(Project.find(), Offers(allow_write=True)), {"graph": "letters"}
    token = mint_token(host, "run_graph", call)
    check_token(host, token, "run_graph", call)
    elsewhere = (
        "from inwit.runtime.project import Project\n"
        "from inwit.server.host import Host\n"
        "from inwit.server.mcp.confirming import check_token\n"
        "from inwit.server.offers import Offers\n"
        "host = Host(Project.find(), Offers(allow_write=True))\n"
        f"check_token(host, {token!r}, 'run_graph', {call!r})"
    )

    done = subprocess.run(
        [sys.executable, "-c", elsewhere], capture_output=True, text=True, check=False
    )

    assert "This confirmation was used." in done.stderr


async def test_nobody_confirms_the_answer_to_an_execution_that_cannot_go_on(
    serve: Any, project: Path
) -> None:
    (project / "asking.py").write_text(
        "from typing import TypedDict\n"
        "from inwit import END, START, StateGraph, interrupt\n"
        "class State(TypedDict, total=False):\n    approved: bool\n"
        "graph = StateGraph(State).add_node('ask', lambda _: {'approved': interrupt('May it?')})\n"
        "app = graph.add_edge(START, 'ask').add_edge('ask', END).compile(name='asking')\n"
        "if __name__ == '__main__':\n    app.invoke({}, execution_id='waits')\n"
    )
    run = partial(subprocess.run, [sys.executable, "asking.py"], cwd=project, check=True)
    await anyio.to_thread.run_sync(run)  # its checkpoints end with it
    async with connected(serve(), "2026") as client:
        call = {"execution_id": "waits", "action": "resume", "value": True}
        refused = said(await client.call_tool("control_execution", call))

    assert refused["error"]["code"] == "execution.not_controllable"
    assert "its checkpoints are not here" in refused["error"]["message"]


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


def add_one(log: list[str], line: str) -> list[str]:
    return [*log, line]


class Order(TypedDict):
    item: str
    amount: int
    price: float
    log: Annotated[list[str], add_one]


def order() -> CompiledGraph[Any]:
    """A graph whose state asks for more than its input has."""
    graph = StateGraph(Order)
    graph.add_node("price", lambda state: {"price": len(state["item"]) * state["amount"]})
    graph.add_edge(START, "price")
    graph.add_edge("price", END)
    return graph.compile(name="order")


async def test_a_graphs_tool_asks_for_what_nobody_else_gives_and_takes_what_its_schema_says(
    serve: Any,
) -> None:
    app, given = order(), {"item": "tea", "amount": 2}
    wrong: list[dict[str, Any]] = [
        {"item": "tea"},
        {**given, "amount": "two"},
        {**given, "amounts": 2},
    ]
    async with connected(serve(graph_tools=True, confirms=False), "2026") as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        refused = [await client.call_tool("graph_order", one) for one in wrong]
        done = await client.call_tool("graph_order", {**given, "price": None, "log": "begun"})

    assert tools[f"graph_{app.name}"].input_schema["required"] == ["item", "amount"]
    assert [said(one)["error"]["message"] for one in refused] == [
        "amount is missing.",
        "amount is 'two', which is not of type 'integer'.",
        "There is no argument 'amounts'.",
    ]
    assert "Needed: item, amount." in prose(refused[0])
    assert said(done)["output"] == {**given, "price": 6, "log": ["begun"]}


async def test_run_graph_takes_what_the_graphs_own_tool_takes(serve: Any) -> None:
    app, given = order(), {"item": "tea", "amount": 2}
    wrong: list[dict[str, Any]] = [{"item": "tea"}, {**given, "amount": "two"}]
    async with connected(serve(confirms=False), "2026") as client:
        run = partial(client.call_tool, "run_graph")
        refused = [await run({"graph": app.name, "input": one}) for one in wrong]
        done = await run({"graph": app.name, "input": {**given, "price": None, "log": "begun"}})

    assert [said(one)["error"]["message"] for one in refused] == [
        "input.amount is missing.",
        "input.amount is 'two', which is not of type 'integer'.",
    ]
    assert "Keys: item, amount, price, log. Needed: item, amount." in prose(refused[0])
    assert said(done)["output"] == {**given, "price": 6, "log": ["begun"]}


@pytest.mark.parametrize("name", ["inwit_confirm", "confirm"])
async def test_a_graphs_tool_is_confirmed_by_either_name_of_the_token(
    serve: Any, name: str
) -> None:
    app = plain()
    async with connected(serve(graph_tools=True), "2026") as client:
        first = await client.call_tool("graph_plain", {"topic": "tea"})
        again = {"topic": "tea", name: said(first)["confirm"]}
        second = await client.call_tool(f"graph_{app.name}", again)

    assert "inwit_confirm=" in prose(first)
    assert said(second)["status"] == "completed"


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


def prose(result: CallToolResult) -> str:
    return "".join(one.text for one in result.content if isinstance(one, TextContent))


async def until_one_is(status: str) -> None:
    store = Store.of(Project.find())
    with anyio.fail_after(30):
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


async def test_a_host_that_ends_tells_who_waits_for_a_graph_and_the_record_so(
    project: Path,
) -> None:
    app, offers = endless(), Offers(allow_write=True, confirms=False)
    host = await anyio.to_thread.run_sync(
        lambda: lifecycle.start(Project.find(), port=0, offers=offers)
    )
    body, headers = modern_call("run_graph", {"graph": app.name, "input": {}})
    headers["Authorization"] = f"Bearer {host_token(Project.find())}"
    answered: list[httpx2.Response] = []

    async def ask() -> None:
        async with httpx2.AsyncClient(timeout=20) as client:
            answered.append(await client.post(f"{host.url}/mcp", json=body, headers=headers))

    async with anyio.create_task_group() as asking:
        asking.start_soon(ask)
        await until_one_is("running")
        await anyio.to_thread.run_sync(host.stop)

    await until_one_is("cancelled")
    (cancelled,) = Store.of(Project.find()).executions(status="cancelled").items
    assert (answered[0].status_code, answered[0].json()["code"]) == (503, "host.error")
    assert cancelled.reason == "cancel asked by a host that ended"


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
