"""What is known of a graph without running it: the manifest that registering writes.

A manifest is facts only; `build` (in `inwit.runtime.describe`) makes one from a compiled graph.
"""

from __future__ import annotations

from typing import Any

import msgspec


class Source(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where something is written."""

    file: str
    line: int


class NodeFacts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One node. `reads` and `writes` are state keys found in its source.

    `reads_known` and `writes_known` are False when the source hides some of them (the state is
    handed on whole, or there is no source), `ways_known` when it may command a way that is declared
    nowhere. `left_out` are keys that it returns and the state lacks. `version` is a hash of the
    function's code. A subgraph's `graph` is the name of the
    graph that it runs.
    """

    name: str
    node_type: str
    description: str = ""
    function: str = ""
    source: Source | None = None
    is_async: bool = False
    is_entry_point: bool = False
    is_terminal: bool = False
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    reads_known: bool = True
    writes_known: bool = True
    left_out: tuple[str, ...] = ()
    ways_known: bool = True
    tools: tuple[str, ...] = ()
    calls: tuple[str, ...] = ()
    graph: str = ""
    version: str = ""
    policies: dict[str, Any] = {}
    metadata: dict[str, Any] = {}


class EdgeFacts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One possible way on. `source` and `target` may be ``__start__`` and ``__end__``.

    One that a node's own command takes has ``Command`` as its condition.

    A conditional edge has its router's name in `condition` and the value that takes it in
    `label`; `reads` are the keys that the router's source reads.
    """

    source: str
    target: str
    is_conditional: bool = False
    is_parallel: bool = False
    condition: str = ""
    label: str = ""
    reads: tuple[str, ...] = ()
    joins: tuple[str, ...] = ()


class FieldFacts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One key of the state."""

    name: str
    field_type: str
    reducer: str = ""
    optional: bool = False
    description: str = ""


class FeatureFacts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that the runtime does for this graph, and how it is switched off."""

    name: str
    description: str
    enabled: bool
    opt_out_method: str = ""


class GraphManifest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A graph of one structure. `version` is the hash of that structure, 12 hex digits."""

    name: str
    version: str
    description: str = ""
    nodes: tuple[NodeFacts, ...]
    edges: tuple[EdgeFacts, ...]
    entry_points: tuple[str, ...]
    terminal_nodes: tuple[str, ...]
    state_type: str
    fields: tuple[FieldFacts, ...]
    features: tuple[FeatureFacts, ...] = ()
    source: Source | None = None
    has_cycles: bool = False
    has_parallel_paths: bool = False
    framework: str = "inwit"
    dependencies: tuple[str, ...] = ()
    metadata: dict[str, Any] = {}

    @property
    def decision_points(self) -> tuple[str, ...]:
        """The nodes that a conditional edge leaves, in the graph's order."""
        return tuple(dict.fromkeys(edge.source for edge in self.edges if edge.is_conditional))

    def node(self, name: str) -> NodeFacts | None:
        """Find a node by its exact name."""
        return next((node for node in self.nodes if node.name == name), None)


def to_json(manifest: GraphManifest) -> dict[str, Any]:
    """Show a manifest as plain JSON values."""
    shown: dict[str, Any] = msgspec.to_builtins(manifest)
    return shown
