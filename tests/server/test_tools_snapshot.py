"""What a host tells clients of its tools, as it was reviewed: a word more is a change to look at.

python -m tests.server.test_tools_snapshot     takes what is told now for reviewed
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import msgspec
import pytest
from mcp import Client

from inwit.runtime.project import Project
from inwit.server.host import Host
from inwit.server.mcp import create_server
from inwit.server.offers import Offers

SNAPSHOT = Path(__file__).parent / "tools.json"


async def _listed(*, allow_write: bool) -> list[dict[str, object]]:
    server = create_server(Host(Project.find(), Offers(allow_write=allow_write)))
    async with Client(server.lowlevel, cache=None) as client:
        found = await client.list_tools()
    return [
        {
            "name": one.name, "title": one.title, "description": one.description,
            "input_schema": one.input_schema,
        }
        for one in found.tools
    ]  # fmt: skip


@pytest.mark.anyio
@pytest.mark.parametrize("allow_write", [False, True])
async def test_the_tools_say_what_they_said_when_they_were_reviewed(
    project: Path, allow_write: bool
) -> None:
    reviewed = json.loads(SNAPSHOT.read_text(encoding="utf-8"))

    listed = await _listed(allow_write=allow_write)

    shown = msgspec.json.decode(msgspec.json.encode(listed))
    assert shown == [one for one in reviewed if allow_write or one["name"] not in WRITING]


WRITING = ("run_graph", "control_execution", "decide_plan")


if __name__ == "__main__":
    told = asyncio.run(_listed(allow_write=True))
    SNAPSHOT.write_text(f"{json.dumps(told, indent=1, ensure_ascii=False)}\n", encoding="utf-8")
