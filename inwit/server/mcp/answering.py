"""The tools that answer: a question, an execution to explain, a uri to open."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final
from urllib.parse import quote

from mcp_types import CallToolResult

from inwit.answers import Answer
from inwit.errors import InwitError
from inwit.server.asked import check_question
from inwit.server.cursor import pack, unpack
from inwit.server.host import Host
from inwit.server.mcp import arguments as args
from inwit.server.mcp import reply
from inwit.server.mcp.bounds import DEFAULT_CHARS, clip, longest_list, parts, size
from inwit.server.mcp.reply import Reply

_PART_CHARS: Final = DEFAULT_CHARS * 2 // 5
"""Of a value that is given in parts: each comes as text and as content."""


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

    found = host.store.execution(host.execution_id(given.execution_id))
    change = given.change or None
    mode = "whatif" if change and given.mode == "why" else given.mode
    answer = explained(host.introspector, found.execution_id, mode, change=change)
    return _answered(answer, given.cursor or None)


def _answered(answer: Answer, cursor: str | None, chars: int = DEFAULT_CHARS) -> CallToolResult:
    return reply.result(reply.of_answer(answer), cursor=cursor, chars=chars)


def get(host: Host, given: args.Get) -> CallToolResult:
    """Open a uri. Text and content hold the same: some clients show a model only one of them."""
    found = host.introspector.resolve(_meant(host, given.uri), view=given.view)
    head = {"uri": found.uri, "title": found.title}
    prose = f"{found.title}\n{clip(found.text, reply.PROSE_CHARS)}"
    whole = {**head, "data": found.data}
    if "\n" in found.text and found.uri.startswith("platform://") and given.view != "full":
        return reply.result(Reply(prose=prose, data=whole), cursor=given.cursor or None)
    if given.view != "full" or size(whole) < DEFAULT_CHARS // 3 or _pages_well(found.data):
        return reply.twice(Reply(prose=prose, data=whole), cursor=given.cursor or None)
    start = unpack(given.cursor or None)
    part, following = parts(found.data, _PART_CHARS, start)
    cursor = None if following is None else pack(following)
    prose = f"{found.title}\nIts JSON from character {start:,} on:\n{part}"
    if cursor:
        prose += f"\nIt goes on: cursor={cursor!r}."
    return reply.made(prose, {**head, "part": part, "cursor": cursor})


def _meant(host: Host, uri: str) -> str:
    """The uri that is meant by `last`, and by the bare id or name of what there is."""
    store = host.store
    if uri == "last" or uri.startswith("execution://last"):
        path = uri.removeprefix("execution://last").removeprefix("last")
        return f"execution://{host.execution_id('last')}{path or '/summary'}"
    if "://" in uri or not uri:
        return uri
    if any(graph.name == uri for graph in store.graphs()):
        return f"graph://{quote(uri, safe='')}/architecture"
    with suppress(InwitError):
        return f"execution://{quote(store.execution(uri).execution_id, safe='')}/summary"
    with suppress(InwitError):
        return f"plan://{host.plans.get(uri).id}"
    return uri


def _pages_well(data: dict[str, Any]) -> bool:
    """Whether pages of its longest list show all of the data without shortening anything."""
    path = longest_list(data)
    if path is None:
        return False
    items: list[Any] = data[path[0]] if len(path) == 1 else data[path[0]][path[1]]
    room = DEFAULT_CHARS // 8
    return size(data) - size(items) < room and max(map(size, items)) < room
