"""The platform level: what inwit itself is and can do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from inwit.introspection import platform
from inwit.server.asked import Asked
from inwit.server.endpoint import Endpoint
from inwit.server.host import Host
from inwit.server.routes.ask import EVIDENCE
from inwit.server.schema import BOOLEAN, INTEGER, NUMBER, OBJECT, STRING, array


def _of(fact: Callable[[], dict[str, Any]]) -> Callable[[Host, Asked], dict[str, Any]]:
    def answer(_host: Host, _asked: Asked) -> dict[str, Any]:
        return fact()

    return answer


def _query(host: Host, asked: Asked) -> dict[str, Any]:
    return platform.query(host.introspector, asked.question("q"))


def _listing(topic: str, summary: str, fact: Callable[[], dict[str, Any]]) -> Endpoint:
    name = topic.replace("-", "_")
    return Endpoint(
        path=f"/mcp/platform/{topic}",
        summary=summary,
        answer=_of(fact),
        fields={name: array(OBJECT), "total_count": INTEGER},
        listed=name,
    )


ENDPOINTS = (
    Endpoint(
        path="/mcp/platform/version",
        summary="The version of inwit, of Python and of the protocol.",
        answer=_of(platform.version),
        fields={"version": STRING, "total_count": INTEGER},
    ),
    _listing("features", "What inwit does, and what it does not.", platform.features),
    _listing("node-types", "The kinds of nodes.", platform.node_types),
    _listing("edge-types", "The kinds of edges.", platform.edge_types),
    _listing("templates", "The graph templates that are installed.", platform.templates),
    _listing("states", "The states of an execution.", platform.states),
    Endpoint(
        path="/mcp/platform/query",
        summary="Answer a question about inwit itself.",
        answer=_query,
        fields={
            "answer": STRING,
            "available": BOOLEAN,
            "confidence": NUMBER,
            "evidence": array(EVIDENCE),
        },
        query=("q",),
    ),
)
