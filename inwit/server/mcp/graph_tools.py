"""Graphs as tools: each takes its graph's input, tells of progress, and gives what came of it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

import anyio.to_thread
from mcp_types import CallToolResult, InputRequiredResult, Tool, ToolAnnotations

from inwit.errors import GraphError, MalformedInputError, shorten
from inwit.runtime import at_hand, loading
from inwit.runtime.manifest import FieldFacts, GraphManifest
from inwit.runtime.schemas import is_model
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
WORDS = 300
"""Characters of what a graph says of itself."""
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
    return Tool(
        name=name,
        title=graph.name,
        description=f"Run the graph {graph.name!r}. {_about(graph.manifest)}",
        input_schema=_schema(host, graph),
        output_schema=GIVES,
        annotations=RUNS,
    )


def _about(manifest: GraphManifest) -> str:
    """What a graph says of itself; without a word of its own, what its nodes say."""
    if manifest.description:
        return f"Its own words: {manifest.description[:WORDS]!r}"
    nodes = [
        f"{node.name} ({node.description})" if node.description else node.name
        for node in manifest.nodes
    ]
    return f"Its nodes, in their own words: {', '.join(nodes)[:WORDS]!r}"


def _schema(host: Host, graph: RegisteredGraph) -> dict[str, Any]:
    schema = _plain_schema(host, graph)
    return {**schema, "properties": {**schema.get("properties", {}), **_OWN}}


def _plain_schema(host: Host, graph: RegisteredGraph) -> dict[str, Any]:
    return _exact(host, graph) or _by_fields(graph.manifest)


def _needed(schema: Mapping[str, Any], manifest: GraphManifest) -> list[str]:
    """Keys that an input must have: a class of the state asks for those too that nodes will write."""
    given_by = {key for node in manifest.nodes for key in node.writes}
    given_by |= {field.name for field in manifest.fields if field.reducer}
    read = {key for node in manifest.nodes for key in node.reads}
    return [key for key in schema.get("required", ()) if key in read and key not in given_by]


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
    if not is_model(app.InputType):
        schema["required"] = _needed(schema, graph.manifest)
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
    """Run the graph of a tool.

    Raises:
        MalformedInputError: An argument is missing, unknown, or not of its type.
    """
    from inwit.server.mcp import writing

    given = dict(one.params.arguments or {})
    token, thread_id = _text(given.pop(CONFIRM, None)), _text(given.pop(THREAD, None))
    schema = await anyio.to_thread.run_sync(_plain_schema, one.host, graph)
    schema["properties"] = {
        name: said for name, said in schema["properties"].items() if name not in _OWN
    }
    if "confirm" not in schema["properties"]:  # as the other tools call it
        token = token or _text(given.pop("confirm", None))
    given = _fitting(given, schema, graph.manifest, goes_on=thread_id is not None)
    arguments = {"graph": graph.name, "input": given, "thread_id": thread_id}
    return await writing.run(one, graph.name, given, thread_id, token, arguments, CONFIRM)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def fitting_input(
    host: Host, name: str, given: Mapping[str, Any], *, goes_on: bool
) -> dict[str, Any]:
    """An input for a graph, where it fits the schema that the graph's own tool would have.

    Raises:
        MalformedInputError: A key is missing, unknown, or not of its type.
    """
    graph = host.graph(name)
    schema = _plain_schema(host, graph)
    return _fitting(given, schema, graph.manifest, goes_on=goes_on, word="key", place="input.")


def _fitting(
    given: Mapping[str, Any], schema: Mapping[str, Any], manifest: GraphManifest, *, goes_on: bool,
    word: str = "argument", place: str = "",
) -> dict[str, Any]:  # fmt: skip
    """The arguments, where they fit the tool's schema; a null stands for an absent one.

    A key with a reducer takes what the reducer takes; a thread that goes on holds what it needs.

    Raises:
        MalformedInputError: It names the argument, by `word` and `place`, and those that there are.
    """
    import jsonschema

    reduced = {field.name for field in manifest.fields if field.reducer}
    properties = {
        name: {} if name in reduced else one for name, one in schema["properties"].items()
    }
    found = {
        name: value
        for name, value in given.items()
        if value is not None or name not in properties or _takes_null(properties[name])
    }
    needed = [] if goes_on else list(schema.get("required", ()))
    hint = f"{word.capitalize()}s: {', '.join(properties)}."
    if needed:
        hint += f" Needed: {', '.join(needed)}."
    for name in found:
        if name not in properties:
            raise MalformedInputError(f"There is no {word} {shorten(name)}.", hint=hint)
    for name in needed:
        if name not in found:
            raise MalformedInputError(f"{place}{name} is missing.", hint=hint)
    whole = {**schema, "properties": properties, "required": []}
    for error in jsonschema.Draft202012Validator(whole).iter_errors(found):
        path = place + ".".join(map(str, error.absolute_path))
        why = error.message.removeprefix(f"{error.instance!r} ")
        raise MalformedInputError(f"{path} is {shorten(error.instance)}, which {why}.", hint=hint)
    return found


def _takes_null(schema: Mapping[str, Any]) -> bool:
    kinds = [one.get("type") for one in schema.get("anyOf", [schema])]
    return "null" in kinds or None in kinds
