"""Attacks on a host that runs, over raw sockets: it answers others all the while, and goes on."""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from inwit.runtime.project import Project
from inwit.server import connection, lifecycle, limits_connections
from inwit.server.limits_connections import Sweeper
from tests.server.conftest import Ran, exchange

JSON = "Content-Type: application/json"
HEAD = f"POST /mcp HTTP/1.1\r\nHost: localhost\r\n{JSON}\r\n".encode()


@pytest.fixture
def impatient(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A host that waits for half a second where others wait longer."""
    monkeypatch.setattr(limits_connections, "HEAD_S", 0.5)
    monkeypatch.setattr(limits_connections, "CLOSING_S", 0.5)
    monkeypatch.setattr("inwit.server.bodies.BODY_TIMEOUT_S", 0.5)
    monkeypatch.setattr(limits_connections, "SEND_S", 0.5)
    monkeypatch.setattr(lifecycle, "SWEEP_TICKS", 1)
    running = lifecycle.start(Project.find(), port=0)
    yield running.url
    running.stop()


def connect(url: str) -> socket.socket:
    place = urlsplit(url)
    return socket.create_connection((place.hostname or "", place.port or 80), timeout=30)


def is_ended(connection: socket.socket, within_s: float = 20.0) -> bool:
    """Whether the other side ends a connection in time, which a server's timer of 5 s may be."""
    connection.settimeout(within_s)
    try:
        while connection.recv(65_536):
            pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /healthz HT",
        HEAD.replace(b"POST /mcp", b"GET /healthz") + b"X-Slow: ",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /heal",
        HEAD + b"Content-Length: 100\r\n\r\n{",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\n{",
    ],
    ids=[
        "nothing",
        "half a line",
        "half a head",
        "half a second head",
        "half a body",
        "half a chunk",
    ],
)
def test_a_writer_that_never_ends_is_ended(impatient: str, sent: bytes) -> None:
    with connect(impatient) as connection:
        connection.sendall(sent)

        assert is_ended(connection)
    assert httpx.get(f"{impatient}/healthz").status_code == 200


def test_a_writer_that_drips_is_ended_however_busy_it_looks(impatient: str) -> None:
    with connect(impatient) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n")
        deadline = time.monotonic() + 10
        with pytest.raises(OSError):
            while time.monotonic() < deadline:
                connection.sendall(b"X-A: 1\r\n")
                connection.settimeout(0.05)
                try:
                    if connection.recv(1) == b"":
                        raise ConnectionError
                except TimeoutError:
                    continue


def test_a_reader_that_takes_nothing_is_ended_and_its_answer_let_go(
    impatient: str, ran: Ran
) -> None:
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
        place = urlsplit(impatient)
        connection.connect((place.hostname, place.port))
        ask = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
        connection.sendall(ask * 200)  # far more than the system's buffers take
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and _is_open(connection):
            time.sleep(0.05)

        assert not _is_open(connection)
    assert httpx.get(f"{impatient}/healthz").status_code == 200


def _is_open(connection: socket.socket) -> bool:
    """Whether the other side still holds the connection, told without reading from it."""
    state = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
    return state == 1  # established


def test_no_more_connections_are_held_than_there_are_files_for(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "most_connections", lambda: 5)
    held = [connect(url) for _ in range(5)]

    with connect(url) as one_more:
        assert is_ended(one_more)
    assert all(_is_open(one) for one in held), "it is not for idling that one is ended"
    for one in held:
        one.close()


