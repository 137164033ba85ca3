"""Plans and hypotheses over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from inwit.cli.main import main
from inwit.runtime.project import Project
from inwit.runtime.store import audit
from inwit.self_improve.deciding import decide
from inwit.server import lifecycle
from inwit.server.offers import Offers
from tests.self_improve.conftest import ADA, Look, World, book, run, searcher, try_out
from tests.server.issuing import issuing, settings

KEY = {"authorization": "Bearer sesame"}


def host(token: str | None = "sesame", **offers: Any) -> Iterator[httpx.Client]:
    running = lifecycle.start(Project.find(), port=0, token=token, offers=Offers(**offers))
    try:
        with httpx.Client(base_url=running.url, headers=KEY, timeout=20) as client:
            yield client
    finally:
        running.stop()


served = contextmanager(host)


@pytest.fixture
def client(world: World) -> Iterator[httpx.Client]:
    yield from host(allow_write=True)


@pytest.fixture
def reader(world: World) -> Iterator[httpx.Client]:
    yield from host()


def test_the_story_goes_on_over_http_once_a_person_has_approved(
    world: World, look: Look, client: httpx.Client
) -> None:
    app = searcher(world)
    run(app, 30, world)
    look()
    [plan] = client.get("/mcp/plans", params={"status": "validated"}).json()["plans"]
    at = f"/mcp/plans/{plan['id']}"

    early = client.post(f"{at}/apply", json={})
    forbidden = client.post(f"{at}/approve", json={})
    approved = decide(Project.find(), plan["id"], "approve", ADA)
    stale = client.post(f"{at}/apply", json={"expected_revision": plan["revision"]})
    applied = client.post(f"{at}/apply", json={"expected_revision": approved.revision})
    try_out(app, world, lambda: str(client.post(f"{at}/evaluate", json={}).json()["status"]))
    measured = client.get(at)
    back = client.post(f"{at}/rollback", json={"reason": "the query is paid for"})
    again = client.post(f"{at}/rollback", json={})

    assert (early.status_code, early.json()["code"]) == (409, "plan.illegal_move")
    assert (forbidden.status_code, forbidden.json()["code"]) == (403, "plan.principal")
    assert (stale.status_code, stale.json()["code"]) == (409, "plan.changed")
    assert applied.json()["status"] == "in_progress"
    assert measured.json()["status"] == "implemented"
    assert back.json()["status"] == "rolled_back"
    assert again.status_code == 409
    assert book().get(plan["id"]).history[-1].actor.startswith("client:")
    world.searches = 0
    run(app, 2, world)
    assert world.searches == 6
    told = client.get("/mcp/hypotheses").json()
    assert told["accuracy"]["by_source"][0]["source"] == "repeated_calls"
    assert [one["correct"] for one in told["recent_evaluations"]] == [True]
    assert told["recent_evaluations"][0]["trigger"] == "the plan's trial ends"


TENANTS = """
[organisations.acme.projects.shop]
workflows = ["searcher"]
""" + "".join(
    f'[[grants]]\nto = "user:{name}"\nrole = "{role}"\non = "workflow:searcher"\n'
    for name, role in (("ada", "editor"), ("vera", "viewer"))
)


def test_those_with_tokens_of_an_issuer_walk_a_plan_as_far_as_their_roles_reach(
    world: World, look: Look
) -> None:
    folder = Project.find().folder
    with issuing() as issuer:
        (folder / "config.toml").write_text(settings(issuer))
        (folder / "tenants.toml").write_text(TENANTS)
        app = searcher(world)
        run(app, 30, world)
        look()
        [plan] = book().list()
        at = f"/mcp/plans/{plan.id}"
        with served(token=None, allow_write=True) as client:

            def ask(name: str, action: str = "", scope: str = "read plan") -> httpx.Response:
                token = issuer.token(sub=name, scope=scope)
                method = "POST" if action else "GET"
                return client.request(
                    method, at + action, json={} if action else None,
                    headers={"Authorization": f"Bearer {token}"},
                )  # fmt: skip

            seen = {name: ask(name).status_code for name in ("ada", "vera", "bob")}
            unseen = ask("bob", "/reject")
            viewer, reader = ask("vera", "/reject"), ask("ada", "/reject", scope="read")
            alone = ask("ada", "/approve")
            assert main(["self-improve", "approve", plan.id]) == 0
            applied = ask("ada", "/apply")
            run(app, 8, world)
            trial = book().store.graph("searcher").node_configs
            back = ask("ada", "/rollback")

    assert seen == {"ada": 200, "vera": 200, "bob": 404}
    assert unseen.status_code == 404
    refused = [(one.status_code, one.json()["code"]) for one in (viewer, reader, alone)]
    assert refused == [(403, "request.forbidden"), (403, "request.scope"), (403, "plan.principal")]
    assert applied.json()["status"] == "in_progress"
    assert trial
    assert back.json()["status"] == "rolled_back"
    assert book().store.graph("searcher").node_configs != trial
    actors = [one.actor.partition(":")[0] for one in book().get(plan.id).history]
    assert actors == ["daemon", "daemon", "person", "client", "client"]
    assert book().get(plan.id).history[-1].actor == "client:user:ada"
    assert audit.verify(Project.find()).is_intact
    logged = [row.action for row in audit.rows(book().store) if row.actor == "client:user:ada"]
    assert logged == ["plan.move", "plan.move"]


def test_a_host_that_only_answers_decides_on_nothing(
    world: World, look: Look, reader: httpx.Client
) -> None:
    run(searcher(world), 30, world)
    [plan] = look().plans

    found = reader.post(f"/mcp/plans/{plan.id}/reject", json={})

    assert found.status_code == 403
    assert "--allow-write" in found.json()["hint"]
    assert book().get(plan.id).status == "validated"


@pytest.mark.parametrize(
    "said", [{"expected_revision": "one"}, {"reason": 5}, {"share": "half"}, {"share": 7}]
)
def test_what_makes_no_sense_is_refused(
    world: World, look: Look, client: httpx.Client, said: dict[str, Any]
) -> None:
    run(searcher(world), 30, world)
    [plan] = look().plans

    found = client.post(f"/mcp/plans/{plan.id}/reject" if "share" not in said
                        else f"/mcp/plans/{plan.id}/apply", json=said)  # fmt: skip

    assert found.status_code in {400, 422}
    assert client.post("/mcp/plans/nothing-here/reject", json={}).status_code == 404
    assert book().get(plan.id).status == "validated"
