"""A drawing as SVG, for light and dark pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape

from inwit.runtime.drawing.layout import Layout, Point, lay_out
from inwit.runtime.drawing.parts import Part, parts_of
from inwit.runtime.drawing.shape import Edge, Graph, Node

_SIGN, _HEIGHT, _GAP, _LAYER, _EDGE = 8.0, 36.0, 36.0, 92.0, 28.0
"""A letter's width; a node's height; between nodes; between layers' tops; around everything."""
_LONGEST = 28
"""Letters of a name that are shown; the title has them all."""
_THEME = """\
.inwit-graph{--ink:var(--inwit-ink,#1f2328);--node:var(--inwit-node,#f2f0ff);\
--line:var(--inwit-line,#57606a);--rim:var(--inwit-rim,#6e5bd6);--part:var(--inwit-part,#8c959f);\
--page:var(--inwit-page,#ffffff);font:14px system-ui,sans-serif}
@media (prefers-color-scheme:dark){.inwit-graph{--ink:var(--inwit-ink,#e6edf3);\
--node:var(--inwit-node,#2b2550);--line:var(--inwit-line,#9ea7b3);--rim:var(--inwit-rim,#a394f5);\
--part:var(--inwit-part,#768390);--page:var(--inwit-page,#0d1117)}}
.inwit-graph text{fill:var(--ink);text-anchor:middle;dominant-baseline:central}
.inwit-graph .node rect{fill:var(--node);stroke:var(--rim);stroke-width:1.5}
.inwit-graph .end rect{fill:none}
.inwit-graph .edge path{fill:none;stroke:var(--line);stroke-width:1.5}
.inwit-graph .edge.conditional path{stroke-dasharray:5 4}
.inwit-graph .edge text{font-size:12px;paint-order:stroke;stroke:var(--page);stroke-width:4px}
.inwit-graph .part rect{fill:none;stroke:var(--part);stroke-dasharray:2 3}
.inwit-graph .part text{text-anchor:start;font-size:12px}
.inwit-graph marker path{fill:var(--line)}"""

_ARROW = """\
<defs><marker id="inwit-arrow" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7"\
 markerHeight="7" orient="auto-start-reverse"><path d="M0 0L10 5L0 10z"/></marker></defs>"""


def draw(graph: Graph, visits: Mapping[str, int], title: str) -> str:
    """Draw a graph; each node is a group with a title."""
    return _Picture(graph, visits).draw(title)


