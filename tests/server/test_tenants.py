"""Tenants of one host: each sees its own graphs, executions and plans, on every way in."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from inwit.answers import Evidence
from inwit.errors import (
    ForbiddenError,
    ScopeError,
    UnknownExecutionError,
    UnknownGraphError,
    UnknownUriError,
)
from inwit.ids import new_id
from inwit.plans import Effect, Plan, Validation
from inwit.runtime.project import Project
from inwit.runtime.store import Journal, Store, audit
from inwit.self_improve.plans import PlanBook
from inwit.server import auth, lifecycle, metrics
from inwit.server.auth import NOBODY, Caller
from inwit.server.host import Host
from inwit.server.offers import Offers
from inwit.server.tenants import Tenants
from tests.server.conftest import seeker
from tests.server.issuing import IssuerHere, issuing, settings

TENANTS = """
[organisations.acme.projects.research]
workflows = ["acme-*"]

[organisations.globex.projects.main]
workflows = ["globex-*"]

[[grants]]
to = "user:ada"
role = "viewer"
on = "organisation:acme"

[[grants]]
to = "group:ops"
role = "runner"
on = "project:acme/research"

[[grants]]
to = "service:ci"
role = "editor"
on = "workflow:acme-seeker"

[[grants]]
to = "organisation:globex"
role = "admin"
on = "organisation:globex"
"""
EVERYTHING = frozenset({"read", "run", "plan", "admin"})
ADA = Caller(id="user:ada", scopes=EVERYTHING, is_tenant=True, organisation="acme")
OPS = Caller(id="user:olga", scopes=EVERYTHING, is_tenant=True, groups=("ops",))
CI = Caller(id="service:ci", scopes=EVERYTHING, is_tenant=True)
BOB = Caller(id="user:bob", scopes=EVERYTHING, is_tenant=True, organisation="globex")
EVE = Caller(id="user:eve", scopes=EVERYTHING, is_tenant=True, organisation="evil")
A, G = "acme-seeker", "globex-seeker"


@dataclass(frozen=True)
class Two:
    """A project in which the graphs of two organisations ran, and what they left."""

    acme: str
    globex: str
    acme_plan: str
    globex_plan: str


def a_plan(graph: str) -> Plan:
    """A plan for a graph."""
    effect = Effect(point=1.0, low=0.5, high=1.5, unit="s")
    return Plan(
        id=new_id(), fingerprint=graph, title=f"Cache what {graph} looks up", category="cache",
        hypothesis=f"{graph} asks the same again", graph_name=graph, baseline={}, candidate={},
        evidence=(Evidence(uri=f"graph://{graph}/about", quote="it does", why=""),), effect=effect,
        expected_gain=effect, confidence=0.9, actions=(), risk="low", rollback="take it back",
        validation=Validation(command="true", expected="it passes"),
    )  # fmt: skip


@pytest.fixture
def two(project: Path) -> Two:
    (project / ".inwit" / "tenants.toml").write_text(TENANTS)
    ran, plans = {}, {}
    book = PlanBook.of(Store.of(Project.find()))
    for name in (A, G):
        graph = seeker(name)
        asyncio.run(graph.ainvoke({"question": f"a secret of {name}"}))
        asyncio.run(graph.flush())
        ran[name] = str(graph.last_execution_id)
        plans[name] = book.propose(a_plan(name)).id
    Journal.of(Project.find()).flush()
    return Two(ran[A], ran[G], plans[A], plans[G])


@pytest.fixture
def tenants(two: Two) -> Tenants:
    return Tenants(Store.of(Project.find()))


@pytest.mark.parametrize(
    ("caller", "seen"),
    [(ADA, {A}), (OPS, {A}), (CI, {A}), (BOB, {G}), (EVE, set()), (NOBODY, set())],
)
def test_each_sees_what_was_granted_and_whoever_was_granted_nothing_sees_nothing(
    tenants: Tenants, caller: Caller, seen: set[str]
) -> None:
    store = tenants.view(caller).store

    assert {graph.name for graph in store.graphs()} == seen
    assert {one.graph_name for one in store.executions().items} == seen
    assert {one.graph_name for one in tenants.view(caller).plans.list()} == seen
    assert {one.graph_name for one in store.latencies()} == seen
    assert {event.graph_name for _, event in store.tail(0, 10_000)} == seen


@pytest.mark.parametrize(
    ("caller", "graph", "allowed"),
    [
        (ADA, A, {"read"}),
        (OPS, A, {"read", "run"}),
        (CI, A, {"read", "run", "plan"}),
        (BOB, G, {"read", "run", "plan", "admin"}),
        (BOB, A, set()),
        (EVE, A, set()),
    ],
)
def test_a_role_holds_what_the_lower_ones_hold_and_all_that_is_below_its_place(
    tenants: Tenants, caller: Caller, graph: str, allowed: set[str]
) -> None:
    found = {action for action in EVERYTHING if graph in tenants.allowed(caller, action)}

    assert found == allowed


def test_scope_and_role_are_both_needed(tenants: Tenants) -> None:
    tenants.require(CI, "plan", A)
    with pytest.raises(ForbiddenError):
        tenants.require(ADA, "run", A)
    with pytest.raises(UnknownGraphError):
        tenants.require(ADA, "run", G)
    with pytest.raises(ScopeError):
        tenants.require(
            Caller(id="service:ci", scopes=frozenset({"read"}), is_tenant=True), "plan", A
        )


def test_ids_of_others_open_nothing(tenants: Tenants, two: Two) -> None:
    store = tenants.view(ADA).store

    assert store.execution(two.acme).graph_name == A
    for name in (two.globex, two.globex[:8]):
        with pytest.raises(UnknownExecutionError):
            store.execution(name)
    with pytest.raises(UnknownGraphError) as refused:
        store.graph(G)
    assert "globex" not in refused.value.hint
    with pytest.raises(Exception, match="No plan"):
        tenants.view(ADA).plans.get(two.globex_plan)


def test_no_query_reaches_rows_of_others_and_unknown_tables_are_empty(tenants: Tenants) -> None:
    Store.of(Project.find()).declare("later", ("CREATE TABLE later (graph TEXT)",))
    Store.of(Project.find()).write(lambda one: one.execute("INSERT INTO later VALUES ('x')"))
    store = tenants.view(ADA).store
    tables = [
        row[0] for row in store.read("SELECT name FROM sqlite_schema WHERE type = 'table'")
        if not row[0].startswith("sqlite_")
    ]  # fmt: skip

    found = {name: str(store.read(f"SELECT * FROM {name}")) for name in tables}
    # The project's own events stand there too; readers look at the name of their graph.
    found["batches"] = str(store.read("SELECT * FROM batches WHERE execution <> ''"))

    assert found["later"] == "[]"
    assert not [name for name, rows in found.items() if "globex" in rows]
    assert A in found["executions"]


def test_a_tenants_store_does_not_write_unless_that_was_allowed(tenants: Tenants) -> None:
    store = tenants.view(CI).store

    def write() -> None:
        store.write(lambda one: one.execute("DELETE FROM plans WHERE 0"))

    with auth.acting(CI):
        with pytest.raises(ForbiddenError):
            write()
        tenants.require(CI, "plan", A)
        write()
    with auth.acting(ADA), pytest.raises(ForbiddenError):
        write()


def test_an_execution_that_was_begun_for_somebody_is_seen_by_that_organisation_alone(
    tenants: Tenants, two: Two, project: Path
) -> None:
    file = project / ".inwit" / "tenants.toml"
    file.write_text(
        TENANTS + f'[[grants]]\nto = "user:bob"\nrole = "viewer"\non = "workflow:{A}"\n'
    )
    assert tenants.view(BOB).store.execution(two.acme).graph_name == A

    tenants.claim(two.acme, ADA)

    assert tenants.view(ADA).store.execution(two.acme).graph_name == A
    with pytest.raises(UnknownExecutionError):
        tenants.view(BOB).store.execution(two.acme)
    assert tenants.view(BOB).store.events(two.globex)


def test_a_tenants_counters_keep_what_was_let_go_of_its_own_alone(
    tenants: Tenants, two: Two, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = project / ".inwit" / "tenants.toml"
    file.write_text(
        TENANTS + f'[[grants]]\nto = "user:bob"\nrole = "viewer"\non = "workflow:{A}"\n'
    )
    tenants.claim(two.acme, ADA)
    before = [_counted(tenants, caller) for caller in (ADA, BOB)]

    Journal.of(Project.find()).close()  # the next one reads its limits anew
    monkeypatch.setenv("INWIT_RETENTION_EXECUTIONS", "1")
    graph = seeker(A)
    for _ in range(3):  # the one that is Ada's is let go, and the first two that are everybody's
        asyncio.run(graph.ainvoke({"question": "what is it?"}))
        Journal.of(Project.find()).flush()

    kept = Store.of(Project.find()).read(
        "SELECT count(*) FROM executions WHERE id = ?", (two.acme,)
    )
    assert kept == [(0,)]
    after = [_counted(tenants, caller) for caller in (ADA, BOB)]
    ended, visits = (f'inwit_executions_total{{graph="{A}",status="completed"}}', "visits")
    assert [one.get(ended, 0.0) for one in before] == [1, 0]
    assert [one[ended] for one in after] == [4, 3]
    assert [one[visits] for one in after] == [one[visits] + 3 for one in before]
    assert not any(G in name for name in after[0])


def _counted(tenants: Tenants, caller: Caller) -> dict[str, float]:
    """What a caller's `/metrics` counts, with how often a node of the graph was visited."""
    lines = [
        line for line in metrics.write(tenants.view(caller).store).splitlines() if line[0] != "#"
    ]
    found = {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}
    found["visits"] = found[f'inwit_node_duration_seconds_count{{graph="{A}",node="write"}}']
    return found


