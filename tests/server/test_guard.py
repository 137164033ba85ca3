from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from inwit.errors import MalformedInputError, NoTokenError
from inwit.runtime.project import Project
from inwit.server import lifecycle
from inwit.server.bodies import DEPTH_LIMIT, check_depth
from inwit.server.guard import CARD, Guard, Policy
from inwit.server.heads import is_loopback
from tests.server.conftest import exchange

Raw = Callable[..., tuple[int, bytes]]


def problem(response: httpx.Response) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/problem+json"
    told: dict[str, Any] = response.json()
    assert told["status"] == response.status_code
    assert told["title"]
    return told


def every_route(client: httpx.Client) -> Iterator[tuple[str, str]]:
    for path, item in client.get("/openapi.json").json()["paths"].items():
        for method in item:
            yield method.upper(), path.replace("{id}", "x").replace("{name}", "x")


def status(client: httpx.Client, method: str, path: str, **headers: str) -> int:
    """How a route answers, without its body: a stream of events has no end."""
    with client.stream(method, path, headers=headers) as answer:
        return answer.status_code


def test_a_foreign_host_is_refused_on_every_route(client: httpx.Client) -> None:
    routes = [*every_route(client), ("GET", "/nothing"), ("POST", "/mcp/plans/x/approve")]

    answered = {
        (method, path): status(client, method, path, Host="evil.com") for method, path in routes
    }

    assert len(answered) > 30
    assert set(answered.values()) == {403}


def test_a_foreign_origin_is_refused_on_every_route(client: httpx.Client) -> None:
    origins = ("http://evil.com", "null", "https://localhost.evil.com", "file://", "")

    answered = {
        (path, origin): status(client, method, path, Origin=origin)
        for method, path in every_route(client)
        for origin in origins
    }

    assert set(answered.values()) == {403}


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "127.0.0.1", "LOCALHOST:80", "[::1]"])
def test_its_own_names_are_answered_with_any_port_and_none(client: httpx.Client, host: str) -> None:
    response = client.get("/healthz", headers={"Host": host, "Origin": f"http://{host}"})

    assert response.status_code == 200
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize(
    "host", ["localhost@evil.com", "evil.com#localhost", "localhost:80:80", "localhost.", "a b", ""]
)
def test_a_host_that_only_looks_like_ours_is_refused(raw: Raw, host: str) -> None:
    status, _ = raw(f"GET /healthz HTTP/1.1\nHost: {host}")

    assert status in (400, 403)


def test_a_request_without_a_host_is_refused(url: str) -> None:
    received = exchange(url, b"GET /healthz HTTP/1.0\r\n\r\n")

    assert b" 400 " in received.splitlines()[0]


def test_a_repeated_header_says_two_things_and_is_refused(raw: Raw) -> None:
    status, body = raw("GET /healthz HTTP/1.1\nOrigin: http://localhost\nOrigin: http://evil.com")

    assert (status, json.loads(body)["code"]) == (400, "request.malformed")


def test_a_declared_body_over_the_limit_is_refused_before_it_is_read(raw: Raw) -> None:
    status, body = raw(
        "POST /mcp/introspect HTTP/1.1\nContent-Type: application/json\nContent-Length: 5000000"
    )

    assert (status, json.loads(body)["code"]) == (413, "request.too_large")


@pytest.mark.parametrize("path", ["/mcp", "/mcp/introspect", "/mcp/plans/x/approve"])
def test_a_chunked_body_over_the_limit_is_refused(client: httpx.Client, path: str) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(65):
            yield b" " * 65536

    response = client.post(path, content=chunks(), headers={"Content-Type": "application/json"})

    assert problem(response)["code"] == "request.too_large"


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("Content-Length: 9000000", 413),
        ("Transfer-Encoding: chunked", 413),
        ("Content-Length: 9000000\nOrigin: http://evil.com", 403),
    ],
)
def test_a_client_that_sends_all_before_it_reads_still_learns_why_it_is_refused(
    raw: Raw, header: str, status: int
) -> None:
    body = b" " * 9_000_000
    sent = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if "chunked" in header else body

    got, told = raw(
        f"POST /mcp/introspect HTTP/1.1\nContent-Type: application/json\n{header}",
        sent,
    )

    assert (got, json.loads(told)["status"]) == (status, status)


