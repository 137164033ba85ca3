"""The app level: what a graph is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from inwit.introspection import app
from inwit.runtime.views import RegisteredGraph
from inwit.server.asked import Asked
from inwit.server.endpoint import Endpoint
from inwit.server.host import Host
from inwit.server.schema import ANY, ARRAY, BOOLEAN, INTEGER, OBJECT, STRING, array, maybe, record

GRAPH = ("graph", "version")

TOOL = record({"name": STRING, "description": STRING, "input_schema": OBJECT})
NODE = record(
    {
        "name": STRING,
        "node_type": STRING,
        "description": STRING,
        "is_entry_point": BOOLEAN,
        "is_terminal": BOOLEAN,
    }
)
EDGE = record(
    {
        "from": STRING,
        "to": STRING,
        "is_conditional": BOOLEAN,
        "condition": maybe(STRING),
        "is_parallel": BOOLEAN,
    }
)
FEATURE = record(
    {"name": STRING, "description": STRING, "enabled": BOOLEAN, "opt_out_method": STRING}
)
FIELD = record(
    {
        "name": STRING,
        "field_type": STRING,
        "reducer": STRING,
        "optional": BOOLEAN,
        "description": STRING,
    }
)
SHAPE = record(
    {
        "entry_point": ANY,
        "node_count": INTEGER,
        "edge_count": INTEGER,
        "terminal_nodes": array(STRING),
        "decision_points": array(STRING),
        "has_cycles": BOOLEAN,
        "has_parallel_paths": BOOLEAN,
    }
)
SOURCE = maybe(record({"file": STRING, "line": INTEGER}))


def _of(
    fact: Callable[[RegisteredGraph], dict[str, Any]],
) -> Callable[[Host, Asked], dict[str, Any]]:
    def answer(host: Host, asked: Asked) -> dict[str, Any]:
        return fact(host.graph(asked.text("graph"), asked.text("version")))

    return answer


def _node(host: Host, asked: Asked) -> dict[str, Any]:
    found = host.graph(asked.text("graph"), asked.text("version"))
    return app.node(found, asked.name("node"))


ENDPOINTS = (
    Endpoint(
        path="/mcp/about",
        summary="What answers here, and for which graph.",
        answer=_of(app.about),
        fields={
            "protocol": STRING,
            "name": STRING,
            "version": STRING,
            "description": STRING,
            "capabilities": ARRAY,
        },
        query=GRAPH,
    ),
    Endpoint(
        path="/mcp/capabilities",
        summary="What the graph can do.",
        answer=_of(app.capabilities),
        fields={"tools": array(TOOL), "nodes": ARRAY, "features": ARRAY},
        query=GRAPH,
    ),
    Endpoint(
        path="/mcp/architecture",
        summary="The graph's shape in figures, in words and as a drawing.",
        answer=_of(app.architecture),
        fields={"graph": SHAPE, "execution_flow": ANY, "mermaid": STRING},
        query=GRAPH,
    ),
    Endpoint(
        path="/mcp/implementation",
        summary="Where the graph is written, in which versions of its nodes.",
        answer=_of(app.implementation),
        fields={
            "node_versions": OBJECT,
            "node_configs": OBJECT,
            "source": SOURCE,
            "dependencies": ARRAY,
        },
        query=GRAPH,
    ),
    Endpoint(
        path="/mcp/nodes",
        summary="The graph's nodes.",
        answer=_of(app.nodes),
        fields={"nodes": array(NODE), "total_count": INTEGER},
        query=GRAPH,
        listed="nodes",
    ),
    Endpoint(
        path="/mcp/nodes/{name:path}",
        summary="One node and the edges around it.",
        answer=_node,
        fields={
            "name": STRING,
            "incoming_edges": array(EDGE),
            "outgoing_edges": array(EDGE),
            "tools": ARRAY,
            "reads": ARRAY,
            "writes": ARRAY,
            "source": SOURCE,
            "metadata": OBJECT,
        },
        query=GRAPH,
    ),
    Endpoint(
        path="/mcp/edges",
        summary="The graph's edges.",
        answer=_of(app.edges),
        fields={"edges": array(EDGE), "total_count": INTEGER, "conditional_count": INTEGER},
        query=GRAPH,
        listed="edges",
    ),
    Endpoint(
        path="/mcp/dependencies",
        summary="The distributions that the graph's code imports.",
        answer=_of(app.dependencies),
        fields={
            "dependencies": array(
                record({"name": STRING, "version": maybe(STRING), "purpose": STRING})
            )
        },
        query=GRAPH,
        listed="dependencies",
    ),
    Endpoint(
        path="/mcp/features",
        summary="What the runtime does for the graph, and how each is switched off.",
        answer=_of(app.features),
        fields={"features": array(FEATURE)},
        query=GRAPH,
        listed="features",
    ),
    Endpoint(
        path="/mcp/tools",
        summary="The tools that the graph's nodes use.",
        answer=_of(app.tools),
        fields={"tools": array(TOOL)},
        query=GRAPH,
        listed="tools",
    ),
    Endpoint(
        path="/mcp/state-schema",
        summary="The state's type and its keys.",
        answer=_of(app.state_schema),
        fields={"type_name": STRING, "fields": array(FIELD)},
        query=GRAPH,
        listed="fields",
    ),
)
