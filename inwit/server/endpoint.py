"""A route that answers with JSON: described once, for serving and for /openapi.json."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import anyio.to_thread
import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from inwit.server import schema
from inwit.server.asked import LIST_LIMIT, Asked, decode_body
from inwit.server.cursor import page
from inwit.server.host import Host
from inwit.server.problems import SCHEMA_VERSION
from inwit.server.schema import Schema

PARAMETERS: Mapping[str, tuple[Schema, str]] = {
    "graph": (schema.STRING, "The graph that is meant; by default the last compiled."),
    "version": (schema.STRING, "A version of the graph; by default the current one."),
    "limit": ({"type": "integer", "minimum": 1, "maximum": LIST_LIMIT}, "How many at most."),
    "cursor": (schema.STRING, "Where the last page ended."),
    "q": (schema.STRING, "The question."),
    "level": (schema.STRING, "The level that is meant; by default found from the question."),
    "execution_id": (schema.STRING, "The execution that is meant; by default the last."),
    "conversation_id": (
        schema.STRING,
        'Questions of one conversation may lean on the one before: "and the time before?".',
    ),
    "verify": (schema.BOOLEAN, "Whether a what-if is tried on nodes that are declared pure."),
    "uri": (schema.STRING, "What evidence points at, such as execution://ID/events/SEQ."),
    "view": (schema.STRING, "How much of it: summary, skeleton or full."),
    "status": (schema.STRING, "Only those of this status."),
    "kind": (schema.STRING, "Only packages of this kind."),
    "trust": (schema.STRING, "Only packages of this level of trust or a higher one."),
    "licence": (schema.STRING, "Only packages of this licence."),
    "package": (schema.STRING, "Only of this package."),
    "why": (schema.STRING, "The reason, in one line."),
    "seq": (schema.INTEGER, "As it was after this event; by default now."),
    "type": (schema.STRING, "Only events of these types, separated by commas."),
    "after": (schema.INTEGER, "Only events after this resume point."),
}
"""What a route may be asked by query, with the words of /openapi.json."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One route: `answer` is called in a worker thread and gives the fields of its JSON.

    `listed` names the field whose list limit and cursor cut, where `answer` does not cut it. What
    `is_fact` is the same while the host runs: after its first answer it is given without a thread.
    """

    path: str
    summary: str
    answer: Callable[[Host, Asked], Mapping[str, Any]]
    fields: Mapping[str, Schema]
    optional: Mapping[str, Schema] = field(default_factory=dict)
    query: tuple[str, ...] = ()
    listed: str | None = None
    is_fact: bool = False
    method: str = "GET"
    takes: Schema | None = None
    """The schema of the body, for POST."""

    @property
    def parameters(self) -> tuple[str, ...]:
        """All names of the query."""
        return (*self.query, "limit", "cursor") if self.listed else self.query

    @property
    def result(self) -> Schema:
        """The schema of the JSON that is answered."""
        fields = {"schema_version": schema.STRING, **self.fields}
        paged = {"cursor": {"type": ["string", "null"]}} if self.listed else {}
        return schema.record({**fields, **paged}, self.optional)

    def route(self, host: Host) -> Route:
        """Make the route that serves this."""
        serve = _serve_fact if self.is_fact else _serve
        return Route(self.path, partial(serve, self, host), methods=[self.method])


async def _serve(endpoint: Endpoint, host: Host, request: Request) -> Response:
    body = decode_body(await request.body()) if endpoint.method == "POST" else {}
    asked = Asked(path=request.path_params, query=request.query_params, body=body)
    answered = await anyio.to_thread.run_sync(_answer, endpoint, host, asked)
    return Response(answered, media_type="application/json")


async def _serve_fact(endpoint: Endpoint, host: Host, request: Request) -> Response:
    if endpoint.path not in host.known_facts:
        answered = await _serve(endpoint, host, request)
        host.known_facts.add(endpoint.path)
        return answered
    asked = Asked(path=request.path_params, query=request.query_params)
    return Response(_answer(endpoint, host, asked), media_type="application/json")


def _answer(endpoint: Endpoint, host: Host, asked: Asked) -> bytes:
    limit = asked.number("limit", LIST_LIMIT, low=1, high=LIST_LIMIT) if endpoint.listed else 0
    answered = dict(endpoint.answer(host, asked))
    if endpoint.listed:
        items, cursor = page(answered[endpoint.listed], limit, asked.text("cursor"))
        answered |= {endpoint.listed: items, "cursor": cursor}
    return msgspec.json.encode({"schema_version": SCHEMA_VERSION, **answered})