def test_a_question_of_a_megabyte_is_refused(client: httpx.Client) -> None:
    response = client.post("/mcp/introspect", json={"question": "why " * 262_144})

    assert response.status_code == 413
    told = problem(response)
    assert told["code"] == "request.too_large"
    assert "1,048,576" in told["title"]
    assert "16,384" in told["hint"]


def test_a_question_of_a_megabyte_is_refused_in_the_query_as_well(raw: Raw) -> None:
    status, body = raw("GET /mcp/introspect?q=" + "why%20" * 262_144 + " HTTP/1.1")

    assert (status, json.loads(body)["code"]) == (413, "request.too_large")


def test_headers_without_end_are_refused(raw: Raw) -> None:
    status, body = raw(
        "GET /healthz HTTP/1.1\n" + "\n".join(f"X-{n}: {'x' * 900}" for n in range(99))
    )

    assert (status, json.loads(body)["code"]) == (413, "request.too_large")


@pytest.mark.parametrize(
    "sent", [b"HELLO\r\n\r\n", b"\x16\x03\x01\x02\x00\x01" * 9, b"GET / HTTP/9.9\r\n\r\n"]
)
def test_what_is_no_http_gets_a_problem_and_the_end(url: str, sent: bytes) -> None:
    received = exchange(url, sent)

    assert received.startswith(b"HTTP/1.1 400 ")
    assert json.loads(received.partition(b"\r\n\r\n")[2])["code"] == "request.malformed"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"nonsense",
        b"[1]",
        b"null",
        b'{"question": "\\ud800"}',
        b'\xff{"a":1}',
        b"[" * 60,
    ],
)
def test_a_body_that_is_no_json_object_is_refused(client: httpx.Client, body: bytes) -> None:
    response = client.post(
        "/mcp/introspect", content=body, headers={"Content-Type": "application/json"}
    )

    assert response.status_code == 400
    told = problem(response)
    assert told["code"] == "request.malformed"
    assert told["hint"]


@pytest.mark.parametrize("question", [None, 5, "", "  ", ["why"], {"a": 1}])
def test_a_question_that_is_no_text_is_refused(client: httpx.Client, question: Any) -> None:
    response = client.post("/mcp/introspect", json={"question": question})

    told = problem(response)
    assert (response.status_code, told["code"]) == (400, "request.malformed")
    assert question is None or repr(question) in told["title"]
    assert "`question`" in told["hint"]


@pytest.mark.parametrize("path", ["/mcp", "/mcp/introspect"])
def test_json_that_is_nested_without_end_is_refused(client: httpx.Client, path: str) -> None:
    body = b'{"question":' * 100_000

    response = client.post(path, content=body, headers={"Content-Type": "application/json"})

    assert (response.status_code, problem(response)["code"]) == (400, "request.malformed")


def test_brackets_within_texts_are_no_nesting() -> None:
    check_depth(json.dumps({"a": '[{"\\' * 1000, "b": [{}] * 1000}).encode())
    check_depth(b"[" * DEPTH_LIMIT + b"]" * DEPTH_LIMIT)

    with pytest.raises(MalformedInputError):
        check_depth(b"[" * (DEPTH_LIMIT + 1) + b"]" * (DEPTH_LIMIT + 1))


@pytest.mark.parametrize("declared", ["text/plain", "application/x-www-form-urlencoded", None])
def test_a_post_of_something_else_than_json_is_refused(
    client: httpx.Client, declared: str | None
) -> None:
    headers = {"Content-Type": declared} if declared else {}

    for path in ("/mcp", "/mcp/introspect"):
        response = client.post(path, content=b'{"question":"why?"}', headers=headers)
        assert (response.status_code, problem(response)["code"]) == (415, "request.not_json")