def test_a_grant_that_is_taken_back_holds_at_once(tenants: Tenants, project: Path) -> None:
    assert tenants.allowed(ADA, "read") == {A}

    (project / ".inwit" / "tenants.toml").write_text(TENANTS.replace('"user:ada"', '"user:other"'))

    assert tenants.allowed(ADA, "read") == frozenset()


def test_a_policy_of_the_project_may_forbid_and_a_broken_one_denies_everything(
    tenants: Tenants, project: Path
) -> None:
    folder = project / ".inwit" / "policies"
    folder.mkdir()
    (folder / "own.cedar").write_text(
        'forbid (principal == Service::"ci", action == Action::"plan", resource);'
    )
    assert tenants.allowed(CI, "plan") == frozenset()
    assert tenants.allowed(CI, "run") == {A}

    (folder / "own.cedar").write_text("permit (principal")
    assert tenants.allowed(BOB, "read") == frozenset()
    (folder / "own.cedar").unlink()
    (project / ".inwit" / "tenants.toml").write_text("[[grants]]\nto = 7\n")
    assert tenants.allowed(BOB, "read") == frozenset()


@pytest.mark.parametrize("name", ['ada" || true', "ada\\", 'x"} in [', "\u202eada", "é", "ada\n"])
def test_no_name_of_a_caller_or_graph_changes_a_policy(tenants: Tenants, name: str) -> None:
    assert tenants.allowed(Caller(id=f"user:{name}", is_tenant=True), "read") == frozenset()


