"""The platform level: what inwit itself is and can do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from inwit import answers
from inwit.introspection import network, platform
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
    question = asked.question("q")
    answer = host.introspector.ask(question, level="platform")
    told = answers.to_json(answer)
    available = answer.data.get("available", answer.confidence > 0 and bool(answer.evidence))
    return {
        "answer": told["answer"],
        "available": bool(available),
        "confidence": told["confidence"],
        "evidence": told["evidence"],
    }


def _templates(host: Host, _asked: Asked) -> dict[str, Any]:
    return network.templates(host.project)


def _listing(topic: str, summary: str, fact: Callable[[], dict[str, Any]]) -> Endpoint:
    name = topic.replace("-", "_")
    return Endpoint(
        path=f"/mcp/platform/{topic}",
        summary=summary,
        answer=_of(fact),
        fields={name: array(OBJECT), "total_count": INTEGER},
        listed=name,
        is_fact=True,
    )


ENDPOINTS = (
    Endpoint(
        path="/mcp/platform/version",
        summary="The version of inwit, of Python and of the protocol.",
        answer=_of(platform.version),
        fields={"version": STRING, "total_count": INTEGER},
        is_fact=True,
    ),
    _listing("features", "What inwit does, and what it does not.", platform.features),
    _listing("node-types", "The kinds of nodes.", platform.node_types),
    _listing("edge-types", "The kinds of edges.", platform.edge_types),
    Endpoint(
        path="/mcp/platform/templates",
        summary="The graph templates that are installed.",
        answer=_templates,
        fields={"templates": array(OBJECT), "total_count": INTEGER},
        listed="templates",
    ),
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
