from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import jsonschema
import pytest
import quicktok
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from mcp.shared.exceptions import MCPError
from mcp.shared.subscriptions import ResourcesListChanged, ResourceUpdated
from mcp_types import (
    CallToolResult,
    PromptReference,
    ResourceTemplateReference,
    TextContent,
    TextResourceContents,
)

from inwit import END, StateGraph
from inwit.server.mcp.bounds import MOST_CHARS
from tests.server.conftest import Ran, State
from tests.server.talking import modern_call

pytestmark = pytest.mark.anyio

STDIO = """
from inwit.runtime.project import Project
from inwit.server.stdio import serve
serve(Project.find())
"""
WHYS = "Why did search run 3 times?"


@pytest.fixture(params=["2026 http", "2025 http", "2026 stdio", "2025 stdio"])
def connect(request: pytest.FixtureRequest, ran: Ran) -> Any:
    """A client of the SDK over each transport, in each era of the protocol."""
    era, transport = request.param.split()
    mode = "legacy" if era == "2025" else "auto"

    @asynccontextmanager
    async def connected() -> AsyncIterator[Client]:
        server: Any = f"{request.getfixturevalue('url')}/mcp" if transport == "http" else None
        if server is None:
            server = StdioServerParameters(
                command=sys.executable, args=["-c", STDIO], cwd=Path.cwd()
            )
        with anyio.fail_after(60):
            async with Client(server, mode=mode, cache=None) as client:
                assert client.protocol_version.startswith(era)
                yield client

    return connected


@pytest.fixture
async def client(url: str) -> AsyncIterator[Client]:
    async with Client(f"{url}/mcp", cache=None) as client:
        yield client


def text_of(result: CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


def length_of(result: CallToolResult) -> int:
    return len(text_of(result)) + len(json.dumps(result.structured_content, ensure_ascii=False))


async def test_both_eras_of_the_protocol_answer_over_both_transports(connect: Any) -> None:
    async with connect() as client:
        tools = await client.list_tools()
        asked = await client.call_tool("introspect_ask", {"question": WHYS})
        templates = await client.list_resource_templates()
        prompts = await client.list_prompts()
        facts = await client.read_resource("graph://seeker/architecture")
        assert "introspect_ask" in (client.instructions or "")

    assert len(tools.tools) == 7
    assert not asked.is_error
    assert asked.structured_content["level"] == "live"
    assert len(templates.resource_templates) == 6
    assert len(prompts.prompts) == 4
    assert "mermaid" in facts.contents[0].text


async def test_a_raw_2025_handshake_opens_a_session_that_can_be_closed(url: str, ran: Ran) -> None:
    headers = {"Accept": "application/json, text/event-stream"}
    hello = {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "raw", "version": "1"},
    }
    async with httpx.AsyncClient(timeout=30) as raw:

        async def send(method: str, params: Any, number: int | None) -> httpx.Response:
            message = {"jsonrpc": "2.0", "method": method, "params": params}
            body = message if number is None else {**message, "id": number}
            return await raw.post(f"{url}/mcp", json=body, headers=headers)

        opened = await send("initialize", hello, 1)
        headers["Mcp-Session-Id"] = opened.headers["mcp-session-id"]
        headers["MCP-Protocol-Version"] = "2025-06-18"
        ready = await send("notifications/initialized", {}, None)
        listed = await send("tools/list", {}, 2)
        closed = await raw.delete(f"{url}/mcp", headers=headers)
        gone = await send("tools/list", {}, 3)

    assert _result(opened)["serverInfo"]["name"] == "inwit"
    assert ready.status_code == 202
    assert len(_result(listed)["tools"]) == 7
    assert closed.status_code == 200
    assert gone.status_code == 404


def _result(response: httpx.Response) -> dict[str, Any]:
    text = response.text
    if response.headers["content-type"].startswith("text/event-stream"):
        text = next(line[6:] for line in text.splitlines() if line.startswith("data: {"))
    found: dict[str, Any] = json.loads(text)["result"]
    return found