def test_a_name_with_any_character_is_judged_as_itself(tenants: Tenants, project: Path) -> None:
    file = project / ".inwit" / "tenants.toml"
    name = 'o"neil\\ é\u202e'
    grant = {"to": f"user:{name}", "role": "viewer", "on": f"workflow:{A}"}
    shown = "\n".join(f"{key} = {json.dumps(value)}" for key, value in grant.items())
    file.write_text(f"{TENANTS}\n[[grants]]\n{shown}\n")

    assert tenants.allowed(Caller(id=f"user:{name}", is_tenant=True), "read") == {A}
    assert tenants.allowed(Caller(id="user:o", is_tenant=True), "read") == frozenset()


def test_a_host_that_does_not_know_who_asks_shows_nothing(two: Two) -> None:
    host = Host(Project.find(), has_tenants=True)

    assert host.store.executions().items == ()
    with auth.acting(ADA):
        assert [one.graph_name for one in host.store.executions().items] == [A]
    with auth.acting(auth.HOLDER):
        assert len(host.store.executions().items) == 2


def test_a_conversation_is_its_callers_alone_and_a_thread_its_organisations(two: Two) -> None:
    host = Host(Project.find(), has_tenants=True)
    names = set()
    for caller in (ADA, BOB, Caller(id="user:olga", is_tenant=True, organisation="acme")):
        with auth.acting(caller):
            names.add(host.own("c1"))
            host.introspector.ask("Which graphs are there?", conversation_id=host.own("c1"))

    assert len(names) == 3
    assert host.own(None) is None
    threads = set()
    for caller in (ADA, BOB, Caller(id="user:olga", is_tenant=True, organisation="acme")):
        with auth.acting(caller):
            threads.add(host.own_thread("t1"))
    assert len(threads) == 2
    with auth.acting(auth.HOLDER):
        assert host.own("c1") == "c1"


