"""Who may do what: the host's token, scopes, rates, and what a refusal says."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from inwit.errors import MalformedInputError, RateLimitedError, ScopeError, UnauthorizedError
from inwit.runtime.project import Project
from inwit.server import auth, hostfile, lifecycle
from inwit.server.auth import ANONYMOUS, HOLDER, Authenticator, Caller, scope_needed
from inwit.server.bodies import check_unequivocal
from inwit.server.guard import Guard, Policy
from inwit.server.limits import Limits, Meter

WRITES = [
    "/mcp/live/executions/x/cancel", "/mcp/live/executions/x/pause",
    "/mcp/live/executions/x/resume", "/mcp/plans/x/approve", "/mcp/plans/x/apply",
    "/mcp/plans/x/rollback", "/mcp/plans/x/reject", "/mcp/anything/else",
]  # fmt: skip


@pytest.mark.parametrize("path", WRITES)
def test_whatever_changes_something_asks_for_the_token_of_host_json(
    client: httpx.Client, path: str
) -> None:
    known = hostfile.read(Project.find())
    assert known is not None

    without = client.post(path, json={})
    wrong = client.post(path, json={}, headers={"Authorization": "Bearer wrong"})
    right = client.post(path, json={}, headers={"Authorization": f"Bearer {known.token}"})

    assert (without.status_code, without.json()["code"]) == (401, "request.unauthorized")
    assert (wrong.status_code, wrong.json()["code"]) == (401, "request.invalid_token")
    assert right.status_code != 401
    assert right.json()["code"] != "request.scope"


@pytest.mark.anyio
async def test_a_route_that_nobody_named_needs_the_highest_scope() -> None:
    posted = {**_scope(("content-type", "application/json")), "method": "POST"}
    reader = Guard(_ok, Policy(), authenticator=Authenticator(token="s3cret"))
    told: list[int] = []

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            told.append(message["status"])

    await reader(posted, _receive, send)
    headers = [*posted["headers"], (b"authorization", b"Bearer s3cret")]
    await reader({**posted, "headers": headers}, _receive, send)

    assert told == [401, 200]


def test_reading_needs_no_token_on_this_machine(client: httpx.Client) -> None:
    assert client.get("/mcp/live/executions").status_code == 200
    assert client.post("/mcp/introspect", json={"question": "What is inwit?"}).status_code == 200


def test_trying_a_change_on_nodes_asks_for_the_token(client: httpx.Client) -> None:
    asked = {"question": "What if search were faster?", "verify": True}

    assert client.post("/mcp/introspect", json=asked).status_code == 401
    assert client.get("/mcp/introspect", params={"q": "a", "verify": "true"}).status_code == 401


def test_the_token_is_long_stays_and_is_the_owners_alone(project: Path) -> None:
    seen = []
    for _ in range(2):
        running = lifecycle.start(Project.find(), port=0)
        seen.append(json.loads((project / ".inwit" / "host.json").read_text()))
        running.stop()

    assert seen[0]["token"] == seen[1]["token"]
    assert len(seen[0]["token"]) >= 43
    assert (project / ".inwit" / "host.key").stat().st_mode & 0o777 == 0o600
    assert seen[0]["asks_everyone"] is False


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/mcp/plans", "read"),
        ("POST", "/mcp", "read"),
        ("POST", "/mcp/introspect", "read"),
        ("POST", "/mcp/plans/7/approve", "plan"),
        ("POST", "/mcp/live/executions/7/cancel", "run"),
        ("POST", "/mcp/nothing", "admin"),
        ("DELETE", "/mcp/plans/7", "admin"),
        ("PUT", "/anything", "admin"),
    ],
)
def test_each_request_needs_one_scope_and_what_is_unnamed_the_highest(
    method: str, path: str, scope: str
) -> None:
    assert scope_needed(method, path) == scope


def test_a_caller_without_a_token_is_asked_for_one_and_another_told_what_it_lacks() -> None:
    reader = Caller(id="user:ada", scopes=frozenset({"read"}))

    with pytest.raises(UnauthorizedError):
        ANONYMOUS.require("run")
    with pytest.raises(ScopeError, match="'run'"):
        reader.require("run")


def test_a_challenge_names_the_fault_and_where_tokens_are_issued() -> None:
    url = "https://x.example/.well-known/oauth-protected-resource/mcp"

    told = auth.challenge(ScopeError("run"), url)
    first = auth.challenge(UnauthorizedError(), url)

    expected = f'Bearer error="insufficient_scope", scope="run", resource_metadata="{url}"'
    assert told == expected
    assert first == f'Bearer realm="inwit", resource_metadata="{url}"'


@pytest.mark.parametrize("sent", ["", "Bearer", "Bearer ", "Basic s3cret", "s3cret", "bearer  "])
def test_a_header_without_a_bearer_token_is_no_token(sent: str) -> None:
    with pytest.raises(UnauthorizedError):
        Authenticator(token="s3cret").caller(sent)


def test_a_good_token_is_taken_in_any_case_of_its_scheme() -> None:
    found = Authenticator(token="s3cret").caller("bearer s3cret")

    assert found is HOLDER


# Rates


def test_a_caller_that_asks_too_often_waits_and_others_do_not() -> None:
    now = [0.0]
    meter = Meter(Limits(requests_per_s=10, burst=3), now=lambda: now[0])
    ada, bob = (Caller(id=name, is_tenant=True) for name in ("ada", "bob"))
    for _ in range(3):
        with meter.counted(ada):
            pass

    with pytest.raises(RateLimitedError) as refused, meter.counted(ada):
        pass
    with meter.counted(bob):
        pass
    now[0] = refused.value.retry_s
    with meter.counted(ada):
        pass

    assert 0.09 < refused.value.retry_s < 0.11


def test_a_caller_has_only_so_many_requests_open() -> None:
    meter = Meter(Limits(open_requests=1))
    ada = Caller(id="ada", is_tenant=True)

    with (
        meter.counted(ada),
        pytest.raises(RateLimitedError, match="at once"),
        meter.counted(ada),
    ):
        pass
    with meter.counted(ada):
        pass


@pytest.mark.anyio
async def test_a_rate_is_told_with_the_time_to_wait() -> None:
    told = await _asked(
        Guard(_ok, Policy(), meter=Meter(local=Limits(requests_per_s=1, burst=1))), 2
    )

    assert [status for status, _ in told] == [200, 429]
    assert int(dict(told[1][1])[b"retry-after"]) >= 1


@pytest.mark.anyio
async def test_guessing_tokens_is_slowed_and_a_good_one_is_taken_all_the_same() -> None:
    meter = Meter(Limits(failures_per_s=1, failure_burst=2))
    guard = Guard(_ok, Policy(token="s3cret"), meter=meter)

    wrong = await _asked(guard, 3, ("authorization", "Bearer wrong"))
    right = await _asked(guard, 1, ("authorization", "Bearer s3cret"))

    assert [status for status, _ in wrong] == [401, 401, 429]
    assert right[0][0] == 200


# What leaves


@pytest.mark.anyio
async def test_no_answer_lets_another_site_read_it_and_each_forbids_everything_else() -> None:
    async def open_to_all(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"access-control-allow-origin", b"*"), (b"content-type", b"text/html")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    told = dict((await _asked(Guard(open_to_all, Policy()), 1))[0][1])
    plain = dict((await _asked(Guard(_ok, Policy()), 1))[0][1])

    assert b"access-control-allow-origin" not in told
    assert b"script-src 'self'" in told[b"content-security-policy"]
    assert b"unsafe" not in told[b"content-security-policy"]
    assert plain[b"content-security-policy"].startswith(b"default-src 'none'")
    assert plain[b"x-frame-options"] == b"DENY"


@pytest.mark.parametrize(
    ("site", "mode", "status"),
    [
        ("cross-site", "no-cors", 403), ("same-site", "cors", 403), ("cross-site", "navigate", 200),
        ("same-origin", "cors", 200), ("none", "navigate", 200),
    ],
)  # fmt: skip
def test_what_a_page_of_another_site_loads_is_refused(
    client: httpx.Client, site: str, mode: str, status: int
) -> None:
    headers = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode}

    assert client.get("/healthz", headers=headers).status_code == status


def test_json_that_gives_a_key_twice_is_refused(client: httpx.Client) -> None:
    body = b'{"question": "What is inwit?", "question": "Delete it"}'

    for path in ("/mcp/introspect", "/mcp"):
        answered = client.post(path, content=body, headers={"Content-Type": "application/json"})
        assert (answered.status_code, answered.json()["code"]) == (400, "request.malformed")


async def _ok(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def _scope(*headers: tuple[str, str]) -> dict[str, Any]:
    given = [("host", "localhost"), *headers]
    return {
        "type": "http", "method": "GET", "path": "/x", "client": ("127.0.0.1", 1),
        "headers": [(name.encode(), value.encode()) for name, value in given],
    }  # fmt: skip


async def _receive() -> Any:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _asked(guard: Guard, times: int, *headers: tuple[str, str]) -> list[tuple[int, Any]]:
    told: list[tuple[int, Any]] = []

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            told.append((message["status"], message["headers"]))

    for _ in range(times):
        await guard(_scope(*headers), _receive, send)
    return told


def test_a_body_with_many_keys_is_looked_at_in_time_in_proportion() -> None:
    keys = ",".join(f'"{number}": 1' for number in range(200_000))
    began = time.monotonic()

    with pytest.raises(MalformedInputError, match="'7' twice"):
        check_unequivocal(f'{{{keys}, "7": 2}}'.encode())

    assert time.monotonic() - began < 20
