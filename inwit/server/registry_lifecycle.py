"""Serving a registry: from binding the address until a signal ends it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from inwit.errors import HostError
from inwit.registry.serve import Registry
from inwit.server.heads import LOOPBACK, is_loopback
from inwit.server.lifecycle import START_S, Running, _bind, _Server
from inwit.server.registry_app import create_registry_app

PORT = 8799


def serve_registry(
    registry: Registry,
    *,
    host: str = "127.0.0.1",
    port: int = PORT,
    on_ready: Callable[[str], None],
) -> None:
    """Serve a registry until a signal ends it; `on_ready` is told the address. Port 0 takes any.

    Raises:
        AddressInUseError: Another program listens there.
        KeyboardInterrupt: It was ended by the keyboard.
    """
    listening = _bind(host, port)
    url = _url(host, listening.getsockname()[1])
    server = _Server(create_registry_app(registry, _names(host)), lambda: on_ready(url))
    try:
        server.run(sockets=[listening])
    finally:
        listening.close()
        registry.close()
    if server.is_interrupted:
        raise KeyboardInterrupt


def start_registry(registry: Registry, *, host: str = "127.0.0.1", port: int = 0) -> Running:
    """Serve a registry in a daemon thread, and return once it answers."""
    ready = threading.Event()
    listening = _bind(host, port)
    url = _url(host, listening.getsockname()[1])
    server = _Server(create_registry_app(registry, _names(host)), ready.set)

    def run() -> None:
        try:
            server.run(sockets=[listening])
        finally:
            ready.set()
            listening.close()

    thread = threading.Thread(target=run, name="inwit-registry", daemon=True)
    thread.start()
    ready.wait(START_S)
    if not server.started:
        raise HostError(f"The registry at {url} did not start.", hint="Its log says why.")
    return Running(url=url, server=server, thread=thread)


def _names(host: str) -> frozenset[str] | None:
    """A registry of this machine answers to its names only; one for others, to any."""
    return frozenset({*LOOPBACK, _shown(host)}) if is_loopback(host) else None


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _url(host: str, port: int) -> str:
    return f"http://{_shown(host)}:{port}"