def test_figures_of_everybody_are_not_opened_by_a_tenant(tenants: Tenants, project: Path) -> None:
    (project / ".inwit" / "config.toml").write_text('prometheus_url = "http://127.0.0.1:9"\n')
    uri = "prometheus://sum(inwit_executions_total)@1700000000"

    with pytest.raises(UnknownUriError) as refused:
        tenants.view(ADA).introspector.resolve(uri)
    with pytest.raises(UnknownUriError) as asked:
        Host(Project.find()).introspector.resolve(uri)

    assert "prometheus" not in refused.value.hint
    assert "does not answer" in asked.value.hint


def test_nodes_are_tried_for_those_alone_who_may_run_their_graph(tenants: Tenants) -> None:
    alive = seeker(A)

    def code(caller: Caller) -> Any:
        with auth.acting(caller):
            return tenants.view(caller).introspector.code(A)

    assert code(ADA) is None
    assert code(CI) is alive


# Over the wire


@pytest.fixture(scope="module")
def issuer() -> Iterator[IssuerHere]:
    with issuing() as found:
        yield found


@pytest.fixture
def served(issuer: IssuerHere, two: Two, project: Path) -> Iterator[str]:
    (project / ".inwit" / "config.toml").write_text(settings(issuer))
    running = lifecycle.start(Project.find(), port=0)
    yield running.url
    running.stop()


@pytest.fixture
def ada(issuer: IssuerHere) -> dict[str, str]:
    """The headers of a viewer at acme."""
    token = issuer.token(sub="ada", org="acme", scope="read run plan admin")
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def bob(issuer: IssuerHere) -> dict[str, str]:
    """The headers of an admin at globex."""
    token = issuer.token(sub="bob", org="globex", scope="read run plan admin")
    return {"Authorization": f"Bearer {token}"}


def _everything(client: httpx.Client, two: Two) -> Iterator[httpx.Response]:
    """Ask every route for all that it tells, of both tenants' things."""
    paths = client.get("/openapi.json").json()["paths"]
    for path, item in paths.items():
        if "get" not in item or path in ("/mcp", "/openapi.json") or path.endswith("/events"):
            continue
        for name, ran, plan in ((A, two.acme, two.acme_plan), (G, two.globex, two.globex_plan)):
            filled = path.replace("{id}", plan if "/plans/" in path else ran)
            filled = filled.replace("{name}", "search")
            for question in (
                f"Why was {name} slow?",
                f"What is {name}?",
                "Which graphs are there?",
            ):
                params = {"q": question, "graph": name, "uri": f"execution://{ran}/summary"}
                yield client.get(filled, params=params)
        yield client.get(path.replace("{name}", "search"))