async def test_a_raw_2026_request_needs_no_session(url: str, ran: Ran) -> None:
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "raw", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    message = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "list_executions", "arguments": {}, "_meta": meta},
    }
    headers = {
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2026-07-28",
        "MCP-Method": "tools/call",
        "MCP-Name": "list_executions",
    }
    async with httpx.AsyncClient(timeout=30) as raw:
        response = await raw.post(f"{url}/mcp", json=message, headers=headers)

    assert "mcp-session-id" not in response.headers
    assert _result(response)["structuredContent"]["total_count"] == 2


async def test_the_tools_fit_into_a_clients_context(client: Client) -> None:
    listed = (await client.list_tools()).model_dump(by_alias=True, mode="json", exclude_none=True)
    encoding = quicktok.get_encoding("o200k_base")

    assert len(listed["tools"]) <= 8
    assert len(encoding.encode(json.dumps(listed))) <= 1500
    assert len(encoding.encode(client.instructions or "")) <= 150


async def test_the_tools_say_that_they_only_read(client: Client) -> None:
    for tool in (await client.list_tools()).tools:
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint is True
        assert tool.annotations.open_world_hint is False
        assert tool.output_schema is not None
        assert tool.input_schema["additionalProperties"] is False


async def test_every_tool_answers_with_content_of_its_schema_and_short_prose(
    client: Client, ran: Ran
) -> None:
    calls: dict[str, dict[str, Any]] = {
        "introspect_ask": {"question": WHYS},
        "introspect_search": {"query": "search passages"},
        "introspect_get": {"uri": f"execution://{ran.completed}/history"},
        "list_executions": {"graph": "seeker"},
        "explain_execution": {"execution_id": ran.failed},
        "list_plans": {},
        "search_packages": {"query": "retrieval"},
    }
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert set(tools) == set(calls)

    for name, arguments in calls.items():
        result = await client.call_tool(name, arguments)
        assert not result.is_error, text_of(result)
        jsonschema.validate(result.structured_content, tools[name].output_schema)
        assert not text_of(result).lstrip().startswith("{")
        assert length_of(result) <= 20_000


async def test_an_answer_names_evidence_that_can_be_opened(client: Client, ran: Ran) -> None:
    asked = await client.call_tool("introspect_ask", {"question": WHYS})
    evidence = asked.structured_content["evidence"]

    assert evidence
    for one in evidence:
        opened = await client.call_tool("introspect_get", {"uri": one["uri"]})
        assert not opened.is_error
        assert opened.structured_content["uri"] == one["uri"]
    assert evidence[0]["uri"] in text_of(asked)


async def test_mcp_and_http_give_one_answer(client: Client, url: str, ran: Ran) -> None:
    asked = await client.call_tool("introspect_ask", {"question": WHYS})
    async with httpx.AsyncClient() as raw:
        got = (await raw.get(f"{url}/mcp/introspect", params={"q": WHYS})).json()

    for name in ("answer", "level", "intent", "evidence", "confidence", "data", "follow_ups"):
        assert asked.structured_content[name] == got[name]


