from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import anyio
import httpx
import jsonschema
import pytest
from prometheus_client.parser import text_string_to_metric_families

from inwit.server.routes.later import LATER, Later
from tests.server.conftest import Ran

REGISTER = """
from tests.server.conftest import seeker
graph = seeker("newcomer")
import asyncio
asyncio.run(graph.flush())
print("done", flush=True)
input()
"""
GIVEN = {"q": "Is checkpointing on by default?", "uri": "graph://seeker/nodes/search"}
ROOT = Path(__file__).parents[2]


def document(client: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/openapi.json").json()
    return found


def test_every_described_route_answers_as_it_is_described(client: httpx.Client, ran: Ran) -> None:
    checked = 0

    for path, item in document(client)["paths"].items():
        described = item.get("get", {}).get("responses", {}).get("200", {}).get("content", {})
        schema = described.get("application/json", {}).get("schema")
        if schema is None or path.startswith("/mcp/plans/") or "{hash}" in path:
            continue
        filled = path.replace("{id}", ran.completed).replace("{name}", "search")
        needed = {one["name"] for one in item["get"]["parameters"] if one["required"]}
        params = {name: GIVEN[name] for name in needed & set(GIVEN)}
        response = client.get(filled, params=params)
        assert response.status_code == 200, (path, response.text)
        jsonschema.validate(response.json(), schema)
        assert response.json()["schema_version"] == "1"
        checked += 1

    assert checked > 25


def test_the_document_names_every_route_that_is_there_and_none_that_is_not(
    client: httpx.Client,
) -> None:
    described = document(client)["paths"]

    for path in (
        "/mcp", "/mcp/about", "/mcp/capabilities", "/mcp/architecture", "/mcp/implementation",
        "/mcp/nodes", "/mcp/nodes/{name}", "/mcp/edges", "/mcp/dependencies", "/mcp/features",
        "/mcp/tools", "/mcp/state-schema", "/mcp/introspect", "/mcp/hypotheses",
        "/mcp/platform/version", "/mcp/platform/features", "/mcp/platform/node-types",
        "/mcp/platform/edge-types", "/mcp/platform/templates", "/mcp/platform/states",
        "/mcp/platform/query", "/mcp/live/executions", "/mcp/live/executions/{id}",
        "/mcp/live/executions/{id}/node", "/mcp/live/executions/{id}/state",
        "/mcp/live/executions/{id}/history", "/mcp/live/executions/{id}/metrics",
        "/mcp/live/executions/{id}/checkpoint", "/mcp/live/executions/{id}/events",
        "/mcp/live/events", "/mcp/network/packages", "/mcp/network/query", "/mcp/plans",
        "/mcp/plans/{id}", "/metrics", "/healthz", "/readyz", "/openapi.json",
    ):  # fmt: skip
        assert path in described
    assert set(described["/mcp/introspect"]) == {"get", "post"}
    assert not {path for path, _, _ in LATER} & set(described)


@pytest.mark.parametrize(("path", "methods", "feature"), LATER)
def test_what_comes_later_answers_501_with_its_name_and_what_there_is_instead(
    client: httpx.Client, path: str, methods: tuple[str, ...], feature: Later
) -> None:
    for method in methods:
        filled = path.replace("{id}", "x").replace("{rest:path}", "packages/a/b")
        response = client.request(method, filled)
        assert response.status_code == 501
        assert response.json()["code"] == "request.not_in_this_version"
        assert feature.name in response.json()["title"]
        assert response.json()["hint"] == feature.instead


def test_the_facts_of_the_graph_are_those_of_its_source(client: httpx.Client, ran: Ran) -> None:
    nodes = client.get("/mcp/nodes").json()
    node = client.get("/mcp/nodes/search").json()
    shape = client.get("/mcp/architecture", params={"graph": "seeker"}).json()["graph"]

    assert [one["name"] for one in nodes["nodes"]] == ["search", "write"]
    assert nodes["total_count"] == 2
    assert {edge["to"] for edge in node["outgoing_edges"]} == {"search", "write"}
    assert node["source"]["file"].endswith("conftest.py")
    assert (shape["has_cycles"], shape["decision_points"]) == (True, ["search"])


def test_lists_are_given_in_pages(client: httpx.Client, ran: Ran) -> None:
    first = client.get("/mcp/nodes", params={"limit": 1}).json()
    second = client.get("/mcp/nodes", params={"limit": 1, "cursor": first["cursor"]}).json()
    newest = client.get("/mcp/live/executions", params={"limit": 1}).json()
    older = client.get("/mcp/live/executions", params={"cursor": newest["cursor"]}).json()

    assert [first["nodes"][0]["name"], second["nodes"][0]["name"]] == ["search", "write"]
    assert second["cursor"] is None
    assert newest["executions"][0]["execution_id"] == ran.completed
    assert [one["execution_id"] for one in older["executions"]] == [ran.failed]
    assert (newest["total_count"], older["cursor"]) == (2, None)


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/mcp/nodes", {"limit": "0"}),
        ("/mcp/nodes", {"limit": "-1"}),
        ("/mcp/nodes", {"limit": "many"}),
        ("/mcp/nodes", {"limit": "1" * 30}),
        ("/mcp/nodes", {"limit": "٣"}),
        ("/mcp/nodes", {"cursor": "made-up"}),
        ("/mcp/nodes", {"cursor": "ÿ"}),
        ("/mcp/nodes", {"graph": "a\nb"}),
        ("/mcp/live/executions", {"status": "happy"}),
        ("/mcp/live/executions", {"cursor": "made-up"}),
        ("/mcp/live/events", {"type": "node_entred"}),
        ("/mcp/live/events", {"after": "soon"}),
        ("/mcp/introspect", {}),
        ("/mcp/introspect", {"q": "why?", "level": "cellar"}),
        ("/mcp/plans", {"status": "happy"}),
    ],
)
def test_a_parameter_that_makes_no_sense_is_refused_by_name(
    client: httpx.Client, ran: Ran, path: str, params: dict[str, str]
) -> None:
    response = client.get(path, params=params)

    assert response.status_code == 400, response.text
    assert response.json()["code"].startswith("request.")
    assert response.json()["hint"]


