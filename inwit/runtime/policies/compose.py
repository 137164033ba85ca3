"""Putting around a node's call what its policies ask for, and nothing else.

From the outside to the inside: the cache, the graph's middleware, validation, the circuit, the rate,
the number at once, the time-out, the thread. Retries are the engine's: each goes through all of it
again. What takes over when all attempts have failed is a node of its own, within middleware and
validation.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from inwit.errors import UnknownNodeError
from inwit.runtime.policies.limits import Limits
from inwit.runtime.policies.node import PLAIN, NodePolicy
from inwit.runtime.program import Node, bind, is_coroutine_function

if TYPE_CHECKING:
    from inwit.runtime.context import Context
    from inwit.runtime.state import StateSchema

Call = Callable[[Any, "Context"], Any]
ACall = Callable[[Any, "Context"], Awaitable[Any]]


class Around(msgspec.Struct, frozen=True):
    """What the nodes of one compiled graph share."""

    limits: Limits
    schema: Any
    """All channels, a `StateSchema`."""
    nodes: dict[str, Any]
    """The nodes as they were `Written`, by their names."""
    middleware: Sequence[Any] = ()


class _Wrapped:
    """A call on its way through the wrappers."""

    def __init__(self, call: Call, *, is_async: bool) -> None:
        self.call = call
        self.is_async = is_async

    def wrap(self, sync: Callable[..., Call], awaited: Callable[..., ACall], *given: Any) -> None:
        """Wrap it as what it is."""
        self.call = (awaited if self.is_async else sync)(self.call, *given)

    def wrap_async(self, awaited: Callable[..., ACall], *given: Any) -> None:
        """Wrap it as an async call."""
        self.call = awaited(self.call if self.is_async else _as_async(self.call), *given)
        self.is_async = True


def compose(node: Node, around: Around) -> None:
    """Make a node's call one that keeps its policies."""
    policy, limit_s = node.policy, around.limits.node_timeout_s
    if policy.timeout_s is None and limit_s is not None:
        node.limit_ns = int(limit_s * 1e9)
    if policy is PLAIN and not around.middleware:
        return
    if policy.has_relief:
        node.relief = _relief(node, policy, around)
    wrapped = _Wrapped(node.call, is_async=node.is_async)
    _limit(wrapped, node, policy)
    _surround(wrapped, node, policy, around)
    if policy.cache is not None:
        _cache(wrapped, node, policy)
    if wrapped.call is not node.call:
        node.call, node.is_async, node.is_plain = wrapped.call, wrapped.is_async, False


def _surround(wrapped: _Wrapped, node: Node, policy: NodePolicy, around: Around) -> None:
    """Keep what is around whatever gives a node's update: validation, and the graph's middleware."""
    if policy.validation != "none":
        from inwit.runtime.policies.checking import Checker, achecked, checked

        own: StateSchema | None = around.nodes[node.name].schema
        checker = Checker(node.name, around.schema, own or around.schema)
        wrapped.wrap(checked, achecked, checker, policy.validation)
    if around.middleware:
        from inwit.runtime.middleware import surrounded

        wrapped.call, wrapped.is_async = surrounded(
            wrapped.call, node.name, around.middleware, is_async=wrapped.is_async
        )


def _limit(wrapped: _Wrapped, node: Node, policy: NodePolicy) -> None:
    """Keep what limits a single call: thread, time-out, number at once, rate, circuit."""
    is_timed = policy.timeout_s is not None or policy.idle_timeout_s is not None
    if not wrapped.is_async and (policy.in_thread or is_timed):
        from inwit.runtime.threads import in_thread

        wrapped.call, wrapped.is_async = in_thread(wrapped.call), True
    if is_timed:
        from inwit.runtime.policies.timeouts import with_timeout

        limits = (policy.timeout_s, policy.idle_timeout_s, policy.idle_on)
        wrapped.wrap_async(with_timeout, node.name, *limits)
    if policy.max_concurrency is not None:
        from inwit.runtime.policies.flow import with_gate

        wrapped.wrap_async(with_gate, policy.max_concurrency)
    if policy.rate is not None:
        from inwit.runtime.policies.flow import RateLimit, with_rate

        rate = policy.rate if isinstance(policy.rate, RateLimit) else RateLimit(policy.rate)
        wrapped.wrap_async(with_rate, rate)
    if policy.breaker is not None:
        from inwit.runtime.policies.breaker import Circuit, with_acircuit, with_circuit

        wrapped.wrap(with_circuit, with_acircuit, Circuit(node.name, policy.breaker))


def _relief(node: Node, policy: NodePolicy, around: Around) -> Node:
    """Make the node that takes over: it stands where the node does, under a name of its own."""
    from inwit.runtime.policies.relief import handling, relief_name

    found: Any = policy.fallback if policy.error_handler is None else policy.error_handler
    if isinstance(found, str):
        if found not in around.nodes:
            raise UnknownNodeError(found, around.nodes, where=" (a fallback)")
        found = around.nodes[found].function
    is_handler = policy.error_handler is not None
    made, is_graph = copy(node), hasattr(type(found), "run_within")
    made.name = relief_name(node.name, is_handler=is_handler)
    wrapped = _Wrapped(
        found.run_within if is_graph else bind_relief(found),
        is_async=is_graph or is_coroutine_function(found),
    )
    if is_handler:
        wrapped.call = handling(wrapped.call, is_async=wrapped.is_async)
    _surround(wrapped, node, policy, around)
    made.call, made.is_async = wrapped.call, wrapped.is_async
    made.is_plain, made.is_graph, made.relief = False, is_graph, None
    return made


def bind_relief(function: Callable[..., Any]) -> Call:
    """Bind what takes over; its parameter ``error``, whatever its type, is told what failed."""
    try:
        names = tuple(inspect.signature(function).parameters)[1:]
    except (TypeError, ValueError):
        names = ()
    if "error" not in names:
        return bind(function)
    return lambda state, ctx: bind(partial(function, error=ctx.given("error")))(state, ctx)


def _cache(wrapped: _Wrapped, node: Node, policy: NodePolicy) -> None:
    from inwit.runtime.caching.calls import acached, cached, namespace_of

    wrapped.wrap(cached, acached, namespace_of(node.name, node.function), policy.cache)


def _as_async(call: Call) -> ACall:
    async def run(state: Any, ctx: Context) -> Any:
        return call(state, ctx)

    return run
