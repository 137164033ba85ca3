"""Serving: from binding the address to the last stream's end."""

from __future__ import annotations

import errno
import gc
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
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette

from inwit.errors import (
    AddressInUseError,
    HostError,
    NoTokenError,
    StoreError,
)
from inwit.runtime.project import Project
from inwit.server import hostfile
from inwit.server.announcing import announced
from inwit.server.app import ANSWERS, create_app
from inwit.server.auth_setup import has_issuer, host_token
from inwit.server.bodies import BODY_LIMIT
from inwit.server.connection import Connection
from inwit.server.heads import LOOPBACK, is_loopback
from inwit.server.hostfile import HostFile
from inwit.server.limits_connections import Connected, Sweeper
from inwit.server.offers import Offers

PORT = 8765
DRAIN_S = 2
START_S = 30.0
THERE_S = 0.25
"""How long an address of another host is tried: one of this machine answers in 0.1 ms, also by no."""
SWEEP_TICKS = 10
"""How often connections that wait in vain are looked for, in tenths of a second."""

logger = logging.getLogger("inwit.server")


class _Server(uvicorn.Server):
    """Closes its streams before it waits for connections, and ends a SIGTERM without a fuss."""

    def __init__(self, app: Starlette, on_ready: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=Connection,
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
        server = _server(project, host, token, offers, lambda: _ready(url, on_ready))
        server.run(sockets=[listening])
    if server.is_interrupted:
        raise KeyboardInterrupt


def _ready(url: str, on_ready: Callable[[str], None] | None) -> None:
    # What is there by now stays: no collection goes through it again while readers wait.
    gc.collect()
    gc.freeze()
    if on_ready:
        on_ready(url)


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
    asks_everyone = token is not None or has_issuer(project)
    token = token or host_token(project)
    listening = _bind(host, port)
    found = listening.getsockname()[1]
    url = f"http://[{host}]:{found}" if ":" in host else f"http://{host}:{found}"
    known = HostFile(address=url, pid=os.getpid(), token=token, asks_everyone=asks_everyone)
    try:
        with _named(project, known), announced(project, host, found):
            yield listening, url
    finally:
        listening.close()


@contextmanager
def _named(project: Project, known: HostFile) -> Iterator[None]:
    """Let `host.json` name this host; where another one is still there, it is named again after."""
    other = hostfile.read(project)
    other = other if other is not None and _is_there(other) else None
    if other is not None:
        logger.warning(
            "Another host of this project is at %s (process %d). Commands find the one at %s now.",
            other.address, other.pid, known.address,
        )  # fmt: skip
    _write(project, known)
    try:
        yield
    finally:
        known.remove(project)
        if other is not None and hostfile.read(project) is None and _is_there(other):
            _write(project, other)


def _is_there(known: HostFile) -> bool:
    """Whether anything still listens at its address; the kernel answers for a process that is busy."""
    place = urlsplit(known.address)
    try:
        socket.create_connection((place.hostname or "", place.port or 80), timeout=THERE_S).close()
    except (OSError, ValueError):
        return False
    return True


def _write(project: Project, known: HostFile) -> None:
    try:
        known.write(project)
    except (OSError, StoreError) as exc:  # it can be asked all the same
        logger.warning(
            "No host.json names %s: %s. Commands do not find it until it is started again.",
            known.address, exc,
        )  # fmt: skip


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
