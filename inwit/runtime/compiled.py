"""A compiled graph: checked, frozen, runnable, registered, and able to answer for itself."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from time import monotonic_ns, time_ns
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

import msgspec

from inwit.errors import CheckpointingOffError, InvalidStateError
from inwit.ids import check_id, new_id
from inwit.runtime import loops
from inwit.runtime.answering import Answering
from inwit.runtime.checkpoints import Checkpointer, InMemoryCheckpointer, Saving, StateSnapshot
from inwit.runtime.checkpoints.base import Durability, check_durability
from inwit.runtime.checkpoints.snapshots import history_of, resume_point, snapshot_of
from inwit.runtime.companion import HelpLevel
from inwit.runtime.context import Context, _current
from inwit.runtime.engine import Execution
from inwit.runtime.manifest import GraphManifest, Source
from inwit.runtime.policies import NO_LIMITS, NO_RETRY, Limits, RetryPolicy
from inwit.runtime.program import Program
from inwit.runtime.project import Project
from inwit.runtime.record import Recording, Unrecorded
from inwit.runtime.state import StateSchema
from inwit.runtime.streaming import StreamMode, astream, stream

if TYPE_CHECKING:
    from inwit.runtime.drawing import Drawing
    from inwit.runtime.store.journal import Journal

S = TypeVar("S")
Config = Mapping[str, Any]
_NO_CONFIG: Config = {}


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What a graph was compiled with."""

    name: str
    source: Source
    limits: Limits
    retry: RetryPolicy
    checkpointer: Checkpointer | Literal[False] | None = None
    """None is the default: in memory; False is none at all."""
    store: Any = None
    durability: Durability = "async"
    metrics: bool = True
    introspection: bool = True
    metadata: dict[str, Any] = {}


