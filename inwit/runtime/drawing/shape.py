"""A graph to draw: nodes and edges, as LangGraph's users know them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from inwit.errors import DuplicateNodeError, NotInThisVersionError, UnknownNodeError
from inwit.runtime.drawing.styles import CurveStyle, NodeStyles

_FUNCTION = ["langgraph", "_internal", "_runnable", "RunnableCallable"]
_GRAPH = ["langgraph", "graph", "state", "CompiledStateGraph"]
"""The kinds that programs which read this JSON tell apart are written as they know them."""


class Node(NamedTuple):
    """A node to draw. In an opened subgraph its id is ``subgraph:node``."""

    id: str
    name: str
    data: Any = None
    """The node's function or graph; None for the end, and where it is not at hand."""
    metadata: dict[str, Any] | None = None

    def copy(self, *, id: str | None = None, name: str | None = None) -> Node:
        """The same node under another id or name."""
        return self._replace(id=id or self.id, name=name or self.name)


class Edge(NamedTuple):
    """An edge to draw; `data` is the answer that leads along it, where it isn't the target's name."""

    source: str
    target: str
    data: Any = None
    conditional: bool = False

    def copy(self, *, source: str | None = None, target: str | None = None) -> Edge:
        """The same edge between other nodes."""
        return self._replace(source=source or self.source, target=target or self.target)


