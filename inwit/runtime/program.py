"""The compiled plan: a graph as arrays that the engine walks.

Nodes are numbered in the order of their names, which is also the order in which the updates of one
step are merged.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from types import FunctionType
from typing import Any, get_args, get_origin, get_type_hints

from inwit.errors import InvalidRouteError, UnmappedAnswerError
from inwit.runtime.checkpoints import Task
from inwit.runtime.commands import Send
from inwit.runtime.context import NEVER_NS, Context
from inwit.runtime.policies import NodePolicy
from inwit.runtime.serial import IMMUTABLE, freeze
from inwit.runtime.source import Reading, read, unwrap
from inwit.runtime.updates import Packet, Ready

START = "__start__"
"""Where every execution begins: the source of the edges to the first nodes."""
END = "__end__"
"""Where a way ends: the target of the edges after which nothing follows."""

COMPLEX = -2
"""In `Node.next`: more than one way on, a decision, or a join."""

Edge = str | tuple[str, str, dict[str, Any], str | None]
"""A way taken: a target's name, or (target, label, values read, what is not known of them)."""

_ASYNC = inspect.CO_COROUTINE | inspect.CO_ITERABLE_COROUTINE
_EXTRAS = ("ctx", "config", "writer", "store", "runtime", "previous")
_BY_TYPE = {
    "RunnableConfig": "config",
    "StreamWriter": "writer",
    "BaseStore": "store",
    "Runtime": "runtime",
    "NodeError": "error",
    "Context": "ctx",
}


def is_coroutine_function(function: Any) -> bool:
    """Say whether calling `function` gives an awaitable, also through partials and objects."""
    code = getattr(unwrap(function), "__code__", None)
    return code is not None and code.co_flags & _ASYNC != 0


def extra_parameters(function: Any) -> dict[str, str]:
    """The parameters after the state that the engine fills, and what each is given.

    They are known by their names (ctx, config, writer, store, runtime, previous) or their types.
    """
    if function.__class__ is FunctionType and "__wrapped__" not in function.__dict__:
        code = function.__code__
        count = code.co_argcount + code.co_kwonlyargcount
        if count <= 1:
            return {}
        names = code.co_varnames[1:count]
        annotations = function.__annotations__
    else:
        try:
            found = inspect.signature(function).parameters
        except (TypeError, ValueError):
            return {}
        names = tuple(found)[1:]
        annotations = {name: one.annotation for name, one in found.items()}
    kinds = ((name, parameter_kind(name, annotations.get(name))) for name in names)
    return {name: kind for name, kind in kinds if kind is not None}


def parameter_kind(name: str, hint: Any) -> str | None:
    """What a parameter is given: by its type, where that says so, else by its name."""
    text = hint if isinstance(hint, str) else _type_names(hint)
    for part, kind in _BY_TYPE.items():
        if part in text:
            return kind
    return name if name in _EXTRAS else None


def _type_names(hint: Any) -> str:
    if hint is None or hint is inspect.Parameter.empty:
        return ""
    origin = get_origin(hint)
    parts = [getattr(hint, "__name__", ""), getattr(origin, "__name__", "")]
    if origin is not None and parts[1] in ("Union", "UnionType", "Optional", "Annotated"):
        parts += [_type_names(arg) for arg in get_args(hint)]
    return " ".join(parts)


def bind(
    function: Callable[..., Any], extras: dict[str, str] | None = None
) -> Callable[[Any, Context], Any]:
    """Make a node callable as ``call(state, ctx)``; `extras` are its `extra_parameters`."""
    if extras is None:
        extras = extra_parameters(function)
    if not extras:
        return lambda state, _: function(state)
    if extras == {"ctx": "ctx"}:
        return lambda state, ctx: function(state, ctx=ctx)
    given = tuple(extras.items())
    return lambda state, ctx: function(state, **{name: ctx.given(kind) for name, kind in given})


class Router:
    """A conditional edge: a function of the state, and where its answers lead."""

    __slots__ = (
        "ask", "call", "is_async", "is_plain", "is_simple", "known", "name", "path_map", "reading_", "source",
        "targets", "view",
    )  # fmt: skip

    def __init__(
        self, source: str, function: Callable[..., Any], path_map: dict[Any, str] | None, name: str
    ) -> None:
        self.source = source
        self.call = function
        self.path_map = path_map
        self.name = name
        self.is_async = is_coroutine_function(function)
        extras = extra_parameters(function)
        self.is_plain = not extras
        """Whether it is asked with the state alone."""
        self.ask: Callable[[Any, Context], Any] = bind(function, extras)
        self.view: Callable[[dict[str, Any]], Any] = dict.copy
        """Makes what it is given of the state."""
        self.is_simple = self.is_plain and not self.is_async
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
                [(label, chosen)] = self.decide(answer)
                target = _name_of(chosen)
                way = self.known[answer] = (self.targets[target], target, label)
            read, unread = self.values_read(state)
            return way[0], ((way[1], way[2], read, unread),)
        read, unread = self.values_read(state, answer)
        ways = self.decide(answer)
        packets: list[Ready] = []
        indices: set[int] = set()
        for _, chosen in ways:
            if isinstance(chosen, Send):
                packets.append(Packet(self.targets[chosen.node], chosen.arg, chosen.timeout))
            elif (index := self.targets[chosen]) >= 0:
                indices.add(index)
        edges = tuple((_name_of(chosen), label, read, unread) for label, chosen in ways)
        return [*sorted(indices), *packets], edges

    def decide(self, answer: Any) -> list[tuple[str, str | Send]]:
        """Turn the router's answer into (label, target) pairs; a target is a name or a `Send`.

        Raises:
            InvalidRouteError: An answer leads nowhere.
        """
        answers = answer if isinstance(answer, list | tuple | set) else [answer]
        return [
            (one.node, self._sent(one)) if isinstance(one, Send) else (str(one), self._target(one))
            for one in answers
        ]

    def _sent(self, send: Send) -> Send:
        if send.node not in self.targets or send.node == END:
            raise InvalidRouteError(self.source, send.node, self.targets)
        return send

    def _target(self, answer: Any) -> str:
        target = answer
        if self.path_map is not None:
            try:
                target = self.path_map[answer]
            except (KeyError, TypeError):
                # A router may also answer with the name of a node that its map leads to.
                if answer not in self.path_map.values():
                    known = [str(label) for label in self.path_map]
                    raise UnmappedAnswerError(self.source, answer, known) from None
        if not isinstance(target, str) or target not in self.targets:
            raise InvalidRouteError(self.source, answer, self.targets)
        return str(target)

    def values_read(
        self, state: dict[str, Any], answer: Any = None
    ) -> tuple[dict[str, Any], str | None]:
        """Copy the values that the source reads, and say what of its reading is not known.

        What an answer tells of itself in its attribute ``about`` stands beside them.
        """
        reading = self.reading_ or self.reading
        values = {}
        for key in reading.reads:
            if key in state:
                value = state[key]
                values[key] = value if type(value) in IMMUTABLE else freeze(value)
        about = None if answer is None else getattr(answer, "about", None)
        if about is not None:
            values |= {key: freeze(value) for key, value in about.items()}
        return values, reading.reads_unknown or None