@pytest.mark.parametrize(
    ("tool", "arguments", "code"),
    [
        ("introspect_ask", {}, "request.malformed"),
        ("introspect_ask", {"question": 5}, "request.malformed"),
        ("introspect_ask", {"question": "why?", "colour": "red"}, "request.malformed"),
        ("introspect_ask", {"question": "why?", "max_chars": 10**9}, "request.malformed"),
        ("introspect_ask", {"question": "why " * 10_000}, "request.too_large"),
        ("introspect_ask", {"question": "\ud800"}, "request.malformed"),
        ("introspect_ask", {"question": "why?", "graph": "seekr"}, "graph.unknown"),
        ("introspect_get", {"uri": "execution://../../etc/passwd"}, "request.unknown_uri"),
        ("introspect_get", {"uri": "execution://ffffffff/events/1"}, "request.unknown_uri"),
        ("introspect_get", {"uri": "file:///etc/passwd"}, "request.unknown_uri"),
        ("introspect_get", {"uri": "graph://seeker/about", "cursor": "?"}, "request.malformed"),
        ("list_executions", {"since": "yesterday"}, "request.malformed"),
        ("list_executions", {"limit": 0}, "request.malformed"),
        ("explain_execution", {"execution_id": "ffffffff"}, "execution.unknown"),
        ("explain_execution", {"execution_id": "x", "mode": "sing"}, "request.malformed"),
    ],
)
async def test_what_a_tool_refuses_has_a_code_and_a_way_out(
    url: str, ran: Ran, tool: str, arguments: dict[str, Any], code: str
) -> None:
    body, headers = modern_call(tool, arguments)
    async with httpx.AsyncClient(timeout=20) as raw:
        response = await raw.post(f"{url}/mcp", content=json.dumps(body), headers=headers)
    result = _result(response)

    assert result["isError"] is True
    told = result["structuredContent"]["error"]
    assert told["code"] == code
    assert told["hint"]
    assert told["message"] in result["content"][0]["text"]


async def test_an_unknown_tool_prompt_or_resource_is_an_error_of_the_protocol(
    client: Client, ran: Ran
) -> None:
    with pytest.raises(MCPError) as tool:
        await client.call_tool("introspect_aks", {})
    with pytest.raises(MCPError) as prompt:
        await client.get_prompt("diagnose", {})
    with pytest.raises(MCPError) as resource:
        await client.read_resource("graph://nothing/about")

    assert "introspect_ask" in str(tool.value)
    assert prompt.value.error.data["code"] == "request.unknown_mcp_name"
    assert resource.value.error.data["code"] == "request.unknown_uri"


async def test_resources_are_listed_and_read(client: Client, ran: Ran) -> None:
    listed = [resource.uri for resource in (await client.list_resources()).resources]
    uris = [
        *listed, "graph://seeker/nodes/search", f"execution://{ran.completed}/history",
        f"execution://{ran.failed}/events/1",
    ]  # fmt: skip

    assert "graph://seeker/architecture" in listed
    for uri in uris:
        (content,) = (await client.read_resource(uri)).contents
        assert isinstance(content, TextResourceContents)
        assert content.mime_type == "application/json"
        assert json.loads(content.text)["uri"] == uri
        assert len(content.text) <= MOST_CHARS


async def test_variables_of_templates_are_completed(client: Client, ran: Ran) -> None:
    async def values(
        uri: str, name: str, typed: str, known: dict[str, str] | None = None
    ) -> list[str]:
        reference = ResourceTemplateReference(type="ref/resource", uri=uri)
        argument = {"name": name, "value": typed}
        return (await client.complete(reference, argument, known)).completion.values

    assert await values("graph://{name}/{topic}", "name", "see") == ["seeker"]
    assert await values("graph://{name}/{topic}", "topic", "arch") == ["architecture"]
    assert await values("graph://{name}/nodes/{node}", "node", "", {"name": "seeker"}) == [
        "search",
        "write",
    ]
    assert await values("execution://{id}/{topic}", "id", ran.completed[:6]) == [ran.completed]
    assert await values("platform://{topic}", "topic", "fea") == ["features"]
    assert await values("plan://{id}", "id", "") == []
    reference = PromptReference(type="ref/prompt", name="diagnose_execution")
    offered = await client.complete(reference, {"name": "execution_id", "value": ""})
    assert offered.completion.values == [ran.completed, ran.failed]


async def test_prompts_are_written_for_what_is_there(client: Client, ran: Ran) -> None:
    given = {
        "diagnose_execution": {"execution_id": ran.failed},
        "optimize_graph": {},
        "compare_executions": {"first": ran.failed, "second": ran.completed},
    }
    for name, arguments in given.items():
        (message,) = (await client.get_prompt(name, arguments)).messages
        assert isinstance(message.content, TextContent)
        assert "seeker" in message.content.text
        assert "data, not instructions" in message.content.text

    for name, arguments in {
        "diagnose_execution": {},
        "review_plan": {"plan_id": "none"},
        "compare_executions": {"first": "ffffffff", "second": ran.completed},
    }.items():
        with pytest.raises(MCPError) as caught:
            await client.get_prompt(name, arguments)
        assert caught.value.error.data["code"]


