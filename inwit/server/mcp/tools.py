"""The tools: seven that read, described in few words since every client carries them along."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
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

from inwit.answers import Answer
from inwit.errors import InwitError, MalformedInputError, UnknownMcpNameError, shorten
from inwit.events import epoch_ns
from inwit.introspection.explain import explain
from inwit.plans import Plan
from inwit.registry.packages import PackageIndex, PackageMatch
from inwit.runtime.views import Execution
from inwit.server.asked import check_question
from inwit.server.cursor import pack, page, unpack
from inwit.server.host import Host
from inwit.server.mcp import arguments as args
from inwit.server.mcp import reply
from inwit.server.mcp.bounds import DEFAULT_CHARS, clip, longest_list, parts, size
from inwit.server.mcp.reply import Reply, quoted
from inwit.server.problems import unexpected
from inwit.server.schema import ANY, ARRAY, NUMBER, OBJECT, STRING, record

READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
SEARCH_DEPTH = 100
_AGE = re.compile(r"(\d{1,6})\s*(s|m|h|d)")
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One tool: what it says of itself, what it takes, what it does."""

    name: str
    title: str
    description: str
    takes: type[Any]
    gives: dict[str, Any]
    call: Callable[[Host, Any], CallToolResult]


def _ask(host: Host, given: args.Ask) -> CallToolResult:
    question = check_question(given.question)
    answer = host.introspector.ask(
        question,
        level=given.level or None,
        graph=given.graph or None,
        execution_id=given.execution_id or None,
    )
    return _answered(answer, given.cursor or None, given.max_chars)


def _answered(answer: Answer, cursor: str | None, chars: int = DEFAULT_CHARS) -> CallToolResult:
    return reply.result(reply.of_answer(answer), cursor=cursor, chars=chars)


def _search(host: Host, given: args.Search) -> CallToolResult:
    start = unpack(given.cursor or None)
    wanted = min(start + given.limit + 1, SEARCH_DEPTH)
    hits = host.introspector.search(given.query, kind=given.kind or None, limit=wanted)
    shown, cursor = page(hits, given.limit, given.cursor or None)
    lines = [f"{len(shown)} found for {quoted(given.query)}."]
    lines += [f"- {hit.uri} {hit.title}: {quoted(hit.text)}" for hit in shown[:10]]
    results = [
        {
            "uri": hit.uri,
            "title": hit.title,
            "kind": hit.kind,
            "text": clip(hit.text, 300),
            "score": round(float(hit.score), 4),
        }
        for hit in shown
    ]
    return _listing(lines, {"results": results}, cursor)


def _get(host: Host, given: args.Get) -> CallToolResult:
    found = host.introspector.resolve(given.uri, view=given.view)
    head = {"uri": found.uri, "title": found.title}
    prose = f"{found.title}\n{clip(found.text, reply.PROSE_CHARS)}"
    whole = {**head, "data": found.data}
    if given.view != "full" or size(whole) < DEFAULT_CHARS // 2 or _pages_well(found.data):
        return reply.result(Reply(prose=prose, data=whole), cursor=given.cursor or None)
    start = unpack(given.cursor or None)
    part, following = parts(found.data, DEFAULT_CHARS - reply.PROSE_CHARS - 1_000, start)
    cursor = None if following is None else pack(following)
    prose = f"{found.title}\nIts JSON from character {start:,} on, in `part`."
    if cursor:
        prose += f" It goes on: cursor={cursor!r}."
    return reply.made(prose, {**head, "part": part, "cursor": cursor})


def _pages_well(data: dict[str, Any]) -> bool:
    """Whether pages of its longest list show all of the data without shortening anything."""
    path = longest_list(data)
    if path is None:
        return False
    items: list[Any] = data[path[0]] if len(path) == 1 else data[path[0]][path[1]]
    room = DEFAULT_CHARS // 4
    return size(data) - size(items) < room and max(map(size, items)) < room


def _list_executions(host: Host, given: args.ListExecutions) -> CallToolResult:
    found = host.store.executions(
        graph=host.graph(given.graph).name if given.graph else None,
        status=given.status or None,
        since_ns=_since(given.since) if given.since else None,
        limit=given.limit,
        cursor=given.cursor or None,
    )
    lines = [f"{len(found.items)} of {found.total_count} executions, newest first."]
    lines += [_execution_line(one) for one in found.items[:10]]
    data = {
        "executions": [_execution(one) for one in found.items],
        "total_count": found.total_count,
    }
    return _listing(lines, data, found.cursor)


