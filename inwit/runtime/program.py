"""The compiled plan: a graph as arrays that the engine walks.

Nodes are numbered in the order of their names, which is also the order in which the updates of one
step are merged.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, get_args, get_type_hints

from inwit.errors import InvalidRouteError
from inwit.runtime.context import NEVER_NS, Context
from inwit.runtime.policies import NodePolicy
from inwit.runtime.serial import IMMUTABLE, freeze
from inwit.runtime.source import Reading, read, unwrap

START = "__start__"
END = "__end__"

COMPLEX = -2
"""In `Node.next`: more than one way on, a decision, or a join."""

Edge = str | tuple[str, str, dict[str, Any], str | None]
"""A way taken: a target's name, or (target, label, values read, what is not known of them)."""

_ASYNC = inspect.CO_COROUTINE | inspect.CO_ITERABLE_COROUTINE
_EXTRAS = ("ctx", "config", "writer", "store")


def is_coroutine_function(function: Any) -> bool:
    """Say whether calling `function` gives an awaitable, also through partials and objects."""
    code = getattr(unwrap(function), "__code__", None)
    return bool(code is not None and code.co_flags & _ASYNC)


def extra_parameters(function: Any) -> tuple[str, ...]:
    """The parameters after the state that the engine fills: ctx, config, writer, store."""
    code = getattr(function, "__code__", None)
    if (
        code is not None
        and not hasattr(function, "__wrapped__")
        and not hasattr(function, "__self__")
    ):
        count = code.co_argcount + code.co_kwonlyargcount
        if count == 1:
            return ()
        names = code.co_varnames[1:count]
    else:
        try:
            names = tuple(inspect.signature(function).parameters)[1:]
        except (TypeError, ValueError):
            return ()
    return tuple(name for name in names if name in _EXTRAS)


def bind(function: Callable[..., Any]) -> Callable[[Any, Context], Any]:
    """Make a node callable as ``call(state, ctx)``."""
    extras = extra_parameters(function)
    if not extras:
        return lambda state, _: function(state)
    if extras == ("ctx",):
        return lambda state, ctx: function(state, ctx=ctx)
    return lambda state, ctx: function(state, **{name: ctx.given(name) for name in extras})


