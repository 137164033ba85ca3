"""Fetching from other machines: the one way out, which leads to no private address.

A name is resolved once, every address that it has is checked, and the connection goes to one of
those: a name that leads elsewhere a moment later changes nothing. A redirect is a new request and
is checked like the first. There is no proxy, no cookie and no compression, and everything is
bounded: the answer's size, the time for all of it, the redirects.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, BinaryIO, Final
from urllib.parse import SplitResult, urljoin, urlsplit

import httpcore
import msgspec

from inwit.errors import (
    FetchFailedError,
    FetchTooLargeError,
    FetchUrlError,
    PrivateAddressError,
)

if TYPE_CHECKING:
    from inwit.runtime.project import Project

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LIMIT_BYTES: Final = 64 << 20
TIMEOUT_S: Final = 30.0
REDIRECTS: Final = 5
_PORTS: Final = {"http": 80, "https": 443}
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
_MOVED: Final = (301, 302, 303, 307, 308)
_SECRET_HEADERS: Final = frozenset({"authorization", "cookie", "proxy-authorization"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """What came back. `body` is empty where it was written to a file."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str
    """Where it came from in the end, after redirects."""

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            FetchFailedError: It is none.
        """
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
            raise FetchFailedError(self.url, f"what it sent is no JSON ({exc})") from exc


class Allowed:
    """Which private addresses may be reached: names, addresses or networks, each with a port or not.

    A name opens loopback and private networks, but no link-local address, where clouds keep their
    credentials: those are opened by address or network only.
    """

    def __init__(self, given: Iterable[str] = ()) -> None:
        self._names: set[tuple[str, int | None]] = set()
        self._networks: list[tuple[Network, int | None]] = []
        for entry in given:
            host, port = _with_port(entry.strip().lower())
            try:
                self._networks.append((ipaddress.ip_network(host, strict=False), port))
            except ValueError:
                self._names.add((host, port))

    def check(self, host: str, port: int, address: Address) -> None:
        """Refuse an address that a name leads to.

        Raises:
            PrivateAddressError: It is private, and nothing allows it.
        """
        within = _embedded(address)
        if within.is_global and not within.is_multicast:
            return
        for network, only in self._networks:
            if only in (None, port) and within.version == network.version and within in network:
                return
        is_special = within.is_link_local or within.is_unspecified or within.is_multicast
        if not is_special and {(host, None), (host, port)} & self._names:
            return
        raise PrivateAddressError(host, str(within))


class Fetcher:
    """Fetches within limits. Thread-safe: each call has connections of its own.

    Args:
        allow: Private names, addresses or networks that may be reached all the same.
        limit_bytes: How large an answer may be.
        timeout_s: How long one fetch may take in all, its redirects included.
    """

    def __init__(
        self,
        *,
        allow: Iterable[str] = (),
        limit_bytes: int = LIMIT_BYTES,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._allowed = Allowed(allow)
        self._limit_bytes = limit_bytes
        self._timeout_s = timeout_s

    @classmethod
    def of(cls, project: Project, *, allow: Iterable[str] = (), **limits: Any) -> Fetcher:
        """A fetcher with what the project's config.toml allows: `[outgoing] allow_private`."""
        table = project.settings().get("outgoing")
        listed = table.get("allow_private", ()) if isinstance(table, dict) else ()
        return cls(allow=[*map(str, listed), *allow], **limits)

    def get(self, url: str, **more: Any) -> Fetched:
        """Fetch by GET; `request` says what else may be given."""
        return self.request("GET", url, **more)

    def post(self, url: str, content: bytes, **more: Any) -> Fetched:
        """Send by POST; `request` says what else may be given."""
        return self.request("POST", url, content=content, **more)

    def request(
        self,
        method: str,
        url: str,
        *,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        limit_bytes: int | None = None,
        to: BinaryIO | None = None,
    ) -> Fetched:
        """Fetch; the status is the caller's to judge. `to` takes the body as it comes.

        Credentials among the headers stay with the first origin. A redirect of anything but GET
        and HEAD is not followed, and none leads from https to http.

        Raises:
            FetchError: As its class says.
        """
        deadline = time.monotonic() + self._timeout_s
        limit = self._limit_bytes if limit_bytes is None else limit_bytes
        sent = {name.lower(): value for name, value in (headers or {}).items()}
        origin = _origin(_parsed(url))
        for _ in range(REDIRECTS + 1):
            place = _parsed(url)
            if _origin(place) != origin:
                sent = {name: sent[name] for name in sent if name not in _SECRET_HEADERS}
            asked = _Asked(method=method, place=place, headers=sent, content=content)
            found = self._once(asked, deadline, limit, to)
            target = found.headers.get("location")
            if found.status not in _MOVED or not target or method not in ("GET", "HEAD"):
                return found
            url = _next(url, target)
        raise FetchFailedError(url, f"it redirects more than {REDIRECTS} times")

    def _once(self, asked: _Asked, deadline: float, limit: int, to: BinaryIO | None) -> Fetched:
        backend = _Backend(self._allowed, deadline)
        url = asked.place.geturl()
        try:
            with (
                httpcore.ConnectionPool(
                    ssl_context=_tls(), network_backend=backend, retries=0
                ) as pool,
                pool.stream(
                    asked.method, url, headers=asked.raw_headers, content=asked.content
                ) as response,
            ):
                headers = {
                    name.decode("latin-1").lower(): value.decode("latin-1")
                    for name, value in response.headers
                }
                is_kept = to is not None and 200 <= response.status < 300
                body = _taken(url, response.iter_stream(), limit, to if is_kept else None)
                return Fetched(status=response.status, headers=headers, body=body, url=url)
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as exc:
            raise FetchFailedError(url, _why(exc)) from exc


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    method: str
    place: SplitResult
    headers: Mapping[str, str]
    content: bytes | None

    @property
    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        given = {"user-agent": "inwit", "accept-encoding": "identity", **self.headers}
        given["host"] = self.place.netloc
        for value in (*given, *given.values()):
            if not value.isprintable() or not value.isascii():
                raise FetchUrlError(self.place.geturl(), "a header holds what no header may")
        return [(name.encode(), value.encode()) for name, value in given.items()]


