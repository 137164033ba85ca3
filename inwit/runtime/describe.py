"""Making a manifest: what is known of a compiled graph without running it."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Collection, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

import msgspec

from inwit.runtime.destinations import destinations
from inwit.runtime.manifest import (
    EdgeFacts,
    FeatureFacts,
    FieldFacts,
    GraphManifest,
    NodeFacts,
    Source,
)
from inwit.runtime.policies import NodePolicy
from inwit.runtime.program import END, START, Node, Program, Router
from inwit.runtime.serial import pack, plain
from inwit.runtime.source import read, tools_of, unwrap

COMMAND = "Command"
"""The condition of edges that a node's own command takes."""

if TYPE_CHECKING:
    from inwit.runtime.compiled import CompiledGraph, Options
    from inwit.runtime.state import Channel, StateSchema


def describe(graph: CompiledGraph[Any]) -> GraphManifest:
    """Build the manifest of a compiled graph."""
    program, schema = graph.program, graph.schema
    commanded = {name: destinations(one) for name, one in graph.builder.nodes.items()}
    edges = tuple(_edges(graph, commanded))
    entries = tuple(dict.fromkeys(edge.target for edge in edges if edge.source == START))
    terminal = tuple(dict.fromkeys(edge.source for edge in edges if edge.target == END))
    nodes = tuple(_node(node, entries, terminal, schema) for node in program.nodes)
    nodes = tuple(
        msgspec.structs.replace(
            _as_subgraph(facts, node, schema.names), ways_known=commanded.get(node.name) is not None
        )
        for facts, node in zip(nodes, program.nodes, strict=True)
    )
    fields = tuple(_field(channel) for channel in schema.channels.values())
    return GraphManifest(
        name=graph.name,
        version=structural_hash(nodes, edges, fields),
        description=_first_paragraph(schema.cls),
        nodes=nodes,
        edges=edges,
        entry_points=entries,
        terminal_nodes=terminal,
        state_type=schema.cls.__name__,
        fields=fields,
        features=features_of(graph.options),
        source=graph.options.source,
        has_cycles=_has_cycles(edges),
        has_parallel_paths=_has_parallel(program, edges),
        dependencies=tuple(sorted(_modules(program))),
        metadata=_plain(graph.options.metadata),
    )


def structural_hash(
    nodes: tuple[NodeFacts, ...], edges: tuple[EdgeFacts, ...], fields: tuple[FieldFacts, ...]
) -> str:
    """Hash names, edges, conditions and state keys; source text, places and order don't count."""
    structure = [
        sorted((n.name, n.node_type) for n in nodes),
        sorted((e.source, e.target, e.label, e.condition, *e.joins) for e in edges),
        sorted((f.name, f.field_type, f.reducer) for f in fields),
    ]
    return hashlib.sha256(msgspec.json.encode(structure)).hexdigest()[:12]


def _node(
    node: Node, entries: tuple[str, ...], terminal: tuple[str, ...], schema: StateSchema
) -> NodeFacts:
    function = unwrap(node.function)
    reading = read(node.function)
    keys = schema.names
    writes = tuple(key for key in reading.writes if key in keys)
    return NodeFacts(
        name=node.name,
        node_type=_node_type(node),
        description=_first_paragraph(function),
        function=f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', '')}",
        source=_source(function),
        is_async=node.is_async,
        is_entry_point=node.name in entries,
        is_terminal=node.name in terminal,
        reads=tuple(k for k in reading.reads if k in keys),
        writes=writes,
        reads_known=not reading.reads_unknown,
        writes_known=not reading.writes_unknown and not set(reading.writes) - set(keys),
        left_out=() if schema.is_root else tuple(k for k in reading.literal if k not in keys),
        tools=tools_of(node.function),
        calls=reading.calls,
        version=_code_hash(function),
        policies=_policies(node.policy),
        metadata=_plain(node.policy.metadata),
    )


def _as_subgraph(facts: NodeFacts, node: Node, keys: Collection[str]) -> NodeFacts:
    """What is known of a node that runs another graph: that graph, and the keys they share."""
    around: Any = getattr(node.function, "__self__", None)
    inner: Any = getattr(around, "within", around)
    if not node.is_graph or not hasattr(inner, "schema"):
        return facts
    if inner is around:
        taken: Collection[str] | None = inner.builder.input_names or inner.schema.names
        given: Collection[str] | None = inner.builder.output_names or inner.schema.names
    else:
        taken, given = getattr(around, "takes", None), getattr(around, "gives", None)
    return msgspec.structs.replace(
        facts,
        node_type="decision" if node.routers else "subgraph",
        description=_first_paragraph(inner.schema.cls),
        function=inner.name,
        graph=inner.name,
        source=inner.options.source,
        reads=tuple(key for key in keys if taken is not None and key in taken),
        writes=tuple(key for key in keys if given is not None and key in given),
        reads_known=taken is not None,
        writes_known=given is not None,
        calls=(),
        version=inner.version(),
    )


def _node_type(node: Node) -> str:
    if node.routers:
        return "decision"
    return "async function" if node.is_async else "function"


