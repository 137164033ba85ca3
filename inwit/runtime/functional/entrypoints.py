"""`entrypoint`: a function as a graph of one node, with threads, questions, streams and a record."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, cast, get_args, get_origin

from inwit.runtime import loops, naming
from inwit.runtime.checkpoints import Checkpointer
from inwit.runtime.compiled import CompiledGraph, Options
from inwit.runtime.context import NEVER_NS, Context
from inwit.runtime.engine import Execution
from inwit.runtime.functional.calls import close, give_up
from inwit.runtime.functional.tasks import Retry, Seconds, refuse_sync_timeout
from inwit.runtime.graph import START, StateGraph, Written
from inwit.runtime.manifest import Source
from inwit.runtime.policies import DEFAULT_RETRY, NO_LIMITS, NO_RETRY, Limits, NodePolicy
from inwit.runtime.policies.compose import Around, compose
from inwit.runtime.policies.timeouts import TimeoutPolicy
from inwit.runtime.program import END, Node, Program, bind, is_coroutine_function
from inwit.runtime.schemas import json_schema, model_of
from inwit.runtime.source import unwrap
from inwit.runtime.state import Channel, StateSchema

if TYPE_CHECKING:
    from pydantic import BaseModel

    from inwit.runtime.caching import BaseCache, CachePolicy
    from inwit.runtime.memory import BaseStore

V = TypeVar("V")
S = TypeVar("S")
Config = Mapping[str, Any]
INPUT, OUTPUT, SAVED = "input", "output", "saved"
"""The keys of an entry point's state: what it was given, what it gave, what it is given next time."""
_BOTH = "Annotate both: entrypoint.final[type of value, type of save]."


class Entrypoint(CompiledGraph[Any]):
    """A function that runs as a graph. Made by `entrypoint`."""

    first_step = -1
    told_key = END

    def __init__(
        self, schema: StateSchema, program: Program, options: Options, builder: StateGraph[Any]
    ) -> None:
        super().__init__(schema, program, options, builder)
        self.shows_all, self.shown_key = False, OUTPUT

    def make_execution(
        self, execution_id: str, thread_id: str, config: Config, values: dict[str, Any]
    ) -> Execution:
        """Make an execution that knows what the thread's last one has saved."""
        execution = super().make_execution(execution_id, thread_id, config, values)
        execution.previous = values.get(SAVED)
        return execution

    async def run_within(self, state: Any, ctx: Context) -> Any:
        """Run as a node of another graph, and give its update."""
        execution, ready, parsed = self._begin_within(ctx, state, {}, None, None, None)
        result = await execution.run(ready, parsed)
        if not isinstance(result, Mapping):
            return result
        names = ctx.execution.graph.schema.names
        return {key: value for key, value in result.items() if key in names}

    def result_of(self, execution: Execution) -> Any:
        """What `invoke` gives."""
        if execution.waiting:
            return {"__interrupt__": [one.interrupt() for one in execution.waiting]}
        return execution.state.get(OUTPUT)

    def shown_state(self, state: dict[str, Any]) -> Any:
        """What the function returned last; streams and snapshots show it."""
        return state.get(OUTPUT)

    def as_returned(self, values: Any) -> Any:
        """What `update_state` was given, as if the function had returned it."""
        return _update_of(values)

    def get_input_jsonschema(self, config: Config | None = None) -> dict[str, Any]:  # noqa: ARG002 - LangGraph's
        """The JSON schema of what it is given."""
        return {"title": f"{self.name}Input", **json_schema(self.schema.channels[INPUT].type)}

    def get_output_jsonschema(self, config: Config | None = None) -> dict[str, Any]:  # noqa: ARG002 - LangGraph's
        """The JSON schema of what it gives."""
        return {"title": f"{self.name}Output", **json_schema(self.schema.channels[OUTPUT].type)}

    def get_input_schema(self, config: Config | None = None) -> type[BaseModel]:  # noqa: ARG002 - LangGraph's
        """A pydantic model that takes what it is given."""
        return model_of(self.schema.channels[INPUT].type, f"{self.name}Input")

    def get_output_schema(self, config: Config | None = None) -> type[BaseModel]:  # noqa: ARG002 - LangGraph's
        """A pydantic model that takes what it gives."""
        return model_of(self.schema.channels[OUTPUT].type, f"{self.name}Output")


