"""A drawing as Mermaid text, written as LangGraph's users know it."""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import msgspec

from inwit.runtime.drawing.frontmatter import frontmatter
from inwit.runtime.drawing.shape import Edge, Graph, Node
from inwit.runtime.drawing.styles import CurveStyle, NodeStyles

_ESCAPES = str.maketrans({
    "#": "#35;", "[": "#91;", "]": "#93;", "(": "#40;", ")": "#41;", "{": "#123;", "}": "#125;",
    '"': "#quot;", "<": "#60;", ">": "#62;", "|": "#124;", "\n": " ",
})  # fmt: skip
_SAFE = frozenset(string.ascii_letters + string.digits + "_-")
_MARKDOWN = ("*", "_", "`")


class Style(msgspec.Struct, frozen=True, kw_only=True):
    """How it is written."""

    is_plain: bool
    """Without nodes of their own, forms and colours."""
    curve: CurveStyle
    colours: NodeStyles
    words: int
    """Words of a label in one line."""
    frontmatter: dict[str, Any]
    visits: Mapping[str, int]
    quote: str = ""
    """What stands around labels."""


def draw(graph: Graph, style: Style) -> str:
    """Write a graph as a flowchart."""
    head = ["graph TD;"]
    if not style.is_plain:
        head = ["---", *frontmatter(style.frontmatter, style.curve.value), "---", *head]
    return _draw(graph, style, head)


def flowchart(graph: Graph, visits: Mapping[str, int] | None = None) -> str:
    """Write a graph as a flowchart without settings at its head, as pages and terminals show it."""
    style = Style(
        is_plain=False, curve=CurveStyle.LINEAR, colours=NodeStyles(), words=9, frontmatter={},
        visits=visits or {}, quote='"',
    )  # fmt: skip
    return _draw(graph, style, ["flowchart TD"])


def _draw(graph: Graph, style: Style, head: list[str]) -> str:
    lines = [*head, *_Drawing(graph, style).lines()]
    if not style.is_plain:
        lines += [f"\tclassDef {name} {look}" for name, look in asdict(style.colours).items()]
    return "\n".join(lines) + "\n"


class _Drawing:
    def __init__(self, graph: Graph, style: Style) -> None:
        self.style = style
        self.first, self.last = graph.first_node(), graph.last_node()
        self.nodes: dict[str, list[Node]] = {}
        """By the subgraph that they stand in; the graph itself is the empty one."""
        self.edges: dict[str, list[Edge]] = {"": []}
        for edge in graph.edges:
            self.edges.setdefault(_common(edge), []).append(edge)
        for node in graph.nodes.values():
            self.nodes.setdefault(node.id.rpartition(":")[0], []).append(node)
        self.inner = self._find_inner()
        self.titles: set[str] = set()

    def _find_inner(self) -> dict[str, list[str]]:
        """The parts directly within each part: those with edges first."""
        known = list(self.edges) if self.style.is_plain else [*self.edges, *self.nodes]
        inner: dict[str, dict[str, None]] = {}
        for part in known:
            while part:
                outer = part.rpartition(":")[0]
                inner.setdefault(outer, {})[part] = None
                part = outer  # noqa: PLW2901 - one step outwards
        return {outer: list(parts) for outer, parts in inner.items()}

    def lines(self, part: str = "") -> Iterator[str]:
        """What stands in one part, framed where it is a subgraph."""
        edges = self.edges.get(part, [])
        is_framed = part != "" and not (
            len(edges) == 1 and edges[0].source == edges[0].target and part not in self.nodes
        )
        if is_framed:
            yield f"\tsubgraph {self._title(part)}"
        if not self.style.is_plain:
            yield from (f"\t{self._node(node)}" for node in self.nodes.get(part, ()))
        yield from (f"\t{self._edge(edge)}" for edge in edges)
        for one in self.inner.get(part, ()):
            yield from self.lines(one)
        if is_framed:
            yield "\tend"

    def _title(self, part: str) -> str:
        name = part.rpartition(":")[2]
        if name not in self.titles and _SAFE.issuperset(name):
            self.titles.add(name)
            return name
        return f'{_safe(part)}["{name.translate(_ESCAPES)}"]'

    def _node(self, node: Node) -> str:
        name = node.name.rpartition(":")[2]
        label = name.translate(_ESCAPES)
        if name.startswith(_MARKDOWN) and name.endswith(_MARKDOWN):
            label = f"<p>{label}</p>"
        if node.id in self.style.visits:
            label += f" × {self.style.visits[node.id]}"
        facts = [f"{k} = {v}" for k, v in _shown(node.metadata or {})]
        if facts:
            told = "\n".join(fact.translate(_ESCAPES) for fact in facts)
            label += f"<hr/><small><em>{told}</em></small>"
        label = f"{self.style.quote}{label}{self.style.quote}"
        if self.last is not None and node.id == self.last.id:
            return f"{_safe(node.id)}([{label}]):::last"
        if self.first is not None and node.id == self.first.id:
            return f"{_safe(node.id)}([{label}]):::first"
        return f"{_safe(node.id)}({label})"

    def _edge(self, edge: Edge) -> str:
        arrow = "-.->" if edge.conditional else "-->"
        if edge.data is not None:
            label = _wrapped(str(edge.data), self.style.words)
            label = f'"{label}"' if self.style.quote else f"&nbsp;{label}&nbsp;"
            before, after = ("-.", ".->") if edge.conditional else ("--", "-->")
            arrow = f"{before} {label} {after}"
        return f"{_safe(edge.source)} {arrow} {_safe(edge.target)};"


def _common(edge: Edge) -> str:
    """The part that both ends of an edge stand in; of an edge to itself, the node."""
    common: list[str] = []
    for source, target in zip(edge.source.split(":"), edge.target.split(":"), strict=False):
        if source != target:
            break
        common.append(source)
    return ":".join(common)


def _wrapped(label: str, words: int) -> str:
    parts = label.translate(_ESCAPES).split()
    if len(parts) <= words:
        return label.translate(_ESCAPES)
    lines = [" ".join(parts[i : i + words]) for i in range(0, len(parts), words)]
    return "&nbsp<br>&nbsp".join(lines)


def _shown(metadata: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What of a node's metadata is simple enough to be told."""
    simple = (str, int, float, bool)
    for key, value in metadata.items():
        if isinstance(value, simple):
            yield key, str(value)
        elif isinstance(value, list | tuple | set) and all(isinstance(v, simple) for v in value):
            items = [str(item) for item in value]
            yield key, ", ".join(sorted(items) if isinstance(value, set) else items)


def _safe(name: str) -> str:
    """An id that Mermaid takes: other signs by their number."""
    return "".join(sign if sign in _SAFE else f"\\{ord(sign):x}" for sign in name)