class _Picture:
    def __init__(self, graph: Graph, visits: Mapping[str, int]) -> None:
        self.graph = graph
        self.labels = {key: _label(node, visits) for key, node in graph.nodes.items()}
        longest = max((len(label) for label in self.labels.values()), default=4)
        self.box = max(longest * _SIGN + 24, 72.0)
        self.layout: Layout = lay_out(graph)
        self.ends = {node.id for node in (graph.first_node(), graph.last_node()) if node}

    def draw(self, title: str) -> str:
        width = self.layout.width * (self.box + _GAP) + self.box + 2 * _EDGE + _GAP
        height = self.layout.height * _LAYER + _HEIGHT + 2 * _EDGE
        size = f'viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}"'
        lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" class="inwit-graph" role="img" {size}>',
            f"<title>{escape(title)}</title>",
            f"<style>{_THEME}</style>",
            _ARROW,
            *self._parts(parts_of(self.graph).inner, 12.0),
            *(self._edge(edge) for edge in self.graph.edges),
            *(self._node(node) for node in self.graph.nodes.values()),
            "</svg>",
        ]
        return "\n".join(lines) + "\n"

    def _at(self, place: Point) -> Point:
        """The middle of a place."""
        x, y = place
        return (
            x * (self.box + _GAP) + self.box / 2 + _EDGE,
            y * _LAYER + _HEIGHT / 2 + _EDGE,
        )

    def _node(self, node: Node) -> str:
        x, y = self._at(self.layout.places[node.id])
        kind = "node end" if node.id in self.ends else "node"
        round_ = _HEIGHT / 2 if node.id in self.ends else 6
        label = self.labels[node.id]
        return (
            f'<g class="{kind}" data-node="{escape(node.id)}"><title>{escape(_title(node, label))}'
            f'</title><rect x="{x - self.box / 2:.1f}" y="{y - _HEIGHT / 2:.1f}"'
            f' width="{self.box:.1f}" height="{_HEIGHT:.0f}" rx="{round_:.0f}"/>'
            f'<text x="{x:.1f}" y="{y:.1f}">{escape(label)}</text></g>'
        )

    def _edge(self, edge: Edge) -> str:
        points = self._points(edge)
        kind = "edge conditional" if edge.conditional else "edge"
        told = f"{edge.source} → {edge.target}"
        text = ""
        if edge.data is not None:
            told += f": {edge.data}"
            x, y = _middle(points)
            label = escape(_short(str(edge.data)))
            text = f'<text x="{x:.1f}" y="{y:.1f}">{label}</text>'
        return (
            f'<g class="{kind}"><title>{escape(told)}</title>'
            f'<path d="{_path(points)}" marker-end="url(#inwit-arrow)"/>{text}</g>'
        )

    def _points(self, edge: Edge) -> list[Point]:
        """From rim to rim: down from the source, up for an edge that leads back."""
        (x1, y1), (x2, y2) = (self._at(self.layout.places[name]) for name in edge[:2])
        if edge.source == edge.target:
            right = x1 + self.box / 2
            return [(right, y1 - 8), (right + 26, y1 - 14), (right + 26, y1 + 14), (right, y1 + 8)]
        bends = [self._at(place) for place in self.layout.ways.get((edge.source, edge.target), ())]
        down = _HEIGHT / 2 if y2 > y1 else -_HEIGHT / 2
        # An edge that leads back runs beside the one that leads on.
        aside = 0.0 if y2 > y1 else self.box / 4
        bends = [(x + aside, y) for x, y in bends]
        return [(x1 + aside, y1 + down), *bends, (x2 + aside, y2 - down)]

    def _parts(self, parts: Sequence[Part], room: float) -> Iterator[str]:
        for part in parts:
            places = [self._at(self.layout.places[name]) for name in part.everything()]
            left = min(x for x, _ in places) - self.box / 2 - room
            top = min(y for _, y in places) - _HEIGHT / 2 - room - 8
            width = max(x for x, _ in places) + self.box / 2 + room - left
            height = max(y for _, y in places) + _HEIGHT / 2 + room - top
            name = escape(part.name)
            yield (
                f'<g class="part"><title>{name}</title><rect x="{left:.1f}" y="{top:.1f}"'
                f' width="{width:.1f}" height="{height:.1f}" rx="8"/>'
                f'<text x="{left + 8:.1f}" y="{top + 10:.1f}">{name}</text></g>'
            )
            yield from self._parts(part.inner, max(room - 5, 3.0))


def _path(points: Sequence[Point]) -> str:
    """A smooth line through points."""
    (x, y), *rest = points
    pieces = [f"M{x:.1f} {y:.1f}"]
    for to_x, to_y in rest:
        half = (y + to_y) / 2
        pieces.append(f"C{x:.1f} {half:.1f} {to_x:.1f} {half:.1f} {to_x:.1f} {to_y:.1f}")
        x, y = to_x, to_y
    return "".join(pieces)


def _middle(points: Sequence[Point]) -> Point:
    half = len(points) // 2
    (x1, y1), (x2, y2) = points[half - 1], points[half]
    return (x1 + x2) / 2, (y1 + y2) / 2


def _label(node: Node, visits: Mapping[str, int]) -> str:
    name = _short(node.name)
    return f"{name} × {visits[node.id]}" if node.id in visits else name


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _title(node: Node, label: str) -> str:
    facts: Iterable[str] = (f"{key} = {value}" for key, value in (node.metadata or {}).items())
    times = label.rpartition(" × ")[2] if " × " in label else ""
    shown = f"{node.name} × {times}" if times else node.name
    return "\n".join([shown, *facts])
