"""Writing a graph: nodes, edges, decisions, and `compile`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, cast

import msgspec

from inwit.errors import (
    DuplicateNodeError,
    InvalidCheckpointerError,
    InvalidEdgeError,
    InvalidGraphError,
    InvalidNameError,
    MissingFunctionError,
    NotInThisVersionError,
    UnknownNodeError,
)
from inwit.runtime import naming
from inwit.runtime.lenses import input_schema_of, joined
from inwit.runtime.manifest import Source
from inwit.runtime.old_names import renamed
from inwit.runtime.policies import (
    DEFAULT_RETRY,
    NO_LIMITS,
    NO_RETRY,
    PLAIN,
    Limits,
    NodePolicy,
)
from inwit.runtime.program import END, START, Program, Router
from inwit.runtime.source import unwrap
from inwit.runtime.state import StateSchema, schema_of

if TYPE_CHECKING:
    from typing import Self

    from inwit.runtime.checkpoints import Checkpointer
    from inwit.runtime.compiled import CompiledGraph
    from inwit.runtime.middleware import Middleware
    from inwit.runtime.policies.budgets import Budget

S = TypeVar("S")
Path = Callable[..., Any]
PathMap = Mapping[Any, str] | Sequence[str] | None


class Written(msgspec.Struct, frozen=True):
    """A node as it was added."""

    function: Any
    policy: NodePolicy
    schema: StateSchema | None = None
    """What it is given of the state, where that is not the graph's own schema."""
    is_deferred: bool = False
    destinations: tuple[str, ...] | dict[str, str] = ()
    """Where its commands may lead, as far as that was declared."""


