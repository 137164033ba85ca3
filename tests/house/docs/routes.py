"""docs/reference/http.md: the routes as /openapi.json describes them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from inwit.server import app, health, legacy, openapi
from inwit.server.auth import scope_needed
from inwit.server.endpoint import PARAMETERS
from inwit.server.routes import (
    ask,
    contributions,
    graph,
    live,
    network,
    packages,
    plans,
    platform,
)
from tests.house.docs import MADE_BY

HEAD = f"""# HTTP routes

{MADE_BY}
What `inwit serve` answers. `/openapi.json` says the same for programs, with the schema of every answer; tests ask
each route for what it describes. Errors are `application/problem+json` with a `code` that
[the errors](errors/README.md) list. A GET needs no token on this machine unless the host was started with one; what
changes something needs a token with the scope that is named here (`inwit serve --allow-write`;
[security](../security.md)). Fields in *italics* may be absent.
"""
ROOMS = (
    ("Asking and evidence", ask.ENDPOINTS),
    ("inwit itself", platform.ENDPOINTS),
    ("Graphs", graph.ENDPOINTS),
    ("Executions, live and past", live.ENDPOINTS),
    ("Plans", plans.ENDPOINTS),
    ("Network", network.ENDPOINTS),
    ("Packages and the registry", packages.ENDPOINTS),
    ("Contributions", contributions.ENDPOINTS),
    ("Health", health.ENDPOINTS),
)


def pages() -> dict[str, str]:
    """The page, with a table for each room."""
    text = HEAD
    for title, endpoints in ROOMS:
        described = openapi.document(endpoints, {}, "")["paths"]
        text += f"\n## {title}\n\n" + "\n".join(_told(described))
    others = {**app.OTHERS, **legacy.DESCRIBED}
    text += "\n## What answers with something else than JSON of its own\n\n" + "\n".join(
        _told(others)
    )
    return {"docs/reference/http.md": text + _parameters()}


def _told(paths: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [
        _route(method.upper(), path, described)
        for path, methods in paths.items()
        for method, described in methods.items()
    ]


def _route(method: str, path: str, described: Mapping[str, Any]) -> str:
    lines = [f"### {method} {path}", "", _plain(described["summary"])]
    query = [one["name"] for one in described["parameters"] if one["in"] == "query"]
    if query:
        lines.append(f"- asked by: {', '.join(f'`{name}`' for name in query)}")
    body = described.get("requestBody", {}).get("content", {}).get("application/json", {})
    if body:
        lines.append(f"- body: {_fields(body['schema'])}")
    lines += [f"- answers: {one}" for one in _answers(described["responses"]["200"]["content"])]
    if method != "GET":
        lines.append(f"- needs: `{scope_needed(method, path)}`")
    return "\n".join([*lines[:3], "", *lines[3:], ""])


def _answers(content: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [
        _fields(one["schema"]) if one.get("schema") else f"`{media_type}`"
        for media_type, one in content.items()
    ]


def _fields(schema: Mapping[str, Any]) -> str:
    """The fields of an object, with their types; those that may be absent in italics."""
    required = set(schema.get("required", ()))
    told = [
        f"`{name}`{_kind(one)}" if name in required else f"*`{name}`*{_kind(one)}"
        for name, one in schema.get("properties", {}).items()
        if name != "schema_version"
    ]
    return ", ".join(told) or "an object"


def _kind(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    if kind is None:
        return ""
    return f" ({' or '.join(kind) if isinstance(kind, list) else kind})"


def _plain(text: str) -> str:
    return re.sub(r"<(\w+)>", r"`<\1>`", text)


def _parameters() -> str:
    rows = [f"| `{name}` | {told} |" for name, (_, told) in sorted(PARAMETERS.items())]
    return "\n## What a query may say\n\n| name | means |\n|---|---|\n" + "\n".join(rows) + "\n"