def test_no_route_tells_a_tenant_of_anothers_graphs(
    served: str, two: Two, ada: dict[str, str]
) -> None:
    with httpx.Client(base_url=served, headers=ada, timeout=60) as client:
        answered = list(_everything(client, two))

    told = [one for one in answered if one.status_code == 200]
    assert len(told) > 60
    assert any(two.acme in one.text for one in told)
    hidden = (two.globex, two.globex_plan, "a secret of globex")
    leaks = [str(one.url) for one in told for word in hidden if word in _own_words(one, word)]
    assert leaks == []
    listed = [one for one in told if one.url.path in ("/metrics", "/mcp/live/executions")]
    assert not [one for one in listed if "globex" in one.text]


def _own_words(response: httpx.Response, word: str) -> str:
    """What a host tells by itself: not the question that it repeats."""
    return response.text if word not in str(response.url) else ""


def test_a_question_about_anothers_graph_finds_none(served: str, ada: dict[str, str]) -> None:
    with httpx.Client(base_url=served, headers=ada, timeout=60) as client:
        mine = client.post("/mcp/introspect", json={"question": f"What is {A}?"}).json()
        theirs = client.post("/mcp/introspect", json={"question": f"What is {G}?"}).json()
        named = client.post("/mcp/introspect", json={"question": "Why?", "graph": G})

    assert any("acme" in one["uri"] for one in mine["evidence"])
    assert not any("globex" in one["uri"] for one in theirs["evidence"])
    assert "secret of globex" not in json.dumps(theirs)
    assert (named.status_code, named.json()["code"]) == (404, "graph.unknown")


def test_a_stream_carries_a_tenants_own_events_alone(
    served: str, two: Two, ada: dict[str, str]
) -> None:
    seen: set[str] = set()
    with (
        httpx.Client(base_url=served, headers=ada, timeout=20) as client,
        client.stream("GET", "/mcp/live/events", params={"after": 0}) as stream,
    ):
        for graph in (seeker(G), seeker(A)):  # the last to run is ours, so that the end is seen
            asyncio.run(graph.ainvoke({"question": "again"}))
            asyncio.run(graph.flush())
        begun = 0
        for line in stream.iter_lines():
            if line.startswith("data:"):
                event = json.loads(line.removeprefix("data:"))
                seen.add(event.get("graph_name", ""))
                begun += event["type"] == "execution_completed"
                if begun == 2:
                    break
        other = client.get(f"/mcp/live/executions/{two.globex}/events")

    assert seen == {A}
    assert other.status_code == 404


@pytest.mark.anyio
async def test_mcp_shows_a_tenant_its_own_in_tools_resources_and_completion(
    served: str, two: Two, ada: dict[str, str]
) -> None:
    calls: list[tuple[str, dict[str, Any]]] = [
        ("list_executions", {}),
        ("list_plans", {}),
        ("introspect_search", {"query": "seeker secret", "limit": 50}),
        ("introspect_ask", {"question": "Which graphs are there?"}),
        ("introspect_get", {"uri": f"execution://{two.globex}/summary"}),
        ("explain_execution", {"execution_id": "last"}),
    ]
    async with (
        httpx2.AsyncClient(headers=ada, timeout=30) as http,
        Client(streamable_http_client(f"{served}/mcp", http_client=http), cache=None) as client,
    ):
        told = [await client.call_tool(name, arguments) for name, arguments in calls]
        listed = await client.list_resources()
        with pytest.raises(MCPError):
            await client.read_resource(f"graph://{G}/about")

    opened, others = told[4], [*told[:4], told[5]]
    shown = " ".join(str(one.structured_content) for one in others)
    assert opened.is_error
    assert two.acme in shown
    assert two.globex not in shown
    assert "globex-seeker" not in shown
    assert not [one for one in listed.resources if "globex" in str(one.uri)]