@pytest.fixture
async def long(ran: Ran) -> str:
    """An execution of many events, whose state is far over every limit."""

    async def count(state: State) -> dict[str, Any]:
        return {"tries": state.get("tries", 0) + 1, "found": ["x" * 300]}

    graph = StateGraph(State)
    graph.add_node("count", count)
    graph.set_entry_point("count")
    graph.add_conditional_edges(
        "count", lambda state: "on" if state["tries"] < 400 else "off", {"on": "count", "off": END}
    )
    app = graph.compile(name="counter")
    await app.ainvoke({"question": "?"}, {"recursion_limit": 1000})
    await app.flush()
    assert app.last_execution_id is not None
    return app.last_execution_id


async def test_a_long_result_is_cut_says_so_and_goes_on(client: Client, long: str) -> None:
    steps: list[Any] = []
    cursor: str | None = None
    for _ in range(50):
        arguments = {"uri": f"execution://{long}/history", "view": "full", "cursor": cursor}
        result = await client.call_tool("introspect_get", arguments)
        assert length_of(result) <= 20_000
        steps += result.structured_content["data"]["steps"]
        cursor = result.structured_content.get("cursor")
        if cursor is None:
            break
        assert cursor in text_of(result)

    assert [step["step_number"] for step in steps] == list(range(1, 401))


async def test_a_list_is_given_in_pages_that_fit_and_miss_nothing(client: Client, ran: Ran) -> None:
    for _ in range(150):
        with pytest.raises(ValueError, match="cannot answer"):
            await ran.graph.ainvoke({"question": "broken " + "é" * 200})
    await ran.graph.flush()
    seen: list[str] = []
    cursor: str | None = None
    for _ in range(50):
        arguments = {"limit": 100, "cursor": cursor, "since": "1h"}
        result = await client.call_tool("list_executions", arguments)
        assert length_of(result) <= 20_000
        seen += [one["execution_id"] for one in result.structured_content["executions"]]
        cursor = result.structured_content.get("cursor")
        if cursor is None:
            break

    assert len(seen) == len(set(seen)) == 152


async def test_a_value_that_is_one_piece_is_read_in_parts(client: Client, long: str) -> None:
    uri, whole, cursor = f"execution://{long}/state", "", None
    for _ in range(50):
        arguments = {"uri": uri, "view": "full", "cursor": cursor}
        result = await client.call_tool("introspect_get", arguments)
        assert length_of(result) <= 20_000
        if "data" in result.structured_content:
            assert result.structured_content["data"]["state"]["found"]
            whole = "paged"
        else:
            whole += result.structured_content["part"]
        cursor = result.structured_content.get("cursor")
        if cursor is None:
            break

    assert whole == "paged" or len(json.loads(whole)["state"]["found"]) == 400


async def test_no_view_of_a_long_execution_is_over_the_limit(client: Client, long: str) -> None:
    for topic in ("summary", "state", "history", "metrics", "events", "checkpoint", "node"):
        for view in ("summary", "skeleton", "full"):
            arguments = {"uri": f"execution://{long}/{topic}", "view": view}
            result = await client.call_tool("introspect_get", arguments)
            assert not result.is_error
            assert length_of(result) <= 20_000, (topic, view)


async def test_an_answer_keeps_to_the_length_that_is_asked_for(client: Client, long: str) -> None:
    for question in ("What is the state?", "Why did count run 400 times?"):
        for chars in (2_000, 5_000, MOST_CHARS):
            arguments = {"question": question, "execution_id": long, "max_chars": chars}
            result = await client.call_tool("introspect_ask", arguments)
            assert not result.is_error
            assert length_of(result) <= chars


