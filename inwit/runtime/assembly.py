"""Making a program of a written graph: who follows whom, as indexes that the engine can act on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from inwit.runtime.lenses import input_schema_of, lens, schema_of
from inwit.runtime.policies import Limits, NodePolicy
from inwit.runtime.policies.compose import Around, compose
from inwit.runtime.program import END, START, Join, Node, Program, Router

if TYPE_CHECKING:
    from inwit.runtime.graph import StateGraph, Written
    from inwit.runtime.middleware import Middleware
    from inwit.runtime.state import StateSchema

Edge = tuple[tuple[str, ...], str]
T = TypeVar("T")
Ends: TypeAlias = dict[T, None]
"""A set that keeps its order."""


def assemble(
    graph: StateGraph[Any],
    schema: StateSchema,
    limits: Limits,
    middleware: Sequence[Middleware] = (),
) -> Program:
    """Make the program of a graph that has no faults."""
    written = sorted(graph.nodes.items())
    nodes = [
        _node(i, name, node, node.policy.over(graph.policy_defaults))
        for i, (name, node) in enumerate(written)
    ]
    main = graph.main_schema(is_langgraph=schema.is_lenient)
    around = Around(limits, schema, graph.nodes, tuple(middleware))
    program = Program(nodes)
    program.deferred = frozenset(i for i, (_, node) in enumerate(written) if node.is_deferred)
    for node, (_, one) in zip(nodes, written, strict=True):
        _set_views(node, main if one.schema is None else one.schema, main, schema)
    routers = _routers_by_source(graph.routers(), program, main, schema)
    edges, targets = _ends_by_source(graph.edges, program.by_name)
    program.joins = tuple(
        Join([program.by_name[source] for source in sources], program.by_name[end])
        for sources, end in graph.edges
        if len(sources) > 1 and end != END
    )
    program.entry_targets = tuple(targets.get(START, ()))
    program.entry_edges = tuple(edges.get(START, ()))
    program.entry_routers = routers.get(START, ())
    is_decided = bool(program.entry_routers or program.deferred)
    program.entry = None if is_decided else sorted(program.entry_targets)
    for node in nodes:
        node.targets = tuple(targets.get(node.name, ()))
        node.routers = routers.get(node.name, ())
        if len(node.routers) == 1:
            node.read = node.routers[0].view
        ends = edges.get(node.name, ())
        node.edges = tuple(ends)
        if not node.edges and not node.routers:
            node.edges = (END,)
        node.pieces = 1 + len(node.edges)
        if program.joins:
            waiting = enumerate(program.joins)
            node.joins = tuple(i for i, join in waiting if node.index in join.needed)
        _find_shortcut(node)
        compose(node, around)
    called: list[Any] = [*nodes, *(node.relief for node in nodes if node.relief), *graph.routers()]
    program.is_sync = not any(one.is_async for one in called)
    return program


def _node(index: int, name: str, written: Written, policy: NodePolicy) -> Node:
    function = written.function
    if not hasattr(type(function), "run_within"):
        return Node(index, name, function, policy)
    node = Node(index, name, function.run_within, policy)
    node.call, node.is_async, node.is_plain, node.is_graph = function.run_within, True, False, True
    return node


def _set_views(node: Node, own: StateSchema, main: StateSchema, whole: StateSchema) -> None:
    if own is whole and main is whole:
        node.view = node.read = whole.view
    else:
        node.view = lens(own, whole, is_main=own is main)
        node.read = lens(main, whole)
    node.read_packet = own.read_packet


def _routers_by_source(
    written: Iterable[Router], program: Program, main: StateSchema, whole: StateSchema
) -> Mapping[str, tuple[Router, ...]]:
    """Copy routers, so that each program decides among its own nodes."""
    bound: defaultdict[str, tuple[Router, ...]] = defaultdict(tuple)
    for one in written:
        router = Router(one.source, one.call, one.path_map, one.name)
        router.targets = {**program.by_name, END: -1}
        own = input_schema_of(one.call, main.cls)
        router.view = (
            lens(main, whole) if own is None else lens(schema_of(own), whole, is_main=False)
        )
        bound[one.source] += (router,)
    return bound


def _ends_by_source(
    edges: Iterable[Edge], by_name: Mapping[str, int]
) -> tuple[Mapping[str, Ends[str]], Mapping[str, Ends[int]]]:
    """The ends of each source's edges, once each, and the nodes that edges of one source lead to."""
    ends: defaultdict[str, Ends[str]] = defaultdict(dict)
    targets: defaultdict[str, Ends[int]] = defaultdict(dict)
    for sources, end in edges:
        for source in sources:
            ends[source][end] = None
        if len(sources) == 1 and end != END:
            targets[sources[0]][by_name[end]] = None
    return ends, targets


def _find_shortcut(node: Node) -> None:
    """Note the only way on where there is one, so that the engine need not look for it."""
    if node.joins:
        return
    if len(node.targets) > 1:
        node.fan = () if node.routers else tuple(sorted(node.targets))
    elif not node.routers:
        node.next = node.targets[0] if node.targets else -1
    elif not node.targets and len(node.routers) == 1 and node.routers[0].is_simple:
        node.router = node.routers[0]