@pytest.mark.anyio
async def test_a_tenant_runs_what_it_may_and_what_it_ran_is_its_own(
    issuer: IssuerHere, two: Two, project: Path, ada: dict[str, str], bob: dict[str, str]
) -> None:
    (project / ".inwit" / "config.toml").write_text(settings(issuer))
    more = [("user:ada", "runner", "organisation:acme"), ("user:bob", "viewer", f"workflow:{A}")]
    grants = [f'[[grants]]\nto = "{to}"\nrole = "{role}"\non = "{on}"' for to, role, on in more]
    (project / ".inwit" / "tenants.toml").write_text("\n".join([TENANTS, *grants]))
    graphs = {name: seeker(name) for name in (A, G)}
    offers = Offers(allow_write=True, confirms=False, graphs=graphs)
    running = lifecycle.start(Project.find(), port=0, offers=offers)

    async def ran(headers: dict[str, str], graph: str) -> Any:
        given = {"graph": graph, "input": {"question": "mine"}, "thread_id": "t"}
        return (await _called(running.url, headers, "run_graph", given)).structured_content

    try:
        done, foreign, viewed = await ran(ada, A), await ran(ada, G), await ran(bob, A)
        listed = {
            name: str((await _called(running.url, headers, "list_executions", {})).content)
            for name, headers in (("ada", ada), ("bob", bob))
        }
    finally:
        running.stop()

    assert done["status"] == "completed"
    assert foreign["error"]["code"] == "graph.unknown"
    assert viewed["error"]["code"] == "request.forbidden"
    assert done["execution_id"] in listed["ada"]
    assert done["execution_id"] not in listed["bob"]
    (entry,) = audit.rows(Project.find(), limit=10)[-1:]
    assert (entry.actor, entry.action, entry.target) == (
        "client:user:ada",
        "graph.run",
        f"graph://{A}",
    )


async def _called(url: str, headers: dict[str, str], tool: str, given: dict[str, Any]) -> Any:
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http), cache=None) as client,
    ):
        return await client.call_tool(tool, given)


def test_a_session_is_its_callers_alone(
    served: str, ada: dict[str, str], bob: dict[str, str]
) -> None:
    headers = {"Accept": "application/json, text/event-stream"}
    hello = {
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18", "capabilities": {},
            "clientInfo": {"name": "x", "version": "1"},
        },
    }  # fmt: skip
    with httpx.Client(base_url=served, headers=headers, timeout=20) as client:
        opened = client.post("/mcp", json=hello, headers=ada)
        session = {"Mcp-Session-Id": opened.headers["mcp-session-id"]}
        ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
        theirs = client.post("/mcp", json=ping, headers={**bob, **session})
        ended = client.delete("/mcp", headers={**bob, **session})
        mine = client.post("/mcp", json=ping, headers={**ada, **session})

    assert (theirs.status_code, ended.status_code, mine.status_code) == (404, 404, 200)


def test_a_cursor_is_its_callers_alone(
    served: str, ada: dict[str, str], bob: dict[str, str]
) -> None:
    with httpx.Client(base_url=served, timeout=20) as client:
        page = client.get("/mcp/nodes", params={"limit": 1}, headers=ada).json()
        mine = client.get("/mcp/nodes", params={"cursor": page["cursor"]}, headers=ada)
        theirs = client.get("/mcp/nodes", params={"cursor": page["cursor"]}, headers=bob)

    assert mine.status_code == 200
    assert (theirs.status_code, theirs.json()["code"]) == (400, "request.malformed")


@pytest.mark.anyio
async def test_a_stream_ends_with_its_token(served: str, issuer: IssuerHere) -> None:
    token = issuer.token(sub="ada", org="acme", exp=int(time.time()) - 28)
    headers = {"Authorization": f"Bearer {token}"}
    with anyio.fail_after(30):
        async with (
            httpx.AsyncClient(base_url=served, headers=headers, timeout=20) as client,
            client.stream("GET", "/mcp/live/events") as stream,
        ):
            assert stream.status_code == 200
            async for _ in stream.aiter_bytes():
                pass
