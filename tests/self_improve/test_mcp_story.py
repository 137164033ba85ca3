"""The same story through MCP: a client asks, the person behind it agrees, the client goes on."""

from __future__ import annotations

from typing import Any

import anyio.to_thread
import pytest

from inwit.runtime.project import Project
from inwit.server import lifecycle
from inwit.server.offers import Offers
from tests.self_improve.conftest import Look, World, book, run, searcher
from tests.server.talking import Person, connected, said, yes

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("era", ["2025", "2026"])
async def test_a_client_sees_a_plan_through_and_a_person_alone_approves_it(
    world: World, look: Look, era: str
) -> None:
    app = searcher(world)
    await anyio.to_thread.run_sync(run, app, 30, world)
    await anyio.to_thread.run_sync(look)
    running = await anyio.to_thread.run_sync(
        lambda: lifecycle.start(
            Project.find(), port=0, offers=Offers(allow_write=True, confirms=False)
        )
    )
    try:
        person = Person(*(yes() for _ in range(4)))
        async with connected(f"{running.url}/mcp", era, person) as client:

            async def decide(action: str, revision: int) -> Any:
                return await client.call_tool(
                    "decide_plan",
                    {"plan_id": plan, "action": action, "expected_revision": revision},
                )

            [listed] = said(await client.call_tool("list_plans", {"status": "validated"}))["plans"]
            plan = listed["uri"].removeprefix("plan://")
            revision = book().get(plan).revision
            approved = said(await decide("approve", revision))
            stale = await decide("apply", revision)
            applied = said(await decide("apply", approved["revision"]))
            kept, tries = applied, 0
            while (
                kept["status"] == "in_progress" and tries < 8
            ):  # a busy machine takes more than one
                await anyio.to_thread.run_sync(run, app, 60, world)
                kept, tries = said(await decide("evaluate", applied["revision"])), tries + 1
            back = said(await decide("rollback", kept["revision"]))
    finally:
        await anyio.to_thread.run_sync(running.stop)

    assert stale.is_error
    assert [one["status"] for one in (approved, applied, kept, back)] == [
        "approved", "in_progress", "implemented", "rolled_back",
    ]  # fmt: skip
    assert any(plan in text for text in person.asked)
    actors = [move.actor for move in book().get(plan).history]
    assert actors[:2] == ["daemon", "daemon"]
    assert actors[2].startswith("person:")
    assert actors[3].startswith("client:")
    assert world.charges == 30 + 60 * tries
