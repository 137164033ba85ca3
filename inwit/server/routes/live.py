"""The live level: executions, running and past. Their streams are in `inwit.server.sse`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast, get_args

import msgspec

from inwit.errors import MalformedInputError, shorten
from inwit.events import Status
from inwit.introspection import live
from inwit.runtime.store import Store
from inwit.runtime.store.control import NO_VALUE
from inwit.server.asked import Asked
from inwit.server.cursor import bind, unbind
from inwit.server.endpoint import Endpoint
from inwit.server.host import Host
from inwit.server.schema import ANY, INTEGER, NUMBER, OBJECT, STRING, Schema, array, maybe, record
from inwit.server.steering import control

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
    graph, cursor = asked.text("graph"), asked.text("cursor")
    found = live.executions(
        host.store,
        graph=host.graph(graph).name if graph else None,
        status=cast(Status | None, asked.choice("status", get_args(Status))),
        limit=asked.number("limit", PAGE, low=1, high=500),
        cursor=unbind(cursor) if cursor else None,
    )
    return {**found, "cursor": bind(found["cursor"]) if found["cursor"] else None}


def _of(fact: Callable[[Store, str], dict[str, Any]]) -> Callable[[Host, Asked], dict[str, Any]]:
    def answer(host: Host, asked: Asked) -> dict[str, Any]:
        return fact(host.store, host.execution_id(asked.path["id"]))

    return answer


def _state(host: Host, asked: Asked) -> dict[str, Any]:
    seq = asked.number("seq", 0) or None
    return live.state(host.store, host.execution_id(asked.path["id"]), seq)


def _steered(action: str, host: Host, asked: Asked) -> dict[str, Any]:
    value = asked.body.get("value", NO_VALUE) if action == "resume" else NO_VALUE
    result = control(host, action, asked.path["id"], value, _expected(asked))
    shown: dict[str, Any] = msgspec.to_builtins(result)
    return shown


def _expected(asked: Asked) -> int | None:
    value = asked.body.get("expected_seq")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**53:
        raise MalformedInputError(
            f"expected_seq is {shorten(value)}.", hint="It is the seq of the last event as read."
        )
    return value


_STEERED: dict[str, tuple[str, Schema]] = {
    "pause": ("Let an execution wait at its next step.", record({}, {"expected_seq": INTEGER})),
    "resume": (
        "Let a paused execution go on, or answer one that waits.",
        record({}, {"value": ANY, "expected_seq": INTEGER}),
    ),
    "cancel": ("End an execution.", record({}, {"expected_seq": INTEGER})),
}


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
    *(
        _part(
            action, summary, partial(_steered, action),
            {"action": STRING, "outcome": STRING, "status": STRING, "seq": INTEGER,
             "message": STRING},
            method="POST", takes=takes,
        )
        for action, (summary, takes) in _STEERED.items()
    ),
)  # fmt: skip
