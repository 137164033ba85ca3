"""The tools: seven that read, and where the host may write those that change something.

They are described in few words, since every client carries them along.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import anyio.to_thread
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    InputRequiredResult,
    ListToolsResult,
    PaginatedRequestParams,
    Tool,
    ToolAnnotations,
)

from inwit.errors import InwitError, UnknownMcpNameError
from inwit.server import auth
from inwit.server.cursor import page
from inwit.server.host import Host
from inwit.server.mcp import answering, graph_tools, listing, reply
from inwit.server.mcp import arguments as args
from inwit.server.mcp.asking import Call
from inwit.server.mcp.surface import told
from inwit.server.problems import unexpected
from inwit.server.schema import ANY, ARRAY, NUMBER, OBJECT, STRING, record

PAGE = 100
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """One tool that changes something. What it does is in `inwit.server.mcp.writing`."""

    name: str
    title: str
    description: str
    takes: type[Any]
    gives: dict[str, Any]
    annotations: ToolAnnotations
    scope: str
    """Without which a caller is not offered it."""


_ANSWER = record(
    {"answer": STRING, "level": STRING, "intent": STRING, "confidence": NUMBER, "evidence": ARRAY},
    {"data": OBJECT, "follow_ups": ARRAY, "cursor": STRING},
)


_STEERED = dict(
    record(
        {},
        {
            "execution_id": STRING, "id": STRING, "status": STRING, "message": STRING,
            "output": ANY, "interrupts": ARRAY, "error": OBJECT,
        },
    )
)  # fmt: skip


def _page_of(name: str) -> dict[str, Any]:
    return dict(record({name: ARRAY}, {"cursor": ANY}))


OFFERS: tuple[Offer, ...] = (
    Offer(
        name="introspect_ask",
        title="Ask",
        description=(
            "Answer a question about the graphs, their executions (why, what if, how can I, when), "
            "inwit itself or packages, with evidence uris. Start here."
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
WRITING: tuple[Writing, ...] = (
    Writing(
        name="run_graph",
        title="Run a graph",
        description="Run a graph of the project with an input; what it asks comes back.",
        takes=args.RunGraph,
        gives=graph_tools.GIVES,
        scope=auth.RUN,
        annotations=graph_tools.RUNS,
    ),
    Writing(
        name="control_execution",
        title="Steer an execution",
        description="Pause, resume (also: answer what it waits for) or cancel an execution.",
        takes=args.ControlExecution,
        gives=_STEERED,
        scope=auth.RUN,
        annotations=ToolAnnotations(
            read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False
        ),
    ),
    Writing(
        name="decide_plan",
        title="Decide on a plan",
        description="Reject, apply, roll back or evaluate a plan; a person alone approves.",
        takes=args.DecidePlan,
        gives=_STEERED,
        scope=auth.PLAN,
        annotations=ToolAnnotations(
            read_only_hint=False, destructive_hint=True, idempotent_hint=True, open_world_hint=False
        ),
    ),
)
WRITES = {offer.name: offer for offer in WRITING}


async def offered(
    host: Host, _context: Any, params: PaginatedRequestParams | None
) -> ListToolsResult:
    """List the tools, in pages where graphs are tools."""
    every = [_tool(offer) for offer in OFFERS]
    if host.offers.allow_write:
        every += [_tool(offer) for offer in WRITING if offer.scope in host.caller.scopes]
        every += await anyio.to_thread.run_sync(graph_tools.tools, host)
    try:
        shown, cursor = page(every, PAGE, params.cursor if params else None)
    except InwitError as error:
        raise told(error) from error
    return ListToolsResult(tools=shown, next_cursor=cursor)


def _tool(offer: Offer | Writing) -> Tool:
    return Tool(
        name=offer.name,
        title=offer.title,
        description=offer.description,
        input_schema=args.input_schema(offer.takes),
        output_schema=offer.gives,
        annotations=offer.annotations if isinstance(offer, Writing) else READS,
    )


async def call(
    host: Host, context: Any, params: CallToolRequestParams
) -> CallToolResult | InputRequiredResult:
    """Call a tool. What it refuses is a result for the model to read, never a broken call."""
    try:
        return await _called(host, context, params)
    except MCPError:
        raise
    except InwitError as error:
        return reply.refusal(error)
    except Exception as exc:  # noqa: BLE001 - a request's border
        return reply.refusal(unexpected(exc))


async def _called(
    host: Host, context: Any, params: CallToolRequestParams
) -> CallToolResult | InputRequiredResult:
    offer = BY_NAME.get(params.name)
    if offer is not None:
        given = args.read(offer.takes, params.arguments)
        return await anyio.to_thread.run_sync(offer.call, host, given)
    one = Call(host=host, context=context, params=params)
    known: set[str] = set(BY_NAME)
    if host.offers.allow_write:
        if params.name in WRITES:
            from inwit.server.mcp import writing

            given = args.read(WRITES[params.name].takes, params.arguments)
            return await writing.call(one, given)
        graphs = await anyio.to_thread.run_sync(graph_tools.offered, host)
        if params.name in graphs:
            return await graph_tools.call(one, graphs[params.name])
        known |= {*WRITES, *graphs}
    error = UnknownMcpNameError("tool", params.name, known)
    if params.name in WRITES:
        error.hint = (
            "This host only answers; it has that tool once it is started with --allow-write."
        )
    raise MCPError(
        code=INVALID_PARAMS, message=str(error), data={"code": error.code, "hint": error.hint}
    )
