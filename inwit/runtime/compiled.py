"""A compiled graph: checked, frozen, runnable, registered, and able to answer for itself."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from functools import cached_property
from time import monotonic_ns
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from inwit.errors import CheckpointingOffError, EmptyInputError
from inwit.ids import check_id, new_id
from inwit.runtime import loops
from inwit.runtime.answering import Answering
from inwit.runtime.caching.clearing import Cached
from inwit.runtime.cancelling import Cancelling
from inwit.runtime.capture.langchain_config import hand_down
from inwit.runtime.checkpoints import Checkpointer, InMemoryCheckpointer
from inwit.runtime.checkpoints.base import Durability, check_durability
from inwit.runtime.commands import Command
from inwit.runtime.companion import HelpLevel
from inwit.runtime.configs import Config, inherited, merged_config
from inwit.runtime.context import Context, _current
from inwit.runtime.delivery import OnSlow
from inwit.runtime.engine import Execution
from inwit.runtime.facade import Facade, check_keys
from inwit.runtime.manifest import GraphManifest
from inwit.runtime.node_config import NodeConfigs
from inwit.runtime.options import OptingOut, Options
from inwit.runtime.program import Program
from inwit.runtime.project import Project
from inwit.runtime.record import Unrecorded
from inwit.runtime.replaying import Replaying
from inwit.runtime.results import Results
from inwit.runtime.resume import Place, begin
from inwit.runtime.schemas import Schemas
from inwit.runtime.state import ROOT, StateSchema
from inwit.runtime.streaming import StreamMode, StreamOptions, astream, printing, stream
from inwit.runtime.time_travel import TimeTravel
from inwit.runtime.travel import place_of

if TYPE_CHECKING:
    from inwit.runtime.graph import StateGraph
    from inwit.runtime.reach import Reach
    from inwit.runtime.runtime import RunControl
    from inwit.runtime.store.journal import Journal

S = TypeVar("S")
_NO_CONFIG: Config = {}
Points = Literal["*"] | Sequence[str] | None
"""Names of nodes to stop at; "*" for all."""


class CompiledGraph(
    Results,
    OptingOut,
    Facade,
    Cancelling,
    NodeConfigs,
    Replaying,
    Answering,
    TimeTravel,
    Schemas,
    Cached,
    Generic[S],
):
    """A graph that runs. Made by `StateGraph.compile`."""

    first_step = 0
    """The number of the first step's checkpoint, that of the input."""
    told_key: str | None = None
    """Under which name the stream mode ``tasks`` tells what is at `shown_key`."""

    def __init__(
        self, schema: StateSchema, program: Program, options: Options, builder: StateGraph[S]
    ) -> None:
        check_durability(options.durability)
        self.schema = schema
        self.program = program
        self.options = options
        self.builder = builder
        self.name = options.name
        """The graph's name in the project; another file's graph of that name makes it ``name~2``."""
        self.config: Config = _NO_CONFIG
        """What `with_config` has bound."""
        self.last_execution_id: str | None = None
        self.project = Project.find()
        self._manifest: GraphManifest | None = None
        self._memory = InMemoryCheckpointer()
        self.shown_key = ROOT if schema.is_root else None
        """The one key whose value stands for the state in results and streams; None for all keys."""
        self._input_names = builder.input_names
        self._output_names = builder.output_names
        is_part = self._output_names is not None or schema.is_root
        self.shows_all = not (is_part or options.is_langgraph)
        """Whether a result is the whole state."""
        self._recursion_limit = options.limits.recursion_limit
        limit_s = options.limits.execution_timeout_s
        self._is_debug = options.debug
        self._begins_with_more = schema.defaults or schema.whole_merge is not None
        self._budget_ns = None if limit_s is None else int(limit_s * 1e9)
        self._is_simple = not (
            options.interrupt_before or options.interrupt_after or program.deferred
            or options.durability != "async" or options.context_schema or options.budget
            or self._input_names is not None
            or (options.is_langgraph and options.checkpointer)
        )  # fmt: skip
        """Whether an execution begins with its input and nothing else."""
        self.journal: Journal | None = None
        self._registration: Any = None
        if options.introspection and not Project.is_off():
            from inwit.runtime.store.journal import Journal

            self.journal = Journal.of(self.project)
            self._registration = self.journal.register(self.manifest, self._rename)

    def __repr__(self) -> str:
        return f"<CompiledGraph {self.name!r}: {len(self.program.nodes)} nodes>"

    def _rename(self, name: str) -> None:
        if name != self.name:
            self.name = name
            self._manifest = None

    @property
    def checkpointer(self) -> Checkpointer | bool | None:
        """What it was compiled with."""
        return self.options.checkpointer

    @property
    def store(self) -> Any:
        """The store that it was compiled with."""
        return self.options.store

    # Running

    def invoke(  # noqa: PLR0913 - each option by its name
        self,
        input: Any,
        config: Config | None = None,
        *,
        context: Any = None,
        thread_id: str | None = None,
        execution_id: str | None = None,
        durability: Durability | None = None,
        interrupt_before: Points = None,
        interrupt_after: Points = None,
        control: RunControl | None = None,
        output_keys: str | Sequence[str] | None = None,
        stream_mode: StreamMode | Sequence[StreamMode] = "values",
        print_mode: StreamMode | Sequence[StreamMode] = (),
        debug: bool | None = None,
        version: Literal["v1", "v2"] = "v1",
    ) -> Any:
        """Run to the end, or until it waits, and give the state.

        Inside a running event loop it runs in a worker thread with a loop of its own. An `input` of
        None goes on where the thread stopped; a `Command` answers what it waits for. A result that
        waits has the key ``__interrupt__``, a list of `Interrupt`.

        Args:
            context: What nodes are given as ``runtime.context``, of the graph's context schema.
            interrupt_before: Nodes before which this call stops, beside the graph's own.
            control: By which the call may be asked to stop between two steps.
            output_keys: The keys of the result; one name gives its value alone.
            stream_mode: Any other than "values" gives a list of what `stream` would give.
            print_mode: What to print as it happens, by the names of stream modes.
            debug: Prints updates and values.

        Raises:
            InvalidStateError: The input does not fit the state.
            ExecutionError: A limit was reached. Whatever a node raised is raised as it is, with an
                attribute ``execution_id``.
        """
        printed = print_mode or self._printed(debug)
        if stream_mode != "values":
            return list(
                self.stream(
                    input, config, context=context, thread_id=thread_id, durability=durability,
                    interrupt_before=interrupt_before, interrupt_after=interrupt_after,
                    control=control, output_keys=output_keys, stream_mode=stream_mode, version=version,
                    print_mode=printed, execution_id=execution_id,
                )
            )  # fmt: skip
        execution, ready, given = self._begin(
            input, config, thread_id, execution_id, durability, context
        )
        if interrupt_before or interrupt_after or control is not None:
            self._stop_at(execution, interrupt_before, interrupt_after, control)
        if printed:
            result = loops.run(printing(execution, lambda: execution.run(ready, given), printed))
        elif self.program.is_sync and not loops.is_in_loop():
            execution.is_blocking = True
            result = loops.drive(execution.run(ready, given))
        else:
            result = loops.run(execution.run(ready, given))
        return self._given_as(result, output_keys, version)

    async def ainvoke(  # noqa: PLR0913 - each option by its name
        self,
        input: Any,
        config: Config | None = None,
        *,
        context: Any = None,
        thread_id: str | None = None,
        execution_id: str | None = None,
        durability: Durability | None = None,
        interrupt_before: Points = None,
        interrupt_after: Points = None,
        control: RunControl | None = None,
        output_keys: str | Sequence[str] | None = None,
        stream_mode: StreamMode | Sequence[StreamMode] = "values",
        print_mode: StreamMode | Sequence[StreamMode] = (),
        debug: bool | None = None,
        version: Literal["v1", "v2"] = "v1",
    ) -> Any:
        """Run to the end, or until it waits, and give the state; see `invoke`."""
        printed = print_mode or self._printed(debug)
        if stream_mode != "values":
            items = self.astream(
                input, config, context=context, thread_id=thread_id, durability=durability,
                interrupt_before=interrupt_before, interrupt_after=interrupt_after,
                control=control, output_keys=output_keys, stream_mode=stream_mode, version=version,
                print_mode=printed, execution_id=execution_id,
            )  # fmt: skip
            return [item async for item in items]
        execution, ready, given = self._begin(
            input, config, thread_id, execution_id, durability, context
        )
        if interrupt_before or interrupt_after or control is not None:
            self._stop_at(execution, interrupt_before, interrupt_after, control)
        if printed:
            result = await printing(execution, lambda: execution.run(ready, given), printed)
        else:
            result = await execution.run(ready, given)
        if output_keys is None and version == "v1":
            return result
        return self._given_as(result, output_keys, version)

    def stream(
        self,
        input: Any,
        config: Config | None = None,
        *,
        stream_mode: StreamMode | Sequence[StreamMode] | None = None,
        **options: Any,
    ) -> Iterator[Any]:
        """Run, and give what `stream_mode` names as it happens; options are those of `astream`.

        Raises:
            MalformedInputError: There is no such stream mode.
        """
        return stream(self.astream(input, config, stream_mode=stream_mode, **options))

    def astream(  # noqa: PLR0913 - each option by its name
        self,
        input: Any,
        config: Config | None = None,
        *,
        context: Any = None,
        thread_id: str | None = None,
        execution_id: str | None = None,
        stream_mode: StreamMode | Sequence[StreamMode] | None = None,
        print_mode: StreamMode | Sequence[StreamMode] = (),
        output_keys: str | Sequence[str] | None = None,
        interrupt_before: Points = None,
        interrupt_after: Points = None,
        control: RunControl | None = None,
        durability: Durability | None = None,
        subgraphs: bool = False,
        on_slow: OnSlow = "wait",
        debug: bool | None = None,
        version: Literal["v1", "v2"] = "v1",
    ) -> AsyncGenerator[Any, None]:
        """Run, and give what `stream_mode` names as it happens.

        ``updates`` (the default) is what each node returned, by its name; ``values`` the state after
        each step; ``messages`` a model's tokens with where they come from; ``custom`` what nodes
        write; ``tasks``, ``checkpoints`` and ``debug`` how it runs; ``events`` the record's events
        as they become durable. Several modes give (mode, value) pairs; `subgraphs` puts the place
        of the graph in front; with ``version="v2"`` each is a dict of type, ns and data.

        A step ends when its reader has taken all of it and asks for more. With ``on_slow="drop"`` the
        graph waits for nobody: a reader who is behind loses the oldest, and finds a `StreamGap`
        there. A reader who goes away cancels the execution, and waits for its clean-up.
        """
        execution, ready, given = self._begin(
            input, config, thread_id, execution_id, durability, context
        )
        if interrupt_before or interrupt_after or control is not None:
            self._stop_at(execution, interrupt_before, interrupt_after, control)
        check_keys(output_keys, self.schema.names)
        return astream(
            execution,
            lambda: execution.run(ready, given),
            "updates" if stream_mode is None else stream_mode,
            StreamOptions(subgraphs=subgraphs, keys=output_keys, on_slow=on_slow, version=version),
            print_mode or self._printed(debug),
        )

    def _printed(self, debug: bool | None) -> Sequence[StreamMode]:
        return ("updates", "values") if debug or (debug is None and self._is_debug) else ()

    def with_config(self, config: Config | None = None, **values: Any) -> CompiledGraph[S]:
        """The same graph, called with this config where a call has none of its own."""
        made = self._without()
        made.config = merged_config(self.config, {**(config or {}), **values})
        return made

    def _stop_at(
        self, execution: Execution, before: Points, after: Points, control: RunControl | None
    ) -> None:
        execution.control = control
        if before:
            execution.break_before = self.builder.points(before, self.program)
        if after:
            execution.break_after = self.builder.points(after, self.program)
        execution.is_careful = True

    def _begin(  # noqa: PLR0917 - for speed
        self,
        given: Any,
        config: Config | None,
        thread_id: str | None,
        execution_id: str | None,
        durability: Durability | None,
        context: Any,
    ) -> tuple[Execution, Any, Mapping[str, Any] | None]:
        """Make an execution; of most, in as few looks as can be."""
        caller = _current.get()
        if config is None:
            config = _NO_CONFIG
        if self.config:
            config = merged_config(self.config, config)
        if (
            self._is_simple and thread_id is None and durability is None and caller is None
            and given.__class__ is dict and "configurable" not in config
        ):  # fmt: skip
            execution_id = new_id() if execution_id is None else check_id("execution", execution_id)
            parsed, now = self.schema.parse(given), monotonic_ns()
            execution = Execution(self, execution_id, execution_id, config, parsed, now)
            if self._begins_with_more:
                execution.state = self.schema.begun_with(parsed)
            limit = config.get("recursion_limit", self._recursion_limit)
            execution.limit = (
                limit if limit.__class__ is int and limit > 0 else self._limit_of(config)
            )
            if "timeout_s" in config or "budget" in config:
                self._limit_time(execution, config)
            elif self._budget_ns is not None:
                execution.deadline_ns = now + self._budget_ns
            if context is not None:
                execution.given_context = context
            if "callbacks" in config:
                hand_down(execution)
            if self.journal is None:
                execution.rows = Unrecorded.no_rows()
            self.last_execution_id = execution_id
            return execution, None, parsed
        return self._begin_slowly(
            given, config, thread_id, execution_id, durability, context, caller
        )

    def _limit_time(self, execution: Execution, config: Config) -> None:
        """Set the limits that a call may change: its time and its budget."""
        timeout_s = config.get("timeout_s", self.options.limits.execution_timeout_s)
        if timeout_s is not None:
            execution.budget_s = timeout_s
            execution.deadline_ns = execution.begun_ns + int(timeout_s * 1e9)
        if "budget" in config or self.options.budget is not None:
            from inwit.runtime.policies.budgets import give

            give(execution, config.get("budget"), self.options.budget)

    def _begin_slowly(  # noqa: PLR0917 - what `_begin` was given
        self,
        given: Any,
        config: Config,
        thread_id: str | None,
        execution_id: str | None,
        durability: Durability | None,
        context: Any,
        caller: Context | None,
    ) -> tuple[Execution, Any, Mapping[str, Any] | None]:
        named = config.get("configurable", {})
        own_thread = thread_id or named.get("thread_id")
        is_within = caller is not None and (
            own_thread is None or str(own_thread) == caller.thread_id
        ) and not isinstance(self.options.checkpointer, Checkpointer)  # fmt: skip
        if is_within:
            assert caller is not None
            return self._begin_within(caller, given, config, context, execution_id, durability)
        if execution_id is not None:
            execution_id = check_id("execution", execution_id)
        mode = check_durability(durability or self.options.durability)
        if own_thread is None and given is None:
            raise EmptyInputError
        if self.options.is_langgraph:
            self._check_saved(own_thread, given)
        if own_thread is None:
            execution_id = execution_id or new_id()
        thread = check_id("thread", str(own_thread if own_thread is not None else execution_id))
        outermost, pinned = place_of(named)
        place = Place(
            thread_id=thread, checkpoint_id=outermost, pinned=pinned, execution_id=execution_id,
            durability=mode,
        )  # fmt: skip
        begun = begin(self, given, config, place, None if own_thread is None else self.saver)
        execution = begun.execution
        if caller is not None:
            execution.parent_id = caller.recording.recorded_id
            _share_budget(execution, caller.execution)
        self._set_up(execution, mode, context)
        self.last_execution_id = execution.execution_id
        return execution, begun.ready, begun.given

    def _check_saved(self, thread_id: Any, given: Any) -> None:
        """Refuse what LangGraph refuses where a thread is not named or not kept.

        Raises:
            CheckpointingOffError: It says which.
        """
        if self.options.checkpointer is True or (self.saver is not None and thread_id is None):
            raise CheckpointingOffError(None)
        if self.saver is None and isinstance(given, Command) and given.resume is not None:
            raise CheckpointingOffError(thread_id or "")

    def _set_up(self, execution: Execution, mode: Durability, context: Any) -> None:
        options = self.options
        execution.given_context = self.builder.context_of(context)
        if "callbacks" in execution.config:
            hand_down(execution)
        execution.durability = mode
        if options.interrupt_before or options.interrupt_after:
            execution.break_before = options.interrupt_before
            execution.break_after = options.interrupt_after
            execution.is_careful = True
        if self.program.deferred:
            execution.is_careful = True
        if mode != "async":
            execution.is_acknowledged = True
            if mode == "sync":
                execution.rows_limit = 0

    def _begin_within(  # noqa: PLR0917 - what `_begin` was given
        self,
        caller: Context,
        given: Any,
        config: Config,
        context: Any,
        execution_id: str | None,
        durability: Durability | None,
    ) -> tuple[Execution, Any, Mapping[str, Any] | None]:
        """Begin as a part of the execution whose node calls this graph."""
        around = caller.execution
        progress = caller.progress
        piece = f"{caller.node}:{caller.task_id}"
        if self.options.checkpointer is True:
            piece = caller.node
        if progress.children:
            piece += f"|{progress.children}"
        progress.children += 1
        config = merged_config(inherited(caller.config), config)
        place = Place(
            thread_id=caller.thread_id,
            ns=f"{around.ns}|{piece}" if around.ns else piece,
            execution_id=execution_id,
            durability=durability or around.durability,
            is_within=True,
            is_resumed=progress.is_resumed,
            is_lasting=self.options.checkpointer is True,
            parents={**around.parents, around.ns: around.here},
            travel=around.travel,
        )
        is_kept = around.saving is not None and self.options.checkpointer is not False
        begun = begin(self, given, config, place, around.saver if is_kept else None)
        execution = begun.execution
        execution.parent, execution.parent_id = caller, around.recorded_id
        _share_budget(execution, around)
        self._set_up(execution, place.durability, context)
        if context is None:
            execution.given_context = around.given_context
        if around.output is not None and around.output.with_subgraphs:
            execution.output = around.output.child(place.ns)
        execution.deadline_ns = min(execution.deadline_ns, around.deadline_ns)
        self.last_execution_id = execution.execution_id
        return execution, begun.ready, begun.given

    async def run_within(self, state: Any, ctx: Context) -> Any:
        """Run as a node of another graph, and give its update."""
        known = self._input_names or self.schema.names
        found = ctx.execution.graph.schema.keys_of(state)
        given = state if found is None else {k: v for k, v in found.items() if k in known}
        result = await self.run_as_node(given, ctx)
        names = ctx.execution.graph.schema.names
        if isinstance(result, Mapping):
            return {key: value for key, value in result.items() if key in names}
        return result

    async def run_as_node(self, given: Any, ctx: Context) -> Any:
        """Run as a part of the execution whose node this is, and give the whole result."""
        execution, ready, parsed = self._begin_within(ctx, given, _NO_CONFIG, None, None, None)
        return await execution.run(ready, parsed)

    def make_execution(
        self, execution_id: str, thread_id: str, config: Config, values: dict[str, Any]
    ) -> Execution:
        """Make an execution with the graph's limits."""
        execution = Execution(self, execution_id, thread_id, config, values, monotonic_ns())
        execution.limit = self._limit_of(config)
        self._limit_time(execution, config)
        if self.journal is None:
            execution.rows = Unrecorded.no_rows()
        return execution

    def parse_input(self, given: Any) -> dict[str, Any]:
        """Check an input and give its keys.

        Raises:
            InvalidStateError: It does not fit.
        """
        parsed = self.schema.parse(given)
        if self._input_names is None:
            return parsed
        return {key: value for key, value in parsed.items() if key in self._input_names}

    @property
    def takes_nothing(self) -> bool:
        """Whether it can begin without any input."""
        return False

    @cached_property
    def reach(self) -> Reach:
        """Who may still lead to whom; for scheduling "dataflow"."""
        from inwit.runtime.reach import Reach

        return Reach(self.program, self.builder.nodes)

    def as_returned(self, values: Any) -> Any:
        """What `update_state` was given, as the node that it stands for would have returned it."""
        return values

    # Saved states

    @property
    def saver(self) -> Checkpointer | None:
        """Where threads are kept: the given checkpointer, else this graph's memory."""
        chosen = self.options.checkpointer
        if chosen is False or (chosen is None and self.options.is_langgraph):
            return None
        return self._memory if chosen is None or chosen is True else chosen

    def metadata_of(self, config: Config, parents: Mapping[str, str]) -> dict[str, Any] | None:
        """What checkpoints keep of a config, and of the checkpoints of the graphs around."""
        found = dict(config.get("metadata") or {})
        if parents:
            found["parents"] = dict(parents)
        for key, value in config.get("configurable", {}).items():
            is_plain = isinstance(value, str | int | float | bool)
            if is_plain and key not in ("thread_id", "checkpoint_id", "checkpoint_ns"):
                found.setdefault(key, value)
        return found or None

    def thread(self, config: Config) -> tuple[Checkpointer, Place]:
        """The checkpointer and the place that a config names.

        Raises:
            CheckpointingOffError: It names no thread, or nothing is kept.
        """
        named = {**self.config.get("configurable", {}), **config.get("configurable", {})}
        thread_id, saver = named.get("thread_id"), self.saver
        if saver is None or thread_id is None:
            raise CheckpointingOffError(thread_id)
        return saver, Place(
            thread_id=str(thread_id),
            ns=str(named.get("checkpoint_ns") or ""),
            checkpoint_id=named.get("checkpoint_id"),
        )

    # Looking into it

    def manifest(self) -> GraphManifest:
        """What is known of the graph without running it."""
        if self._manifest is None:
            from inwit.runtime.describe import describe

            self._manifest = describe(self)
        return self._manifest

    def version(self) -> str:
        """The hash of the graph's structure, 12 hexadecimal digits."""
        return self.manifest().version


def _share_budget(execution: Execution, around: Execution) -> None:
    if around.spending is not None:
        from inwit.runtime.policies.budgets import share

        share(execution, around.spending)


__all__ = ["CompiledGraph", "HelpLevel", "Options"]
