"""Facts of the app level: what a graph is made of, read from its manifest alone.

Every function gives a plain dict with the fields of the HTTP route of the same name.
"""

from __future__ import annotations

from collections import deque
from functools import lru_cache
from importlib import metadata
from typing import Any

from inwit.errors import UnknownNodeError
from inwit.registry.origins import package_of
from inwit.runtime.drawing import flowchart, of_manifest
from inwit.runtime.manifest import EdgeFacts, GraphManifest, NodeFacts
from inwit.runtime.policies.relief import FALLBACK, HANDLER
from inwit.runtime.program import END, START
from inwit.runtime.views import RegisteredGraph

FLOW_LIMIT = 60
"""Nodes that `execution_flow` walks before it says that there are more."""


def about(graph: RegisteredGraph) -> dict[str, Any]:
    """Say what answers here and for which graph."""
    manifest = graph.manifest
    return {
        "protocol": "mcp",
        "name": manifest.name,
        "version": manifest.version,
        "description": manifest.description,
        "capabilities": [feature.name for feature in manifest.features if feature.enabled],
    }


def capabilities(graph: RegisteredGraph) -> dict[str, Any]:
    """List what the graph can do: its tools, nodes and enabled features."""
    return {
        "tools": tools(graph)["tools"],
        "nodes": [node.name for node in graph.manifest.nodes],
        "features": [feature.name for feature in graph.manifest.features if feature.enabled],
    }


def architecture(graph: RegisteredGraph) -> dict[str, Any]:
    """Describe the graph's shape, in figures, in words and as a Mermaid drawing."""
    manifest = graph.manifest
    entries = manifest.entry_points
    return {
        "graph": {
            "entry_point": entries[0] if len(entries) == 1 else list(entries),
            "node_count": len(manifest.nodes),
            "edge_count": len(manifest.edges),
            "terminal_nodes": list(manifest.terminal_nodes),
            "decision_points": list(manifest.decision_points),
            "has_cycles": manifest.has_cycles,
            "has_parallel_paths": manifest.has_parallel_paths,
        },
        "execution_flow": execution_flow(manifest),
        "mermaid": flowchart(of_manifest(manifest)),
    }


def implementation(graph: RegisteredGraph) -> dict[str, Any]:
    """Say where the graph is written, in which versions of its nodes."""
    return {
        "node_versions": {
            node.name: _with_config(node.version, graph.node_configs.get(node.name))
            for node in graph.manifest.nodes
        },
        "node_configs": graph.node_configs,
        "source": _source(graph.manifest),
        "dependencies": dependencies(graph)["dependencies"],
    }


def _with_config(version: str, config: dict[str, Any] | None) -> str:
    """A node's version: of its code, and of its configuration where it has one."""
    return version if config is None else f"{version}+config.{config['version']}.{config['hash']}"


def nodes(graph: RegisteredGraph) -> dict[str, Any]:
    """List the graph's nodes in the order in which they were added."""
    listed = [
        {
            "name": node.name,
            "node_type": node.node_type,
            "description": node.description,
            "is_entry_point": node.is_entry_point,
            "is_terminal": node.is_terminal,
        }
        for node in graph.manifest.nodes
    ]
    return {"nodes": listed, "total_count": len(listed)}


def node(graph: RegisteredGraph, name: str) -> dict[str, Any]:
    """Describe one node and the edges around it.

    Raises:
        UnknownNodeError: The graph has no node of that name.
    """
    found = node_facts(graph.manifest, name)
    edges = graph.manifest.edges
    return {
        "name": found.name,
        "node_type": found.node_type,
        "description": found.description,
        "is_entry_point": found.is_entry_point,
        "is_terminal": found.is_terminal,
        "is_async": found.is_async,
        "incoming_edges": [_edge(edge) for edge in edges if edge.target == name],
        "outgoing_edges": [_edge(edge) for edge in edges if edge.source == name],
        "graph": found.graph or None,
        "tools": list(found.tools),
        "reads": list(found.reads),
        "writes": list(found.writes),
        "reads_known": found.reads_known,
        "writes_known": found.writes_known,
        "source": _source(found),
        "version": found.version,
        "policies": found.policies,
        "metadata": found.metadata,
    }


def node_facts(manifest: GraphManifest, name: str) -> NodeFacts:
    """Find a node by its exact name, or say which name is near.

    Raises:
        UnknownNodeError: The graph has no node of that name.
    """
    found = manifest.node(name)
    if found is None:
        known = [node.name for node in manifest.nodes]
        raise UnknownNodeError(name, known, where=f" in graph {manifest.name!r}")
    return found


def edges(graph: RegisteredGraph) -> dict[str, Any]:
    """List the graph's edges."""
    listed = [_edge(edge) for edge in graph.manifest.edges]
    conditional = sum(edge["is_conditional"] for edge in listed)
    return {"edges": listed, "total_count": len(listed), "conditional_count": conditional}


def dependencies(graph: RegisteredGraph) -> dict[str, Any]:
    """List the distributions that the graph's code imports, and the packages its nodes come from."""
    listed = [
        {"name": name, "version": _version(name), "purpose": _summary(name)}
        for name in graph.manifest.dependencies
        if not name.startswith(("inwit_package_", "sandbox:"))
    ]
    files = dict.fromkeys(one.source.file for one in graph.manifest.nodes if one.source)
    packages = {one.id: one.package for file in files if (one := package_of(file)) is not None}
    listed += [
        {"name": name, "version": about.version, "purpose": about.description}
        for name, about in packages.items()
    ]
    return {"dependencies": listed, "total_count": len(listed)}


