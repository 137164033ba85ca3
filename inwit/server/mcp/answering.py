"""The tools that answer: a question, an execution to explain, a uri to open."""

from __future__ import annotations

from typing import Any

from mcp_types import CallToolResult

from inwit.answers import Answer
from inwit.server.asked import check_question
from inwit.server.cursor import pack, unpack
from inwit.server.host import Host
from inwit.server.mcp import arguments as args
from inwit.server.mcp import reply
from inwit.server.mcp.bounds import DEFAULT_CHARS, clip, longest_list, parts, size
from inwit.server.mcp.reply import Reply


def ask(host: Host, given: args.Ask) -> CallToolResult:
    question = check_question(given.question)
    answer = host.introspector.ask(
        question,
        level=given.level or None,
        graph=given.graph or None,
        execution_id=given.execution_id or None,
        verify=given.verify,
        conversation_id=host.own(given.conversation_id or None),
    )
    return _answered(answer, given.cursor or None, given.max_chars)


def explain(host: Host, given: args.Explain) -> CallToolResult:
    from inwit.introspection.explain import explain as explained  # with the first question

    name = given.execution_id
    if name == "last":
        last = host.store.last_execution(host.default_graph)
        name = last.execution_id if last else name
    found = host.store.execution(name)
    answer = explained(
        host.introspector, found.execution_id, given.mode, change=given.change or None
    )
    return _answered(answer, given.cursor or None)


def _answered(answer: Answer, cursor: str | None, chars: int = DEFAULT_CHARS) -> CallToolResult:
    return reply.result(reply.of_answer(answer), cursor=cursor, chars=chars)


def get(host: Host, given: args.Get) -> CallToolResult:
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
