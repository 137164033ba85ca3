"""The subgraphs of a drawing, by the ids of its nodes."""

from __future__ import annotations

import msgspec

from inwit.runtime.drawing.shape import Graph, Node


class Part(msgspec.Struct, kw_only=True):
    """A subgraph; the whole has an empty id."""

    id: str
    nodes: list[Node] = []
    inner: list[Part] = []

    @property
    def name(self) -> str:
        """The name of the node that it stands for."""
        return self.id.rpartition(":")[2]

    def everything(self) -> list[str]:
        """The ids of its nodes and of those further in."""
        return [node.id for node in self.nodes] + [
            name for part in self.inner for name in part.everything()
        ]


def parts_of(graph: Graph) -> Part:
    """Sort the nodes of a graph into its subgraphs."""
    found = {"": Part(id="")}
    for node in graph.nodes.values():
        _part(node.id.rpartition(":")[0], found).nodes.append(node)
    return found[""]


def _part(key: str, found: dict[str, Part]) -> Part:
    if key not in found:
        found[key] = Part(id=key)
        _part(key.rpartition(":")[0], found).inner.append(found[key])
    return found[key]