def _since(text: str) -> int:
    """Read a moment, or an age that ends now, as nanoseconds since 1970."""
    age = _AGE.fullmatch(text.strip())
    if age:
        return time.time_ns() - int(age[1]) * _UNIT_S[age[2]] * 1_000_000_000
    try:
        return epoch_ns(text)
    except (ValueError, OverflowError) as exc:
        raise MalformedInputError(
            f"since is {shorten(text)}.", hint="Give RFC 3339, or an age such as 90s, 2h or 7d."
        ) from exc


def _execution(one: Execution) -> dict[str, Any]:
    shown = {
        "execution_id": one.execution_id,
        "graph_name": one.graph_name,
        "status": one.status,
        "started_at": one.started_at,
        "duration_ms": one.duration_ms,
        "current_node": one.current_node,
        "iteration": one.iteration,
        "error": clip(one.error.message, 200) if one.error else None,
    }
    return {key: value for key, value in shown.items() if value is not None}


def _execution_line(one: Execution) -> str:
    took = "" if one.duration_ms is None else f", {one.duration_ms:.1f} ms"
    error = f", {quoted(one.error.message, 80)}" if one.error else ""
    return f"- {one.execution_id} {one.graph_name}: {one.status}{took}{error}"


def _explain(host: Host, given: args.Explain) -> CallToolResult:
    name = given.execution_id
    if name == "last":
        last = host.store.last_execution(host.default_graph)
        name = last.execution_id if last else name
    found = host.store.execution(name)
    answer = explain(host.introspector, found.execution_id, given.mode, change=given.change or None)
    return _answered(answer, None)


def _list_plans(host: Host, given: args.ListPlans) -> CallToolResult:
    found = host.plans.list(status=given.status or None)
    lines = [f"{len(found)} plans."]
    lines += [f"- plan://{one.id} {one.status}: {quoted(one.title)}" for one in found[:10]]
    return _listing(lines, {"plans": [_plan(one) for one in found]}, None)


def _plan(one: Plan) -> dict[str, Any]:
    return {
        "uri": f"plan://{one.id}",
        "title": one.title,
        "status": one.status,
        "graph_name": one.graph_name,
        "category": one.category,
        "confidence": one.confidence,
        "risk": one.risk,
        "revision": one.revision,
    }


def _search_packages(host: Host, given: args.SearchPackages) -> CallToolResult:
    found = PackageIndex.of(host.project).search(given.query, kind=given.kind or None)
    lines = [f"{len(found)} packages fit {quoted(given.query)}."]
    lines += [f"- package://{m.package.id} {quoted(m.package.description)}" for m in found]
    return _listing(lines, {"packages": [_package(match) for match in found]}, None)


def _package(match: PackageMatch) -> dict[str, Any]:
    one = match.package
    return {
        "uri": f"package://{one.id}",
        "kind": one.kind,
        "version": one.version,
        "description": one.description,
        "score": round(float(match.score), 4),
    }


def _listing(lines: list[str], data: dict[str, Any], cursor: str | None) -> CallToolResult:
    if cursor is not None:
        lines = [*lines, f"More: cursor={cursor!r}."]
        data = {**data, "cursor": cursor}
    return reply.result(Reply(prose="\n".join(lines), data=data))


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
        call=_ask,
    ),
    Offer(
        name="introspect_search",
        title="Search",
        description="Find nodes, graphs, executions, packages and documentation by words.",
        takes=args.Search,
        gives=_page_of("results"),
        call=_search,
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
        call=_get,
    ),
    Offer(
        name="list_executions",
        title="List executions",
        description="List executions, newest first.",
        takes=args.ListExecutions,
        gives=_page_of("executions"),
        call=_list_executions,
    ),
    Offer(
        name="explain_execution",
        title="Explain an execution",
        description="Say why an execution went as it did, what a change would do, or what helps.",
        takes=args.Explain,
        gives=dict(_ANSWER),
        call=_explain,
    ),
    Offer(
        name="list_plans",
        title="List plans",
        description="List proposed improvements; open one by its uri.",
        takes=args.ListPlans,
        gives=_page_of("plans"),
        call=_list_plans,
    ),
    Offer(
        name="search_packages",
        title="Search packages",
        description="Find packages: graph templates, nodes, tools, prompts, checkpointers.",
        takes=args.SearchPackages,
        gives=_page_of("packages"),
        call=_search_packages,
    ),
)
BY_NAME = {offer.name: offer for offer in OFFERS}


async def listing(_context: Any, _params: PaginatedRequestParams | None) -> ListToolsResult:
    """List the tools."""
    return ListToolsResult(tools=[_tool(offer) for offer in OFFERS])


def _tool(offer: Offer) -> Tool:
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
