"""The help of a user's own program, written from its graph."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from inwit.introspection import app
from inwit.introspection.app import label_of
from inwit.runtime.companion import HelpLevel
from inwit.runtime.views import RegisteredGraph

FLAGS = {
    "--help": HelpLevel.BRIEF,
    "-h": HelpLevel.BRIEF,
    "--help-more": HelpLevel.MORE,
    "--help-implementation": HelpLevel.IMPLEMENTATION,
}


def generate_help(graph: RegisteredGraph, level: HelpLevel = HelpLevel.BRIEF) -> str:
    """Write a graph's help: what it does; then its parts; then how they are made."""
    parts = [_brief(graph)]
    if level in (HelpLevel.MORE, HelpLevel.IMPLEMENTATION):
        parts.append(_more(graph))
    if level is HelpLevel.IMPLEMENTATION:
        parts.append(_implementation(graph))
    if level is HelpLevel.BRIEF:
        parts.append("More: --help-more, --help-implementation")
    return "\n\n".join(parts) + "\n"


def handle_help(graph: RegisteredGraph, argv: Sequence[str]) -> bool:
    """Print the help that `argv` asks for; False when it asks for none."""
    asked = [FLAGS[one] for one in argv if one in FLAGS]
    if not asked:
        return False
    order = list(HelpLevel)
    sys.stdout.write(generate_help(graph, max(asked, key=order.index)))
    return True


def _brief(graph: RegisteredGraph) -> str:
    manifest = graph.manifest
    lines = [manifest.name]
    if manifest.description:
        lines += ["", manifest.description]
    begins = [node for node in manifest.nodes if node.is_entry_point]
    read = {key for node in begins for key in node.reads}
    wanted = [field for field in manifest.fields if not field.optional or field.name in read]
    lines += ["", "Input:"]
    lines += _columns([(one.name, f"{one.field_type}  {one.description}") for one in wanted])
    lines += ["", "Steps:"]
    order = app.in_order(manifest)
    steps = sorted(manifest.nodes, key=lambda node: order.index(node.name))
    lines += _columns([(node.name, node.description) for node in steps])
    return "\n".join(lines)


def _more(graph: RegisteredGraph) -> str:
    manifest = graph.manifest
    lines = ["Flow:"]
    lines += [f"  {line}" for line in app.execution_flow(manifest).splitlines()]
    lines += ["", f"State ({manifest.state_type}):"]
    lines += _columns([(one["name"], _field(one)) for one in app.state_schema(graph)["fields"]])
    lines += ["", "Features:"]
    for one in manifest.features:
        off = (
            f" ({one.opt_out_method} switches it off)" if one.enabled and one.opt_out_method else ""
        )
        lines.append(f"  {one.name}: {'on' if one.enabled else 'off'}{off}")
    tools = app.tools(graph)["tools"]
    if tools:
        lines += ["", "Tools:", *_columns([(one["name"], one["description"]) for one in tools])]
    return "\n".join(lines)


def _implementation(graph: RegisteredGraph) -> str:
    manifest = graph.manifest
    source = f"{manifest.source.file}:{manifest.source.line}" if manifest.source else "unknown"
    lines = [f"Version {manifest.version}, written in {source}", "", "Nodes:"]
    for node in manifest.nodes:
        place = f" {node.source.file}:{node.source.line}" if node.source else ""
        lines.append(
            f"  {node.name} ({node.node_type}, version {node.version or 'unknown'}){place}"
        )
        lines.append(
            f"    reads {', '.join(node.reads) or '-'}; writes {', '.join(node.writes) or '-'}"
        )
    lines += ["", "Edges:"]
    for edge in manifest.edges:
        how = f"  if {edge.condition} gives {edge.label!r}" if edge.is_conditional else ""
        lines.append(f"  {label_of(edge.source)} -> {label_of(edge.target)}{how}")
    found = app.dependencies(graph)["dependencies"]
    if found:
        lines += ["", "Dependencies:"]
        lines += _columns([(one["name"], str(one["version"] or "")) for one in found])
    return "\n".join(lines)


def _field(one: dict[str, Any]) -> str:
    parts = [one["field_type"]]
    if one["reducer"]:
        parts.append(f"merged by {one['reducer']}")
    if one["optional"]:
        parts.append("optional")
    return ", ".join(parts) + (f"  {one['description']}" if one["description"] else "")


def _columns(rows: Sequence[tuple[str, str]]) -> list[str]:
    width = max((len(name) for name, _ in rows), default=0)
    return [f"  {name:<{width}}  {text}".rstrip() for name, text in rows] or ["  none"]
