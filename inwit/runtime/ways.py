"""The ways on from a node: its edges, its routers, its commands, joins and deferred nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from inwit.runtime.commands import Send
from inwit.runtime.context import _current
from inwit.runtime.program import Edge, Node, Router
from inwit.runtime.serial import freeze
from inwit.runtime.updates import Only, Packet, Ready, in_order, ready_of

if TYPE_CHECKING:
    from inwit.runtime.context import Context
    from inwit.runtime.engine import Execution


async def entry_of(execution: Execution) -> list[Ready]:
    """Find where to begin."""
    found: list[Ready] = list(execution.program.entry_targets)
    for router in execution.program.entry_routers:
        for item, edge in await decide(execution, router, execution.state, execution.state):
            found.append(item)
            target, label, read, unread = edge
            extra = {"unread": unread} if unread else {}
            shown = {"target": target, "conditional": True, "label": label, "read": read}
            execution.recording.add_event("edge_taken", "__start__", None, None, {**shown, **extra})
    return hold_back(execution, in_order(found))


async def advance(
    execution: Execution, node: Node, state: dict[str, Any], read: dict[str, Any] | None = None
) -> tuple[list[Ready], list[Edge]]:
    """Find the ways on from a node that decides, joins or fans out.

    Its routers read `read`, where that is not the state.
    """
    found, edges = await _ways(execution, node, state, state if read is None else read)
    return hold_back(execution, in_order(found)), edges


async def _ways(
    execution: Execution, node: Node, state: dict[str, Any], read: dict[str, Any]
) -> tuple[list[Ready], list[Edge]]:
    found: list[Ready] = list(node.targets)
    edges = list[Edge](node.edges)
    for router in node.routers:
        for item, edge in await decide(execution, router, read, state):
            edges.append(edge)
            found.append(item)
    return [*found, *arrive(execution, node)], edges


async def follow(
    execution: Execution, node: Node, goto: Sequence[Send | str]
) -> tuple[list[Ready], list[Edge]]:
    """Find the ways on from a node that commanded some; mostly its edges are taken as well."""
    found, edges = (
        ([], [])
        if isinstance(goto, Only)
        else await _ways(execution, node, execution.state, execution.state)
    )
    ready = ready_of(execution.program, node.name, goto)
    for one in goto:
        edges.append(goto_edge(one))
    return hold_back(execution, in_order([*ready, *found])), edges


async def decide(
    ctx: Context, router: Router, read: Any, state: dict[str, Any]
) -> list[tuple[Ready, tuple[str, str, dict[str, Any], str | None]]]:
    """Ask a router, and give the nodes that it leads to with the edges.

    What it calls is done by the node of `ctx`, whose visit it follows.
    """
    token, was_closed = _current.set(ctx), ctx.is_closed
    ctx.is_closed = False
    try:
        answer = router.ask(router.view(read), ctx)
        if router.is_async:
            answer = await answer
    finally:
        ctx.is_closed = was_closed
        _current.reset(token)
    seen, unread = router.values_read(state, answer)
    found: list[tuple[Ready, tuple[str, str, dict[str, Any], str | None]]] = []
    for label, target in router.decide(answer):
        if isinstance(target, Send):
            packet = Packet(router.targets[target.node], target.arg, target.timeout)
            if packet.index >= 0:
                found.append((packet, (target.node, label, seen, unread)))
        else:
            found.append((router.targets[target], (target, label, seen, unread)))
    return found


def arrive(execution: Execution, node: Node) -> list[Ready]:
    """Note that a node is done for the joins that wait for it; give those that are complete.

    A complete join takes whatever else arrives as well, until its target runs.
    """
    complete: list[Ready] = []
    if not node.joins:
        return complete
    if execution.arrived is None:
        execution.arrived = {}
    for number in node.joins:
        join = execution.program.joins[number]
        seen = execution.arrived.setdefault(number, set())
        seen.add(node.index)
        if seen >= join.needed:
            complete.append(join.target)
    return complete


def hold_back(execution: Execution, ready: list[Ready]) -> list[Ready]:
    """Keep deferred nodes back while anything else is ready."""
    late = execution.program.deferred
    if late:
        ready = _without_late(execution, ready, late)
    if execution.arrived:
        _empty(execution, execution.arrived, ready)
    return ready


def _empty(execution: Execution, arrived: dict[int, set[int]], ready: list[Ready]) -> None:
    """Let the joins begin anew whose targets run now."""
    joins = execution.program.joins
    for number, seen in list(arrived.items()):
        if joins[number].target in ready and seen >= joins[number].needed:
            del arrived[number]


def _without_late(execution: Execution, ready: list[Ready], late: frozenset[int]) -> list[Ready]:
    held = execution.deferred | {one for one in ready if type(one) is int and one in late}
    now = [one for one in ready if type(one) is not int or one not in late]
    execution.deferred = frozenset(held) if now else frozenset()
    return now or list[Ready](sorted(held))


def goto_edge(one: Send | str) -> Edge:
    """A command's way on as it is recorded; what was sent along it stands where a router's reading does."""
    if isinstance(one, Send):
        return (one.node, "goto", {"input": freeze(one.arg)}, None)
    return (one, "goto", {}, None)