@pytest.mark.parametrize(
    ("path", "code", "hint"),
    [
        ("/mcp/live/executions?graph=seekr", "graph.unknown", "Did you mean 'seeker'?"),
        (
            "/mcp/resolve?uri=execution://ffffffffffffffff/events/1",
            "request.unknown_uri",
            "No exec",
        ),
        ("/mcp/resolve?uri=nonsense", "request.unknown_uri", "Uris begin"),
        ("/mcp/about?graph=seekr", "graph.unknown", "Did you mean 'seeker'?"),
        ("/mcp/nodes/serch", "graph.unknown_node", "Did you mean 'search'?"),
        ("/mcp/live/executions/ffffffffffffffff", "execution.unknown", "list"),
        ("/mcp/live/executions/ffffffffffffffff/events", "execution.unknown", "list"),
        ("/mcp/plans/none", "plan.unknown", "plans"),
        ("/mcp/nowhere", "request.unknown_route", "openapi"),
    ],
)
def test_what_is_not_there_is_named_with_a_way_out(
    client: httpx.Client, ran: Ran, path: str, code: str, hint: str
) -> None:
    response = client.get(path)

    assert (response.status_code, response.json()["code"]) == (404, code)
    assert hint in response.json()["hint"]


def test_a_project_without_graphs_says_so(client: httpx.Client) -> None:
    response = client.get("/mcp/about")

    told = response.json()
    assert (response.status_code, told["code"]) == (404, "graph.unknown")
    assert told["detail"].startswith("No graph is on record. A graph registers itself")
    assert client.get("/mcp/live/executions").json()["executions"] == []
    assert client.get("/mcp/plans").json()["plans"] == []
    assert client.get("/metrics").status_code == 200


@pytest.mark.parametrize("method", ["DELETE", "PUT", "PATCH", "POST"])
@pytest.mark.parametrize(
    "path", ["/mcp/about", "/mcp/nodes/search", "/mcp/live/events", "/metrics"]
)
@pytest.mark.parametrize("body", [{}, {"json": {}}, {"content": b"a=b"}])
def test_a_wrong_method_names_the_right_one(
    client: httpx.Client, method: str, path: str, body: dict[str, Any]
) -> None:
    response = client.request(method, path, **body)

    assert (response.status_code, response.json()["code"]) == (405, "request.method_not_allowed")
    assert "GET" in response.headers["allow"]
    assert "GET" in response.json()["hint"]


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_route_that_is_asked_by_post_takes_no_other_body(
    client: httpx.Client, method: str
) -> None:
    statuses = [client.request(method, path).status_code for path in ("/mcp/introspect", "/mcp")]

    assert statuses == [405, 405]


def test_a_stream_of_a_graph_that_is_not_there_is_refused(client: httpx.Client, ran: Ran) -> None:
    response = client.get("/mcp/live/events", params={"graph": "seekr"})

    told = response.json()
    assert (response.status_code, told["code"]) == (404, "graph.unknown")
    assert "seeker" in told["hint"]


