"""The graphs of a project: their names, their versions, and what changed between two of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias, TypeVar

import msgspec

from inwit.errors import UnknownGraphError
from inwit.runtime.manifest import EdgeFacts, FieldFacts, GraphManifest, NodeFacts
from inwit.runtime.store import Store
from inwit.runtime.views import RegisteredGraph

__all__ = ["Change", "GraphDiff", "Graphs", "compare"]

Fact = TypeVar("Fact", NodeFacts, EdgeFacts, FieldFacts)
_ELSEWHERE = frozenset({"source"})
"""What moves with a line of a file and changes nothing of the graph."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One part that both versions have: which of its facts differ, each as (before, after)."""

    name: str
    facts: dict[str, tuple[Any, Any]]


class GraphDiff(msgspec.Struct, frozen=True, kw_only=True):
    """What changed from one version of a graph to another. An edge is named ``a -> b [label]``."""

    name: str
    before: str
    after: str
    nodes_added: tuple[str, ...] = ()
    nodes_removed: tuple[str, ...] = ()
    nodes_changed: tuple[Change, ...] = ()
    edges_added: tuple[str, ...] = ()
    edges_removed: tuple[str, ...] = ()
    edges_changed: tuple[Change, ...] = ()
    fields_added: tuple[str, ...] = ()
    fields_removed: tuple[str, ...] = ()
    fields_changed: tuple[Change, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether the two are the same."""
        parts = self.__struct_fields__[3:]
        return not any(getattr(self, name) for name in parts)


Registered: TypeAlias = list[RegisteredGraph]


class Graphs:
    """The registered graphs of a project, as its record holds them."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def list(self) -> Registered:
        """Every graph in its current version, by name."""
        return self._store.graphs()

    def get(self, name: str | None = None, version: str | None = None) -> RegisteredGraph:
        """A graph, in its current version or the one whose hash begins so.

        Without a name it is the only or the last compiled one.

        Raises:
            UnknownGraphError: There is none of that name or version.
        """
        return self._store.graph(name, version)

    def versions(self, name: str) -> Registered:
        """All versions of a graph, the one seen last first.

        Raises:
            UnknownGraphError: There is none of that name.
        """
        found = self._store.graphs(name, all_versions=True)
        if not found:
            raise UnknownGraphError(name, {graph.name for graph in self._store.graphs()})
        return found

    def changes(
        self, name: str, before: str | None = None, after: str | None = None
    ) -> GraphDiff | None:
        """What changed between two versions; by default, between the current and the one before.

        None when there is no earlier version.

        Raises:
            UnknownGraphError: There is none of that name or version.
        """
        later = self.get(name, after)
        if before is not None:
            return compare(self.get(name, before).manifest, later.manifest)
        versions = self.versions(name)
        place = [graph.version for graph in versions].index(later.version)
        earlier = versions[place + 1 :]
        return compare(earlier[0].manifest, later.manifest) if earlier else None


def compare(before: GraphManifest, after: GraphManifest) -> GraphDiff:
    """Name what was added, removed and changed from one manifest to another."""
    nodes = _compare(before.nodes, after.nodes, lambda node: node.name)
    edges = _compare(before.edges, after.edges, _edge_name)
    fields = _compare(before.fields, after.fields, lambda field: field.name)
    return GraphDiff(
        name=after.name,
        before=before.version,
        after=after.version,
        nodes_added=nodes[0],
        nodes_removed=nodes[1],
        nodes_changed=nodes[2],
        edges_added=edges[0],
        edges_removed=edges[1],
        edges_changed=edges[2],
        fields_added=fields[0],
        fields_removed=fields[1],
        fields_changed=fields[2],
    )


def _edge_name(edge: EdgeFacts) -> str:
    label = f" [{edge.label}]" if edge.label else ""
    return f"{edge.source} -> {edge.target}{label}"


def _compare(
    before: Iterable[Fact], after: Iterable[Fact], name_of: Callable[[Fact], str]
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[Change, ...]]:
    old = {name_of(fact): fact for fact in before}
    new = {name_of(fact): fact for fact in after}
    changed = [
        Change(name=name, facts=facts)
        for name in old.keys() & new.keys()
        if (facts := _differences(old[name], new[name]))
    ]
    return (
        tuple(name for name in new if name not in old),
        tuple(name for name in old if name not in new),
        tuple(sorted(changed, key=lambda change: change.name)),
    )


def _differences(one: msgspec.Struct, other: msgspec.Struct) -> dict[str, tuple[Any, Any]]:
    names = (name for name in one.__struct_fields__ if name not in _ELSEWHERE)
    pairs = {name: (getattr(one, name), getattr(other, name)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
