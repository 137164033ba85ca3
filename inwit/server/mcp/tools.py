"""The tools: seven that read, described in few words since every client carries them along."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import anyio.to_thread
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    Tool,
    ToolAnnotations,
)

from inwit.errors import InwitError, UnknownMcpNameError
from inwit.server.host import Host
from inwit.server.mcp import answering, listing, reply
from inwit.server.mcp import arguments as args
from inwit.server.problems import unexpected
from inwit.server.schema import ANY, ARRAY, NUMBER, OBJECT, STRING, record

READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One tool: what it says of itself, what it takes, what it does."""

    name: str
    title: str
    description: str
    takes: type[Any]
    gives: dict[str, Any]
    call: Callable[[Host, Any], CallToolResult]


_ANSWER = record(
    {"answer": STRING, "level": STRING, "intent": STRING, "confidence": NUMBER, "evidence": ARRAY},
    {"data": OBJECT, "follow_ups": ARRAY, "cursor": STRING},
)


def _page_of(name: str) -> dict[str, Any]:
    return dict(record({name: ARRAY}, {"cursor": ANY}))


OFFERS: tuple[Offer, ...] = (
    Offer(
        name="introspect_ask",
        title="Ask",
        description=(
            "Answer a question about the graphs, their executions (why, what if, how can I, when), "
            "inwit itself or packages, with evidence uris. Start here; level, graph and execution "
            "are found from the question."
        ),
        takes=args.Ask,
        gives=dict(_ANSWER),
        call=answering.ask,
    ),
    Offer(
        name="introspect_search",
        title="Search",
        description="Find nodes, graphs, executions, packages and documentation by words.",
        takes=args.Search,
        gives=_page_of("results"),
        call=listing.search,
    ),
    Offer(
        name="introspect_get",
        title="Open a uri",
        description=(
            "Open what a uri names: execution://ID/events/SEQ or /summary, /state, /history; "
            "graph://NAME/architecture or /nodes/NODE; plan://ID; package://ID; "
            "platform://features."
        ),
        takes=args.Get,
        gives=dict(
            record(
                {"uri": STRING, "title": STRING}, {"data": OBJECT, "part": STRING, "cursor": ANY}
            )
        ),
        call=answering.get,
    ),
    Offer(
        name="list_executions",
        title="List executions",
        description="List executions, newest first.",
        takes=args.ListExecutions,
        gives=_page_of("executions"),
        call=listing.list_executions,
    ),
    Offer(
        name="explain_execution",
        title="Explain an execution",
        description="Say why an execution went as it did, what a change would do, or what helps.",
        takes=args.Explain,
        gives=dict(
            record({"answer": STRING, "evidence": ARRAY}, {"data": OBJECT, "cursor": STRING})
        ),
        call=answering.explain,
    ),
    Offer(
        name="list_plans",
        title="List plans",
        description="List proposed improvements; open one by its uri.",
        takes=args.ListPlans,
        gives=_page_of("plans"),
        call=listing.list_plans,
    ),
    Offer(
        name="search_packages",
        title="Search packages",
        description="Find packages: graph templates, nodes, tools, prompts, checkpointers.",
        takes=args.SearchPackages,
        gives=_page_of("packages"),
        call=listing.search_packages,
    ),
)
BY_NAME = {offer.name: offer for offer in OFFERS}


async def offered(_context: Any, _params: PaginatedRequestParams | None) -> ListToolsResult:
    """List the tools."""
    return ListToolsResult(tools=[_tool(offer.name) for offer in OFFERS])


@cache
def _tool(name: str) -> Tool:
    offer = BY_NAME[name]
    return Tool(
        name=offer.name,
        title=offer.title,
        description=offer.description,
        input_schema=args.input_schema(offer.takes),
        output_schema=offer.gives,
        annotations=READS,
    )


async def call(host: Host, _context: Any, params: CallToolRequestParams) -> CallToolResult:
    """Call a tool. What it refuses is a result for the model to read, never a broken call."""
    offer = BY_NAME.get(params.name)
    if offer is None:
        error = UnknownMcpNameError("tool", params.name, BY_NAME)
        raise MCPError(
            code=INVALID_PARAMS, message=str(error), data={"code": error.code, "hint": error.hint}
        )
    try:
        given = args.read(offer.takes, params.arguments)
        return await anyio.to_thread.run_sync(offer.call, host, given)
    except InwitError as error:
        return reply.refusal(error)
    except Exception as exc:  # noqa: BLE001 - a request's border
        return reply.refusal(unexpected(exc))
