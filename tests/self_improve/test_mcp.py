"""Deciding on plans over MCP."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from mcp_types import ElicitResult

from inwit.runtime.project import Project
from inwit.server import lifecycle
from inwit.server.offers import Offers
from tests.self_improve.conftest import Look, World, book, run, searcher
from tests.server.talking import Person, connected, said, yes

pytestmark = pytest.mark.anyio


@pytest.fixture
def url(world: World) -> Iterator[str]:
    running = lifecycle.start(Project.find(), port=0, offers=Offers(allow_write=True))
    yield f"{running.url}/mcp"
    running.stop()


@pytest.mark.parametrize("era", ["2025", "2026"])
async def test_a_person_approves_by_a_form_and_nobody_else_does(
    world: World, look: Look, url: str, era: str
) -> None:
    run(searcher(world), 30, world)
    [plan] = look().plans
    call = {"plan_id": plan.id, "action": "approve", "expected_revision": plan.revision}
    async with connected(url, era) as client:
        alone = said(await client.call_tool("decide_plan", call))
    async with connected(url, era, Person(ElicitResult(action="decline"))) as client:
        declined = said(await client.call_tool("decide_plan", call))
    async with connected(url, era, Person(yes(), yes())) as client:
        approved = said(await client.call_tool("decide_plan", call))
        stale = said(await client.call_tool("decide_plan", call))

    assert alone["error"]["code"] == "plan.principal"
    assert declined["error"]["code"] == "request.not_confirmed"
    assert approved["status"] == "approved"
    assert stale["error"]["code"] == "plan.changed"
    assert book().get(plan.id).history[-1].actor == "person:host-token by form"


async def test_a_client_rejects_a_plan_once_it_has_asked_twice(
    world: World, look: Look, url: str
) -> None:
    run(searcher(world), 30, world)
    [plan] = look().plans
    call = {"plan_id": plan.id, "action": "reject", "expected_revision": plan.revision}
    async with connected(url, "2026") as client:
        first = said(await client.call_tool("decide_plan", call))
        second = said(await client.call_tool("decide_plan", {**call, "confirm": first["confirm"]}))

    assert first["status"] == "unconfirmed"
    assert second["status"] == "rejected"
    assert book().get(plan.id).history[-1].actor == "client:host-token"