class CompiledGraph(Answering, Generic[S]):
    """A graph that runs. Made by `StateGraph.compile`."""

    def __init__(self, schema: StateSchema, program: Program, options: Options) -> None:
        check_durability(options.durability)
        self.schema = schema
        self.program = program
        self.options = options
        self.name = options.name
        """The graph's name in the project; another file's graph of that name makes it ``name~2``."""
        self.last_execution_id: str | None = None
        self.project = Project.find()
        self._manifest: GraphManifest | None = None
        self._memory = InMemoryCheckpointer()
        self._journal: Journal | None = None
        self._registration: Any = None
        if options.introspection and not Project.is_off():
            from inwit.runtime.store.journal import Journal

            self._journal = Journal.of(self.project)
            self._registration = self._journal.register(self.manifest, self._rename)

    def __repr__(self) -> str:
        return f"<CompiledGraph {self.name!r}: {len(self.program.nodes)} nodes>"

    def _rename(self, name: str) -> None:
        if name != self.name:
            self.name = name
            self._manifest = None

    # Running

    def invoke(
        self,
        state: Any,
        config: Config | None = None,
        *,
        thread_id: str | None = None,
        execution_id: str | None = None,
        durability: Durability | None = None,
    ) -> dict[str, Any]:
        """Run to the end and give the final state.

        Inside a running event loop it runs in a worker thread with a loop of its own. `state` None
        goes on from the thread's last checkpoint.

        Raises:
            InvalidStateError: The input does not fit the state.
            ExecutionError: A limit was reached. Whatever a node raised is raised as it is, with an
                attribute ``execution_id``.
        """
        execution, ready, given = self._begin(state, config, thread_id, execution_id, durability)
        if self.program.is_sync and not loops.is_in_loop():
            execution.is_blocking = True
            return loops.drive(execution.run(ready, given))
        return loops.run(execution.run(ready, given))

    async def ainvoke(
        self,
        state: Any,
        config: Config | None = None,
        *,
        thread_id: str | None = None,
        execution_id: str | None = None,
        durability: Durability | None = None,
    ) -> dict[str, Any]:
        """Run to the end and give the final state; see `invoke`."""
        execution, ready, given = self._begin(state, config, thread_id, execution_id, durability)
        return await execution.run(ready, given)

    def stream(
        self,
        state: Any,
        config: Config | None = None,
        *,
        thread_id: str | None = None,
        stream_mode: StreamMode | Sequence[StreamMode] = "updates",
        durability: Durability | None = None,
    ) -> Iterator[Any]:
        """Run, and give what `stream_mode` names as it happens.

        ``values`` is the state after each step, ``updates`` what each node returned, by its name,
        ``custom`` what nodes write, ``events`` the record's events as they become durable. Several
        modes give (mode, value) pairs. The graph waits for a reader who is behind.
        """
        return stream(
            self.astream(
                state, config, thread_id=thread_id, stream_mode=stream_mode, durability=durability
            )
        )

    def astream(
        self,
        state: Any,
        config: Config | None = None,
        *,
        thread_id: str | None = None,
        stream_mode: StreamMode | Sequence[StreamMode] = "updates",
        durability: Durability | None = None,
    ) -> AsyncGenerator[Any, None]:
        """Run, and give what happens; see `stream`."""
        execution, ready, given = self._begin(state, config, thread_id, None, durability)
        return astream(execution, lambda: execution.run(ready, given), stream_mode)

    def _begin(
        self,
        state: Any,
        config: Config | None,
        thread_id: str | None,
        execution_id: str | None,
        durability: Durability | None,
    ) -> tuple[Execution, list[int] | None, Mapping[str, Any] | None]:
        options, limits = self.options, self.options.limits
        limit, timeout_s = limits.recursion_limit, limits.execution_timeout_s
        if config is None:
            config = _NO_CONFIG
        else:
            limit = int(config.get("recursion_limit", limit))
            timeout_s = config.get("timeout_s", timeout_s)
            if "configurable" in config:
                thread_id = thread_id or config["configurable"].get("thread_id")
        execution_id = new_id() if execution_id is None else check_id("execution", execution_id)
        durability = durability or options.durability
        saving, ready = None, None
        if thread_id is None and state is not None and not self.schema.defaults:
            thread_id = execution_id
            given: Mapping[str, Any] | None = self.schema.parse(state)
            values = dict(given or ())
        else:
            saver, values, ready, given = self._remembered(state, thread_id)
            if thread_id is not None and saver is not None:
                saving = Saving(saver, str(thread_id), execution_id, durability)
            thread_id = str(thread_id or execution_id)
        now = monotonic_ns()
        recording = self._recording(execution_id, thread_id, now)
        ctx = Context(recording, thread_id, config, options.store)
        execution = Execution(
            self.program, self.schema, options, recording, self._journal, ctx, values
        )
        execution.limit, execution.saving, execution.started_ns = limit, saving, now
        if timeout_s is not None:
            ctx.budget_s, ctx.deadline_ns = timeout_s, now + int(timeout_s * 1e9)
        if durability != "async":
            check_durability(durability)
            execution.is_acknowledged = True
            if durability == "sync":
                execution.rows_limit = 0
        self.last_execution_id = execution_id
        return execution, ready, given

    def _recording(self, execution_id: str, thread_id: str, now_ns: int) -> Recording:
        if self._journal is None:
            return Unrecorded(execution_id, self.name)
        caller = _current.get()
        parent_id = None if caller is None else caller.recording.recorded_id
        recording = Recording(
            execution_id, self.name, self.version, thread_id, parent_id, time_ns() - now_ns
        )
        if not self.options.metrics:
            recording.has_metrics = False
        return recording

    def _saver(self, thread_id: str | None) -> Checkpointer | None:
        if thread_id is None or self.options.checkpointer is False:
            return None
        return self.options.checkpointer or self._memory

    def _remembered(
        self, state: Any, thread_id: Any
    ) -> tuple[Checkpointer | None, dict[str, Any], list[int] | None, Mapping[str, Any] | None]:
        """Find where a thread goes on.

        Returns its checkpointer, the state to begin with, the nodes to resume at (None: the entry),
        and the input.
        """
        if thread_id is not None:
            thread_id = check_id("thread", str(thread_id))
        saver = self._saver(thread_id)
        saved = saver.load(thread_id) if saver is not None else ()
        if state is None:
            if not saved:
                raise InvalidStateError(
                    "There is no input and nothing to resume.",
                    hint="Give a dict, or the thread_id of an execution that stopped.",
                )
            values, tasks = resume_point(saved)
            return saver, values, [self.program.by_name[task.name] for task in tasks], None
        given = self.schema.parse(state)
        if saved:
            values, _ = resume_point(saved)
        else:
            values = self.schema.initial()
        self.schema.apply(values, given)
        return saver, values, None, given

    # Saved states

    def get_state(self, config: Config) -> StateSnapshot:
        """The state of the thread that `config` names, after its last or the named checkpoint."""
        saver, thread_id = self._thread(config)
        return snapshot_of(saver, thread_id, config["configurable"].get("checkpoint_id"))

    def get_state_history(
        self, config: Config, *, limit: int | None = None
    ) -> Iterator[StateSnapshot]:
        """The states of a thread, newest first."""
        saver, thread_id = self._thread(config)
        return history_of(saver, thread_id, limit)

    def _thread(self, config: Config) -> tuple[Checkpointer, str]:
        thread_id = config.get("configurable", {}).get("thread_id")
        saver = self._saver(thread_id)
        if saver is None or thread_id is None:
            raise CheckpointingOffError(thread_id)
        return saver, str(thread_id)

    # Opting out: each gives a graph without one default

    def _without(self, **changes: Any) -> CompiledGraph[S]:
        return CompiledGraph(
            self.schema, self.program, msgspec.structs.replace(self.options, **changes)
        )

    def without_checkpointing(self) -> CompiledGraph[S]:
        """The same graph, keeping no checkpoints."""
        return self._without(checkpointer=False)

    def without_retries(self) -> CompiledGraph[S]:
        """The same graph, where only nodes with a policy of their own are tried again."""
        return self._without(retry=NO_RETRY)

    def without_metrics(self) -> CompiledGraph[S]:
        """The same graph, without latency histograms."""
        return self._without(metrics=False)

    def without_limits(self) -> CompiledGraph[S]:
        """The same graph, without time-outs and with a recursion limit of 10,007."""
        return self._without(limits=NO_LIMITS)

    def without_introspection(self) -> CompiledGraph[S]:
        """The same graph, neither registered nor recorded."""
        if self._registration is not None:
            self._registration.cancel()
        return self._without(introspection=False)

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

    def get_graph(self) -> Drawing:
        """The graph to draw, such as ``get_graph().draw_mermaid()``."""
        from inwit.runtime.drawing import Drawing

        return Drawing(self.manifest())


__all__ = ["CompiledGraph", "HelpLevel", "Options"]