class StateGraph(Generic[S]):
    """A graph over one state class, being written.

    Nodes are functions of the state (sync or async) that return an update: a dict of the keys that
    change, or a `Command`. `compile` checks everything and gives the graph that runs.

    Args:
        state_schema: A TypedDict, a dataclass or a pydantic model; ``Annotated[T, reducer]`` merges
            the updates of a key.
        context_schema: The class of what ``invoke(..., context=…)`` is given.
        input_schema: The class whose keys an input may have; all of the state's without it.
        output_schema: The class whose keys a result has; all of the state's without it.

    Example:
        >>> from typing import TypedDict
        >>> class State(TypedDict):
        ...     n: int
        >>> graph = StateGraph(State)
        >>> _ = graph.add_node("double", lambda state: {"n": state["n"] * 2})
        >>> _ = graph.set_entry_point("double").set_finish_point("double")
        >>> graph.compile(name="doubler").invoke({"n": 21})
        {'n': 42}
    """

    def __init__(
        self,
        state_schema: type[S],
        context_schema: Any = None,
        *,
        input_schema: Any = None,
        output_schema: Any = None,
        **old: Any,
    ) -> None:
        if old:
            named = renamed(old, ("config_schema", "input", "output"), "StateGraph")
            context_schema = context_schema or named.get("context_schema")
            input_schema = input_schema or named.get("input_schema")
            output_schema = output_schema or named.get("output_schema")
        self.schema: StateSchema = schema_of(cast(Hashable, state_schema))
        self.context_schema = context_schema
        self.input_schema = None if input_schema is None else schema_of(input_schema)
        self.output_schema = None if output_schema is None else schema_of(output_schema)
        self.nodes: dict[str, Written] = {}
        self.declared: list[str] = []
        """Names in the order in which they were added, doubles included."""
        self.edges: list[tuple[tuple[str, ...], str]] = []
        self._routers: list[Router] = []
        self._parallel: set[str] = set()
        self._policy_defaults: dict[str, Any] = {}
        self.policy_defaults = PLAIN
        """What nodes have that say nothing themselves."""

    def add_node(
        self,
        node: str | Callable[..., Any],
        action: Any = None,
        *,
        defer: bool = False,
        metadata: dict[str, Any] | None = None,
        input_schema: type | None = None,
        destinations: dict[str, str] | tuple[str, ...] | None = None,
        **policy: Any,
    ) -> Self:
        """Add a node under a name, or a function under its own name.

        A node is a function, an object that is called or has ``invoke``, or a compiled graph.

        Args:
            defer: Run it when nothing else is ready.
            input_schema: The class whose keys it is given; without one, its first parameter's type.
            destinations: Where its commands may lead, for drawings and checks.
            policy: What `NodePolicy` names: retry_policy, cache_policy, timeout (or timeout_s),
                thread, side_effects, pure, and the others.

        Raises:
            InvalidNameError: The name is empty, reserved, or holds characters that ids lack.
        """
        for old in ("retry", "input"):
            if old in policy:
                named = renamed({old: policy.pop(old)}, (old,), "add_node")
                input_schema = input_schema or named.pop("input_schema", None)
                policy = {**named, **policy}
        name, function = self._name_and_function(node, action)
        self.declared.append(name)
        cls = input_schema or input_schema_of(function, self.schema.cls)
        written = Written(
            function,
            NodePolicy.written(policy, metadata),
            None if cls is None else schema_of(cast(Hashable, cls)),
            defer,
            destinations or (),
        )
        self.nodes.setdefault(name, written)
        return self

    def set_node_defaults(self, **policy: Any) -> Self:
        """Give policies to all nodes that don't say otherwise; see `add_node`."""
        self._policy_defaults.update(policy)
        self.policy_defaults = NodePolicy.written(self._policy_defaults)
        return self

    def _name_and_function(self, node: Any, action: Any) -> tuple[str, Any]:
        if not isinstance(node, str):
            node, action = _name_of(node), node
        function = as_callable(action)
        if function is None:
            raise MissingFunctionError(node, "has no function", "Give add_node(name, function).")
        if node in (START, END) or not naming.is_node_name(node):
            raise InvalidNameError(
                node,
                "cannot be a node's name",
                "Use 1 to 100 characters, none of / : | < > or control characters.",
            )
        return node, function

    def add_edge(self, start_key: str | Sequence[str], end_key: str) -> Self:
        """Lead from one node to another; from a list, the other waits until all of them are done.

        Raises:
            InvalidEdgeError: It leads out of the end or into the start.
        """
        sources = (start_key,) if isinstance(start_key, str) else tuple(start_key)
        _check_edge(sources, end_key)
        self.edges.append((sources, end_key))
        return self

    def add_sequence(
        self, nodes: Sequence[Callable[..., Any] | tuple[str, Callable[..., Any]]]
    ) -> Self:
        """Add nodes that follow one another, with the edges between them.

        Raises:
            InvalidEdgeError: There are none.
            DuplicateNodeError: The graph has a node of that name.
        """
        if not nodes:
            raise InvalidEdgeError(
                "A sequence of no nodes leads nowhere.", hint="Give one or more."
            )
        previous: str | None = None
        for node in nodes:
            name, function = node if isinstance(node, tuple) else (_name_of(node), node)
            if name in self.nodes:
                raise DuplicateNodeError(name)
            self.add_node(name, function)
            if previous is not None:
                self.add_edge(previous, name)
            previous = name
        return self

    def add_parallel_edges(self, start: str, ends: Sequence[str]) -> Self:
        """Lead from one node to several that run at the same time."""
        self._parallel.add(start)
        for end in ends:
            self.add_edge(start, end)
        return self

    def add_conditional_edges(self, source: str, path: Path, path_map: PathMap = None) -> Self:
        """Let a function of the state choose the way on.

        It answers a label of `path_map`, or without one the name of a node or `END`; a list of
        answers leads to several nodes at once, and a `Send` leads to a node with its own input.
        """
        function = as_callable(path)
        if function is None:
            raise MissingFunctionError(source, "has a router that is none", "Give a function.")
        mapped = None if path_map is None else _mapped(path_map)
        name = getattr(unwrap(function), "__name__", type(function).__name__)
        self._routers.append(Router(source, function, mapped, name))
        return self

    def set_entry_point(self, key: str) -> Self:
        """Begin with this node."""
        return self.add_edge(START, key)

    def set_conditional_entry_point(self, path: Path, path_map: PathMap = None) -> Self:
        """Let a function of the input choose where to begin."""
        return self.add_conditional_edges(START, path, path_map)

    def set_finish_point(self, key: str) -> Self:
        """End after this node."""
        return self.add_edge(key, END)

    def routers(self) -> list[Router]:
        """All conditional edges."""
        return self._routers

    def has_entry(self) -> bool:
        """Whether anything leads in from the start."""
        return any(START in sources for sources, _ in self.edges) or any(
            router.source == START for router in self._routers
        )

    # What the compiled graph asks

    def main_schema(self, *, is_langgraph: bool) -> StateSchema:
        """The state's own schema, as ours or by LangGraph's rules."""
        return self.schema.as_langgraph() if is_langgraph else self.schema

    def whole_schema(self, *, is_langgraph: bool = False) -> StateSchema:
        """The channels of all schemas: the state's, the input's, the output's, the nodes'."""
        main = self.main_schema(is_langgraph=is_langgraph)
        found = [self.input_schema, self.output_schema]
        found += [one.schema for one in self.nodes.values()]
        others = [one for one in found if one is not None and one is not self.schema]
        return joined(main, others) if others else main

    @property
    def input_names(self) -> frozenset[str] | None:
        """The keys that an input may have; None for all."""
        if self.input_schema is not None:
            return frozenset(self.input_schema.names)
        return self.shown_names

    @property
    def output_names(self) -> tuple[str, ...] | None:
        """The keys of a result, in their order; None for all."""
        shown = self.output_schema
        if shown is None:
            shown = None if self.shown_names is None else self.schema
        return None if shown is None else tuple(shown.names)

    @property
    def shown_names(self) -> frozenset[str] | None:
        """The keys that are the state's own; None where there are no private ones."""
        whole = self.whole_schema()
        return None if whole is self.schema else frozenset(self.schema.names)

    def context_of(self, given: Any) -> Any:
        """A given context as an object of the context schema."""
        cls = self.context_schema
        if given is None or cls is None or not isinstance(given, Mapping):
            return given
        is_object = hasattr(cls, "__dataclass_fields__") or hasattr(cls, "model_fields")
        return cls(**given) if is_object else given

    def points(self, names: Any, program: Program) -> frozenset[int]:
        """The nodes to stop at.

        Raises:
            UnknownNodeError: There is no such node.
        """
        if not names:
            return frozenset()
        if names == "*":
            return frozenset(range(len(program.nodes)))
        for name in names:
            if name not in program.by_name:
                raise UnknownNodeError(name, program.by_name, where=" (a point to interrupt at)")
        return frozenset(program.by_name[name] for name in names)

    def validate(self, interrupt: Sequence[str] | None = None) -> Self:
        """Check everything that `compile` checks.

        Raises:
            InvalidGraphError: It has faults; all are named.
        """
        self._check(is_strict=True)
        for name in interrupt or ():
            if name not in self.nodes:
                raise UnknownNodeError(name, self.nodes, where=" (a point to interrupt at)")
        return self

    def _check(self, *, is_strict: bool) -> None:
        from inwit.runtime.validate import faults

        found = faults(self, is_strict=is_strict)
        if found:
            raise InvalidGraphError(found)

    def compile(  # noqa: PLR0913 - each option by its name
        self,
        checkpointer: Checkpointer | bool | None = None,
        *,
        cache: Any = None,
        store: Any = None,
        interrupt_before: Literal["*"] | Sequence[str] | None = None,
        interrupt_after: Literal["*"] | Sequence[str] | None = None,
        debug: bool = False,
        name: str | None = None,
        validate: bool = True,
        defaults: Literal["inwit", "langgraph"] = "inwit",
        durability: Literal["async", "sync", "exit"] = "async",
        scheduling: Literal["steps", "dataflow"] = "steps",
        metadata: dict[str, Any] | None = None,
        budget: Budget | Mapping[str, Any] | None = None,
        middleware: Sequence[Middleware] = (),
        transformers: Any = None,
        expose: bool = False,
    ) -> CompiledGraph[S]:
        """Check the graph, freeze it, and register it in the project.

        Without a name it takes the one of the variable or function that it is compiled in.

        Args:
            cache: Where nodes with a `CachePolicy` keep results, such as `InMemoryCache`.
            budget: What one execution may spend: steps, deadline_s, tokens, cost_usd.
            scheduling: "dataflow" lets each node start as soon as its own inputs are there, with no
                barrier between steps; see `inwit.runtime.dataflow`.
            middleware: Functions around every node call; see `inwit.runtime.middleware`.
            debug: Prints updates and values of each call.
            expose: Whether a host that may write offers the graph as a tool over MCP.

        Raises:
            InvalidGraphError: It has faults; all are named.
        """
        # Writing a graph needs no event loop: what runs it is imported here.
        from inwit.runtime.assembly import assemble
        from inwit.runtime.compiled import CompiledGraph, Options
        from inwit.runtime.options import check_scheduling

        check_checkpointer(checkpointer)
        if transformers:
            raise NotInThisVersionError("compile(transformers=…)")
        is_langgraph = defaults == "langgraph"
        if validate:
            self._check(is_strict=not is_langgraph)
        frame = naming.caller_of(sys._getframe(1))  # noqa: SLF001 - it has no public name
        limits, retry = (NO_LIMITS, NO_RETRY) if is_langgraph else (Limits(), DEFAULT_RETRY)
        schema = self.whole_schema(is_langgraph=is_langgraph)
        program = assemble(self, schema, limits, middleware)
        options = Options(
            name=_checked_name(name) or naming.name_of(frame),
            source=Source(file=frame.f_code.co_filename, line=frame.f_lineno),
            limits=limits,
            retry=retry,
            checkpointer=checkpointer,
            store=store,
            cache=cache,
            durability=durability,
            scheduling=check_scheduling(scheduling),
            metadata={**(metadata or {}), **({"expose": True} if expose else {})},
            context_schema=self.context_schema,
            interrupt_before=self.points(interrupt_before, program),
            interrupt_after=self.points(interrupt_after, program),
            is_langgraph=is_langgraph,
            debug=debug,
            budget=None if budget is None else _budget(budget),
            middleware=tuple(middleware),
        )
        return CompiledGraph(schema, program, options, self)

    if not TYPE_CHECKING:  # A checker is to find these names itself.

        def __getattr__(self, name: str) -> Any:
            from inwit.runtime.compiled import CompiledGraph

            hint = ""
            if not name.startswith("_") and hasattr(CompiledGraph, name):
                hint = ". Compile it first: app = graph.compile()"
            raise AttributeError(f"A StateGraph has no {name!r}{hint}", name=name, obj=self)


