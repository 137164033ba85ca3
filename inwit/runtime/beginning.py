"""How an invocation begins: a new execution, one that goes on, or one within another."""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

from inwit.errors import CheckpointingOffError, EmptyInputError
from inwit.ids import check_id, new_id
from inwit.runtime.capture.langchain_config import hand_down
from inwit.runtime.checkpoints import Checkpointer
from inwit.runtime.checkpoints.base import Durability, check_durability
from inwit.runtime.commands import Command
from inwit.runtime.configs import Config, inherited, merged_config
from inwit.runtime.context import Context, _current
from inwit.runtime.engine import Execution
from inwit.runtime.record import Unrecorded
from inwit.runtime.resume import Place, begin
from inwit.runtime.travel import place_of

if TYPE_CHECKING:
    from inwit.runtime.graph import StateGraph
    from inwit.runtime.options import Options
    from inwit.runtime.program import Program
    from inwit.runtime.reconfigured import Programs
    from inwit.runtime.state import StateSchema
    from inwit.runtime.store.journal import Journal

NO_CONFIG: Config = {}


class Beginning:
    """The part of a `CompiledGraph` that makes its executions."""

    schema: StateSchema
    program: Program
    options: Options
    builder: StateGraph[Any]
    config: Config
    journal: Journal | None
    last_execution_id: str | None
    saver: Any
    _is_simple: bool
    _begins_with_more: bool
    _recursion_limit: int
    _budget_ns: int | None
    _input_names: Any
    _limit_of: Any
    programs: Programs | None
    is_looked_up: bool
    look_up_configs: Any

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
            config = NO_CONFIG
        if self.config:
            config = merged_config(self.config, config)
        if (
            self._is_simple and thread_id is None and durability is None and caller is None
            and given.__class__ is dict and "configurable" not in config
        ):  # fmt: skip
            execution_id = new_id() if execution_id is None else check_id("execution", execution_id)
            parsed, now = self.schema.parse(given), monotonic_ns()
            execution = Execution(self, execution_id, execution_id, config, parsed, now)  # type: ignore[arg-type]
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
        begun = begin(self, given, config, place, None if own_thread is None else self.saver)  # type: ignore[arg-type]
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
        begun = begin(self, given, config, place, around.saver if is_kept else None)  # type: ignore[arg-type]
        execution = begun.execution
        execution.parent, execution.parent_id = caller, around.recorded_id
        _share_budget(execution, around)
        self._set_up(execution, place.durability, context)
        if context is None:
            execution.given_context = around.given_context
        if around.output is not None and around.output.with_subgraphs:
            execution.output = around.output.child(place.ns)
        execution.deadline_ns = min(execution.deadline_ns, around.due_ns)
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
        execution, ready, parsed = self._begin_within(ctx, given, NO_CONFIG, None, None, None)
        return await execution.run(ready, parsed)

    def make_execution(
        self, execution_id: str, thread_id: str, config: Config, values: dict[str, Any]
    ) -> Execution:
        """Make an execution with the graph's limits, and with its nodes as they are configured."""
        if not self.is_looked_up:
            self.look_up_configs()
        execution = Execution(self, execution_id, thread_id, config, values, monotonic_ns())  # type: ignore[arg-type]
        execution.limit = self._limit_of(config)
        self._limit_time(execution, config)
        if self.journal is None:
            execution.rows = Unrecorded.no_rows()
        if self.programs is not None and self.programs.trials:
            self.programs.take(execution)
        return execution


def _share_budget(execution: Execution, around: Execution) -> None:
    if around.spending is not None:
        from inwit.runtime.policies.budgets import share

        share(execution, around.spending)