class _Schema(StateSchema):
    """The state of an entry point: any input becomes its key `INPUT`."""

    def __init__(self, cls: type, channels: dict[str, Channel]) -> None:
        super().__init__(cls, channels)
        self.is_plain = True

    def parse(self, value: Any) -> dict[str, Any]:
        return {INPUT: value}


class entrypoint:  # noqa: N801 - LangGraph's name of a decorator
    """Make a function a graph: ``invoke``, ``stream``, ``get_state`` and the rest as of any other.

    The function has one input, of any type. What nodes ask for by name or type (config, writer,
    store, runtime, ctx) it is given too, and ``previous``: what it returned last in this thread, or
    saved by ``entrypoint.final(value=…, save=…)``. It runs again from its start when it goes on after
    a question or a crash; its tasks don't.

    Args:
        timeout: The seconds that it may take, or a `TimeoutPolicy`; for async functions.
        name: The graph's name; the function's without it.
        defaults: "langgraph" leaves out our limits and retries.

    Example:
        >>> from inwit import InMemorySaver, entrypoint
        >>> @entrypoint(checkpointer=InMemorySaver())
        ... def total(n: int, *, previous: int | None = None) -> int:
        ...     return n + (previous or 0)
        >>> [total.invoke(n, thread_id="t") for n in (1, 2)]
        [1, 3]
    """

    @dataclass(frozen=True, slots=True, kw_only=True)
    class final(Generic[V, S]):  # noqa: N801 - LangGraph's name
        """What it gives, and what it is given next time as ``previous``, where they differ."""

        value: V
        save: S

    def __init__(  # noqa: PLR0913, PLR0917 - LangGraph's order
        self,
        checkpointer: Checkpointer | bool | None = None,
        store: BaseStore | None = None,
        cache: BaseCache[Any] | None = None,
        context_schema: Any = None,
        cache_policy: CachePolicy | None = None,
        retry_policy: Retry = None,
        timeout: Seconds = None,
        *,
        name: str | None = None,
        defaults: Literal["inwit", "langgraph"] = "inwit",
    ) -> None:
        self.checkpointer = checkpointer
        self.store = store
        self.cache = cache
        self.context_schema = context_schema
        TimeoutPolicy.coerce(timeout)  # One that can be none is refused at once.
        self.timeout = timeout
        self.name = name
        self.is_langgraph = defaults == "langgraph"
        self.policy = {
            "cache_policy": cache_policy,
            # Its tasks have been tried often enough: by default it is not tried again with them.
            "retry_policy": () if retry_policy is None else retry_policy,
            "timeout": timeout,
        }

    def __call__(self, function: Callable[..., Any]) -> Entrypoint:
        """Make the graph.

        Raises:
            NotImplementedError: The function is a generator.
            ValueError: It has no parameter, or is sync and has a time-out.
            TypeError: It says that it returns ``entrypoint.final``, but not of which two types.
        """
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise NotImplementedError("An entry point cannot be a generator: write to `writer`.")
        if not inspect.signature(function).parameters:
            raise ValueError("An entry point has at least one parameter: its input.")
        refuse_sync_timeout(function, self.timeout, "entry point")
        own = getattr(function, "__name__", type(function).__name__)
        own = own if naming.is_node_name(own) else "entrypoint"
        builder = _builder(own, function, NodePolicy.written(self.policy), self.context_schema)
        code = getattr(unwrap(function), "__code__", None)
        source = Source(
            file="" if code is None else code.co_filename,
            line=0 if code is None else code.co_firstlineno,
        )
        options = Options(
            name=self.name or _graph_name(function, own, source),
            source=source,
            limits=NO_LIMITS if self.is_langgraph else Limits(),
            retry=NO_RETRY if self.is_langgraph else DEFAULT_RETRY,
            is_langgraph=self.is_langgraph,
            checkpointer=self.checkpointer,
            store=self.store,
            cache=self.cache,
            context_schema=self.context_schema,
        )
        program = _program(builder, own, options)
        return Entrypoint(builder.schema, program, options, builder)


