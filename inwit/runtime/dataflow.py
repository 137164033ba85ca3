"""Scheduling without a barrier: a node starts as soon as its own inputs are there.

Each visit still has its place in the plan: the step in which it would run if every step waited for
the one before. A visit starts when nothing that is under way may still lead to it in that step, so
that a slow sibling delays only those who need it. Updates are merged step by step and, within one, in
the plan's order, as far as all earlier visits are done. A node is given the state that the steps
before its own have left so far: whatever its ancestors wrote, and of what others wrote nothing that
can be relied on. A graph whose nodes read only what their ancestors wrote ends in the same state as
with ``scheduling="steps"``.

What is known of a node's ways on decides how long others wait for it: a router without a path map or a
``Literal`` return type may lead anywhere, and so may a node that returns commands without
destinations. A way that none of these tells of is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

import msgspec

from inwit.runtime import branches
from inwit.runtime.checkpoints import join_updates
from inwit.runtime.holding import be_late
from inwit.runtime.interrupts import Waiting
from inwit.runtime.keeping import note, pause, save
from inwit.runtime.program import Edge
from inwit.runtime.relay import Relay
from inwit.runtime.steps import apply, checked, read, record_apply
from inwit.runtime.taking_over import go_on
from inwit.runtime.underway import Underway
from inwit.runtime.updates import Only, Packet, Ready, ready_of
from inwit.runtime.visits import (
    WAYS,
    Decided,
    Ends,
    Visit,
    pack_ways,
    unpack_ways,
)
from inwit.runtime.waits import wait_for_journal
from inwit.runtime.ways import decide, goto_edge

if TYPE_CHECKING:
    from inwit.runtime.engine import Execution


async def flow(execution: Execution, ready: Sequence[Ready]) -> list[Ready]:
    """Run from several ready nodes on until one alone is; none where the execution waits or ends."""
    return await _Flow(execution, ready).run()


class _Flow(Underway):
    def __init__(self, execution: Execution, ready: Sequence[Ready]) -> None:
        super().__init__(execution, ready)
        self.ends, self.relay = Ends(), Relay()
        self.running: list[Visit] = []
        width = execution.graph.options.limits.max_parallel
        self.width = min(width, execution.config.get("max_concurrency") or width)

    # The run

    async def run(self) -> list[Ready]:
        """Go on until one node alone is ready."""
        execution = self.execution
        try:
            while True:
                for one in self.arrivals.complete(list(self._unsettled()), self.reach):
                    self._lead_to(*one)
                await self._commit()
                if not self.visits or self._is_narrow():
                    return self._following()
                await self._start()
                if not self.running:
                    return await self._pause()
                execution.branches = self.running
                await self.ends.moved.wait()
                await self._take_ended()
        except BaseException:
            self._keep_done()
            raise
        finally:
            execution.branches, execution.flow = (), None
            await branches.give_up(self.ends)

    async def _start(self) -> None:
        """Start what can start, the earliest first."""
        unsettled = list(self._unsettled())
        waiting = [one for one in unsettled if not one.has_begun]
        for visit in sorted(waiting, key=lambda one: (one.depth, one.order)):
            if len(self.running) >= self.width:
                return
            if not self._may_change(visit, unsettled):
                await self._begin(visit)

    def _may_change(self, visit: Visit, unsettled: Iterable[Visit]) -> bool:
        """Whether something under way may still lead to a visit, or to one that it is."""
        if visit.packet is not None:
            return False
        place = 1 << visit.at.index
        return any(
            self.reach.exactly(one.at.index, visit.depth - one.depth) & place
            for one in unsettled
            if one.depth < visit.depth
        )

    async def _begin(self, visit: Visit) -> None:
        execution = self.execution
        if visit.depth > execution.limit:
            raise execution.out_of_steps()
        index = visit.at.index
        visit.visit = execution.visits[index] = execution.visits[index] + 1
        if visit._progress is not None:  # noqa: SLF001
            visit._progress.visit = visit.visit  # noqa: SLF001
        if self.is_resumed:
            visit.progress.is_resumed = True
            go_on(visit, visit.progress)
        visit.seen, visit.has_begun = self._state_before(visit.depth).copy(), True
        if execution.output is not None:
            await execution.output.entered([visit])
        if branches.may_block(visit):
            visit.relay = self.relay
        work = branches.run_branch(execution, self.ends, visit)
        visit.task = asyncio.get_running_loop().create_task(work)
        self.ends.tasks.append(visit.task)
        self.running.append(visit)

    async def _take_ended(self) -> None:
        """Find the ways on from what has ended."""
        self.ends.moved.clear()
        ended, self.ends.ended = self.ends.ended, []
        if self.ends.error is not None:
            failed = self.ends.failed
            self.execution.failed_key = "" if failed is None else failed.task_key
            raise self.ends.error
        for visit in ended:
            self.running.remove(visit)
            if visit.waiting is None:
                await self._settle(visit)
        self.ends.tasks = [one.task for one in self.running if one.task is not None]
        if monotonic_ns() > self.execution.deadline_ns:
            await be_late(self.execution)

    async def _settle(self, visit: Visit) -> None:
        visit.read = read(self.execution.graph.schema, visit.seen, visit)
        found, visit.edges = await self._ways(visit)
        visit.is_settled = True
        self.states = {step: state for step, state in self.states.items() if step < visit.depth}
        self.arrivals.add(visit.at, visit.depth)
        for number, one in enumerate(found):
            if isinstance(one, Packet):
                self._refuse_undeclared(visit, one.index)
                self._make_sent(visit, number, one)
            elif one >= 0:
                self._refuse_undeclared(visit, one)
                self._lead_to(one, visit.depth + 1)

    async def _ways(self, visit: Visit) -> tuple[list[Ready], Sequence[Edge]]:
        node: Any = visit.at
        goto = visit.read[1]
        if not node.routers and not goto:
            return list(node.targets), node.edges
        found: list[Ready] = []
        edges: list[Edge] = []
        if not isinstance(goto, Only):
            decided = await self._decided(visit)
            found = [*node.targets, *(one for one, _ in decided)]
            edges = [*node.edges, *(edge for _, edge in decided)]
        edges += map(goto_edge, goto)
        return [*ready_of(self.execution.program, node.name, goto), *found], edges

    async def _decided(self, visit: Visit) -> Decided:
        """Where the routers lead: what is kept of a visit must not be decided in another way."""
        execution, node = self.execution, visit.at
        if not node.routers:
            return []
        memos = visit.progress.memos
        if WAYS in memos:
            return unpack_ways(execution, memos[WAYS])
        state = visit.seen.copy()
        for update in visit.read[0]:
            execution.graph.schema.apply(state, update)
        found: Decided = []
        for router in node.routers:
            found += await decide(visit, router, state, state)
        if execution.saving is not None and not self._is_last(visit):
            memos[WAYS] = frozen = pack_ways(execution, found)
            if not execution.saving.is_volatile:
                note(execution, "memo", visit.key, WAYS, frozen)
        return found

    # Merging

    async def _commit(self) -> None:
        """Merge the steps that are over, one after another."""
        while (visits := self._in_order(self.committed + 1)) and all(
            one.is_settled for one in visits
        ):
            await self._commit_step(visits)

    async def _commit_step(self, visits: Sequence[Visit]) -> None:
        execution, step = self.execution, visits[0].depth
        named = [(one.at.name, one.read) for one in visits]
        applied = [
            apply(execution, updates) for updates, _ in checked(execution.graph.schema, named)
        ]
        del self.visits[step]
        self.states.pop(step, None)
        self.committed = execution.steps = step
        if not self.visits and self.held:
            self._release()
        execution.deferred = frozenset(self.held)
        execution.arrived = self.arrivals.until(step)
        self._place_next()
        step_id = None
        if execution.saving is not None:
            made = [recorded for recorded in applied if recorded]
            parts = None
            if execution.saving.is_volatile:
                named_parts = zip(visits, applied, strict=True)
                parts = [(str(one.plain_key), recorded or {}) for one, recorded in named_parts]
            following, notes = self._following(), self._notes_with_next()
            step_id = await save(execution, join_updates(made), following, parts=parts, notes=notes)
        now = monotonic_ns()
        for one, recorded in zip(visits, applied, strict=True):
            reached = step_id if one is visits[-1] else None
            record_apply(execution, one, now, recorded, one.edges, reached)
        await self._tell(applied)

    async def _tell(self, applied: Sequence[dict[str, Any] | None]) -> None:
        execution = self.execution
        if execution.output is not None:
            await execution.output.merged(execution, {key for one in applied for key in one or ()})
        if len(execution.rows) > execution.rows_limit:
            await wait_for_journal(execution)
        if execution.spending is not None and (over := execution.spending.error()) is not None:
            raise over

    # Keeping

    def _keep_done(self) -> None:
        """Keep what was done when the rest was cut off, where it is not kept yet."""
        execution = self.execution
        if execution.saving is not None and execution.saving.holds_done:
            execution.notes = [*execution.notes, *self._notes()]

    async def _pause(self) -> list[Ready]:
        """Wait for answers: whatever does not need them is done."""
        execution = self.execution
        asking = [one for step in sorted(self.visits) for one in self._in_order(step)]
        asked = [self._asked(one) for one in asking if one.waiting is not None]
        is_kept = execution.saving is not None and not execution.saving.holds_done
        execution.steps = self.committed + 1
        await pause(execution, asked, self._following(), [] if is_kept else self._notes())
        for step in sorted(self.visits):
            for one in self._in_order(step):
                if one.is_settled:
                    apply(execution, one.read[0])
        return []

    def _asked(self, visit: Visit) -> tuple[str, int, Sequence[Waiting]]:
        """A visit's questions; in the next step to merge its task is named as steps name it."""
        waiting, key = visit.waiting or (), visit.key
        if visit.depth == self.committed + 1:
            key = visit.plain_key
        renamed = [
            msgspec.structs.replace(one, task=key) if one.task == visit.key else one
            for one in waiting
        ]
        return key, visit.visit, renamed
