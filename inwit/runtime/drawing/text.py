"""A drawing with letters, for terminals."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from inwit.runtime.drawing.layout import Layout, lay_out
from inwit.runtime.drawing.shape import Edge, Graph

_LAYER = 6
"""Rows from one layer's boxes to the next's."""
_BOX = 3


def draw(graph: Graph) -> str:
    """Draw boxes and what leads between them: ``*`` always, ``.`` on a decision."""
    if not graph.nodes:
        return ""
    layout = lay_out(graph)
    box = max(len(node.name) for node in graph.nodes.values()) + 4
    columns, rows = round(layout.width * (box + 2)) + box + 1, round(layout.height) * _LAYER + _BOX
    paper = _Paper(columns, rows)
    for edge in graph.edges:
        if edge.source != edge.target:
            _draw_edge(paper, edge, layout, box)
    for node in graph.nodes.values():
        x, y = layout.places[node.id]
        paper.box(round(x * (box + 2)), round(y) * _LAYER, box, node.name)
    return paper.text()


def _draw_edge(paper: _Paper, edge: Edge, layout: Layout, box: int) -> None:
    bends = layout.ways.get((edge.source, edge.target), ())
    stops = [layout.places[edge.source], *bends, layout.places[edge.target]]
    points = [(round(x * (box + 2)) + box // 2, round(y) * _LAYER + 1) for x, y in stops]
    for start, end in pairwise(points):
        paper.line(start, end, "." if edge.conditional else "*")


class _Paper:
    def __init__(self, columns: int, rows: int) -> None:
        self.rows = [[" "] * columns for _ in range(rows)]

    def line(self, start: Sequence[int], end: Sequence[int], sign: str) -> None:
        steps = max(abs(end[0] - start[0]), abs(end[1] - start[1]), 1)
        for step in range(steps + 1):
            x = round(start[0] + (end[0] - start[0]) * step / steps)
            y = round(start[1] + (end[1] - start[1]) * step / steps)
            self.rows[y][x] = sign

    def box(self, x: int, y: int, width: int, name: str) -> None:
        rim = "+" + "-" * (width - 2) + "+"
        for row, text in enumerate((rim, f"|{name:^{width - 2}}|", rim)):
            self.rows[y + row][x : x + width] = text

    def text(self) -> str:
        return "\n".join("".join(row).rstrip() for row in self.rows)
