"""A drawing in Graphviz' language."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from inwit.runtime.drawing.parts import Part, parts_of
from inwit.runtime.drawing.shape import Edge, Graph, Node


def draw(graph: Graph, visits: Mapping[str, int]) -> str:
    """Write a graph as DOT; subgraphs are clusters, decisions dashed."""
    ends = {node.id for node in (graph.first_node(), graph.last_node()) if node is not None}
    lines = ["digraph {", '  node [shape=box, style=rounded, fontname="sans-serif"];']
    lines += _part(parts_of(graph), ends, visits, "  ")
    lines += [f"  {_edge(edge)}" for edge in graph.edges]
    return "\n".join([*lines, "}"]) + "\n"


def _part(part: Part, ends: set[str], visits: Mapping[str, int], indent: str) -> Iterator[str]:
    for node in part.nodes:
        shape = ", shape=oval" if node.id in ends else ""
        yield f"{indent}{_quoted(node.id)} [label={_quoted(_label(node, visits))}{shape}];"
    for inner in part.inner:
        yield f"{indent}subgraph {_quoted('cluster_' + inner.id)} {{"
        yield f"{indent}  label={_quoted(inner.name)};"
        yield from _part(inner, ends, visits, indent + "  ")
        yield f"{indent}}}"


def _label(node: Node, visits: Mapping[str, int]) -> str:
    times = visits.get(node.id)
    return node.name if times is None else f"{node.name} × {times}"


def _edge(edge: Edge) -> str:
    looks = []
    if edge.data is not None:
        looks.append(f"label={_quoted(str(edge.data))}")
    if edge.conditional:
        looks.append("style=dashed")
    shown = f" [{', '.join(looks)}]" if looks else ""
    return f"{_quoted(edge.source)} -> {_quoted(edge.target)}{shown};"


def _quoted(text: str) -> str:
    text = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{text}"'