def _name_of(target: str | Send) -> str:
    return target.node if isinstance(target, Send) else target


def literal_returns(function: Any) -> tuple[str, ...] | None:
    """The strings of a ``Literal`` return annotation."""
    annotations = getattr(unwrap(function), "__annotations__", {})
    hint = annotations.get("return")
    if isinstance(hint, str):
        try:
            hint = get_type_hints(unwrap(function)).get("return")
        except (NameError, TypeError):
            return None
    return literal_answers(hint)


def literal_answers(hint: Any) -> tuple[str, ...] | None:
    """The strings of a type that is a ``Literal``, or a list or union of some."""
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
        "alone",
        "call",
        "edges",
        "fan",
        "function",
        "index",
        "is_async",
        "is_graph",
        "is_plain",
        "joins",
        "limit_ns",
        "name",
        "next",
        "pieces",
        "policy",
        "read",
        "read_packet",
        "relief",
        "router",
        "routers",
        "targets",
        "task",
        "view",
    )

    def __init__(
        self, index: int, name: str, function: Callable[..., Any], policy: NodePolicy
    ) -> None:
        self.index = index
        self.name = name
        self.function = function
        self.policy = policy
        extras = extra_parameters(function)
        self.call: Callable[[Any, Context], Any | Awaitable[Any]] = bind(function, extras)
        self.is_async = is_coroutine_function(function)
        self.is_plain = not extras
        """Whether `function` itself is called, with the state alone."""
        self.is_graph = False
        """Whether it is a compiled graph."""
        self.task = Task(name)
        """The node as a checkpoint names it."""
        self.alone = (self.task,)
        """It as what follows, where nothing else does."""
        self.view: Callable[[dict[str, Any]], Any] = dict.copy
        """Makes what the node is given of the state."""
        self.read: Callable[[dict[str, Any]], Any] = dict.copy
        """Makes what its routers are given."""
        self.read_packet: Callable[[Any], Any] = as_it_is
        """Makes what it is given of an input that was sent to it."""
        self.relief: Node | None = None
        """What takes over when all its attempts have failed."""
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
        self.pieces = 1
        """How many events follow its exit: the change of the state, and each plain edge."""
        self.fan: tuple[int, ...] = ()
        """The nodes that follow, in the plan's order, where they are several and always the same."""
        self.next = COMPLEX
        """The index of the only node that may follow, -1 for the end, or COMPLEX."""


def as_it_is(value: Any) -> Any:
    """Give a value back."""
    return value


class Join:
    """A node that waits for several others."""

    __slots__ = ("needed", "target")

    def __init__(self, needed: Sequence[int], target: int) -> None:
        self.needed = frozenset(needed)
        self.target = target


class Program:
    """All nodes, joins and the ways in."""

    __slots__ = (
        "_masks",
        "by_name",
        "deferred",
        "entry",
        "entry_edges",
        "entry_routers",
        "entry_targets",
        "is_sync",
        "joins",
        "nodes",
        "size",
    )

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = tuple(nodes)
        self.size = len(self.nodes)
        self.by_name = {node.name: node.index for node in nodes}
        self.joins: tuple[Join, ...] = ()
        self.entry_targets: tuple[int, ...] = ()
        self.entry_edges: tuple[str, ...] = ()
        self.entry_routers: tuple[Router, ...] = ()
        self.entry: list[int] | None = None
        """The nodes to begin with, where no router decides on them."""
        self.deferred: frozenset[int] = frozenset()
        """Nodes that run when nothing else is ready."""
        self.is_sync = False
        """Whether no node or router needs an event loop."""
        self._masks: dict[str, Callable[[Any], Any]] | None = None

    @property
    def masks(self) -> dict[str, Callable[[Any], Any]]:
        """By the names of nodes with a `TracePolicy`, what their updates are recorded through."""
        found = self._masks
        if found is None:  # looked up by the journal, not when it is compiled
            traced = ((node.name, node.policy.trace) for node in self.nodes)
            found = self._masks = {
                name: trace.process_outputs
                for name, trace in traced
                if trace is not None and trace.process_outputs is not None
            }
        return found
