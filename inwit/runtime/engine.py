"""The engine: walks a compiled plan, one step after another, and writes the record.

A node that is ready alone is awaited in place, without a task. Several ready nodes make a step: each
sees the state from before, async ones run as tasks, and their updates are merged in the plan's order
when all are done. An execution without async nodes needs no event loop at all.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

from inwit.errors import (
    ExecutionTimeoutError,
    GraphRecursionError,
    InvalidUpdateError,
    NodeTimeoutError,
    StoreError,
)
from inwit.runtime.attempts import after_failure, own_timeout
from inwit.runtime.branches import Branch, run_branches
from inwit.runtime.checkpoints import join_updates
from inwit.runtime.context import Context, _current
from inwit.runtime.failures import failure_of, mark, mark_node, node_of
from inwit.runtime.program import COMPLEX, Edge, Node, Program, Router
from inwit.runtime.record import APPLY, END, ENTER, ROWS_LIMIT, START, VISIT, Recording
from inwit.runtime.serial import freeze, freeze_all
from inwit.runtime.watchdog import Watchdog

if TYPE_CHECKING:
    from inwit.runtime.checkpoints import Saving
    from inwit.runtime.compiled import Options
    from inwit.runtime.state import StateSchema
    from inwit.runtime.store.journal import Journal

Output = Callable[[str, Any], None]


class Execution:
    """One invocation of a compiled graph."""

    step = 0
    started_ns = 0
    saving: Saving | None = None
    last_save: Future[None] | None = None
    """Done when what durability `exit` kept back is durable."""
    output: Output | None = None
    gate: asyncio.Event | None = None
    """Cleared while a stream's reader is behind."""
    is_blocking = False
    """Whether no event loop runs, so that waiting blocks the thread."""
    rows_limit = ROWS_LIMIT
    """Rows that may wait for the journal; with durability `sync` none may."""
    is_acknowledged = False
    """Whether what happened must be durable when the execution ends: durability `sync` and `exit`."""

    def __init__(  # noqa: PLR0917 - made once, in `CompiledGraph`
        self,
        program: Program,
        schema: StateSchema,
        options: Options,
        recording: Recording,
        journal: Journal | None,
        ctx: Context,
        state: dict[str, Any],
    ) -> None:
        self.program = program
        self.schema = schema
        self.options = options
        self.recording = recording
        self.journal = journal
        self.ctx = ctx
        self.state = state
        self.limit = options.limits.recursion_limit
        self.visits = [0] * len(program.nodes)
        self.arrived: dict[int, set[int]] = {}

    async def run(self, ready: list[int] | None, given: Mapping[str, Any] | None) -> dict[str, Any]:
        """Run to the end; `ready` resumes at these nodes instead of the entry.

        Raises:
            ExecutionError: A limit was reached; whatever a node raised is raised as it is.
        """
        token = _current.set(self.ctx)
        watchdog = None if self.is_blocking else Watchdog.watch(self.ctx)
        try:
            self._begin(given)
            if ready is None:
                ready = self.program.entry
                if ready is None or self.saving is not None:
                    ready = await self._enter()
            while ready:
                if len(ready) == 1:
                    ready = await self._sequence(ready[0])
                else:
                    ready = await self._step(ready)
        except BaseException as exc:
            error = self._fail(exc)
            if self.is_acknowledged and isinstance(exc, Exception | asyncio.CancelledError):
                with suppress(StoreError):  # The journal has warned; what failed first is raised.
                    await self._acknowledge()
            if error is exc:
                raise
            raise error from None
        finally:
            _current.reset(token)
            if watchdog is not None:
                watchdog.forget(self.ctx)
        self._end("completed", None, "")
        if self.is_acknowledged:
            await self._acknowledge()
        return self.state

    def _begin(self, given: Mapping[str, Any] | None) -> None:
        rec, state = self.recording, self.state
        rec.seq = 1
        shown = None if given is None else freeze_all(given)
        rec.rows.append((START, 1, self.started_ns, shown))
        if given is None or len(given) != len(state):
            self._record_whole_state(given or {})
        if self.journal is not None:
            self.journal.begin(rec)
        if self.output is not None:
            self.output("values", state)

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
        self.recording.emit("state_changed", None, None, None, {"patch": patch})

    async def _enter(self) -> list[int]:
        """Find where to begin, and save the input as the first checkpoint."""
        targets = list(self.program.entry_targets)
        for router in self.program.entry_routers:
            for index, edge in await self._decide(router, self.state):
                targets.append(index)
                target, label, read, unread = edge
                self.recording.emit(
                    "edge_taken",
                    "__start__",
                    None,
                    None,
                    {
                        "target": target,
                        "conditional": True,
                        "label": label,
                        "read": read,
                        **({"unread": unread} if unread else {}),
                    },
                )
        ready = sorted({index for index in targets if index >= 0})
        if self.saving is not None:
            await self._save(None, ready)
        return ready

    # One function, since each call would cost as much as the rest of a visit.
    async def _sequence(self, index: int) -> list[int]:  # noqa: PLR0912, PLR0915
        """Run nodes one after another, until several are ready or none."""
        nodes, state, ctx, visits = self.program.nodes, self.state, self.ctx, self.visits
        rec, saving, output, limit = self.recording, self.saving, self.output, self.limit
        view, apply, rows, deadline = self.schema.view, self.schema.apply, rec.rows, ctx.deadline_ns
        rows_limit = self.rows_limit
        while True:
            self.step += 1
            if self.step > limit:
                raise GraphRecursionError(limit)
            node = nodes[index]
            ctx.at, name, attempt = node, node.name, 1
            visit = ctx.visit = visits[index] = visits[index] + 1
            t0 = ctx.started_ns = monotonic_ns()
            entry = rec.seq = rec.seq + 1
            rec.current = (entry, name, visit, 1, t0)
            recorded: dict[str, Any] | None
            try:
                given = view(state)
                update = node.function(given) if node.is_plain else node.call(given, ctx)
                if node.is_async:
                    update = await update
                t1 = monotonic_ns()
                if t1 - t0 > node.limit_ns:
                    raise NodeTimeoutError(name, node.limit_ns / 1e9)  # noqa: TRY301 - the node's
                if saving is None and type(update) is dict:
                    recorded = apply(state, update)
                else:
                    recorded = self._apply(state, update, name)
            except (Exception, asyncio.CancelledError) as exc:  # noqa: BLE001 - the node's border
                update, recorded, attempt, entry, t0 = await self._recover(
                    node, ctx, exc, entry, t0
                )
                t1 = monotonic_ns()
            following: int | list[int] = node.next
            edges: tuple[Edge, ...] = node.edges
            step_id = None
            if following == COMPLEX or saving is not None:
                try:
                    if node.router is not None:
                        following, edges = node.router.choose(view(state), state)
                    elif following == COMPLEX:
                        following, edges = await self._advance(node, state)
                    if saving is not None:
                        step_id = await self._save(recorded, following)
                except BaseException as exc:
                    self._visited(entry, name, visit, attempt, t0, t1, recorded)
                    mark_node(exc, name)
                    raise
            seq = rec.seq + 1
            rows.append((VISIT, entry, seq, name, visit, attempt, t0, t1, recorded, edges, step_id))
            rec.seq = seq + (1 if recorded else 0) + len(edges) + (step_id is not None)
            rec.current = None
            if output is not None:
                await self._stream({name: update})
            if len(rows) > rows_limit:
                await self._wait_for_journal()
            if t1 > deadline:
                raise ExecutionTimeoutError(self.ctx.budget_s or 0.0)
            if not isinstance(following, int):
                if len(following) != 1:
                    return following
                following = following[0]
            if following < 0:
                return []
            index = following

    def _visited(self, entry: int, *visit: Any) -> None:
        """Record a visit that is done, though the way on from it failed."""
        rec = self.recording
        rec.rows.append((VISIT, entry, rec.seq + 1, *visit, (), None))
        rec.seq += 2 if visit[-1] else 1
        rec.current = None

    def _apply(self, state: dict[str, Any], update: Any, name: str) -> dict[str, Any] | None:
        if type(update) is dict:
            return self.schema.apply(state, update, strict=self.saving is not None)
        if update is None:
            return None
        found = self.schema.keys_of(update)
        if found is None:
            raise InvalidUpdateError(
                f"The node {name!r} returned a {type(update).__name__}.",
                hint="Return a dict of the state's keys that change, or None.",
            )
        changed = {key: value for key, value in found.items() if state.get(key) is not value}
        return self.schema.apply(state, changed, strict=self.saving is not None)

    async def _recover(
        self, node: Node, ctx: Context, error: BaseException, entry: int, t0: int
    ) -> tuple[Any, dict[str, Any] | None, int, int, int]:
        """Record a failed attempt and try again as the node's policy says.

        Returns the update, what is recorded of it, the attempt that gave it, and that attempt's
        entry seq and start.
        """
        rec, attempt = self.recording, 1
        while True:
            rec.current = None
            rec.rows.append((ENTER, entry, node.name, ctx.visit, attempt, t0))
            await after_failure(self, node, ctx, t0, error)
            attempt = ctx.attempt
            t0 = ctx.started_ns = monotonic_ns()
            entry = rec.seq = rec.seq + 1
            rec.current = (entry, node.name, ctx.visit, attempt, t0)
            try:
                update = node.call(self.schema.view(self.state), ctx)
                if node.is_async:
                    update = await update
                recorded = self._apply(self.state, update, node.name)
            except (Exception, asyncio.CancelledError) as exc:  # noqa: BLE001 - the node's border
                error = exc
            else:
                ctx.attempt = 1
                return update, recorded, attempt, entry, t0

    async def _advance(
        self, node: Node, state: dict[str, Any]
    ) -> tuple[list[int], tuple[Edge, ...]]:
        """Find the ways on from a node that decides, joins or fans out."""
        targets, edges = list(node.targets), list[Edge](node.edges)
        for router in node.routers:
            for index, edge in await self._decide(router, state):
                edges.append(edge)
                targets.append(index)
        targets += self._arrive(node)
        return sorted({index for index in targets if index >= 0}), tuple(edges)

    async def _decide(
        self, router: Router, state: dict[str, Any]
    ) -> list[tuple[int, tuple[str, str, dict[str, Any], str | None]]]:
        answer = router.call(self.schema.view(state))
        if router.is_async:
            answer = await answer
        read, unread = router.values_read(state)
        return [
            (router.targets[target], (target, label, read, unread))
            for label, target in router.decide(answer)
        ]

    def _arrive(self, node: Node) -> list[int]:
        """Note that a node is done for the joins that wait for it; give those that are complete."""
        complete = []
        for number in node.joins:
            join = self.program.joins[number]
            seen = self.arrived.setdefault(number, set())
            seen.add(node.index)
            if seen >= join.needed:
                complete.append(join.target)
                del self.arrived[number]
        return complete

    async def _step(self, ready: list[int]) -> list[int]:
        """Run several nodes at once and merge what they return, in the plan's order."""
        self.step += 1
        if self.step > self.limit:
            raise GraphRecursionError(self.limit)
        branches = await run_branches(self, ready)
        self._refuse_conflicts(branches)
        before = (
            self.state.copy() if any(branch.node.routers for branch in branches) else self.state
        )
        targets: set[int] = set()
        applied: list[tuple[Any, ...]] = []
        for branch in branches:
            node = branch.node
            recorded = self._apply(self.state, branch.update, node.name)
            if node.routers:
                following, edges = await self._advance(node, self._seen_by(branch, before))
                targets.update(following)
            else:
                edges = node.edges
                targets.update(node.targets)
                if node.joins:
                    targets.update(self._arrive(node))
            applied.append((branch, recorded, edges))
        following = sorted(targets)
        step_id = None
        if self.saving is not None:
            updates = [recorded for _, recorded, _ in applied if recorded]
            step_id = await self._save(join_updates(updates), following)
        for branch, recorded, edges in applied:
            self._record_apply(branch, recorded, edges, step_id if branch is branches[-1] else None)
        if self.output is not None:
            await self._stream({branch.node.name: branch.update for branch in branches})
        if len(self.recording.rows) > self.rows_limit:
            await self._wait_for_journal()
        if monotonic_ns() > self.ctx.deadline_ns:
            raise ExecutionTimeoutError(self.ctx.budget_s or 0.0)
        return following

    def _seen_by(self, branch: Branch, before: dict[str, Any]) -> dict[str, Any]:
        """The state that a branch's router reads: the step's, with the branch's own update."""
        own = before.copy()
        self._apply(own, branch.update, branch.node.name)
        return own

    def _record_apply(
        self, branch: Branch, recorded: dict[str, Any] | None, edges: tuple[Edge, ...], step_id: Any
    ) -> None:
        rec = self.recording
        rec.rows.append(
            (
                APPLY,
                rec.seq + 1,
                branch.node.name,
                branch.visit,
                branch.attempt,
                monotonic_ns(),
                recorded,
                edges,
                step_id,
            )
        )
        rec.seq += (1 if recorded else 0) + len(edges) + (step_id is not None)

    def _refuse_conflicts(self, branches: list[Branch]) -> None:
        writers: dict[str, str] = {}
        for branch in branches:
            for key in self.schema.keys_of(branch.update) or ():
                if key in self.schema.reducers:
                    continue
                if key in writers:
                    raise InvalidUpdateError(
                        f"{writers[key]!r} and {branch.node.name!r} both wrote {key!r} in one step.",
                        hint=f"Give {key!r} a reducer: Annotated[…, reducer].",
                    )
                writers[key] = branch.node.name

    async def _save(self, recorded: dict[str, Any] | None, following: Any) -> tuple[str, int]:
        assert self.saving is not None
        ready = following if isinstance(following, list) else [following] if following >= 0 else []
        names = tuple(self.program.nodes[index].name for index in ready)
        done = self.saving.save(self.step, recorded, names, self.state)
        if done is not None and self.saving.is_sync:
            await self._durable(done)
        return self.saving.checkpoint_id(self.step), self.step

    async def _durable(self, done: Future[None]) -> None:
        if self.is_blocking:
            done.result()
        else:
            await asyncio.wrap_future(done)

    async def _stream(self, updates: dict[str, Any]) -> None:
        assert self.output is not None
        if self.gate is not None:
            await self.gate.wait()
        for name, update in updates.items():
            self.output("updates", {name: update})
        self.output("values", self.state)

    async def sleep(self, delay_s: float) -> None:
        """Wait, holding the thread where no event loop runs."""
        if self.is_blocking:
            time.sleep(delay_s)  # noqa: ASYNC251 - no loop runs
        else:
            await asyncio.sleep(delay_s)

    async def _wait_for_journal(self) -> None:
        if self.journal is None:
            self.recording.rows.clear()
        elif self.rows_limit == 0:
            await self._acknowledge()
        elif self.is_blocking:
            self.journal.full_wait(self.recording)
        else:
            await self.journal.afull_wait(self.recording)

    async def _acknowledge(self) -> None:
        """Wait until all that has happened is durable.

        Raises:
            StoreError: It cannot be made so.
        """
        if self.last_save is not None:
            await self._durable(self.last_save)
        if self.journal is None:
            return
        if self.is_blocking:
            self.journal.flush()
        else:
            await self.journal.aflush()

    def _fail(self, error: BaseException) -> BaseException:
        """Record how the execution ended and give the error to raise."""
        error = own_timeout(self.ctx, error)
        if isinstance(error, Exception):
            self._end("failed", error, "")
        else:
            self._end("cancelled", None, type(error).__name__)
        mark(error, self.recording.execution_id)
        return error

    def _leave_open(self) -> None:
        """Record the entry of a visit that was cut off before its row was written."""
        rec = self.recording
        cut, rec.current = rec.current, None
        last = next((row for row in reversed(rec.rows) if row[0] in (VISIT, ENTER)), None)
        if cut is not None and (last is None or last[1] < cut[0]):
            rec.rows.append((ENTER, *cut))

    def _end(self, status: str, error: Exception | None, reason: str) -> None:
        rec, output, failure, node = self.recording, None, None, None
        if rec.current is not None:
            self._leave_open()
        if status == "completed":
            output = freeze_all(self.state)
        elif error is not None:
            failure, node = failure_of(error, with_traceback=True), node_of(error)
        rec.seq += 1
        rec.rows.append((END, rec.seq, monotonic_ns(), status, output, failure, reason, node))
        rec.is_done = True
        if self.saving is not None:
            self.last_save = self.saving.close(self.state)
