"""Every fault of a graph at once, each with its nearest right name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from inwit.errors import (
    DuplicateNodeError,
    GraphError,
    MissingRouteError,
    NoEntryError,
    NoPathToEndError,
    UnknownNodeError,
    UnreachableNodeError,
)
from inwit.runtime.destinations import destinations
from inwit.runtime.program import END, START, Router, literal_returns

if TYPE_CHECKING:
    from inwit.runtime.graph import StateGraph, Written


def faults(graph: StateGraph[Any], *, is_strict: bool) -> list[GraphError]:
    """Check names, and where `is_strict` also routes and reachability.

    Where a router's answers cannot be known from its path map, its ``Literal`` annotation or its
    source, every node counts as one of them.
    """
    found: list[GraphError] = []
    if len(graph.declared) > len(graph.nodes):
        counts = Counter(graph.declared).items()
        found += [DuplicateNodeError(name) for name, n in counts if n > 1]
    found += _unknown_names(graph)
    if is_strict:
        found += [fault for router in graph.routers() for fault in _missing_routes(router)]
    if not graph.has_entry():
        found.append(NoEntryError(graph.nodes))
    if is_strict and not found:
        found += _unreachable(graph)
    return found


def _unknown_names(graph: StateGraph[Any]) -> Iterable[GraphError]:
    known = set(graph.nodes)
    starts, ends = known | {START}, known | {END}
    for sources, target in graph.edges:
        for source in sources:
            if source not in starts:
                yield UnknownNodeError(
                    source, known, where=f". Found edge starting at unknown node {source!r}"
                )
        if target not in ends:
            yield UnknownNodeError(target, known, where=f" (edge from {sources[0]!r})")
    for name, written in graph.nodes.items():
        for target in written.destinations:
            if target not in ends:
                yield UnknownNodeError(target, known, where=f" (destination of {name!r})")
    for router in graph.routers():
        if router.source not in starts:
            yield UnknownNodeError(router.source, known, where=" (conditional edges)")
        for label, target in router.possible() or ():
            if target not in ends:
                where = f" (answer {label!r} of the router after {router.source!r})"
                yield UnknownNodeError(target, known, where=where)


def _missing_routes(router: Router) -> Iterable[GraphError]:
    if router.path_map is None:
        return
    answers = literal_returns(router.call) or router.reading.returns or ()
    labels = {str(label) for label in router.path_map} | set(router.path_map.values())
    for answer in answers:
        if answer not in labels:
            yield MissingRouteError(router.source, answer, labels)


def _unreachable(graph: StateGraph[Any]) -> list[GraphError]:
    ways = successors(graph)
    reached = _walk(START, ways)
    # A fallback is called in another node's place: nothing need lead to it.
    stand_ins = {node.policy.fallback for node in graph.nodes.values() if _is_name(node)}
    lost = [name for name in graph.nodes if name not in reached and name not in stand_ins]
    found: list[GraphError] = [
        UnreachableNodeError(name, sorted(reached - {START, END})) for name in lost
    ]
    back: dict[str, set[str]] = {}
    for source, targets in ways.items():
        for target in targets:
            back.setdefault(target, set()).add(source)
    ending = _walk(END, back)
    stuck = [name for name in graph.nodes if name in reached and name not in ending]
    if stuck:
        found.append(NoPathToEndError(stuck))
    return found


def successors(graph: StateGraph[Any]) -> dict[str, set[str]]:
    """The possible ways on from each node; a node without any is an end."""
    everything = {*graph.nodes, END}
    ways: dict[str, set[str]] = {START: set(), **{name: set() for name in graph.nodes}}
    for sources, target in graph.edges:
        for source in sources:
            ways[source].add(target)
    for router in graph.routers():
        possible = router.possible()
        ways[router.source] |= {target for _, target in possible} if possible else everything
    for name, written in graph.nodes.items():
        commanded = destinations(_with_defaults(written, graph))
        if commanded != ():
            ways[name] |= everything if commanded is None else set(commanded)
        if not ways[name]:
            ways[name].add(END)
    return ways


def _is_name(written: Written) -> bool:
    return isinstance(written.policy.fallback, str)


def _with_defaults(written: Written, graph: StateGraph[Any]) -> Written:
    policy = written.policy.over(graph.policy_defaults)
    return written if policy is written.policy else msgspec.structs.replace(written, policy=policy)


def _walk(start: str, ways: dict[str, set[str]]) -> set[str]:
    seen, todo = {start}, [start]
    while todo:
        for name in ways.get(todo.pop(), ()):
            if name not in seen:
                seen.add(name)
                todo.append(name)
    return seen