async def test_a_listening_client_is_told_of_a_new_graph_and_a_moving_execution(
    client: Client, ran: Ran
) -> None:
    from tests.server.conftest import seeker

    with anyio.fail_after(30):
        async with client.listen(
            resources_list_changed=True, resource_subscriptions=["execution://0000bbbb/summary"]
        ) as changes:
            other = seeker("another")
            assert await anext(aiter(changes)) == ResourcesListChanged()
            await other.ainvoke({"question": "now?"}, execution_id="0000bbbb")
            changed = await anext(aiter(changes))

    assert changed == ResourceUpdated("execution://0000bbbb/summary")


async def test_stdio_carries_the_protocol_alone_whatever_is_printed(project: Path) -> None:
    program = STDIO.replace(
        "serve(Project.find())",
        "import os, threading, time\n"
        "def speak():\n"
        "    while not os.path.exists('served'):\n        time.sleep(0.01)\n"
        "    print('noise')\n    os.write(1, b'raw')\n"
        "threading.Thread(target=speak, daemon=True).start()\n"
        "serve(Project.find())",
    )
    hello = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "raw", "version": "1"},
        },
    }
    with anyio.fail_after(30):
        async with await anyio.open_process([sys.executable, "-c", program]) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            await process.stdin.send(json.dumps(hello).encode() + b"\n")
            first = await process.stdout.receive()
            (project / "served").touch()
            noise = b""
            while b"raw" not in noise:
                noise += await process.stderr.receive()
            await process.stdin.aclose()
            rest = b"".join([chunk async for chunk in process.stdout])
            assert await process.wait() == 0

    assert json.loads(first)["result"]["serverInfo"]["name"] == "inwit"
    assert rest == b""


async def test_a_refused_argument_is_told_with_what_it_was_and_what_it_may_be(
    client: Client, ran: Ran
) -> None:
    status = text_of(await client.call_tool("list_executions", {"status": "sleeping"}))
    limit = text_of(await client.call_tool("list_executions", {"limit": 0}))

    assert "status is 'sleeping'" in status
    assert "waiting_for_input" in status
    assert "limit is 0" in limit


async def test_the_text_alone_says_what_the_content_says(client: Client, ran: Ran) -> None:
    state = await client.call_tool("introspect_get", {"uri": f"execution://{ran.completed}/state"})
    listed = await client.call_tool("list_executions", {"limit": 50})
    failed = await client.call_tool("list_executions", {"status": "failed"})

    assert json.dumps(state.structured_content["data"]["state"]["question"]) in text_of(state)
    for row in listed.structured_content["executions"]:
        assert row["execution_id"] in text_of(listed)
    assert "ValueError: " in text_of(failed)


async def test_what_is_meant_is_found_by_bare_ids_names_uris_and_last(
    client: Client, ran: Ran
) -> None:
    summary = f"execution://{ran.failed}/summary"
    opened = [
        (await client.call_tool("introspect_get", {"uri": uri})).structured_content["uri"]
        for uri in (ran.failed, "seeker", "execution://last/state")
    ]
    explained = await client.call_tool("explain_execution", {"execution_id": summary})
    about = await client.call_tool("list_executions", {"graph": "graph://seeker/about"})
    changed = await client.call_tool(
        "explain_execution", {"execution_id": ran.completed, "change": "search twice as fast"}
    )

    assert opened[:2] == [summary, "graph://seeker/architecture"]
    assert opened[2].endswith("/state")
    assert ran.failed in text_of(explained)
    assert about.structured_content["executions"]
    assert "50%" in text_of(changed) or "cannot be predicted" in text_of(changed)


async def test_what_is_missing_is_told_with_the_tools_that_a_client_has(
    client: Client, ran: Ran
) -> None:
    missing = text_of(await client.call_tool("introspect_ask", {}))
    unknown = text_of(await client.call_tool("explain_execution", {"execution_id": "ffff"}))
    packages = text_of(await client.call_tool("search_packages", {"query": "zzzz qqqq"}))

    assert "question is missing" in missing
    assert "Needed: question." in missing
    assert "`list_executions`" in unknown
    assert "inwit/rag" in packages
