"""Making a program of a written graph: who follows whom, as indexes that the engine can act on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from inwit.runtime.policies import Limits
from inwit.runtime.program import END, START, Join, Node, Program, Router
from inwit.runtime.threads import in_thread, with_timeout

if TYPE_CHECKING:
    from inwit.runtime.graph import StateGraph

Edge = tuple[tuple[str, ...], str]


def assemble(graph: StateGraph[Any], limits: Limits) -> Program:
    """Make the program of a graph that has no faults."""
    written = sorted(graph.nodes.items())
    nodes = [Node(i, name, node.function, node.policy) for i, (name, node) in enumerate(written)]
    program = Program(nodes)
    routers = _routers_by_source(graph.routers(), program)
    edges = _ends_by_source(graph.edges)
    direct = _ends_by_source(
        (sources, end) for sources, end in graph.edges if len(sources) == 1 and end != END
    )
    targets = {
        source: tuple(dict.fromkeys(program.by_name[end] for end in ends))
        for source, ends in direct.items()
    }
    program.joins = tuple(
        Join([program.by_name[source] for source in sources], program.by_name[end])
        for sources, end in graph.edges
        if len(sources) > 1 and end != END
    )
    program.entry_targets = targets.get(START, ())
    program.entry_edges = tuple(edges.get(START, ()))
    program.entry_routers = routers.get(START, ())
    program.entry = None if program.entry_routers else sorted(program.entry_targets)
    for node in nodes:
        node.targets = targets.get(node.name, ())
        node.routers = routers.get(node.name, ())
        node.edges = tuple(dict.fromkeys(edges.get(node.name, ())))
        if not node.edges and not node.routers:
            node.edges = (END,)
        node.joins = tuple(i for i, join in enumerate(program.joins) if node.index in join.needed)
        _find_shortcut(node)
        _apply_policy(node, limits)
    is_async = any(node.is_async for node in nodes) or any(r.is_async for r in graph.routers())
    program.is_sync = not is_async
    return program


def _routers_by_source(
    written: Iterable[Router], program: Program
) -> Mapping[str, tuple[Router, ...]]:
    """Copy routers, so that each program decides among its own nodes."""
    bound: defaultdict[str, tuple[Router, ...]] = defaultdict(tuple)
    for one in written:
        router = Router(one.source, one.call, one.path_map, one.name)
        router.targets = {**program.by_name, END: -1}
        bound[one.source] += (router,)
    return bound


def _ends_by_source(edges: Iterable[Edge]) -> Mapping[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for sources, end in edges:
        for source in sources:
            found[source].append(end)
    return found


def _find_shortcut(node: Node) -> None:
    """Note the only way on where there is one, so that the engine need not look for it."""
    if node.joins or len(node.targets) > 1:
        return
    if not node.routers:
        node.next = node.targets[0] if node.targets else -1
    elif not node.targets and len(node.routers) == 1 and not node.routers[0].is_async:
        node.router = node.routers[0]


def _apply_policy(node: Node, limits: Limits) -> None:
    timeout_s = node.policy.timeout_s
    if not node.is_async and (node.policy.in_thread or timeout_s is not None):
        node.call = in_thread(node.call)
        node.is_async = True
        node.is_plain = False
    if timeout_s is not None:
        node.is_plain = False
        node.call = with_timeout(node.call, node.name, timeout_s)
    elif limits.node_timeout_s is not None:
        node.limit_ns = int(limits.node_timeout_s * 1e9)