def test_a_sweep_leaves_the_busy_alone() -> None:
    class One:
        def __init__(
            self,
            cycle: Any,
            *,
            is_closing: bool = False,
            timer: Any = None,
            is_stuck: bool = False,
        ) -> None:
            self.cycle = cycle
            self.timeout_keep_alive_task = timer
            self.is_aborted = False
            self.flow = SimpleNamespace(write_paused=is_stuck)
            self.transport = self
            self._is_closing = is_closing

        def is_closing(self) -> bool:
            return self._is_closing

        def get_extra_info(self, _name: str) -> None:
            return None

        def abort(self) -> None:
            self.is_aborted = True

    class Cycle:
        def __init__(self, *, response_complete: bool) -> None:
            self.response_complete = response_complete

    now = [0.0]
    fresh, busy = One(None), One(Cycle(response_complete=False))
    timed = One(Cycle(response_complete=True), timer=object())
    closing = One(Cycle(response_complete=False), is_closing=True)
    stuck = One(Cycle(response_complete=False), is_stuck=True)
    every = [fresh, busy, timed, closing, stuck]
    sweeper = Sweeper(now=lambda: now[0])
    sweeper.sweep(every)

    now[0] = 60.0
    sweeper.sweep(every)

    assert [one.is_aborted for one in every] == [True, False, False, True, True]


SMUGGLED = [
    "Content-Length: 5\r\nContent-Length: 6",
    "Content-Length: 5\r\nTransfer-Encoding: chunked",
    "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
    "Transfer-Encoding: xchunked",
    "Transfer-Encoding : chunked",
    "Transfer-Encoding: \x0bchunked",
    "Content-Length: +5",
    "Content-Length: 0x5",
    "Content-Length: -1",
    "Content-Length: 5, 6",
    "X: y\n\nGET /evil HTTP/1.1",
    "Host: evil.com",
    " Host: localhost",
    "X-A: a\r\n b: folded",
    "X-\x00: 1",
    "X-A: \x00",
]


@pytest.mark.parametrize("header", SMUGGLED)
def test_a_head_that_two_readers_may_read_in_two_ways_gets_one_answer_at_most(
    url: str, header: str
) -> None:
    head = f"POST /mcp/introspect HTTP/1.1\r\nHost: localhost\r\n{JSON}\r\n{header}\r\n\r\n"
    smuggled = b"0\r\n\r\nGET /mcp/platform/version HTTP/1.1\r\nHost: localhost\r\n\r\n"

    with connect(url) as connection:
        connection.sendall(head.encode("latin-1") + smuggled)
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(10)
        received = b""
        try:
            while chunk := connection.recv(65_536):
                received += chunk
        except ConnectionError:
            pass

    assert b'"version"' not in received
    statuses = [line.split()[1] for line in received.split(b"\r\n") if line.startswith(b"HTTP/1.1")]
    assert all(status in (b"400", b"403", b"413", b"415", b"501") for status in statuses), received


