"""The live level: executions, running and past. Their streams are in `inwit.server.sse`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast, get_args

from inwit.events import Status
from inwit.introspection import live
from inwit.runtime.store import Store
from inwit.server.asked import Asked
from inwit.server.endpoint import Endpoint
from inwit.server.host import Host
from inwit.server.schema import ANY, INTEGER, NUMBER, OBJECT, STRING, Schema, array, maybe, record

PAGE = 50
LISTED = record(
    {
        "execution_id": STRING,
        "graph_name": STRING,
        "started_at": STRING,
        "current_node": maybe(STRING),
        "iteration": INTEGER,
        "status": STRING,
    }
)
STEP = record(
    {
        "step_number": INTEGER,
        "node_name": STRING,
        "started_at": STRING,
        "completed_at": maybe(STRING),
        "duration_ms": maybe(NUMBER),
        "outcome": STRING,
    }
)


def _executions(host: Host, asked: Asked) -> dict[str, Any]:
    graph = asked.text("graph")
    return live.executions(
        host.store,
        graph=host.graph(graph).name if graph else None,
        status=cast(Status | None, asked.choice("status", get_args(Status))),
        limit=asked.number("limit", PAGE, low=1, high=500),
        cursor=asked.text("cursor"),
    )


def _of(fact: Callable[[Store, str], dict[str, Any]]) -> Callable[[Host, Asked], dict[str, Any]]:
    def answer(host: Host, asked: Asked) -> dict[str, Any]:
        return fact(host.store, asked.id("execution"))

    return answer


def _state(host: Host, asked: Asked) -> dict[str, Any]:
    seq = asked.number("seq", 0) or None
    return live.state(host.store, asked.id("execution"), seq)


def _part(
    topic: str, summary: str, answer: Any, fields: dict[str, Schema], **more: Any
) -> Endpoint:
    return Endpoint(
        path=f"/mcp/live/executions/{{id}}/{topic}",
        summary=summary,
        answer=answer,
        fields={"execution_id": STRING, **fields},
        **more,
    )


ENDPOINTS = (
    Endpoint(
        path="/mcp/live/executions",
        summary="Executions, newest first.",
        answer=_executions,
        fields={
            "executions": array(LISTED),
            "active_count": INTEGER,
            "total_count": INTEGER,
            "cursor": maybe(STRING),
        },
        query=("graph", "status", "limit", "cursor"),
    ),
    Endpoint(
        path="/mcp/live/executions/{id}",
        summary="One execution.",
        answer=_of(live.execution),
        fields={"metrics": OBJECT, "checkpoint": maybe(OBJECT), "state": ANY, "error": ANY},
    ),
    _part(
        "node",
        "Where an execution is.",
        _of(live.node),
        {"current_node": maybe(STRING), "previous_node": maybe(STRING)},
    ),
    _part(
        "state",
        "The state of an execution, now or after an event.",
        _state,
        {"state": ANY},
        query=("seq",),
    ),
    _part(
        "history",
        "The node visits of an execution.",
        _of(live.history),
        {"steps": array(STEP)},
        listed="steps",
    ),
    _part("metrics", "The figures of an execution.", _of(live.metrics), {}),
    _part("checkpoint", "The last checkpoint of an execution.", _of(live.checkpoint), {}),
)
