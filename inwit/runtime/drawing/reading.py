"""What a graph, or what is registered of one, looks like as a drawing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

from inwit.runtime.drawing.shape import Edge, Graph, Node
from inwit.runtime.drawing.tracing import Plan, Ways, edges_of
from inwit.runtime.program import END, START, Router, literal_returns
from inwit.runtime.program import Node as ProgramNode
from inwit.runtime.source import unwrap

if TYPE_CHECKING:
    from inwit.runtime.compiled import CompiledGraph
    from inwit.runtime.manifest import GraphManifest


def of_app(app: CompiledGraph[Any], xray: int | bool = False) -> Graph:
    """Draw a compiled graph; with `xray` its subgraphs are opened, to that depth where it is one."""
    names = _names(app)
    graph = Graph({START: Node(START, START, _begin)})
    for name in names:
        node = app.program.nodes[app.program.by_name[name]]
        function = app.builder.nodes[name].function
        graph.nodes[name] = Node(name, name, function, _metadata(node, app) or None)
    graph.edges = edges_of(_plan(app, names))
    if any(edge.target == END for edge in graph.edges):
        graph.nodes[END] = Node(END, END)
    if xray:
        deeper = xray if isinstance(xray, bool) or xray <= 0 else xray - 1
        for name, inner in _subgraphs(app):
            _open(graph, name, inner.get_graph(xray=deeper))
    return graph


def of_manifest(manifest: GraphManifest) -> Graph:
    """Draw what is registered of a graph."""
    graph = Graph({START: Node(START, START)})
    for fact in manifest.nodes:
        graph.nodes[fact.name] = Node(fact.name, fact.name, None, fact.metadata or None)
    graph.nodes[END] = Node(END, END)
    pairs: dict[tuple[str, str, Any], Edge] = {}
    for one in manifest.edges:
        label = one.label if one.is_conditional and one.label != one.target else None
        pairs[one.source, one.target, label] = Edge(
            one.source, one.target, label, one.is_conditional
        )
    graph.edges = list(pairs.values())
    return graph


def _begin(state: Any) -> Any:
    """What stands at the start: it gives the input on."""
    return state


def _names(app: CompiledGraph[Any]) -> list[str]:
    """The nodes' names in the order in which they were added; some may have come later."""
    return [name for name in app.builder.nodes if name in app.program.by_name]


def _plan(app: CompiledGraph[Any], names: list[str]) -> Plan:
    program = app.program
    ways = {START: _ways(program.entry_edges, program.entry_routers)}
    for name in names:
        node = program.nodes[program.by_name[name]]
        targets = tuple(program.nodes[index].name for index in node.targets)
        ways[name] = _ways(targets, node.routers, _destinations(app, name))
    joins = tuple(
        (tuple(sorted(program.nodes[i].name for i in join.needed)), program.nodes[join.target].name)
        for join in program.joins
    )
    deferred = frozenset(program.nodes[index].name for index in program.deferred)
    return Plan(ways=ways, joins=joins, deferred=deferred)


def _ways(
    targets: tuple[str, ...],
    routers: tuple[Router, ...],
    destinations: Mapping[str, str | None] | None = None,
) -> Ways:
    answers = [pair for router in routers for pair in _declared(router)]
    return Ways(targets=targets, answers=(*answers, *(destinations or {}).items()))


def _declared(router: Router) -> Iterator[tuple[str, str]]:
    """The targets and labels that a router says it may answer."""
    if router.path_map is not None:
        yield from ((target, str(label)) for label, target in router.path_map.items())
    else:
        yield from ((label, label) for label in literal_returns(router.call) or ())


def _destinations(app: CompiledGraph[Any], name: str) -> Mapping[str, str | None]:
    """Where the node's commands may lead: what was declared, else what its annotation says."""
    written = app.builder.nodes[name]
    found: Any = written.destinations or command_destinations(written.function)
    return found if isinstance(found, Mapping) else dict.fromkeys(found)


def command_destinations(function: Any) -> tuple[str, ...]:
    """The names in a ``Command[Literal[...]]`` return annotation, alone or as one of several."""
    try:
        hint = get_type_hints(unwrap(function)).get("return")
    except (NameError, TypeError):
        return ()
    for one in (hint, *get_args(hint)):
        named = get_args(one)
        if getattr(get_origin(one), "__name__", "") == "Command" and named:
            return tuple(str(name) for name in get_args(named[0]))
    return ()


def _metadata(node: ProgramNode, app: CompiledGraph[Any]) -> dict[str, Any]:
    shown = dict(node.policy.metadata)
    if node.index in app.program.deferred:
        shown["defer"] = True
    stops = [
        word
        for word, points in (
            ("before", app.options.interrupt_before),
            ("after", app.options.interrupt_after),
        )
        if node.index in points
    ]
    if stops:
        shown["__interrupt"] = ",".join(stops)
    tools = getattr(app.builder.nodes[node.name].function, "tools_by_name", None)
    if tools:
        shown["__tools"] = list(tools)
    return shown


def _subgraphs(app: CompiledGraph[Any]) -> Iterator[tuple[str, Any]]:
    for name, inner in app.get_subgraphs():
        if hasattr(inner, "get_graph"):
            yield name, inner


def _open(graph: Graph, name: str, inner: Graph) -> None:
    """Put a subgraph in the place of its node, its own start and end left out."""
    if len(inner.nodes) < 2 or not inner.first_node() or not inner.last_node():
        return
    inner.trim_first_node()
    inner.trim_last_node()
    del graph.nodes[name]
    known = len(graph.edges)
    first, last = graph.extend(inner, prefix=name)
    for index, edge in enumerate(graph.edges[:known]):
        graph.edges[index] = edge.copy(
            source=last.id if last and edge.source == name else None,
            target=first.id if first and edge.target == name else None,
        )
