"""The engine: walks a compiled plan, one step after another, and writes the record.

A node that is ready alone is awaited in place, without a task. Several ready nodes make a step
(`inwit.runtime.steps`). An execution without async nodes needs no event loop at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import Future
from time import monotonic_ns
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from inwit.errors import (
    ExecutionCancelledError,
    ExecutionTimeoutError,
    GraphRecursionError,
    NodeTimeoutError,
)
from inwit.runtime.attempts import after_failure
from inwit.runtime.called import told_of
from inwit.runtime.checkpoints import Checkpointer
from inwit.runtime.checkpoints.base import Durability
from inwit.runtime.commands import GraphBubbleUp, GraphDrained, GraphInterrupt, ParentCommand, Send
from inwit.runtime.context import Context, _current
from inwit.runtime.ending import end, fail, finish
from inwit.runtime.failures import mark_node
from inwit.runtime.holding import be_late
from inwit.runtime.interrupts import Waiting, waiting_of
from inwit.runtime.keeping import FlowNames, note_failure, pause, save, save_plain, wrote
from inwit.runtime.program import COMPLEX, Edge, Node
from inwit.runtime.progress import Progress
from inwit.runtime.record import (
    APPLY,
    ENTER,
    EVENT,
    ROWS_LIMIT,
    START,
    VISIT,
    Recording,
    anchor,
)  # fmt: skip
from inwit.runtime.serial import IMMUTABLE, freeze, freeze_all, freeze_kept
from inwit.runtime.steps import take_step
from inwit.runtime.updates import (
    Packet,
    Ready,
    changed_by,
    read_update,
    with_pushed,
)
from inwit.runtime.waits import is_acknowledged_by_step, wait_for_journal
from inwit.runtime.watchdog import Watchdog, budget_of
from inwit.runtime.ways import advance, entry_of, follow

if TYPE_CHECKING:
    from inwit.runtime.cancelling import Stop
    from inwit.runtime.checkpoints.saving import Note, Saving
    from inwit.runtime.compiled import CompiledGraph
    from inwit.runtime.functional.calls import Tasks
    from inwit.runtime.policies.budgets import Spending
    from inwit.runtime.runtime import RunControl
    from inwit.runtime.sink import Sink
    from inwit.runtime.travel import Travel

_NO_EDGES: tuple[Edge, ...] = ()


class Execution(Recording, Context):
    """One invocation of a compiled graph, its own recording, and its sequential path's context.

    These are one object, since making several would be half the cost of a small graph.
    """

    # Most executions need little of this: what is the same at every start is the class's.
    thread_id: str
    steps = 0
    """Steps taken by this invocation."""
    base = 0
    """Steps that the thread had taken before."""
    limit = 25
    saving: Saving | None = None
    spending: Spending | None = None
    """What it has spent, where it has a budget."""
    given_context: Any = None
    """What ``invoke(..., context=…)`` was given."""
    previous: Any = None
    """What the thread's last execution returned, for `@entrypoint`."""
    ns = ""
    """This graph's place within others, in the thread: "" for the outermost."""
    parents: Mapping[str, str] = MappingProxyType({})
    """The checkpoints that the graphs around it had come to when it began, by their places."""
    travel: Travel | None = None
    """How it began at an old checkpoint, if it did."""
    parent: Context | None = None
    """The context of the node that this graph runs in, where it is a part of that execution."""
    output: Sink | None = None
    is_blocking = False
    """Whether no event loop runs, so that waiting blocks the thread."""
    rows_limit = ROWS_LIMIT
    """Rows that may wait for the journal; with durability `sync` none may."""
    is_acknowledged = False
    """Whether what happened must be durable when the execution ends: durability `sync` and `exit`."""
    is_careful = False
    """Whether each step is taken with all looks: break points, tasks that are resumed."""
    break_before: frozenset[int] = frozenset()
    break_after: frozenset[int] = frozenset()
    waiting: tuple[Waiting, ...] = ()
    """The questions that the execution ended with."""
    tasks: Tasks | None = None
    """What the calls of `task` functions share, once there is one."""
    known: Mapping[str, Progress] = MappingProxyType({})
    """What is known from before of the tasks of the step that it went on with."""
    stopping: Stop | None = None
    """Set where it was told from outside to stop."""
    refused: Exception | None = None
    """Why an answer was refused by the node that asked; the execution still waits."""
    is_paused = False
    """Whether the execution ended before its graph did: it waits."""
    last_save: Future[None] | None = None
    durability: Durability = "async"
    trials: frozenset[str] = frozenset()
    """The plans whose changes are on trial and count for it."""
    resumed: Mapping[str, Progress] | None = None
    """What is known of the tasks of the first step, where an earlier execution began it."""
    answered: Sequence[tuple[str, Any]] = ()
    """The answers, by their questions' ids, that this invocation was given."""
    deferred: frozenset[int] = frozenset()
    """Deferred nodes that are ready, once nothing else is."""
    source: Any = "input"
    failed_key = ""
    """The task of a step of several that failed."""
    at: Node

    def __init__(  # noqa: PLR0917 - made once, in `CompiledGraph`
        self,
        graph: CompiledGraph[Any],
        execution_id: str,
        thread_id: str,
        config: Mapping[str, Any],
        state: dict[str, Any],
        now_ns: int,
    ) -> None:
        self.graph = graph
        self.execution_id = execution_id
        self.thread_id = thread_id
        self.config = config
        self.state = state
        self.begun_ns = now_ns
        self.rows = []
        self.program = program = graph.program
        self.visits = [0] * program.size

    # What the journal and the nodes read

    @property
    def recording(self) -> Recording:  # type: ignore[override]
        return self

    @property
    def execution(self) -> Execution:  # type: ignore[override]
        return self

    @property
    def graph_name(self) -> str:  # type: ignore[override]
        return self.graph.name

    @property
    def version(self) -> Callable[[], str]:  # type: ignore[override]
        return self.graph.version

    @property
    def has_metrics(self) -> bool:  # type: ignore[override]
        return self.graph.options.metrics

    @property
    def masks(self) -> Mapping[str, Callable[[Any], Any]]:  # type: ignore[override]
        return self.program.masks

    @property
    def recorded_id(self) -> str | None:
        return None if self.graph.journal is None else self.execution_id

    @property
    def anchor_ns(self) -> int:  # type: ignore[override]
        found = self._anchor_ns
        if not found:  # looked up when the first rows are written, not when they are made
            found = self._anchor_ns = anchor()
        return found

    _anchor_ns = 0

    @property
    def visit(self) -> int:  # type: ignore[override]
        return 0 if self.current is None else self.current[2]

    @property
    def started_ns(self) -> int:  # type: ignore[override]
        return 0 if self.current is None else self.current[4]

    @property
    def store(self) -> Any:
        found = self.graph.options.store
        return self.parent.store if found is None and self.parent is not None else found

    @property
    def cache(self) -> Any:
        """Where nodes keep results: the graph's cache, or that of the graph around it."""
        found = self.graph.options.cache
        return self.parent.execution.cache if found is None and self.parent is not None else found

    @property
    def here(self) -> str:
        """The id of the checkpoint that the running step follows."""
        if self.saving is not None and self.saving.last_id is not None:
            return self.saving.last_id
        return f"{self.execution_id}:{self.base + max(self.steps, 1) - 1}"

    @property
    def keeps_places(self) -> bool:
        """Whether graphs within this one need a name for their place."""
        return self.saving is not None or (self.output is not None and self.output.with_subgraphs)

    @property
    def saver(self) -> Checkpointer | None:
        """Where this execution is saved, at the latest when it waits."""
        if self.graph.options.checkpointer is False:
            return None
        if self.parent is not None:
            return self.parent.execution.saver
        return self.graph.saver

    def ns_of(self, ctx: Context) -> str:
        """The place of a graph that a task of this one invokes."""
        piece = f"{ctx.node}:{ctx.task_id}"
        return f"{self.ns}|{piece}" if self.ns else piece

    # The run

    async def run(  # noqa: PLR0912 - each look in place, since a call is a tenth of the whole
        self, ready: Sequence[Ready] | None, given: Mapping[str, Any] | None
    ) -> Any:
        """Run to the end or until it waits, and give what `invoke` gives.

        `ready` goes on at these nodes instead of the entry.

        Raises:
            ExecutionError: A limit was reached; whatever a node raised is raised as it is.
        """
        token = _current.set(self)
        watchdog = None if self.is_blocking else Watchdog.watch(self)
        try:
            self._begin(given)
            if self.output is not None:
                await self.output.begun(self, given)
            if ready is None:
                ready = self.program.entry
                if ready is None or self.saving is not None:
                    ready = await self._enter(given)
            if self.is_careful or (self.output is not None and self.output.is_detailed):
                await self._run_carefully(ready)
            else:
                while ready:
                    first = ready[0]
                    if len(ready) == 1 and type(first) is int:
                        ready = await self._sequence(first)
                    else:
                        ready = await self.take_step(ready)
            if self.saving is not None:
                self.saving.check()
        except BaseException as exc:
            error = await fail(self, exc)
            if error is exc:
                raise
            raise error from None
        finally:
            _current.reset(token)
            if watchdog is not None:
                watchdog.contexts.discard(self)
        if (
            self.is_paused or self.is_acknowledged
            or self.output is not None or self.tasks is not None
        ):  # fmt: skip
            return await finish(self)
        end(self, "completed", None, "")
        graph = self.graph
        return graph.schema.in_order(self.state) if graph.shows_all else graph.result_of(self)

    async def _run_carefully(self, ready: Sequence[Ready]) -> None:
        """Take steps while nothing waits, looking at break points before and after each."""
        is_first = self.resumed_break
        if self.output is not None:
            await self.output.saved_input(self)
        while ready:
            if not is_first and self._breaks(ready, self.break_before):
                return await pause(self, [], ready, [])
            if self.control is not None and self.control.drain_requested:
                self.refused = GraphDrained(self.control.drain_reason or "")
                return await pause(self, [], ready, [])
            is_first = False
            done = ready
            ready = await self.take_step(ready)
            if self.is_paused:
                return None
            if self.spending is not None and (over := self.spending.error()) is not None:
                raise over
            if ready and self._breaks(done, self.break_after):
                return await pause(self, [], ready, [])
        return None

    control: RunControl | None = None
    """By which the caller may ask it to stop between two steps."""
    resumed_break = False
    """Whether this invocation goes on from a break point, which does not stop it again."""

    @staticmethod
    def _breaks(ready: Iterable[Ready], points: frozenset[int]) -> bool:
        return any((one.index if isinstance(one, Packet) else one) in points for one in ready)

    def _begin(self, given: Mapping[str, Any] | None) -> None:
        journal = self.graph.journal
        if self.seq:  # goes on with an execution that waited
            self._go_on()
        else:
            self.seq = 1
            shown = None if given is None else freeze_all(given)
            row: tuple[Any, ...] = (START, 1, self.begun_ns, shown)
            if self.config or self.given_context is not None:
                told = told_of(self)
                row = row if told is None else (*row, told)
            self.rows.append(row)
            if given is None or len(given) != len(self.state):
                self._record_whole_state(given or {})
        if journal is not None:
            journal.begin(self)

    def _go_on(self) -> None:
        for key, value in self.answered:
            self.emit_at("interrupt_resumed", interrupt_id=key, value=freeze(value))
        self.emit_at("status_changed", status="running")

    def emit_at(self, type_name: str, **fields: Any) -> None:
        """Record an event of the execution itself."""
        self.recording.add_event(type_name, None, None, None, fields)

    def _record_whole_state(self, given: Mapping[str, Any]) -> None:
        """Tell what the state holds beside the input: defaults, and the thread's memory."""
        patch = [
            {
                "op": "add",
                "path": "/" + key.replace("~", "~0").replace("/", "~1"),
                "value": freeze(value),
            }
            for key, value in self.state.items()
            if not (key in given and given[key] is value)
        ]
        self.emit_at("state_changed", patch=patch)

    async def _enter(self, given: Mapping[str, Any] | None) -> list[Ready]:
        """Find where to begin, and save the input as the first checkpoint."""
        ready = await entry_of(self)
        if self.saving is not None:
            shown = freeze_kept(given or {})
            await save(self, shown, ready, source=self.source)
        return ready

    # One function, since each call would cost as much as the rest of a visit.
    async def _sequence(self, index: int) -> Sequence[Ready]:  # noqa: PLR0912, PLR0915
        """Run nodes one after another, until several are ready or none."""
        program, state, visits, schema = self.program, self.state, self.visits, self.graph.schema
        nodes, known, is_plain = program.nodes, schema.channels, schema.is_plain
        saving, output, limit, rows = self.saving, self.output, self.limit, self.rows
        rows_limit, step = self.rows_limit, self.steps
        is_bare = saving is None and output is None
        waits = saving is not None and saving.is_sync and not is_acknowledged_by_step(self)
        t1 = monotonic_ns()
        while True:
            self.steps = step = step + 1
            if step > limit:
                raise self.out_of_steps()
            self.at = node = nodes[index]
            name, attempt = node.name, 1
            visit = visits[index] = visits[index] + 1
            entry = self.seq = self.seq + 1
            t0 = t1
            self.current = (entry, name, visit, 1, t0)
            goto: Sequence[Send | str] = ()
            recorded: dict[str, Any] | None
            try:
                given = node.view(state)
                update = node.function(given) if node.is_plain else node.call(given, self)
                if node.is_async:
                    update = await update
                t1 = monotonic_ns()
                if t1 - t0 > node.limit_ns and self.worked_ns(t0, t1) > node.limit_ns:
                    raise NodeTimeoutError(name, node.limit_ns / 1e9)  # noqa: TRY301 - the node's
                if is_plain and type(update) is dict:
                    for key, value in update.items():
                        if type(value) not in IMMUTABLE or key not in known:
                            recorded = schema.apply(state, update, strict=saving is not None)
                            break
                    else:
                        state.update(update)
                        recorded = update.copy()
                else:
                    recorded, goto = self.merge(name, update)
            except (Exception, asyncio.CancelledError) as exc:  # noqa: BLE001 - the node's border
                update, recorded, goto, attempt, entry, t0 = await self._recover(
                    node, exc, entry, t0
                )
                if self.is_paused:
                    return []
                t1, name = monotonic_ns(), self.at.name
            seq = self.seq + 1
            if is_bare and not goto and node.next != COMPLEX:  # nothing to decide, keep or tell
                rows.append((
                    VISIT, entry, seq, name, visit, attempt, t0, t1, recorded, node.edges, None
                ))  # fmt: skip
                self.seq = seq + node.pieces if recorded else seq + node.pieces - 1
                index = node.next
                if t1 > self.deadline_ns or (len(rows) > rows_limit and index >= 0):
                    t1 = await self._pass_time(t1)
                if index < 0:
                    self.current = None
                    return []
                continue
            following: int | Sequence[Ready] = node.next
            edges: Sequence[Edge] = node.edges
            step_id = None
            if following == COMPLEX or goto or saving is not None:
                try:
                    if goto:
                        following, edges = await follow(self, node, goto)
                    elif node.router is not None:
                        following, edges = node.router.choose(node.read(state), state)
                    elif node.fan and not (self.arrived or program.deferred):
                        following = node.fan
                    elif following == COMPLEX:
                        following, edges = await advance(self, node, state)
                    if saving is not None:
                        own = wrote(self, update) if schema.folded else None
                        if waits or self.arrived or own or type(following) is not int:
                            parts = own and [(node.name, own)]
                            step_id = await save(self, recorded or {}, following, parts=parts)
                        else:
                            step_id = save_plain(self, recorded or {}, following)
                except BaseException as exc:
                    self._visited(entry, name, visit, attempt, t0, t1, recorded)
                    mark_node(exc, name)
                    raise
            seq = self.seq + 1
            rows.append((VISIT, entry, seq, name, visit, attempt, t0, t1, recorded, edges, step_id))
            self.seq = seq + (1 if recorded else 0) + len(edges) + (step_id is not None)
            if output is not None:
                await output.stepped(self, ((name, update, recorded),))
                t1 = monotonic_ns()
            # What is last waits for the disk together with the end.
            if t1 > self.deadline_ns or (len(rows) > rows_limit and following != -1):
                t1 = await self._pass_time(t1)
            if type(following) is not int:
                if len(following) != 1 or type(following[0]) is not int:  # type: ignore[arg-type,index]
                    self.current = None
                    return following  # type: ignore[return-value]
                following = following[0]  # type: ignore[index]
            if following < 0:
                self.current = None
                return []
            index = following

    async def _pass_time(self, now_ns: int) -> int:
        """Wait for room in the record, and look whether the execution is over its time."""
        self.current = None
        if now_ns > self.deadline_ns:
            await be_late(self)
        await wait_for_journal(self)
        return monotonic_ns()

    def _visited(self, entry: int, *visit: Any) -> None:
        """Record a visit that is done, though the way on from it failed."""
        self.rows.append((VISIT, entry, self.seq + 1, *visit, (), None))
        self.seq += 2 if visit[-1] else 1
        self.current = None

    def merge(
        self, name: str, returned: Any, state: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any] | None, Sequence[Send | str]]:
        """Merge what a node returned into the state; give it as recorded, and its commands' ways."""
        schema, state = self.graph.schema, self.state if state is None else state
        strict = self.saving is not None
        if self.pushed is not None:
            returned = with_pushed(self, returned)
        if type(returned) is dict and not schema.is_root:
            return schema.apply(state, returned, strict=strict), ()
        returned = changed_by(schema, state, returned)
        updates, goto = read_update(schema, name, returned)
        recorded = [schema.apply(state, one, strict=strict) for one in updates]
        if len(recorded) < 2:
            return (recorded[0] if recorded else None), goto
        from inwit.runtime.checkpoints import join_updates

        return join_updates(recorded), goto

    async def _recover(
        self, node: Node, error: BaseException, entry: int, t0: int
    ) -> tuple[Any, dict[str, Any] | None, Sequence[Send | str], int, int, int]:
        """Record a failed attempt and try again as the node's policy says, or what takes over.

        Returns the update, what is recorded of it, its ways on, the attempt that gave it, and that
        attempt's entry seq and start. A node that asks a person makes the execution wait.
        """
        visit, self.attempt = self.visit, 1
        update: Any
        while True:
            attempt = self.attempt
            if isinstance(error, ParentCommand) and error.is_from_within:
                update = error.command.as_own()
                recorded, goto = self.merge(node.name, update)
                self.attempt = 1
                return update, recorded, goto, attempt, entry, t0
            self.rows.append((ENTER, entry, node.name, visit, attempt, t0))
            if isinstance(error, GraphBubbleUp):
                if not isinstance(error, GraphInterrupt):
                    raise error
                asked = waiting_of(error, self)
                self.current = None
                await pause(self, [(node.task.name, visit, asked)], [node.index], [])
                return None, None, (), attempt, entry, t0
            self.current = (entry, node.name, visit, attempt, t0)
            await after_failure(self, node, self, t0, error)
            node = self.at
            t0 = monotonic_ns()
            entry = self.seq = self.seq + 1
            self.current = (entry, node.name, visit, self.attempt, t0)
            try:
                update = node.call(node.view(self.state), self)
                if node.is_async:
                    update = await update
                recorded, goto = self.merge(node.name, update)
            except (Exception, asyncio.CancelledError) as exc:  # noqa: BLE001 - the node's border
                error = exc
            else:
                attempt, self.attempt, self.key = self.attempt, 1, ""
                return update, recorded, goto, attempt, entry, t0

    def rest(self) -> None:
        """Note that no attempt runs: what follows is a wait."""
        self.current = None

    def out_of_time(self) -> Exception:
        """The error of an execution that is over its time, or was told to stop."""
        return self.timed_out or self.time_error()

    def time_error(self) -> Exception:
        """The error of an execution that is over its time."""
        spending = self.spending
        over = None if spending is None else spending.out_of_time(self.due_ns)
        return over or ExecutionTimeoutError(budget_of(self))

    def out_of_steps(self) -> Exception:
        """The error of an execution that wants a step more than it may take."""
        over = None if self.spending is None else self.spending.out_of_steps(self.limit)
        return over or GraphRecursionError(self.limit)

    # The ways on

    arrived: dict[int, set[int]] | None = None
    flow: FlowNames | None = None
    """With scheduling "dataflow", by what tasks are named while steps overlap."""

    def take_step(self, ready: Sequence[Ready]) -> Coroutine[Any, Any, list[Ready]]:
        """Run several nodes at once and merge what they return, in the plan's order."""
        is_flow = self.graph.options.scheduling == "dataflow"
        if is_flow and not (self.is_blocking or self.break_before or self.break_after):
            from inwit.runtime.dataflow import flow

            return flow(self, ready)
        return take_step(self, ready)

    # Keeping

    notes: Sequence[Note] = ()
    noted_step = 0
    """The step that `notes` belong to, where they are kept here."""

    # The end

    def close_waiting(self, reason: str) -> None:
        """Record that an execution which waits is cancelled instead of going on."""
        self._begin(None)
        end(self, "cancelled", None, reason)
        if self.saving is not None:
            note_failure(self, ExecutionCancelledError(reason))


__all__ = ["APPLY", "EVENT", "Execution"]
