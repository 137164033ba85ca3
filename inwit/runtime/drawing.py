"""A graph as text to draw from."""

from __future__ import annotations

import re

from inwit.runtime.manifest import GraphManifest
from inwit.runtime.program import END, START

_SAFE = re.compile(r"[^A-Za-z0-9_]")


class Drawing:
    """A manifest as a drawing."""

    def __init__(self, manifest: GraphManifest) -> None:
        self.manifest = manifest

    def draw_mermaid(self) -> str:
        """Write the graph as a Mermaid flowchart; decisions are dashed, with their labels."""
        ids = {START: "start_", END: "end_"}
        for number, node in enumerate(self.manifest.nodes):
            ids[node.name] = f"n{number}_{_SAFE.sub('_', node.name)}"
        lines = ["flowchart TD", '    start_(["start"])']
        lines += [f'    {ids[node.name]}["{_quoted(node.name)}"]' for node in self.manifest.nodes]
        lines.append('    end_(["end"])')
        for edge in self.manifest.edges:
            arrow = "-->"
            if edge.is_conditional:
                arrow = f'-. "{_quoted(edge.label)}" .->'
            lines.append(f"    {ids[edge.source]} {arrow} {ids[edge.target]}")
        return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace("\n", " ")