def _graph_name(function: Callable[..., Any], own: str, source: Source) -> str:
    """The function's module and name, as other graphs have their variable's."""
    home = getattr(function, "__module__", None) or "graph"
    if home == "__main__":
        home = PurePath(source.file).stem or "main"
    name = f"{home}.{own}"
    return name if naming.is_graph_name(name) else own


def _builder(
    name: str, function: Callable[..., Any], policy: NodePolicy, context_schema: Any
) -> StateGraph[Any]:
    """The graph as if it had been written: one node between start and end."""
    channels = {
        key: Channel(name=key, type=hint, is_required=key == INPUT)
        for key, hint in _types(function).items()
    }
    keys = {key: channel.type for key, channel in channels.items()}
    state = cast(Any, typing.TypedDict)(name, keys, total=False)
    state.__doc__ = None
    builder: StateGraph[Any] = StateGraph(_Nothing, context_schema)
    builder.schema = _Schema(state, channels)
    builder.nodes[name] = Written(function, policy)
    builder.declared.append(name)
    builder.add_edge(START, name).add_edge(name, END)
    return builder


class _Nothing(typing.TypedDict):
    """What stands for an entry point's state until that is known."""


def _program(builder: StateGraph[Any], name: str, options: Options) -> Program:
    written = builder.nodes[name]
    node = Node(0, name, written.function, written.policy)
    node.call, node.is_async, node.is_plain = _body(written.function), True, False
    node.view = node.read = _input_of
    node.edges, node.next = (END,), -1
    compose(node, Around(options.limits, builder.schema, builder.nodes))
    node.limit_ns = NEVER_NS  # The execution's limit is the one that counts.
    program = Program([node])
    program.entry, program.entry_targets, program.entry_edges = [0], (0,), (name,)
    is_bare = written.policy.cache is None or options.cache is None
    program.is_sync = is_bare and not is_coroutine_function(written.function)
    return program


def _input_of(state: dict[str, Any]) -> Any:
    return state.get(INPUT)


def _body(function: Callable[..., Any]) -> Callable[[Any, Context], Any]:
    """The function as a node: it waits for the tasks that it has called, and gives an update."""
    call, is_async = bind(function), is_coroutine_function(function)

    async def body(given: Any, ctx: Context) -> dict[str, Any]:
        try:
            if is_async:
                returned = await call(given, ctx)
            elif loops.is_in_loop():
                returned = await loops.apart(call, given, ctx)
            else:
                returned = call(given, ctx)
            await close(ctx)
        except BaseException as exc:
            await give_up(ctx, exc)
            raise
        return _update_of(returned)

    return body


def _update_of(returned: Any) -> dict[str, Any]:
    if isinstance(returned, entrypoint.final):
        return {OUTPUT: returned.value, SAVED: returned.save}
    return {OUTPUT: returned, SAVED: returned}


def _types(function: Callable[..., Any]) -> dict[str, Any]:
    """The types of what it is given, gives and saves."""
    try:
        hints = typing.get_type_hints(function)
    except NameError:
        hints = {}
    except TypeError as exc:
        if "entrypoint.final[" in str(function.__annotations__.get("return")):
            raise TypeError(_BOTH) from exc
        hints = {}
    first = next(iter(inspect.signature(function).parameters))
    returned = hints.get("return", Any)
    value = save = returned
    if returned is entrypoint.final:
        value = save = Any
    elif get_origin(returned) is entrypoint.final:
        args: Sequence[Any] = get_args(returned)
        if len(args) != 2:
            raise TypeError(_BOTH)
        value, save = args
    return {INPUT: hints.get(first, Any), OUTPUT: value, SAVED: save}
