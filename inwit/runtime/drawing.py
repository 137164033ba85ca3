"""A graph as text to draw from."""

from __future__ import annotations

import re
from collections.abc import Mapping

from inwit.runtime.manifest import GraphManifest
from inwit.runtime.program import END, START

_SAFE = re.compile(r"[^A-Za-z0-9_]")


class Drawing:
    """A manifest as a drawing."""

    def __init__(self, manifest: GraphManifest) -> None:
        self.manifest = manifest

    def draw_mermaid(self, visits: Mapping[str, int] | None = None) -> str:
        """Write the graph as a Mermaid flowchart; decisions are dashed, with their labels.

        With `visits` each node that was visited tells how often.
        """
        times = {name: f" × {count}" for name, count in (visits or {}).items()}
        ids = {START: "start_", END: "end_"}
        for number, node in enumerate(self.manifest.nodes):
            ids[node.name] = f"n{number}_{_SAFE.sub('_', node.name)}"
        lines = ["flowchart TD", '    start_(["start"])']
        for node in self.manifest.nodes:
            label = _quoted(node.name + times.get(node.name, ""))
            lines.append(f'    {ids[node.name]}["{label}"]')
        lines.append('    end_(["end"])')
        for edge in self.manifest.edges:
            arrow = "-->"
            if edge.is_conditional:
                arrow = f'-. "{_quoted(edge.label)}" .->'
            lines.append(f"    {ids[edge.source]} {arrow} {ids[edge.target]}")
        return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace("\n", " ")