class Router:
    """A conditional edge: a function of the state, and where its answers lead."""

    __slots__ = ("call", "is_async", "known", "name", "path_map", "reading_", "source", "targets")

    def __init__(
        self, source: str, function: Callable[..., Any], path_map: dict[Any, str] | None, name: str
    ) -> None:
        self.source = source
        self.call = function
        self.path_map = path_map
        self.name = name
        self.is_async = is_coroutine_function(function)
        self.reading_: Reading | None = None
        self.targets: dict[str, int] = {}
        self.known: dict[Any, tuple[int, str, str]] = {}
        """Answers that were given before, and where they led: index, target, label."""

    @property
    def reading(self) -> Reading:
        """What the router's source reads; looked up at the first decision."""
        if self.reading_ is None:
            self.reading_ = read(self.call)
        return self.reading_

    def possible(self) -> tuple[tuple[str, str], ...] | None:
        """Every (label, target) that it may answer, or None when that cannot be known."""
        if self.path_map is not None:
            return tuple((str(label), target) for label, target in self.path_map.items())
        labels = literal_returns(self.call) or self.reading.returns
        return tuple((label, label) for label in labels) if labels else None

    def choose(self, view: Any, state: dict[str, Any]) -> tuple[Any, tuple[Edge, ...]]:
        """Decide, in one call, what a sync router leads to: one index or several, and the edges."""
        answer = self.call(view)
        if type(answer) is str or type(answer) is bool:
            way = self.known.get(answer)
            if way is None:
                [(label, target)] = self.decide(answer)
                way = self.known[answer] = (self.targets[target], target, label)
            read, unread = self.values_read(state)
            return way[0], ((way[1], way[2], read, unread),)
        read, unread = self.values_read(state)
        ways = self.decide(answer)
        indices = sorted({self.targets[target] for _, target in ways} - {-1})
        return indices, tuple((target, label, read, unread) for label, target in ways)

    def decide(self, answer: Any) -> list[tuple[str, str]]:
        """Turn the router's answer into (label, target name) pairs.

        Raises:
            InvalidRouteError: An answer leads nowhere.
        """
        answers = answer if isinstance(answer, list | tuple) else [answer]
        return [(str(one), self._target(one)) for one in answers]

    def _target(self, answer: Any) -> str:
        target = answer
        if self.path_map is not None:
            try:
                target = self.path_map[answer]
            except (KeyError, TypeError):
                # A router may also answer with the name of a node that its map leads to.
                if answer not in self.path_map.values():
                    known = [str(label) for label in self.path_map]
                    raise InvalidRouteError(self.source, answer, known) from None
        if target not in self.targets:
            raise InvalidRouteError(self.source, answer, self.targets)
        return str(target)

    def values_read(self, state: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
        """Copy the values that the source reads, and say what of its reading is not known."""
        reading = self.reading_ or self.reading
        values = {}
        for key in reading.reads:
            if key in state:
                value = state[key]
                values[key] = value if type(value) in IMMUTABLE else freeze(value)
        return values, reading.reads_unknown or None


def literal_returns(function: Any) -> tuple[str, ...] | None:
    """The strings of a ``Literal`` return annotation."""
    annotations = getattr(unwrap(function), "__annotations__", {})
    hint = annotations.get("return")
    if isinstance(hint, str):
        try:
            hint = get_type_hints(unwrap(function)).get("return")
        except (NameError, TypeError):
            return None
    found: list[str] = []
    for one in _flatten(hint):
        if not isinstance(one, str):
            return None
        found.append(one)
    return tuple(found) or None


def _flatten(hint: Any) -> list[Any]:
    args = get_args(hint)
    if not args:
        return [] if hint is None or isinstance(hint, type) else [hint]
    return [item for arg in args for item in (_flatten(arg) if get_args(arg) else [arg])]


class Node:
    """One node as the engine calls it."""

    __slots__ = (
        "call",
        "edges",
        "function",
        "index",
        "is_async",
        "is_plain",
        "joins",
        "limit_ns",
        "name",
        "next",
        "policy",
        "router",
        "routers",
        "targets",
    )

    def __init__(
        self, index: int, name: str, function: Callable[..., Any], policy: NodePolicy
    ) -> None:
        self.index = index
        self.name = name
        self.function = function
        self.policy = policy
        self.call: Callable[[Any, Context], Any | Awaitable[Any]] = bind(function)
        self.is_async = is_coroutine_function(function)
        self.is_plain = not extra_parameters(function)
        """Whether `function` itself is called, with the state alone."""
        self.limit_ns = NEVER_NS
        """The longest that one call may take by the graph's limits."""
        self.targets: tuple[int, ...] = ()
        """Indices of the nodes that plain edges lead to."""
        self.edges: tuple[str, ...] = ()
        """Names of the targets of plain edges, ``__end__`` included."""
        self.routers: tuple[Router, ...] = ()
        self.router: Router | None = None
        """The only way on, where that is one sync decision."""
        self.joins: tuple[int, ...] = ()
        self.next = COMPLEX
        """The index of the only node that may follow, -1 for the end, or COMPLEX."""


class Join:
    """A node that waits for several others."""

    __slots__ = ("needed", "target")

    def __init__(self, needed: Sequence[int], target: int) -> None:
        self.needed = frozenset(needed)
        self.target = target


class Program:
    """All nodes, joins and the ways in."""

    __slots__ = (
        "by_name",
        "entry",
        "entry_edges",
        "entry_routers",
        "entry_targets",
        "is_sync",
        "joins",
        "nodes",
    )

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = tuple(nodes)
        self.by_name = {node.name: node.index for node in nodes}
        self.joins: tuple[Join, ...] = ()
        self.entry_targets: tuple[int, ...] = ()
        self.entry_edges: tuple[str, ...] = ()
        self.entry_routers: tuple[Router, ...] = ()
        self.entry: list[int] | None = None
        """The nodes to begin with, where no router decides on them."""
        self.is_sync = False
        """Whether no node or router needs an event loop."""
