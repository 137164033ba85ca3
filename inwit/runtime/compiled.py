"""A compiled graph: checked, frozen, runnable, registered, and able to answer for itself."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from inwit.errors import CheckpointingOffError
from inwit.runtime import at_hand, loops
from inwit.runtime.answering import Answering
from inwit.runtime.beginning import NO_CONFIG, Beginning
from inwit.runtime.caching.clearing import Cached
from inwit.runtime.cancelling import Cancelling
from inwit.runtime.capture import join_chains
from inwit.runtime.checkpoints import Checkpointer, InMemoryCheckpointer
from inwit.runtime.checkpoints.base import Durability, check_durability
from inwit.runtime.companion import HelpLevel
from inwit.runtime.configs import Config, merged_config
from inwit.runtime.delivery import OnSlow
from inwit.runtime.engine import Execution
from inwit.runtime.facade import Facade, check_keys
from inwit.runtime.manifest import GraphManifest
from inwit.runtime.node_config import NodeConfigs, watch_of
from inwit.runtime.options import OptingOut, Options
from inwit.runtime.program import Program
from inwit.runtime.project import Project
from inwit.runtime.replaying import Replaying
from inwit.runtime.results import Results
from inwit.runtime.resume import Place
from inwit.runtime.schemas import Schemas
from inwit.runtime.state import ROOT, StateSchema
from inwit.runtime.streaming import StreamMode, StreamOptions, astream, printing, stream
from inwit.runtime.time_travel import TimeTravel

if TYPE_CHECKING:
    from inwit.runtime.graph import StateGraph
    from inwit.runtime.reach import Reach
    from inwit.runtime.runtime import RunControl
    from inwit.runtime.store.journal import Journal

S = TypeVar("S")
Points = Literal["*"] | Sequence[str] | None
"""Names of nodes to stop at; "*" for all."""


class CompiledGraph(
    Results,
    OptingOut,
    Facade,
    Beginning,
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
        self.config: Config = NO_CONFIG
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
        # The first execution looks up what is configured; see `NodeConfigs`.
        self._is_simple_written, self._is_simple = self._is_simple, False
        join_chains()
        self.journal: Journal | None = None
        self._registration: Any = None
        if options.introspection and not Project.is_off():
            from inwit.runtime.store.journal import Journal

            self._had_record = os.path.exists(self.project.database)  # noqa: PTH110 - false if closed
            self.journal = Journal.of(self.project)
            watch_of(self.journal).add(self)
            self._registration = self.journal.register(self.manifest, self._rename)
            at_hand.note(self)

    def __repr__(self) -> str:
        return f"<CompiledGraph {self.name!r}: {len(self.program.nodes)} nodes>"

    def _rename(self, name: str) -> None:
        if name != self.name:
            self.name = name
            self._manifest = None
            self._is_simple = self.is_looked_up = False

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
        subgraphs: bool = False,
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
            subgraphs: Whether a list holds what graphs within give too.
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
                    print_mode=printed, execution_id=execution_id, subgraphs=subgraphs,
                )
            )  # fmt: skip
        execution, ready, given = self._begin(
            input, config, thread_id, execution_id, durability, context
        )
        if interrupt_before or interrupt_after or control is not None:
            self._stop_at(execution, interrupt_before, interrupt_after, control)
        if printed:
            result = loops.run(printing(execution, lambda: execution.run(ready, given), printed))
        elif execution.program.is_sync and not loops.is_in_loop():
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
        subgraphs: bool = False,
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
                print_mode=printed, execution_id=execution_id, subgraphs=subgraphs,
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

    def parse_input(self, given: Any) -> dict[str, Any]:
        """Check an input and give its keys.

        Raises:
            InvalidStateError: It does not fit.
        """
        own = self.builder.input_schema
        found = None if own is None or given.__class__ is dict else own.keys_of(given)
        parsed = self.schema.parse(given if found is None else found)
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


__all__ = ["CompiledGraph", "HelpLevel", "Options"]
