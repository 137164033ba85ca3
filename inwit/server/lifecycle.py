"""Serving: from binding the address to the last stream's end."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import cast

import h11
import msgspec
import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from inwit.errors import (
    AddressInUseError,
    HostError,
    MalformedInputError,
    NoTokenError,
    StoreError,
)
from inwit.runtime.project import Project
from inwit.server.announcing import announced
from inwit.server.app import ANSWERS, create_app
from inwit.server.auth_setup import has_issuer, host_token
from inwit.server.guard import BODY_LIMIT, LOOPBACK, is_loopback
from inwit.server.hostfile import HostFile
from inwit.server.limits_connections import Connected, Sweeper, most_connections
from inwit.server.offers import Offers
from inwit.server.problems import describe

PORT = 8765
DRAIN_S = 2
START_S = 30.0
SWEEP_TICKS = 10
"""How often connections that wait in vain are looked for, in tenths of a second."""

logger = logging.getLogger("inwit.server")


class _Protocol(H11Protocol):
    """Answers what is no HTTP at all as it answers everything else that it refuses."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > most_connections():
            transport.abort()

    def send_400_response(self, msg: str) -> None:
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.close()  # an answer is on its way already
            return
        error = MalformedInputError(
            msg, hint=f"A request's head is HTTP/1.1 and at most {BODY_LIMIT:,} bytes."
        )
        body = msgspec.json.encode(describe(error))
        headers = [(b"content-type", b"application/problem+json"), (b"connection", b"close")]
        self.transport.write(
            self.conn.send(h11.Response(status_code=400, headers=headers, reason=b"Bad Request"))
            + self.conn.send(h11.Data(data=body))
            + self.conn.send(h11.EndOfMessage())
        )
        self.transport.close()


class _Server(uvicorn.Server):
    """Closes its streams before it waits for connections, and ends a SIGTERM without a fuss."""

    def __init__(self, app: Starlette, on_ready: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=_Protocol,
                h11_max_incomplete_event_size=BODY_LIMIT,
                loop="asyncio",
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,  # whoever asks could name any address as their own
                timeout_graceful_shutdown=DRAIN_S,
            )
        )
        self._app = app
        self._on_ready = on_ready
        self._sweeper = Sweeper()
        self.is_interrupted = False

    async def on_tick(self, counter: int) -> bool:
        if counter % SWEEP_TICKS == 0:
            self._sweeper.sweep(cast(Iterable[Connected], self.server_state.connections))
        return await super().on_tick(counter)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.state.close_streams()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's
        self.force_exit = self.should_exit
        self.should_exit = True
        self.is_interrupted = self.is_interrupted or sig == signal.SIGINT


@dataclass(slots=True, kw_only=True)
class Running:
    """A host that serves in a thread of this process."""

    url: str
    server: _Server
    thread: threading.Thread

    def stop(self, timeout_s: float = 5.0) -> None:
        """End its streams, then the host, and wait for it."""
        self.server.should_exit = True
        self.wait(timeout_s)

    def wait(self, timeout_s: float | None = None) -> None:
        """Wait until the host has ended."""
        self.thread.join(timeout_s)


def serve(
    project: Project,
    *,
    host: str = "127.0.0.1",
    port: int = PORT,
    token: str | None = None,
    offers: Offers = ANSWERS,
    on_ready: Callable[[str], None] | None = None,
) -> None:
    """Serve a project until a signal ends it; `on_ready` is told the address.

    Port 0 takes any free one.

    Raises:
        AddressInUseError: Another program listens there.
        NoTokenError: The address can be reached from elsewhere, and there is no token.
        KeyboardInterrupt: It was ended by the keyboard, after everything is closed.
    """
    with _bound(project, host, port, token) as (listening, url):
        server = _server(project, host, token, offers, lambda: on_ready(url) if on_ready else None)
        server.run(sockets=[listening])
    if server.is_interrupted:
        raise KeyboardInterrupt


def start(
    project: Project,
    *,
    host: str = "127.0.0.1",
    port: int = PORT,
    token: str | None = None,
    offers: Offers = ANSWERS,
) -> Running:
    """Serve a project in a daemon thread, and return once it answers.

    Raises:
        AddressInUseError: Another program listens there.
        NoTokenError: The address can be reached from elsewhere, and there is no token.
    """
    ready = threading.Event()
    bound = _bound(project, host, port, token)
    listening, url = bound.__enter__()
    server = _server(project, host, token, offers, ready.set)

    def run() -> None:
        try:
            server.run(sockets=[listening])
        finally:
            ready.set()
            bound.__exit__(None, None, None)

    thread = threading.Thread(target=run, name="inwit-host", daemon=True)
    thread.start()
    ready.wait(START_S)
    if not server.started:
        raise HostError(f"The host at {url} did not start.", hint="Its log says why.")
    return Running(url=url, server=server, thread=thread)


def _server(
    project: Project,
    host: str,
    token: str | None,
    offers: Offers,
    on_ready: Callable[[], None],
) -> _Server:
    is_everywhere = host in ("0.0.0.0", "::")  # noqa: S104 - such a host asks for a token
    shown = f"[{host}]" if ":" in host else host
    hosts = None if is_everywhere else {*LOOPBACK, shown}
    return _Server(create_app(project, token=token, hosts=hosts, offers=offers), on_ready)


@contextmanager
def _bound(
    project: Project, host: str, port: int, token: str | None
) -> Iterator[tuple[socket.socket, str]]:
    """Hold the address, and `host.json` that names it."""
    if not is_loopback(host) and not token and not has_issuer(project):
        raise NoTokenError(host)
    listening = _bind(host, port)
    found = listening.getsockname()[1]
    url = f"http://[{host}]:{found}" if ":" in host else f"http://{host}:{found}"
    known = HostFile(
        address=url,
        pid=os.getpid(),
        token=token or host_token(project),
        asks_everyone=token is not None or has_issuer(project),
    )
    try:
        try:
            known.write(project)
        except (OSError, StoreError) as exc:  # it can be asked all the same
            logger.warning("inwit: warning: No host.json names %s: %s", url, exc)
        with announced(project, host, found):
            yield listening, url
    finally:
        listening.close()
        known.remove(project)


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sets TCP_NODELAY only where the protocol is named; without it a reply takes 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(socket.SOMAXCONN)
    except (OSError, OverflowError) as exc:
        listening.close()
        if isinstance(exc, OSError) and exc.errno == errno.EADDRINUSE:
            raise AddressInUseError(host, port) from exc
        raise HostError(
            f"{host}:{port} cannot be listened on: {exc}.", hint="Give another host or port."
        ) from exc
    return listening
