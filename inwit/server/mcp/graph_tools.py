"""Graphs as tools: each takes its graph's input, tells of progress, and gives what came of it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from mcp_types import CallToolResult, InputRequiredResult, Tool, ToolAnnotations

from inwit.errors import GraphError
from inwit.runtime import at_hand, loading
from inwit.runtime.manifest import FieldFacts, GraphManifest
from inwit.runtime.views import RegisteredGraph
from inwit.server import auth
from inwit.server.host import Host
from inwit.server.mcp.asking import Call
from inwit.server.schema import ANY, ARRAY, INTEGER, OBJECT, STRING, record

PREFIX = "graph_"
CONFIRM, THREAD = "inwit_confirm", "inwit_thread_id"
"""Arguments beside the graph's own input."""
SCHEMA_CHARS = 4_000
"""A longer schema is shown by its fields alone: every client carries it along."""
GIVES = dict(
    record(
        {"status": STRING},
        {
            "execution_id": STRING, "output": ANY, "interrupts": ARRAY, "error": OBJECT,
            "reason": STRING, "seq": INTEGER, "confirm": STRING, "would": STRING,
        },
    )
)  # fmt: skip
RUNS = ToolAnnotations(
    read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=True
)
_OWN = {
    CONFIRM: {"type": "string", "description": "token of the first call"},
    THREAD: {"type": "string", "description": "the thread to go on with"},
}
_TYPES = {
    "str": "string", "int": "integer", "float": "number", "bool": "boolean", "list": "array",
    "tuple": "array", "set": "array", "dict": "object",
}  # fmt: skip


def offered(host: Host) -> dict[str, RegisteredGraph]:
    """The graphs that are tools, by their tools' names: those that can run here for the caller."""
    if not host.offers.allow_write:
        return {}
    found: dict[str, RegisteredGraph] = {}
    for graph in host.store.graphs():
        if _is_offered(host, graph):
            found[_tool_name(graph.name, found)] = graph
    return found


def _is_offered(host: Host, graph: RegisteredGraph) -> bool:
    is_meant = host.offers.graph_tools or bool(graph.manifest.metadata.get("expose"))
    if not is_meant or not host.may(auth.RUN, graph.name):
        return False
    if graph.name in host.offers.graphs:
        return True
    source = graph.manifest.source
    return loading.can_find(host.project, graph.name, None if source is None else source.file)


def _tool_name(name: str, taken: Mapping[str, Any]) -> str:
    """A name of the characters that clients take, another for each graph."""
    plain = PREFIX + re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:48]
    if plain in taken or plain != PREFIX + name:
        plain = f"{plain}_{hashlib.sha256(name.encode()).hexdigest()[:6]}"
    return plain


def tools(host: Host) -> list[Tool]:
    """Describe the graphs that are tools."""
    return [_tool(host, name, graph) for name, graph in offered(host).items()]


def _tool(host: Host, name: str, graph: RegisteredGraph) -> Tool:
    about = graph.manifest.description or f"Run the graph {graph.name}."
    return Tool(
        name=name,
        title=graph.name,
        description=f"Run a graph of the project. Its own words: {about[:300]!r}",
        input_schema=_schema(host, graph),
        output_schema=GIVES,
        annotations=RUNS,
    )


def _schema(host: Host, graph: RegisteredGraph) -> dict[str, Any]:
    schema = _exact(host, graph) or _by_fields(graph.manifest)
    return {**schema, "properties": {**schema.get("properties", {}), **_OWN}}


def _exact(host: Host, graph: RegisteredGraph) -> dict[str, Any] | None:
    """The schema of the input's class, where the graph is in this process."""
    app = host.offers.graphs.get(graph.name) or at_hand.find(host.project, graph.name)
    if app is None:
        return None
    try:
        schema = app.get_input_jsonschema()
    except GraphError:
        return None
    schema.pop("title", None)
    is_plain = schema.get("type") == "object" and len(json.dumps(schema)) <= SCHEMA_CHARS
    return schema if is_plain else None


def _by_fields(manifest: GraphManifest) -> dict[str, Any]:
    """What the manifest knows of the state's keys; no code is run for it."""
    return {
        "type": "object",
        "properties": {field.name: _described(field) for field in manifest.fields},
    }


def _described(field: FieldFacts) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    kind = _TYPES.get(re.split(r"[\[ |]", field.field_type, maxsplit=1)[0])
    if kind is not None and "|" not in field.field_type:
        shown["type"] = kind
    if field.description:
        shown["description"] = field.description[:200]
    return shown


async def call(one: Call, graph: RegisteredGraph) -> CallToolResult | InputRequiredResult:
    """Run the graph of a tool."""
    from inwit.server.mcp import writing

    given = dict(one.params.arguments or {})
    token, thread_id = given.pop(CONFIRM, None), given.pop(THREAD, None)
    arguments = {"graph": graph.name, "input": given, "thread_id": thread_id}
    token, thread_id = _text(token), _text(thread_id)
    return await writing.run(one, graph.name, given, thread_id, token, arguments)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None
