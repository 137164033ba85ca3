"""Whether the host lives, and whether it can answer."""

from __future__ import annotations

from typing import Any

from inwit.server.asked import Asked
from inwit.server.endpoint import Endpoint
from inwit.server.host import Host
from inwit.server.schema import INTEGER, STRING


def _alive(_host: Host, _asked: Asked) -> dict[str, Any]:
    return {"status": "ok"}


def _ready(host: Host, _asked: Asked) -> dict[str, Any]:
    """Read the record: a host whose record cannot be read is not ready, and says why."""
    return {"status": "ready", "position": host.store.position()}


ENDPOINTS = (
    Endpoint(path="/healthz", summary="The host lives.", answer=_alive, fields={"status": STRING}),
    Endpoint(
        path="/readyz",
        summary="The host can read its record.",
        answer=_ready,
        fields={"status": STRING, "position": INTEGER},
    ),
)
