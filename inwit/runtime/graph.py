"""Writing a graph: nodes, edges, decisions, and `compile`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, cast

import msgspec

from inwit.errors import InvalidGraphError, InvalidNameError, NotInThisVersionError
from inwit.runtime import naming
from inwit.runtime.manifest import Source
from inwit.runtime.policies import (
    DEFAULT_RETRY,
    NO_LIMITS,
    NO_RETRY,
    Limits,
    NodePolicy,
    RetryPolicy,
)
from inwit.runtime.program import END, START, Router
from inwit.runtime.source import unwrap
from inwit.runtime.state import StateSchema, schema_of

if TYPE_CHECKING:
    from inwit.runtime.checkpoints import Checkpointer
    from inwit.runtime.compiled import CompiledGraph

S = TypeVar("S")


class Written(msgspec.Struct, frozen=True):
    """A node as it was added."""

    function: Callable[..., Any]
    policy: NodePolicy


class StateGraph(Generic[S]):
    """A graph over one state class, being written.

    Nodes are functions of the state (sync or async) that return an update: a dict of the keys that
    change. `compile` checks everything and gives the graph that runs.

    Example:
        >>> from typing import TypedDict
        >>> class State(TypedDict):
        ...     n: int
        >>> graph = StateGraph(State)
        >>> graph.add_node("double", lambda state: {"n": state["n"] * 2})
        >>> graph.set_entry_point("double"); graph.set_finish_point("double")
        >>> graph.compile(name="doubler").invoke({"n": 21})
        {'n': 42}
    """

    def __init__(self, state_schema: type[S]) -> None:
        self.schema: StateSchema = schema_of(cast(Hashable, state_schema))
        self.nodes: dict[str, Written] = {}
        self.declared: list[str] = []
        """Names in the order in which they were added, doubles included."""
        self.edges: list[tuple[tuple[str, ...], str]] = []
        self._routers: list[Router] = []
        self._parallel: set[str] = set()

    def add_node(  # noqa: PLR0913 - each policy by its name
        self,
        node: str | Callable[..., Any],
        action: Callable[..., Any] | None = None,
        *,
        retry_policy: RetryPolicy | None = None,
        cache_policy: Any = None,
        timeout_s: float | None = None,
        thread: bool = False,
        side_effects: bool = False,
        pure: bool = False,
        metadata: dict[str, Any] | None = None,
        defer: bool = False,
    ) -> None:
        """Add a node under a name, or a function under its own name.

        Args:
            timeout_s: The longest that one call may take. A sync node with one gets a thread.
            thread: Run a sync node in a thread, so that it does not hold the event loop.
            side_effects: It acts on the world outside: it is never retried by default.
            pure: Equal input gives equal output, so that analyses may reason about repeats.

        Raises:
            InvalidNameError: The name is empty, reserved, or holds characters that ids lack.
        """
        if cache_policy is not None or defer:
            raise NotInThisVersionError("cache_policy" if cache_policy is not None else "defer")
        name, function = self._name_and_function(node, action)
        self.declared.append(name)
        policy = NodePolicy(
            retry=retry_policy,
            timeout_s=timeout_s,
            in_thread=thread,
            is_pure=pure,
            has_side_effects=side_effects,
            metadata=metadata or {},
        )
        self.nodes.setdefault(name, Written(function, policy))

    def _name_and_function(self, node: Any, action: Any) -> tuple[str, Callable[..., Any]]:
        if not isinstance(node, str):
            node, action = getattr(node, "__name__", type(node).__name__), node
        if not callable(action):
            raise InvalidNameError(node, "has no function", "Give add_node(name, function).")
        if node in (START, END) or not naming.is_node_name(node):
            raise InvalidNameError(
                node,
                "cannot be a node's name",
                "Use 1 to 100 characters, none of / : < > or control characters.",
            )
        return node, action

    def add_edge(self, start: str | Sequence[str], end: str) -> None:
        """Lead from one node to another; from a list, `end` waits until all of them are done."""
        sources = (start,) if isinstance(start, str) else tuple(start)
        self.edges.append((sources, end))

    def add_sequence(
        self, nodes: Sequence[Callable[..., Any] | tuple[str, Callable[..., Any]]]
    ) -> None:
        """Add nodes that follow one another, with the edges between them."""
        previous: str | None = None
        for node in nodes:
            name, function = (
                node if isinstance(node, tuple) else (getattr(node, "__name__", ""), node)
            )
            self.add_node(name, function)
            if previous is not None:
                self.add_edge(previous, name)
            previous = name

    def add_parallel_edges(self, start: str, ends: Sequence[str]) -> None:
        """Lead from one node to several that run at the same time."""
        self._parallel.add(start)
        for end in ends:
            self.add_edge(start, end)

    def add_conditional_edges(
        self,
        source: str,
        path: Callable[..., Any],
        path_map: dict[Any, str] | Sequence[str] | None = None,
    ) -> None:
        """Let a function of the state choose the way on.

        It answers a label of `path_map`, or without one the name of a node or `END`; a list of
        answers leads to several nodes at once.
        """
        mapped = (
            path_map if isinstance(path_map, dict) or path_map is None else {p: p for p in path_map}
        )
        name = getattr(unwrap(path), "__name__", type(path).__name__)
        self._routers.append(Router(source, path, mapped, name))

    def set_entry_point(self, name: str) -> None:
        """Begin with this node."""
        self.add_edge(START, name)

    def set_conditional_entry_point(
        self, path: Callable[..., Any], path_map: dict[Any, str] | Sequence[str] | None = None
    ) -> None:
        """Let a function of the input choose where to begin."""
        self.add_conditional_edges(START, path, path_map)

    def set_finish_point(self, name: str) -> None:
        """End after this node."""
        self.add_edge(name, END)

    def routers(self) -> list[Router]:
        """All conditional edges."""
        return self._routers

    def has_entry(self) -> bool:
        """Whether anything leads in from the start."""
        return any(START in sources for sources, _ in self.edges) or any(
            router.source == START for router in self._routers
        )

    def compile(  # noqa: PLR0913 - each option by its name
        self,
        *,
        name: str | None = None,
        checkpointer: Checkpointer | Literal[False] | None = None,
        store: Any = None,
        interrupt_before: Sequence[str] = (),
        interrupt_after: Sequence[str] = (),
        validate: bool = True,
        defaults: Literal["inwit", "langgraph"] = "inwit",
        durability: Literal["async", "sync", "exit"] = "async",
        metadata: dict[str, Any] | None = None,
    ) -> CompiledGraph[S]:
        """Check the graph, freeze it, and register it in the project.

        Without a name it takes the one of the variable or function that it is compiled in.

        Raises:
            InvalidGraphError: It has faults; all are named.
        """
        if interrupt_before or interrupt_after:
            raise NotInThisVersionError("interrupt_before and interrupt_after")
        # Writing a graph needs no event loop: what runs it is imported here.
        from inwit.runtime.assembly import assemble
        from inwit.runtime.compiled import CompiledGraph, Options
        from inwit.runtime.validate import faults

        found = faults(self) if validate else []
        if found:
            raise InvalidGraphError(found)
        frame = sys._getframe(1)  # noqa: SLF001 - it has no public name
        limits, retry = (Limits(), DEFAULT_RETRY) if defaults == "inwit" else (NO_LIMITS, NO_RETRY)
        options = Options(
            name=_checked_name(name) or naming.name_of(frame),
            source=Source(file=frame.f_code.co_filename, line=frame.f_lineno),
            limits=limits,
            retry=retry,
            checkpointer=checkpointer,
            store=store,
            durability=durability,
            metadata=metadata or {},
        )
        return CompiledGraph(self.schema, assemble(self, limits), options)


def _checked_name(name: str | None) -> str | None:
    if name is not None and not naming.is_graph_name(name):
        raise InvalidNameError(name, "cannot be a graph's name", "Use letters, digits and _ . : -")
    return name


__all__ = ["END", "START", "StateGraph"]
