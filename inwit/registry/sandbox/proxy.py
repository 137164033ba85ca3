"""The one way out of a sandbox: a proxy on the host that lets through to the listed hosts.

It speaks CONNECT and plain HTTP over a unix socket; within, `forward` gives it a loopback port.
Names are resolved here, and lead to no private address.
"""

from __future__ import annotations

import os
import re
import select
import socket
import tempfile
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from inwit.errors import InwitError

HEAD_BYTES = 16 << 10
IDLE_S = 60.0
CONNECTIONS = 32


class Proxy:
    """Listens on a socket in a private folder until it is closed."""

    def __init__(self, hosts: Iterable[str], *, allow: Iterable[str] = ()) -> None:
        from inwit.registry.fetch import Allowed

        self._hosts = tuple(hosts)
        self._addresses = Allowed(allow)
        self._folder = tempfile.TemporaryDirectory(prefix="inwit-proxy-")
        self.path = Path(self._folder.name) / "socket"
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(self.path))
        self._socket.listen(CONNECTIONS)
        self._open = threading.BoundedSemaphore(CONNECTIONS)
        threading.Thread(target=self._serve, name="sandbox-proxy", daemon=True).start()

    def close(self) -> None:
        """Listen no longer."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._folder.cleanup()

    def _serve(self) -> None:
        while True:
            try:
                inner, _ = self._socket.accept()
            except OSError:
                return
            if not self._open.acquire(blocking=False):
                inner.close()
                continue
            threading.Thread(target=self._answer, args=(inner,), daemon=True).start()

    def _answer(self, inner: socket.socket) -> None:
        try:
            with inner:
                inner.settimeout(IDLE_S)
                head, rest = _head(inner)
                self._pass_on(inner, head, rest)
        except (OSError, ValueError, InwitError):
            pass
        finally:
            self._open.release()

    def _pass_on(self, inner: socket.socket, head: bytes, rest: bytes) -> None:
        method, target, version = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        place = urlsplit(f"//{target}" if method == "CONNECT" else target)
        host, port = place.hostname or "", place.port or (443 if method == "CONNECT" else 80)
        if not self._lets(host, port):
            inner.sendall(f"{version} 403 Forbidden\r\nContent-Length: 0\r\n\r\n".encode())
            return
        with self._connected(host, port) as outer:
            if method == "CONNECT":
                inner.sendall(f"{version} 200 Connected\r\n\r\n".encode())
            else:
                path = f"{place.path or '/'}{'?' + place.query if place.query else ''}"
                outer.sendall(_rewritten(head, f"{method} {path} {version}"))
            if rest:
                outer.sendall(rest)
            _both_ways(inner, outer)

    def _lets(self, host: str, port: int) -> bool:
        for entry in self._hosts:
            name, _, own_port = entry.partition(":")
            if own_port and int(own_port) != port:
                continue
            if host == name or (name.startswith("*.") and host.endswith(name[1:])):
                return True
        return False

    def _connected(self, host: str, port: int) -> socket.socket:
        from inwit.registry.fetch import _resolve

        addresses = _resolve(host, port)
        for address in addresses:
            self._addresses.check(host, port, address)
        return socket.create_connection((str(addresses[0]), port), timeout=IDLE_S)


def forward(port: int, path: str) -> None:
    """Listen on a loopback port within the sandbox and hand everything to the socket."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    listening.listen(CONNECTIONS)

    def hand_on(inner: socket.socket) -> None:
        with suppress(OSError), inner, socket.socket(socket.AF_UNIX) as outer:
            outer.connect(path)
            _both_ways(inner, outer)

    def serve() -> None:
        while True:
            inner, _ = listening.accept()
            threading.Thread(target=hand_on, args=(inner,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()


def _head(inner: socket.socket) -> tuple[bytes, bytes]:
    held = b""
    while b"\r\n\r\n" not in held:
        chunk = inner.recv(4096)
        if not chunk or len(held) > HEAD_BYTES:
            raise ValueError("no request")
        held += chunk
    head, _, rest = held.partition(b"\r\n\r\n")
    return head, rest


def _rewritten(head: bytes, first: str) -> bytes:
    """The request as a server reads it: one for each connection, without the proxy's own headers."""
    lines = head.split(b"\r\n")[1:]
    kept = [line for line in lines if not re.match(rb"(?i)(proxy-|connection:|keep-alive:)", line)]
    return b"\r\n".join([first.encode("latin-1"), *kept, b"Connection: close", b"", b""])


def _both_ways(one: socket.socket, other: socket.socket) -> None:
    """Carry bytes until either side ends or nothing comes for a while."""
    ends = {one: other, other: one}
    while ends:
        ready = select.select(list(ends), [], [], IDLE_S)[0]
        if not ready:
            return
        for source in ready:
            chunk = os.read(source.fileno(), 1 << 16)
            if not chunk:
                return
            ends[source].sendall(chunk)
