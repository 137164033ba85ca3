"""A client's look at a host, through the official SDK's own client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import anyio
from mcp import Client

TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What one tool answered: its text, and its data as far as it has a schema."""

    tool: str
    text: str
    data: Any
    is_error: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a client sees of a host."""

    protocol: str
    tools: tuple[str, ...]
    replies: tuple[Reply, ...]


def look(url: str, calls: Sequence[tuple[str, Mapping[str, Any]]]) -> Seen:
    """Connect to the MCP endpoint at `url`, list its tools, and call these.

    Raises:
        TimeoutError: It took longer than 30 s.
    """
    return anyio.run(_look, url, calls)


async def _look(url: str, calls: Sequence[tuple[str, Mapping[str, Any]]]) -> Seen:
    with anyio.fail_after(TIMEOUT_S):
        async with Client(url) as client:
            listed = await client.list_tools()
            replies = [await _call(client, name, arguments) for name, arguments in calls]
            return Seen(
                protocol=str(client.protocol_version),
                tools=tuple(tool.name for tool in listed.tools),
                replies=tuple(replies),
            )


async def _call(client: Client, name: str, arguments: Mapping[str, Any]) -> Reply:
    result = await client.call_tool(name, dict(arguments))
    texts = [str(getattr(part, "text", "")) for part in result.content]
    return Reply(
        tool=name, text="\n".join(texts), data=result.structured_content,
        is_error=bool(result.is_error),
    )  # fmt: skip