@dataclass
class Graph:
    """Nodes by their ids, and the edges between them.

    Example:
        >>> graph = Graph()
        >>> _ = graph.add_edge(graph.add_node(None, "a"), graph.add_node(None, "b"))
        >>> graph.to_json()["edges"]
        [{'source': 'a', 'target': 'b'}]
    """

    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.nodes)

    def add_node(self, data: Any, id: str, *, metadata: dict[str, Any] | None = None) -> Node:
        """Add a node.

        Raises:
            DuplicateNodeError: There is one of that id.
        """
        if id in self.nodes:
            raise DuplicateNodeError(id)
        node = self.nodes[id] = Node(id, id, data, metadata)
        return node

    def remove_node(self, node: Node) -> None:
        """Remove a node and its edges."""
        del self.nodes[node.id]
        self.edges = [edge for edge in self.edges if node.id not in edge[:2]]

    def add_edge(
        self, source: Node, target: Node, data: Any = None, conditional: bool = False
    ) -> Edge:
        """Add an edge between two nodes that are there.

        Raises:
            UnknownNodeError: One of them is not.
        """
        for node in (source, target):
            if node.id not in self.nodes:
                raise UnknownNodeError(node.id, self.nodes)
        edge = Edge(source.id, target.id, data, conditional)
        self.edges.append(edge)
        return edge

    def extend(self, graph: Graph, *, prefix: str = "") -> tuple[Node | None, Node | None]:
        """Take in another graph, its ids prefixed, and give its first and last node."""
        prefix = f"{prefix}:" if prefix else ""
        moved = {key: node.copy(id=prefix + key) for key, node in graph.nodes.items()}
        self.nodes.update({node.id: node for node in moved.values()})
        self.edges += [
            edge.copy(source=prefix + edge.source, target=prefix + edge.target)
            for edge in graph.edges
        ]
        first, last = graph.first_node(), graph.last_node()
        return first and moved[first.id], last and moved[last.id]

    def first_node(self) -> Node | None:
        """The only node that no edge leads to; None where there are none or several."""
        return self._only({edge.target for edge in self.edges})

    def last_node(self) -> Node | None:
        """The only node that no edge leads from; None where there are none or several."""
        return self._only({edge.source for edge in self.edges})

    def trim_first_node(self) -> None:
        """Remove the first node where another one takes its place."""
        first = self.first_node()
        if first is not None:
            ahead = [edge for edge in self.edges if edge.source == first.id]
            others = {edge.target for edge in self.edges if edge.source != first.id}
            if len(set(ahead)) == 1 and self._only(others | {first.id}):
                self.remove_node(first)

    def trim_last_node(self) -> None:
        """Remove the last node where another one takes its place."""
        last = self.last_node()
        if last is not None:
            behind = [edge for edge in self.edges if edge.target == last.id]
            others = {edge.source for edge in self.edges if edge.target != last.id}
            if len(set(behind)) == 1 and self._only(others | {last.id}):
                self.remove_node(last)

    def _only(self, others: set[str]) -> Node | None:
        found = [node for key, node in self.nodes.items() if key not in others]
        return found[0] if len(found) == 1 else None

    def reid(self) -> Graph:
        """A copy."""
        return Graph(dict(self.nodes), list(self.edges))

    def to_json(self, *, with_schemas: bool = False) -> dict[str, list[dict[str, Any]]]:  # noqa: ARG002 - LangGraph's
        """Show nodes and edges as JSON values; `with_schemas` adds nothing for functions."""
        return {
            "nodes": [_node_json(node) for node in self.nodes.values()],
            "edges": [_edge_json(edge) for edge in self.edges],
        }

    def draw_mermaid(
        self,
        *,
        with_styles: bool = True,
        curve_style: CurveStyle = CurveStyle.LINEAR,
        node_colors: NodeStyles | None = None,
        wrap_label_n_words: int = 9,
        frontmatter_config: dict[str, Any] | None = None,
        visits: Mapping[str, int] | None = None,
    ) -> str:
        """Write the graph as a Mermaid flowchart; decisions are dotted, subgraphs are framed.

        With `visits` each node that was visited tells how often.
        """
        from inwit.runtime.drawing.mermaid import Style, draw

        style = Style(
            is_plain=not with_styles,
            curve=curve_style,
            colours=node_colors or NodeStyles(),
            words=wrap_label_n_words,
            frontmatter=frontmatter_config or {},
            visits=visits or {},
        )
        return draw(self, style)

    def draw_dot(self, visits: Mapping[str, int] | None = None) -> str:
        """Write the graph for Graphviz."""
        from inwit.runtime.drawing.dot import draw

        return draw(self, visits or {})

    def draw_svg(self, visits: Mapping[str, int] | None = None, *, title: str = "Graph") -> str:
        """Draw the graph as SVG, for light and dark pages.

        Colours are the variables ``--inwit-ink``, ``--inwit-node``, … where a page sets them.
        """
        from inwit.runtime.drawing.svg import draw

        return draw(self, visits or {}, title)

    def draw_ascii(self) -> str:
        """Draw the graph with letters."""
        from inwit.runtime.drawing.text import draw

        return draw(self)

    def print_ascii(self) -> None:
        """Print what `draw_ascii` gives."""
        print(self.draw_ascii())  # noqa: T201 - that is what it is for

    def draw_mermaid_png(self, **_options: Any) -> bytes:
        """Refuse: Mermaid's pictures come from a service on the network.

        Raises:
            NotInThisVersionError: Always.
        """
        raise NotInThisVersionError(
            "draw_mermaid_png",
            hint="It would send the graph to a service on the network. draw_svg() draws it here;"
            " draw_mermaid() gives the text for a service of your choice.",
        )

    def draw_png(self, *_args: Any, **_options: Any) -> bytes:
        """Refuse: it needs Graphviz.

        Raises:
            NotInThisVersionError: Always.
        """
        raise NotInThisVersionError(
            "draw_png",
            hint="It needs Graphviz: give it draw_dot(), such as `dot -Tpng`; or use draw_svg().",
        )


def _edge_json(edge: Edge) -> dict[str, Any]:
    shown: dict[str, Any] = {"source": edge.source, "target": edge.target}
    if edge.data is not None:
        shown["data"] = edge.data
    if edge.conditional:
        shown["conditional"] = True
    return shown


def _node_json(node: Node) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": node.id}
    if node.data is not None:
        shown |= {"type": "runnable", "data": {"id": _kind(node.data), "name": node.id}}
    if node.metadata is not None:
        shown["metadata"] = node.metadata
    return shown


def _kind(data: Any) -> list[str]:
    if hasattr(data, "lc_id"):
        return list(data.lc_id())
    return _GRAPH if hasattr(data, "get_graph") else _FUNCTION