def _edges(
    graph: CompiledGraph[Any], commanded: Mapping[str, tuple[str, ...] | None]
) -> Iterator[EdgeFacts]:
    program = graph.program
    drawn = {name for sources, _ in graph.builder.edges for name in sources}
    yield from _edges_of(START, program.entry_edges, program.entry_routers, program, ())
    for node in program.nodes:
        led = commanded.get(node.name) or ()
        # A node without edges ends the execution, unless it commands where to go on.
        plain = () if led and node.name not in drawn else node.edges
        yield from _edges_of(node.name, plain, node.routers, program, node.joins)
        for target in led:
            yield EdgeFacts(
                source=node.name,
                target=target,
                is_conditional=True,
                condition=COMMAND,
                label=target,
            )


def _edges_of(
    source: str,
    plain: tuple[str, ...],
    routers: tuple[Router, ...],
    program: Program,
    joins: tuple[int, ...],
) -> Iterator[EdgeFacts]:
    waits = {
        program.nodes[program.joins[j].target].name: tuple(
            sorted(program.nodes[i].name for i in program.joins[j].needed)
        )
        for j in joins
    }
    for target in plain:
        yield EdgeFacts(
            source=source, target=target, is_parallel=len(plain) > 1, joins=waits.get(target, ())
        )
    for router in routers:
        possible = router.possible() or tuple((n, n) for n in (*program.by_name, END))
        for label, target in possible:
            yield EdgeFacts(
                source=source,
                target=target,
                is_conditional=True,
                condition=router.name,
                label=label,
                reads=router.reading.reads,
            )


def _has_cycles(edges: tuple[EdgeFacts, ...]) -> bool:
    ways: dict[str, set[str]] = {}
    for edge in edges:
        ways.setdefault(edge.source, set()).add(edge.target)
    try:
        TopologicalSorter(ways).prepare()
    except CycleError:
        return True
    return False


def _has_parallel(program: Program, edges: tuple[EdgeFacts, ...]) -> bool:
    return any(edge.is_parallel for edge in edges) or len(program.entry_targets) > 1


def _field(channel: Channel) -> FieldFacts:
    return FieldFacts(
        name=channel.name,
        field_type=type_name(channel.type),
        reducer="" if channel.reducer is None else _reducer_name(channel),
        optional=not channel.is_required,
        description=channel.description,
    )


def _reducer_name(channel: Channel) -> str:
    if channel.is_list:
        return "append"
    return getattr(unwrap(channel.reducer), "__name__", type(channel.reducer).__name__)


def type_name(hint: Any) -> str:
    """Write a type as source would: ``list[str]``, ``int | None``."""
    if isinstance(hint, type):
        return hint.__name__
    return str(hint).replace("typing.", "")


def features_of(options: Options) -> tuple[FeatureFacts, ...]:
    """What the runtime does for a graph with these options."""
    limits = options.limits
    seconds = limits.node_timeout_s
    return (
        _feature(
            "checkpointing",
            "Saves the state after each step of a thread.",
            options.checkpointer is not False,
            "without_checkpointing()",
        ),
        _feature(
            "retries",
            f"Calls a node up to {options.retry.max_attempts} times when an error is transient.",
            options.retry.max_attempts > 1,
            "without_retries()",
        ),
        _feature(
            "metrics",
            "Counts executions and keeps latency histograms of nodes.",
            options.metrics,
            "without_metrics()",
        ),
        _feature(
            "limits",
            f"Ends an execution after {limits.recursion_limit} steps, a node after {seconds:g} s."
            if seconds
            else f"Ends an execution after {limits.recursion_limit} steps.",
            seconds is not None,
            "without_limits()",
        ),
        _feature(
            "introspection",
            "Registers the graph and records its executions.",
            options.introspection,
            "without_introspection()",
        ),
    )


def _feature(name: str, description: str, enabled: bool, opt_out: str) -> FeatureFacts:
    return FeatureFacts(name=name, description=description, enabled=enabled, opt_out_method=opt_out)


def _policies(policy: NodePolicy) -> dict[str, Any]:
    return _plain(policy.told())


def _source(function: Any) -> Source | None:
    code = getattr(function, "__code__", None)
    return None if code is None else Source(file=code.co_filename, line=code.co_firstlineno)


def _code_hash(function: Any) -> str:
    """Hash what a function does: its code and constants, nested functions included, not its place."""
    code = getattr(function, "__code__", None)
    return "" if code is None else hashlib.sha256(_code_bytes(code)).hexdigest()[:12]


def _code_bytes(code: Any) -> bytes:
    parts = [code.co_code, repr(code.co_names).encode()]
    for constant in code.co_consts:
        if hasattr(constant, "co_code"):
            parts.append(_code_bytes(constant))
        elif isinstance(constant, frozenset):  # whose order is another one in each process
            parts.append(repr(sorted(map(repr, constant))).encode())
        else:
            parts.append(repr(constant).encode())
    return b"\x00".join(parts)


def _first_paragraph(thing: Any) -> str:
    doc = inspect.getdoc(thing) if hasattr(thing, "__doc__") and thing.__doc__ else ""
    if not doc or (isinstance(thing, type) and doc.startswith(("dict(", f"{thing.__name__}("))):
        return ""
    return " ".join(doc.split("\n\n")[0].split())


def _modules(program: Program) -> set[str]:
    found = {
        str(getattr(unwrap(node.function), "__module__", "") or "").split(".")[0]
        for node in program.nodes
    }
    return found - {"", "builtins", "__main__"}


def _plain(metadata: dict[str, Any]) -> dict[str, Any]:
    return {str(key): plain(pack(value, strict=False)) for key, value in metadata.items()}