def test_a_question_gets_the_same_answer_by_get_and_post(client: httpx.Client, ran: Ran) -> None:
    question = "Why did search run 3 times?"

    got = client.get("/mcp/introspect", params={"q": question}).json()
    posted = client.post("/mcp/introspect", json={"question": question}).json()

    assert (got["level"], got["intent"]) == ("live", "why")
    assert got["evidence"]
    assert got == posted
    for evidence in got["evidence"]:
        resolved = client.get("/mcp/resolve", params={"uri": evidence["uri"]})
        assert resolved.json()["uri"] == evidence["uri"]


def test_executions_are_told_with_their_steps_and_errors(client: httpx.Client, ran: Ran) -> None:
    base = f"/mcp/live/executions/{ran.completed}"
    history = client.get(f"{base}/history").json()
    failed = client.get(f"/mcp/live/executions/{ran.failed}").json()
    listed = client.get("/mcp/live/executions", params={"status": "failed"}).json()

    assert [step["node_name"] for step in history["steps"]] == ["search"] * 3 + ["write"]
    assert client.get(f"{base}/state").json()["state"]["answer"] == "3 passages"
    assert client.get(f"{base}/node").json()["previous_node"] == "write"
    assert failed["status"] == "failed"
    assert "cannot answer" in failed["error"]["message"]
    assert [one["execution_id"] for one in listed["executions"]] == [ran.failed]


def test_the_last_execution_is_found_by_that_word(client: httpx.Client, ran: Ran) -> None:
    newest = client.get("/mcp/live/executions").json()["executions"][0]["execution_id"]

    for topic in ("", "/node", "/state", "/events"):
        by_word = client.get(f"/mcp/live/executions/last{topic}", params={"after": 10**6})
        by_id = client.get(f"/mcp/live/executions/{newest}{topic}", params={"after": 10**6})
        assert (by_word.status_code, by_word.content) == (by_id.status_code, by_id.content)


def test_metrics_count_what_has_been_measured_and_nothing_else(
    client: httpx.Client, ran: Ran
) -> None:
    response = client.get("/metrics")
    lines = response.text.splitlines()

    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'inwit_executions_total{graph="seeker",status="completed"} 1' in lines
    assert 'inwit_executions_total{graph="seeker",status="failed"} 1' in lines
    assert 'inwit_node_duration_seconds_count{graph="seeker",node="search"} 6' in lines
    assert 'inwit_node_duration_seconds_bucket{graph="seeker",node="search",le="+Inf"} 6' in lines
    assert not any(line.startswith("inwit_llm_cost_dollars_total") for line in lines)
    families = {family.name: family for family in text_string_to_metric_families(response.text)}
    assert families["inwit_executions"].type == "counter"
    assert families["inwit_record_bytes"].samples[0].value > 0
    assert families["inwit_streams"].samples[0].value == 0
    for line in lines:
        if not line.startswith("#"):
            float(line.rsplit(" ", 1)[1])


@pytest.mark.anyio
async def test_a_graph_of_another_process_appears_within_100_ms(url: str, project: Path) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        assert (await client.get("/mcp/about")).status_code == 404
        async with client.stream("GET", "/mcp/live/events?type=graph_registered") as events:
            with anyio.fail_after(30):
                other = await anyio.open_process(
                    [sys.executable, "-c", REGISTER], cwd=project, env=_environment()
                )
                async with other:
                    assert other.stdout is not None
                    assert (await other.stdout.receive()).strip() == b"done"
                    begun = time.monotonic()
                    line = await _first_data(events)
                    took = time.monotonic() - begun
                    about = (await client.get("/mcp/about")).json()
                    other.kill()

    assert "newcomer" in line
    assert about["name"] == "newcomer"
    assert took < 5


async def _first_data(events: httpx.Response) -> str:
    async for line in events.aiter_lines():
        if line.startswith("data:"):
            return line
    raise AssertionError("the stream ended")


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": str(ROOT)}


def test_a_program_that_serves_its_graph_answers_for_it(project: Path) -> None:
    program = """
from tests.server.conftest import seeker
import httpx
graph = seeker("mine")
running = graph.serve(port=0, background=True)
print(httpx.get(running.url + "/mcp/about").json()["name"])
running.stop()
"""
    finished = subprocess.run(
        [sys.executable, "-c", program],
        env=_environment(), capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip

    assert finished.stdout.strip() == "mine", finished.stderr
