"""The manifest of a graph of LangGraph, from its own drawing and its functions' source."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from inwit.errors import InwitError
from inwit.runtime.describe import (
    _code_hash,
    _field,
    _first_paragraph,
    _has_cycles,
    _source,
    structural_hash,
)
from inwit.runtime.manifest import (
    EdgeFacts,
    FeatureFacts,
    FieldFacts,
    GraphManifest,
    NodeFacts,
    Source,
)
from inwit.runtime.program import END, START
from inwit.runtime.source import read, unwrap
from inwit.runtime.state import schema_of
from inwit.runtime.watch.shape import Branch, Shape, function_of


def describe(shape: Shape, name: str, source: Source | None) -> GraphManifest:
    """Build the manifest of a watched graph."""
    edges = tuple(_edges(shape))
    entries = tuple(dict.fromkeys(edge.target for edge in edges if edge.source == START))
    terminal = tuple(dict.fromkeys(edge.source for edge in edges if edge.target == END))
    nodes = tuple(_node(shape, node, entries, terminal) for node in shape.nodes)
    fields = tuple(_fields(shape))
    parallel = any(edge.is_parallel for edge in edges)
    return GraphManifest(
        name=name, version=structural_hash(nodes, edges, fields),
        description=_first_paragraph(shape.state_type) if shape.state_type else "",
        nodes=nodes, edges=edges, entry_points=entries, terminal_nodes=terminal,
        state_type=getattr(shape.state_type, "__name__", ""), fields=fields,
        features=_features(shape), source=source, has_cycles=_has_cycles(edges),
        has_parallel_paths=parallel, framework="langgraph", dependencies=_modules(shape),
        metadata={"framework_version": _version()},
    )  # fmt: skip


def _node(
    shape: Shape, name: str, entries: tuple[str, ...], terminal: tuple[str, ...]
) -> NodeFacts:
    runnable = shape.nodes[name]
    function = function_of(runnable)
    inner = unwrap(function)
    reading = read(function)
    is_python = hasattr(inner, "__code__")
    return NodeFacts(
        name=name, node_type=_node_type(shape, name, inner),
        description=_first_paragraph(inner) if is_python else "",
        function=f"{getattr(inner, '__module__', '')}.{_qualname(inner)}",
        source=_source(inner), is_async=inspect.iscoroutinefunction(inner),
        is_entry_point=name in entries, is_terminal=name in terminal,
        reads=tuple(key for key in reading.reads if key in shape.keys),
        writes=tuple(key for key in reading.writes if key in shape.keys),
        reads_known=not reading.reads_unknown,
        writes_known=not reading.writes_unknown and set(reading.writes) <= shape.keys,
        left_out=tuple(key for key in reading.literal if key not in shape.keys),
        tools=tuple(getattr(runnable, "tools_by_name", ())), calls=reading.calls,
        version=_code_hash(inner), policies=_policies(shape, name),
    )  # fmt: skip


def _qualname(function: Any) -> str:
    return str(getattr(function, "__qualname__", type(function).__qualname__))


def _node_type(shape: Shape, name: str, function: Any) -> str:
    if name in shape.branches:
        return "decision"
    if hasattr(shape.nodes[name], "get_graph") and hasattr(shape.nodes[name], "channels"):
        return "subgraph"
    return "async function" if inspect.iscoroutinefunction(function) else "function"


def _policies(shape: Shape, name: str) -> dict[str, Any]:
    policies: dict[str, Any] = {}
    if (attempts := shape.max_attempts(name)) is not None:
        policies["max_attempts"] = attempts
    if getattr(shape.specs[name], "defer", False):
        policies["defer"] = True
    return policies


def _edges(shape: Shape) -> Iterator[EdgeFacts]:
    for edge in shape.drawing.edges:
        if edge.conditional:
            yield from _conditional(shape, edge)
        else:
            yield EdgeFacts(
                source=edge.source, target=edge.target,
                is_parallel=len(shape.plain[edge.source]) > 1,
                joins=_joins(shape, edge.source, edge.target),
            )  # fmt: skip


def _joins(shape: Shape, source: str, target: str) -> tuple[str, ...]:
    waited = shape.joins.get(target, ())
    return waited if source in waited else ()


def _conditional(shape: Shape, edge: Any) -> Iterator[EdgeFacts]:
    """One edge for each label that leads there; a node's own `Command` has none."""
    leading = [
        (branch, label)
        for branch in shape.branches.get(edge.source, ())
        for label in _labels(branch, edge.target)
    ]
    for branch, label in leading:
        yield EdgeFacts(
            source=edge.source, target=edge.target, is_conditional=True, condition=branch.name,
            label=label, reads=branch.reading.reads,
        )  # fmt: skip
    if not leading:
        yield EdgeFacts(
            source=edge.source, target=edge.target, is_conditional=True, condition="Command",
            label=edge.target,
        )  # fmt: skip


def _labels(branch: Branch, target: str) -> list[str]:
    if branch.ends is None:
        return [target]
    return [str(label) for label, end in branch.ends.items() if end == target]


def _fields(shape: Shape) -> Iterator[FieldFacts]:
    """The state's keys by its class; by the graph's channels where the class says nothing."""
    channels = _channels(shape)
    for name in sorted(shape.keys, key=list(shape.app.channels).index):
        if name in channels:
            yield _field(channels[name])
        else:
            yield FieldFacts(name=name, field_type="Any", optional=True)


def _channels(shape: Shape) -> dict[str, Any]:
    try:
        return dict(schema_of(shape.state_type).channels)
    except (InwitError, TypeError, ValueError, AttributeError, NameError):
        return {}


def _features(shape: Shape) -> tuple[FeatureFacts, ...]:
    retries = any(shape.max_attempts(name) is not None for name in shape.nodes)
    return (
        FeatureFacts(
            name="checkpointing", description="Saves the state after each step of a thread.",
            enabled=bool(getattr(shape.app, "checkpointer", None)),
            opt_out_method="compile(checkpointer=None)",
        ),
        FeatureFacts(
            name="retries", description="Calls a node again where its retry policy says so.",
            enabled=retries, opt_out_method="add_node(retry_policy=None)",
        ),
        FeatureFacts(
            name="introspection", description="Registers the graph and records its executions.",
            enabled=True, opt_out_method="stop()",
        ),
    )  # fmt: skip


def _modules(shape: Shape) -> tuple[str, ...]:
    functions = [unwrap(function_of(runnable)) for runnable in shape.nodes.values()]
    found = {str(getattr(one, "__module__", "") or "").split(".")[0] for one in functions}
    return tuple(sorted((found | {"langgraph"}) - {"", "builtins", "__main__"}))


def _version() -> str:
    try:
        return version("langgraph")
    except PackageNotFoundError:
        return ""
