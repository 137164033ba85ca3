"""The network level: packages. Peers are not in this version."""

from __future__ import annotations

from typing import Any

from inwit.introspection import network
from inwit.server.asked import Asked
from inwit.server.endpoint import Endpoint
from inwit.server.host import Host
from inwit.server.schema import INTEGER, OBJECT, STRING, array

EVERY = 100_000


def _packages(host: Host, asked: Asked) -> dict[str, Any]:
    return network.packages(host.project, kind=asked.text("kind"), limit=EVERY)


def _query(host: Host, asked: Asked) -> dict[str, Any]:
    return network.query(host.project, asked.question("q"))


ENDPOINTS = (
    Endpoint(
        path="/mcp/network/packages",
        summary="The packages that are known, by their source.",
        answer=_packages,
        fields={"packages": array(OBJECT), "total_count": INTEGER},
        query=("kind",),
        listed="packages",
    ),
    Endpoint(
        path="/mcp/network/query",
        summary="Answer a question about packages.",
        answer=_query,
        fields={"answer": STRING, "packages": array(OBJECT), "source": STRING},
        query=("q",),
    ),
)
