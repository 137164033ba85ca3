"""Resources: everything that a uri names, as JSON; templates say how the uris are built."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec
from mcp_types import (
    ListResourcesResult,
    ListResourceTemplatesResult,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextResourceContents,
)

from inwit.introspection import app, platform
from inwit.server.cursor import page
from inwit.server.host import Host
from inwit.server.mcp.bounds import MOST_CHARS, fit
from inwit.server.mcp.icons import ICON
from inwit.server.mcp.reply import visible

JSON = "application/json"
PAGE = 100
EXECUTION_TOPICS = ("summary", "node", "state", "history", "metrics", "checkpoint", "events")
PLATFORM_TOPICS = (*platform.TOPICS, "templates")

TEMPLATES = (
    ("graph://{name}/{topic}", "Graph", f"A graph: {', '.join(app.TOPICS)}."),
    ("graph://{name}/nodes/{node}", "Node", "A node of a graph and the edges around it."),
    ("execution://{id}/{topic}", "Execution", f"An execution: {', '.join(EXECUTION_TOPICS)}."),
    ("plan://{id}", "Plan", "A proposed improvement and its history."),
    ("package://{id}", "Package", "A package and what it provides."),
    ("platform://{topic}", "Platform", f"inwit itself: {', '.join(PLATFORM_TOPICS)}."),
)


def templates(_host: Host, _params: PaginatedRequestParams | None) -> ListResourceTemplatesResult:
    """List how uris are built."""
    return ListResourceTemplatesResult(
        resource_templates=[
            ResourceTemplate(
                uri_template=uri,
                name=name.lower(),
                title=name,
                description=about,
                mime_type=JSON,
                icons=[ICON],
            )
            for uri, name, about in TEMPLATES
        ]
    )


def listing(host: Host, params: PaginatedRequestParams | None) -> ListResourcesResult:
    """List the graphs of the project and the topics of the platform, in pages."""
    every = [_graph(graph.name, graph.manifest.description) for graph in host.store.graphs()]
    every += [_resource(f"platform://{topic}", f"inwit: {topic}", "") for topic in PLATFORM_TOPICS]
    shown, cursor = page(every, PAGE, params.cursor if params else None)
    return ListResourcesResult(resources=shown, next_cursor=cursor)


def _graph(name: str, description: str) -> Resource:
    return _resource(f"graph://{quote(name, safe='')}/architecture", f"Graph {name}", description)


def _resource(uri: str, title: str, description: str) -> Resource:
    return Resource(
        uri=uri, name=uri, title=title, description=description[:200] or None, mime_type=JSON
    )


def read(host: Host, params: ReadResourceRequestParams) -> ReadResourceResult:
    """Read what a uri names. What is over the limit is cut, and says how to read on."""
    uri = str(params.uri)
    found = host.introspector.resolve(uri, view="full")
    shown: dict[str, Any] = {"uri": uri, "title": found.title, "data": visible(found.data)}
    whole = msgspec.json.encode(shown).decode()
    if len(whole) > MOST_CHARS:
        shown["cut"] = "introspect_get with this uri, view=full and cursor reads all of it"
        shown, _ = fit(shown, MOST_CHARS - 200, 0)
        whole = msgspec.json.encode(shown).decode()
    return ReadResourceResult(contents=[TextResourceContents(uri=uri, text=whole, mime_type=JSON)])