def features(graph: RegisteredGraph) -> dict[str, Any]:
    """List what the runtime does for this graph, and how each is switched off."""
    listed = [
        {
            "name": feature.name,
            "description": feature.description,
            "enabled": feature.enabled,
            "opt_out_method": feature.opt_out_method,
        }
        for feature in graph.manifest.features
    ]
    return {"features": listed, "total_count": len(listed)}


def tools(graph: RegisteredGraph) -> dict[str, Any]:
    """List the tools that nodes name in their source, and which nodes they are."""
    users: dict[str, list[str]] = {}
    for found in graph.manifest.nodes:
        for tool in found.tools:
            users.setdefault(tool, []).append(found.name)
    listed = [
        {
            "name": tool,
            "description": f"Called by {', '.join(used_by)}.",
            "input_schema": {"type": "object"},
            "nodes": used_by,
        }
        for tool, used_by in users.items()
    ]
    return {"tools": listed, "total_count": len(listed)}


def state_schema(graph: RegisteredGraph) -> dict[str, Any]:
    """Describe the state's type and its keys."""
    listed = [
        {
            "name": field.name,
            "field_type": field.field_type,
            "reducer": field.reducer,
            "optional": field.optional,
            "description": field.description,
        }
        for field in graph.manifest.fields
    ]
    return {"type_name": graph.manifest.state_type, "fields": listed, "total_count": len(listed)}


def overview(graph: RegisteredGraph) -> dict[str, Any]:
    """Everything of the app level in one dict."""
    return {
        "about": about(graph),
        "capabilities": capabilities(graph),
        "architecture": architecture(graph),
        "implementation": implementation(graph),
        "nodes": nodes(graph)["nodes"],
        "edges": edges(graph)["edges"],
        "features": features(graph)["features"],
        "state_schema": state_schema(graph),
    }


TOPICS = {
    "about": about,
    "capabilities": capabilities,
    "architecture": architecture,
    "implementation": implementation,
    "nodes": nodes,
    "edges": edges,
    "dependencies": dependencies,
    "features": features,
    "tools": tools,
    "state-schema": state_schema,
}
"""The facts that ``graph://{name}/{topic}`` names."""


def label_of(name: str) -> str:
    """Write a node's name, or START, END and what takes over from it in place of internal names."""
    for prefix, what in ((FALLBACK, "fallback"), (HANDLER, "error handler")):
        if name.startswith(prefix):
            return f"the {what} of {name.removeprefix(prefix)}"
    return {START: "START", END: "END"}.get(name, name)


def in_order(manifest: GraphManifest) -> list[str]:
    """All nodes in the order in which an execution comes to them, unreachable ones last."""
    after: dict[str, list[str]] = {}
    for edge in manifest.edges:
        after.setdefault(edge.source, []).append(edge.target)
    ordered = dict.fromkeys(manifest.entry_points)
    waiting = deque(ordered)
    while waiting:
        new = [one for one in after.get(waiting.popleft(), ()) if one != END and one not in ordered]
        ordered |= dict.fromkeys(new)
        waiting += dict.fromkeys(new)
    return list(ordered | dict.fromkeys(node.name for node in manifest.nodes))


def execution_flow(manifest: GraphManifest) -> str:
    """Say in words how an execution goes through the graph, from its entry points on."""
    lines, ordered = [f"START → {_either(manifest.entry_points)}"], in_order(manifest)
    for name in ordered[:FLOW_LIMIT]:
        out = [edge for edge in manifest.edges if edge.source == name]
        if out:
            lines.append(f"{name} → {_ways(out)}")
    if len(ordered) > FLOW_LIMIT:
        lines.append("… and more nodes, see edges.")
    return "\n".join(lines)


def _ways(out: list[EdgeFacts]) -> str:
    plain = [label_of(edge.target) for edge in out if not edge.is_conditional]
    either = [
        label_of(edge.target) + (f" ({edge.label})" if edge.label else "")
        for edge in out
        if edge.is_conditional
    ]
    parts = [" and ".join(plain)] if plain else []
    if either:
        condition = next((edge.condition for edge in out if edge.condition), "")
        parts.append(" or ".join(either) + (f", decided by {condition}" if condition else ""))
    return "; ".join(parts)


def _either(names: tuple[str, ...]) -> str:
    return " and ".join(names) if names else "nothing"


def _edge(edge: EdgeFacts) -> dict[str, Any]:
    return {
        "from": edge.source,
        "to": edge.target,
        "is_conditional": edge.is_conditional,
        "condition": edge.condition or None,
        "label": edge.label or None,
        "is_parallel": edge.is_parallel,
    }


def _source(facts: GraphManifest | NodeFacts) -> dict[str, Any] | None:
    return {"file": facts.source.file, "line": facts.source.line} if facts.source else None


@lru_cache(maxsize=512)
def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


@lru_cache(maxsize=512)
def _summary(distribution: str) -> str:
    try:
        return str(metadata.metadata(distribution).json.get("summary") or "")
    except metadata.PackageNotFoundError:
        return ""
