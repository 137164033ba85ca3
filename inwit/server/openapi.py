"""The document that describes every route, made from the routes themselves."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from inwit.server import schema
from inwit.server.endpoint import PARAMETERS, Endpoint
from inwit.server.problems import SCHEMA_VERSION

PROBLEM = schema.record(
    {
        "type": schema.STRING,
        "title": schema.STRING,
        "status": schema.INTEGER,
        "detail": schema.STRING,
        "code": schema.STRING,
        "hint": schema.STRING,
        "schema_version": schema.STRING,
    }
)
REFUSED = {
    "description": "A problem, with a stable code and a hint.",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")


def document(
    endpoints: Sequence[Endpoint], others: Mapping[str, Mapping[str, Any]], version: str
) -> dict[str, Any]:
    """Describe the host; `others` are the paths that answer with something else than JSON."""
    paths: dict[str, dict[str, Any]] = {path: dict(item) for path, item in others.items()}
    for endpoint in endpoints:
        item = paths.setdefault(public_path(endpoint.path), {})
        item[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "inwit",
            "version": version,
            "summary": "Graphs that answer for themselves.",
        },
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": {"Problem": dict(PROBLEM)}},
        "schema_version": SCHEMA_VERSION,
    }


def public_path(path: str) -> str:
    """Write a route's path without the converters of its parameters."""
    return _PARAMETER.sub(r"{\1}", path)


def operation(
    summary: str, media_type: str, *, path: str = "", query: Sequence[str] = ()
) -> dict[str, Any]:
    """Describe a route that answers with another type than JSON."""
    return {
        "summary": summary,
        "parameters": [*_path_parameters(path), *_query_parameters(query)],
        "responses": {
            "200": {"description": summary, "content": {media_type: {}}},
            "default": REFUSED,
        },
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    described: dict[str, Any] = {
        "summary": endpoint.summary,
        "parameters": [
            *_path_parameters(endpoint.path),
            *_query_parameters(endpoint.parameters),
        ],
        "responses": {
            "200": {
                "description": endpoint.summary,
                "content": {"application/json": {"schema": dict(endpoint.result)}},
            },
            "default": REFUSED,
        },
    }
    if endpoint.takes is not None:
        content = {"application/json": {"schema": dict(endpoint.takes)}}
        described["requestBody"] = {"required": True, "content": content}
    return described


def _path_parameters(path: str) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(path)
    ]


def _query_parameters(names: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "query",
            "required": name in ("q", "uri"),
            "description": PARAMETERS[name][1],
            "schema": dict(PARAMETERS[name][0]),
        }
        for name in names
    ]