@pytest.mark.parametrize(
    "path",
    [
        "/mcp/live/executions/../../etc/passwd",
        "/mcp/live/executions/..%2f..%2fetc%2fpasswd",
        "/mcp/live/executions/%2e%2e/state",
        "/mcp/live/executions/..%5c..%5cetc/state",
        "/mcp/live/executions/a%00b",
        "/mcp/nodes/../../etc/passwd",
        "/mcp/nodes/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/mcp/plans/..%2f..%2finwit.db",
        "/mcp/live/executions/%20/events",
        "/mcp/live/executions/" + "a" * 300,
        "//evil.com/healthz",
    ],
)
def test_a_path_that_climbs_gets_a_typed_refusal(raw: Raw, path: str) -> None:
    status, body = raw(f"GET {path} HTTP/1.1")

    assert status in (400, 404)
    assert json.loads(body)["code"].startswith("request.")
    assert b"Traceback" not in body


def test_a_header_value_loses_the_white_space_that_a_parser_left() -> None:
    import anyio

    seen: list[tuple[bytes, bytes]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend(scope["headers"])

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        raise AssertionError(message)

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "headers": [(b"host", b"localhost \t"), (b"mcp-protocol-version", b" 2025-11-25  ")],
    }
    anyio.run(Guard(app, Policy()), scope, receive, send)

    assert seen == [(b"host", b"localhost"), (b"mcp-protocol-version", b"2025-11-25")]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "example.org"])
def test_an_address_that_others_reach_is_not_served_without_a_token(
    project: Path, host: str
) -> None:
    with pytest.raises(NoTokenError) as caught:
        lifecycle.start(Project.find(), host=host, port=0)

    assert caught.value.code == "host.no_token"
    assert not (project / ".inwit" / "host.json").exists()


def test_loopback_is_known_in_all_its_forms() -> None:
    assert [is_loopback(host) for host in ("localhost", "127.8.8.8", "::1", "[::1]")] == [True] * 4
    assert [is_loopback(host) for host in ("0.0.0.0", "::", "10.0.0.1", "a.b")] == [False] * 4


def test_with_a_token_every_route_asks_for_it(project: Path) -> None:
    running = lifecycle.start(Project.find(), port=0, token="s3cret")
    try:
        with httpx.Client(base_url=running.url) as client:
            allowed = {"Authorization": "Bearer s3cret"}
            client.headers.update(allowed)
            routes = [one for one in every_route(client) if one[1] != CARD]
            del client.headers["authorization"]
            refused = {
                (method, path, sent): client.request(
                    method, path, headers={b"Authorization": sent} if sent else {}
                )
                for method, path in routes
                for sent in (
                    None,
                    b"Bearer wrong",
                    b"Basic s3cret",
                    b"Bearer s3cre",
                    b"Bearer \xfc",
                )
            }
            answered = client.get("/healthz", headers=allowed)
    finally:
        running.stop()

    assert {response.status_code for response in refused.values()} == {401}
    assert all(one.headers["www-authenticate"].startswith("Bearer ") for one in refused.values())
    assert answered.status_code == 200


def test_a_host_on_all_addresses_answers_to_any_name_that_has_the_token(project: Path) -> None:
    running = lifecycle.start(Project.find(), host="0.0.0.0", port=0, token="s3cret")
    try:
        at = running.url.replace("0.0.0.0", "127.0.0.1") + "/healthz"
        headers = {"Host": "box.example", "Authorization": "Bearer s3cret"}
        same = httpx.get(at, headers={**headers, "Origin": "http://box.example"})
        foreign = httpx.get(at, headers={**headers, "Origin": "http://evil.com"})
    finally:
        running.stop()

    assert (same.status_code, foreign.status_code) == (200, 403)