def check_checkpointer(given: Any) -> None:
    """Refuse what is neither a checkpointer nor a choice of one.

    Raises:
        InvalidCheckpointerError: It is neither.
    """
    if given is None or isinstance(given, bool):
        return
    from inwit.runtime.checkpoints import Checkpointer

    if not isinstance(given, Checkpointer):
        raise InvalidCheckpointerError(given)


def _name_of(action: Any) -> str:
    named = getattr(action, "__name__", None) or getattr(action, "name", None)
    return str(named or type(action).__name__)


def _check_edge(sources: Sequence[str], end: str) -> None:
    if END in sources:
        raise InvalidEdgeError(f"An edge leads from END to {end!r}.", hint="Nothing follows END.")
    if end == START:
        raise InvalidEdgeError(
            f"An edge leads from {sources[0]!r} to START.", hint="Lead to a node instead."
        )


def _mapped(path_map: Mapping[Any, str] | Sequence[str]) -> dict[Any, str]:
    if isinstance(path_map, Mapping):
        return dict(path_map)
    return {target: target for target in path_map}


def as_callable(action: Any) -> Any:
    """Make a function of what is called or has ``invoke``; a compiled graph is itself.

    None where it is neither.
    """
    if action is None or hasattr(type(action), "run_within") or callable(action):
        return action
    if not hasattr(action, "invoke"):
        return None
    if hasattr(action, "ainvoke"):

        async def ainvoke(state: Any, config: Any) -> Any:
            return await action.ainvoke(state, config)

        return ainvoke
    invoke = action.invoke

    def call(state: Any, config: Any) -> Any:
        return invoke(state, config)

    return call


def _budget(given: Any) -> Budget | None:
    from inwit.runtime.policies.budgets import Budget

    return Budget.of(given, None)


def _checked_name(name: str | None) -> str | None:
    if name is not None and not naming.is_graph_name(name):
        raise InvalidNameError(name, "cannot be a graph's name", "Use letters, digits and _ . : -")
    return name


__all__ = ["END", "START", "StateGraph"]