PATHS = [
    "/../../etc/passwd", "/..%2f..%2fetc%2fpasswd", "/%2e%2e/%2e%2e/etc/passwd", "/..\\..\\etc",
    "/..%5c..%5cetc%5cpasswd", "/%252e%252e%252fetc", "/..%c0%af..%c0%afetc", "/..;/etc/passwd",
    "/%c0%ae%c0%ae/etc", "/....//....//etc/passwd", "/..%00/", "/%u002e%u002e/", "/.%2e/.%2e/inwit.db",
    "/mcp/nodes/..%2f..%2finwit.db", "/mcp/nodes/%2fetc%2fpasswd", "/mcp/plans/..%2fhost.json",
    "/mcp/resolve?uri=file:///etc/passwd", "/mcp/resolve?uri=execution://../../host.json",
    "/mcp/resolve?uri=graph://..%2f..%2fhost.json/about", "/mcp/resolve?uri=package://../../host",
    "/mcp/resolve?uri=platform://../../../etc/passwd", "/static/..%2f..%2fapp.py",
    "//etc/passwd", "/\u2215etc\u2215passwd", "/api/v1/packages/..%2f..%2fhost.json",
    "/.well-known/..%2f..%2fhost.json", "/.git/config", "/.inwit/host.json", "/host.json",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_no_path_in_any_encoding_opens_a_file(url: str, path: str) -> None:
    received = exchange(
        url,
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode(),
    )

    assert int(received.split(b" ", 2)[1]) in (400, 404, 422, 501)
    for secret in (b"root:", b'"token"', b"SQLite format", b"[core]", b"Traceback"):
        assert secret not in received


@pytest.mark.parametrize(
    "question",
    [
        "a" * 16_000,
        "(" * 8_000,
        "why " * 4_000,
        "execution " + "a1b2-" * 3_000,
        "\u202e" * 5_000,
        "what if " + "x faster and " * 1_000,
        "since " + "1" * 10_000 + " hours",
        "'" * 15_000,
        " ." * 8_000,
        "3 times " * 2_000,
        "@" * 5_000 + "." * 5_000,
        "why did " + "search, " * 1_900 + "run?",
    ],
    ids=lambda text: text[:12].strip() or "spaces",
)
def test_no_question_takes_long_however_it_is_made(
    client: httpx.Client, ran: Ran, question: str
) -> None:
    client.timeout = httpx.Timeout(30)
    client.post("/mcp/introspect", json={"question": "What is inwit?"})  # loads what it needs
    began = time.monotonic()

    answered = client.post("/mcp/introspect", json={"question": question})

    assert answered.status_code in (200, 400, 413)
    assert time.monotonic() - began < 25


BODIES: list[bytes] = [
    b"[" * 100_000,
    b'{"a":' * 60 + b"1" + b"}" * 60,
    b'[{"question": "a"}]',
    b'{"question": ' + b"9" * 100_000 + b"}",
    b'{"question": 1e999}',
    b'{"question": NaN}',
    b'{"question": "\\ud800"}',
    b'{"question": "\xed\xa0\x80"}',
    b'{"question": "a", "question": "b"}',
    b'{"question": "a", "level": ["app"]}',
    b'{"question": "a", "graph": {"$ne": 1}}',
    b'{"question": "a", "execution_id": "\\u0000"}',
    b'{"question": true}',
    b"\xff\xfe{",
    b"",
    b"null",
    b'{"question": "a"} trailing',
    b'{"__proto__": {"question": "a"}}',
]


@pytest.mark.parametrize("path", ["/mcp/introspect", "/mcp"])
@pytest.mark.parametrize("body", BODIES, ids=lambda body: repr(body[:24]))
def test_no_body_makes_a_route_fail(
    client: httpx.Client, caplog: pytest.LogCaptureFixture, path: str, body: bytes
) -> None:
    headers = {
        "Content-Type": "application/json", "Accept": "application/json, text/event-stream",
    }  # fmt: skip
    with caplog.at_level(logging.ERROR):
        answered = client.post(path, content=body, headers=headers)

    assert 400 <= answered.status_code < 500
    assert "Traceback" not in answered.text
    assert not caplog.records


def test_a_secret_in_a_request_is_in_no_answer_and_no_log(
    client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "sk-live-" + "a1B2" * 10
    with caplog.at_level(logging.DEBUG, logger="inwit"):
        answered = [
            client.get("/healthz", headers={"Authorization": f"Bearer {secret}"}),
            client.get("/healthz", headers={"Authorization": f"Basic {secret}"}),
            client.get("/healthz", headers={"Cookie": f"session={secret}"}),
            client.post("/mcp/plans/x/approve", json={}, headers={"Authorization": secret}),
        ]

    assert not [one for one in answered if secret in one.text or secret in str(one.headers)]
    assert secret not in caplog.text


def test_many_attackers_at_once_do_not_keep_others_from_an_answer(impatient: str) -> None:
    def attack(number: int) -> None:
        with connect(impatient) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * number)
            is_ended(connection, 3)

    with ThreadPoolExecutor(64) as attackers:
        attacks = [attackers.submit(attack, number) for number in range(200)]
        answered = [httpx.get(f"{impatient}/healthz").elapsed.total_seconds() for _ in range(20)]
        for one in attacks:
            one.result()

    assert sorted(answered)[10] < 1.0


def test_preflights_get_no_permission(client: httpx.Client) -> None:
    answered = client.options(
        "/mcp",
        headers={"Origin": "http://localhost", "Access-Control-Request-Method": "POST"},
    )

    assert not [name for name in answered.headers if name.startswith("access-control-")]
    assert answered.status_code == 405
