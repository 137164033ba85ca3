"""Drawing graphs: as Mermaid, DOT, SVG, letters or JSON."""

from __future__ import annotations

from inwit.runtime.drawing.mermaid import flowchart
from inwit.runtime.drawing.reading import of_app, of_manifest
from inwit.runtime.drawing.shape import Edge, Graph, Node
from inwit.runtime.drawing.styles import CurveStyle, NodeStyles

__all__ = [
    "CurveStyle", "Edge", "Graph", "Node", "NodeStyles", "flowchart", "of_app", "of_manifest",
]  # fmt: skip
