"""Fetching from other machines: what is reached, what is refused, and what bounds it."""

from __future__ import annotations

import io
import ipaddress
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from inwit.errors import (
    FetchFailedError,
    FetchTooLargeError,
    FetchUrlError,
    PrivateAddressError,
)
from inwit.registry.fetch import Allowed, Fetcher
from inwit.runtime.project import Project

LOCAL = ("127.0.0.1",)


class _Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path.startswith("/to/"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to/"))
            self.end_headers()
        elif self.path == "/round":
            self.send_response(302)
            self.send_header("Location", "/round")
            self.end_headers()
        elif self.path == "/drip":
            self.send_response(200)
            self.end_headers()
            for _ in range(100):
                self.wfile.write(b".")
                self.wfile.flush()
                if self.server.closing.wait(0.1):  # type: ignore[attr-defined]
                    return
        else:
            body = str(self.headers).encode() if self.path == "/headers" else b"x" * 1_000
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def page() -> Iterator[str]:
    """The address of a small web server on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Pages)
    server.closing = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.closing.set()  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def leads(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let names lead to addresses, each time to the next."""
    known = socket.getaddrinfo

    def lead(name: str, *addresses: str) -> None:
        following = iter(addresses)

        def found(host: str, port: int, *args: Any, **more: Any) -> Any:
            return known(next(following) if host == name else host, port, *args, **more)

        monkeypatch.setattr(socket, "getaddrinfo", found)

    return lead


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "[::1]", "0.0.0.0", "[::]", "10.1.2.3", "172.16.0.1", "100.64.0.1",
        "192.168.1.1", "169.254.169.254", "[fe80::1]", "[fd00::1]", "224.0.0.1", "2130706433",
        "0x7f000001", "0177.0.0.1", "127.1", "[::ffff:127.0.0.1]", "[::ffff:a9fe:a9fe]",
        "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
    ],
)  # fmt: skip
def test_no_form_of_a_private_address_is_reached(host: str) -> None:
    with pytest.raises(PrivateAddressError):
        Fetcher().get(f"http://{host}:9/")


def test_a_name_that_leads_inside_is_refused(leads: Callable[..., None]) -> None:
    leads("rebind.example", "10.0.0.7")

    with pytest.raises(PrivateAddressError, match=r"10\.0\.0\.7"):
        Fetcher().get("http://rebind.example/")


def test_a_name_is_resolved_once_and_the_checked_address_is_used(
    leads: Callable[..., None], page: str
) -> None:
    # A second look-up would be refused, and a third would find no address.
    leads("pinned.example", "127.0.0.1", "10.0.0.7")
    port = page.rpartition(":")[2]

    found = Fetcher(allow=["127.0.0.0/8"]).get(f"http://pinned.example:{port}/headers")

    assert found.is_success
    assert b"pinned.example" in found.body


def test_a_redirect_to_the_inside_is_refused(page: str) -> None:
    fetcher = Fetcher(allow=[page.removeprefix("http://")])

    with pytest.raises(PrivateAddressError, match=r"169\.254\.169\.254"):
        fetcher.get(f"{page}/to/http://169.254.169.254/latest/meta-data/")
    with pytest.raises(FetchUrlError):
        fetcher.get(f"{page}/to/file:///etc/passwd")
    with pytest.raises(FetchFailedError, match="redirects more than"):
        fetcher.get(f"{page}/round")


def test_credentials_stay_with_the_first_origin(page: str) -> None:
    other = page.replace("127.0.0.1", "localhost")
    fetcher = Fetcher(allow=["127.0.0.0/8", "::1", "localhost"])
    given = {"Authorization": "Bearer s3cr3t", "X-Other": "1"}

    here = fetcher.get(f"{page}/to//headers".replace("/to//", "/to/" + page + "/"), headers=given)
    there = fetcher.get(f"{page}/to/{other}/headers", headers=given)

    assert b"s3cr3t" in here.body
    assert b"s3cr3t" not in there.body
    assert b"x-other" in there.body.lower()


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd", "gopher://x/", "//example.com/", "http://", "http://user@example.com/",
        "http://example.com:0/", "http://example.com:99999/", "http://exa mple.com/",
        "http://example.com\\@127.0.0.1/", "http://example.com/\r\nX: 1", "ftp://example.com/",
    ],
)  # fmt: skip
def test_odd_addresses_are_refused(url: str) -> None:
    with pytest.raises(FetchUrlError):
        Fetcher().get(url)


def test_an_endless_and_a_slow_answer_end(page: str) -> None:
    fetcher = Fetcher(allow=LOCAL, timeout_s=0.5)
    began = time.monotonic()

    with pytest.raises(FetchTooLargeError):
        fetcher.get(page, limit_bytes=999)
    with pytest.raises(FetchFailedError, match="not in time"):
        fetcher.get(f"{page}/drip")
    assert time.monotonic() - began < 9


def test_a_body_goes_into_a_file_as_it_comes(page: str) -> None:
    file = io.BytesIO()

    found = Fetcher(allow=LOCAL).get(page, to=file)

    assert (found.body, file.getvalue()) == (b"", b"x" * 1_000)


def test_the_project_says_which_private_addresses_are_meant(project: Any, page: str) -> None:
    port = page.rpartition(":")[2]
    settings = project / ".inwit" / "config.toml"
    settings.write_text(f'[outgoing]\nallow_private = ["127.0.0.1:{port}"]\n')

    assert Fetcher.of(Project.find()).get(page).is_success
    settings.write_text('[outgoing]\nallow_private = ["127.0.0.1:1"]\n')
    with pytest.raises(PrivateAddressError):
        Fetcher.of(Project.find()).get(page)


def test_a_name_that_is_allowed_opens_no_link_local_address() -> None:
    allowed = Allowed(["registry.internal"])

    allowed.check("registry.internal", 443, ipaddress.ip_address("10.0.0.1"))
    with pytest.raises(PrivateAddressError):
        allowed.check("registry.internal", 443, ipaddress.ip_address("169.254.169.254"))