class _Backend(httpcore.SyncBackend):
    """Connects to addresses that were checked, and lets nothing take longer than the whole may."""

    def __init__(self, allowed: Allowed, deadline: float) -> None:
        self._allowed = allowed
        self._deadline = deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 - the deadline is what counts
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        addresses = _resolve(host, port)
        for address in addresses:
            self._allowed.check(host.lower(), port, address)
        failed: httpcore.ConnectError | httpcore.ConnectTimeout | None = None
        for address in addresses:
            try:
                connected = super().connect_tcp(
                    str(address), port, _left(self._deadline), local_address, socket_options
                )
                return _Timed(connected, self._deadline)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as exc:
                failed = exc
        raise failed or httpcore.ConnectError(f"{host} has no address")

    def connect_unix_socket(self, *_args: Any, **_more: Any) -> httpcore.NetworkStream:
        raise httpcore.ConnectError("sockets of this machine are not fetched from")


class _Timed(httpcore.NetworkStream):
    """A stream whose every operation ends by the deadline of the whole."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: float) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        return self._inner.read(max_bytes, _left(self._deadline))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        self._inner.write(buffer, _left(self._deadline))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        found = self._inner.start_tls(ssl_context, server_hostname, _left(self._deadline))
        return _Timed(found, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


@cache
def _tls() -> ssl.SSLContext:
    """One for the process: reading the certificates of the system takes 20 ms."""
    return ssl.create_default_context()


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("the time for it is over")
    return left


def _resolve(host: str, port: int) -> list[Address]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        raise httpcore.ConnectError(f"the name {host!r} is not known") from exc
    texts = dict.fromkeys(str(sockaddr[0]).partition("%")[0] for *_, sockaddr in found)
    return [ipaddress.ip_address(text) for text in texts]


def _embedded(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, where it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo[1] if address.teredo else None
    return address.ipv4_mapped or address.sixtofour or teredo or address


def _parsed(url: str) -> SplitResult:
    try:
        place = urlsplit(url)
        port = place.port
    except ValueError as exc:
        raise FetchUrlError(url, str(exc)) from exc
    if place.scheme not in _PORTS:
        raise FetchUrlError(url, "it is neither http nor https")
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url:
        raise FetchUrlError(url, "it holds characters that no address has")
    if not place.hostname or port == 0:
        raise FetchUrlError(url, "it names no host")
    if "@" in place.netloc:
        raise FetchUrlError(url, "it holds a user's name")
    return place._replace(fragment="", path=place.path or "/")


def _origin(place: SplitResult) -> tuple[str, str, int]:
    return place.scheme, place.hostname or "", place.port or _PORTS[place.scheme]


def _next(url: str, target: str) -> str:
    joined = urljoin(url, target)
    if urlsplit(url).scheme == "https" and urlsplit(joined).scheme != "https":
        raise FetchUrlError(joined, "a redirect leads there from https")
    return joined


def _taken(url: str, chunks: Iterator[bytes], limit: int, to: BinaryIO | None) -> bytes:
    kept: list[bytes] = []
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > limit:
            raise FetchTooLargeError(url, limit)
        if to is None:
            kept.append(chunk)
        else:
            to.write(chunk)
    return b"".join(kept)


def _why(exc: Exception) -> str:
    if isinstance(exc, httpcore.TimeoutException):
        return "not in time"
    return str(exc) or type(exc).__name__


def _with_port(entry: str) -> tuple[str, int | None]:
    """Part a port from what it follows; an IPv6 address with one stands in brackets."""
    head, colon, tail = entry.rpartition(":")
    if colon and tail.isdecimal() and ("]" in head or ":" not in head):
        return head.strip("[]"), int(tail)
    return entry.strip("[]"), None
