"""A record of many graphs and executions, and how long the host takes for its lists.

    python benchmarks/server_stored.py FOLDER GRAPHS EXECUTIONS

fills a project; `measure` asks a host that serves it.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import time
from pathlib import Path
from typing import Any, TypedDict
from urllib.parse import quote

from server_client import Connection, call, get

LISTS = (
    "/mcp/live/executions",
    "/mcp/live/executions?limit=100",
    "/mcp/live/executions?status=failed",
    "/mcp/live/executions?status=completed",
    "/mcp/live/executions?graph={graph}",
    "/mcp/live/executions?graph={graph}&status=failed",
    "/mcp/live/executions?cursor={cursor}",
    "/mcp/nodes?graph={graph}",
    "/mcp/architecture?graph={graph}",
)
TOOLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("list_executions", {}),
    ("list_executions", {"status": "failed"}),
    ("list_executions", {"graph": "{graph}"}),
    ("introspect_get", {"uri": "graph://{graph}/architecture"}),
)


WARM_UP = 3
"""Rounds that bring the record into memory."""


class Count(TypedDict):
    n: int


async def fill(graphs: int, executions: int) -> None:
    """Compile so many graphs and run them in turns; one execution in 50 fails."""
    from inwit import END, START, StateGraph

    async def add(state: Count) -> Count:
        if state["n"] % 50 == 49:
            raise ValueError(f"{state['n']} is bad")
        return {"n": state["n"] + 1}

    apps = []
    for number in range(graphs):
        graph = StateGraph(Count)
        graph.add_node("add", add)
        graph.add_edge(START, "add").add_edge("add", END)
        apps.append(graph.compile(name=f"graph{number:04}"))
    for number in range(executions):
        try:
            await apps[number % graphs].ainvoke({"n": number})
        except ValueError:
            continue
        finally:
            if number % 100_000 == 99_999:
                print(f"stored {number + 1:,} executions", file=sys.stderr, flush=True)
    await apps[0].flush()


async def measure(host: str, graphs: int, rounds: int) -> dict[str, list[float]]:
    """The milliseconds of each list, sorted; pages are followed for a while."""
    connection = await Connection.to(host)
    dice = random.Random(1)
    took: dict[str, list[float]] = {}
    cursor = ""
    for number in range(rounds + WARM_UP):
        if number == WARM_UP:
            took.clear()
        graph = f"graph{dice.randrange(graphs):04}"
        for path in LISTS:
            if "{cursor}" in path and not cursor:
                continue
            request = get(host, path.format(graph=graph, cursor=quote(cursor)))
            body = await _timed(connection, request, path, took)
            if "executions" in path and "=" not in path.replace("cursor=", ""):
                cursor = json.loads(body).get("cursor") or ""
        for tool, arguments in TOOLS:
            filled = {key: value.format(graph=graph) for key, value in arguments.items()}
            await _timed(connection, call(host, tool, filled), f"{tool} {arguments}", took)
    connection.close()
    return {name: sorted(values) for name, values in took.items()}


async def _timed(
    connection: Connection, request: bytes, name: str, took: dict[str, list[float]]
) -> bytes:
    start = time.perf_counter()
    status, body = await connection.ask(request)
    took.setdefault(name, []).append((time.perf_counter() - start) * 1e3)
    if status != 200:
        sys.exit(f"error: {name} answered {status}: {body[:300]!r}")
    return body


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    (folder / ".inwit").mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    os.environ["INWIT_RETENTION_EXECUTIONS"] = str(2 * int(sys.argv[3]))
    os.environ["INWIT_RETENTION_SIZE_BYTES"] = str(64 << 30)
    asyncio.run(fill(int(sys.argv[2]), int(sys.argv[3])))
