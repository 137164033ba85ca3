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
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

import msgspec

from inwit.errors import UndeclaredRouteError, UnserialisableError
from inwit.runtime import branches
from inwit.runtime.arrivals import Arrivals
from inwit.runtime.branches import Branch, Step
from inwit.runtime.checkpoints import join_updates
from inwit.runtime.interrupts import Waiting
from inwit.runtime.keeping import pause, save
from inwit.runtime.program import Edge
from inwit.runtime.progress import NOT_DONE, Progress, in_step, task_id
from inwit.runtime.reach import Reach
from inwit.runtime.serial import freeze, pack
from inwit.runtime.steps import Read, apply, checked, read, record_apply
from inwit.runtime.updates import Only, Packet, Ready, ready_of
from inwit.runtime.waits import wait_for_journal
from inwit.runtime.ways import decide

if TYPE_CHECKING:
    from inwit.runtime.checkpoints.saving import Note
    from inwit.runtime.engine import Execution

Order = tuple[int, ...]
"""A visit's place within its step: (0, index), or for what was sent (1, its sender's, a number)."""


class Visit(Branch):
    """One visit of a node, with its place in the plan."""

    depth: int
    """The step in which it would run if steps waited for each other."""
    order: Order
    seen: dict[str, Any]
    """The state that it reads."""
    id: str
    """The task's id."""
    plain_key: str
    """The task's key as steps know it."""
    has_begun = False
    is_settled = False
    """Whether it has returned, and its ways on are known."""
    read: Read
    edges: Sequence[Edge] = ()

    @property
    def task_id(self) -> str:
        return self.id

    @property
    def path(self) -> tuple[Any, ...]:
        return ("__pregel_push", self.order[-1], False) if self.packet is not None else super().path

    def given_state(self) -> Any:
        if self.packet is not None:
            return self.at.read_packet(self.packet.arg)
        return self.at.view(self.seen)


class _Ends(Step):
    """Collects the visits that have ended."""

    __slots__ = ("ended", "moved")

    def __init__(self) -> None:
        super().__init__(())
        self.left = 1  # It is never over by itself.
        self.ended: list[Visit] = []
        self.moved = asyncio.Event()

    def end(self, branch: Branch, error: BaseException | None) -> None:
        assert isinstance(branch, Visit)
        self.ended.append(branch)
        if error is not None and self.error is None:
            self.error, self.failed = error, branch
        self.moved.set()


async def flow(execution: Execution, ready: Sequence[Ready]) -> list[Ready]:
    """Run from several ready nodes on until one alone is; none where the execution waits or ends."""
    return await _Flow(execution, ready).run()


class _Flow:
    def __init__(self, execution: Execution, ready: Sequence[Ready]) -> None:
        self.execution = execution
        graph = execution.graph
        self.reach: Reach = graph.reach
        self.known = dict(execution.resumed or {})
        """What earlier executions did of visits that are not made yet."""
        execution.resumed = None
        self.begun = self.committed = execution.steps
        self.visits: dict[int, dict[Any, Visit]] = {}
        """Those that are not merged, by their steps; within one, by index or order."""
        self.states: dict[int, dict[str, Any]] = {}
        """The state after a step, as far as it is done; made when asked for."""
        self.held = set(execution.deferred)
        """Deferred nodes that are ready once nothing else is."""
        self.arrivals = Arrivals(execution.program, execution.arrived, self.committed)
        self.ends = _Ends()
        self.running: list[Visit] = []
        self.root = self._find_root(ready)
        width = graph.options.limits.max_parallel
        self.width = min(width, execution.config.get("max_concurrency") or width)
        for number, one in enumerate(ready):
            self._add_first(number, one)

    # Visits and their names

    def _find_root(self, ready: Sequence[Ready]) -> tuple[str, int]:
        """The checkpoint and the step that tasks are named by: the flow's own, or a resumed one's."""
        execution = self.execution
        is_alone = len(ready) == 1 and type(ready[0]) is int
        if execution.flow_root is None or is_alone:
            execution.steps = self.committed + 1
            execution.flow_root = execution.here, execution.base + execution.steps
            execution.steps = self.committed
        return execution.flow_root

    def _add_first(self, number: int, one: Ready) -> None:
        if isinstance(one, Packet):
            visit = self._make(one.index, self.committed + 1, (1, number), one)
            visit.plain_key = f"{visit.at.name}#{number}"
        else:
            visit = self._make(one, self.committed + 1, (0, one), None)
        self._name(visit)

    def _make(self, index: int, step: int, order: Order, packet: Packet | None) -> Visit:
        execution = self.execution
        visit = Visit(execution, execution.program.nodes[index], 0)
        visit.depth, visit.order, visit.packet = step, order, packet
        visit.plain_key = visit.at.name
        self.visits.setdefault(step, {})[order if packet is not None else index] = visit
        return visit

    def _name(self, visit: Visit) -> None:
        """Give a visit its key and id, the same when it is made again on resume."""
        execution, number = self.execution, self.execution.base + visit.depth
        key = visit.plain_key if visit.packet is None else self._packet_key(visit)
        visit.key = in_step(key, number)
        root, first = self.root
        named = visit.plain_key if number == first else visit.key
        visit.id = task_id(execution.thread_id, execution.ns, root, named)
        self._remember(visit)

    def _remember(self, visit: Visit) -> None:
        """Let a visit go on with what earlier executions did of it."""
        keys = [visit.key, *([visit.plain_key] if visit.depth == self.committed + 1 else [])]
        found = [self.known.pop(key) for key in keys if key in self.known]
        if not found:
            return
        whole = Progress(visit.key)
        for one in found:
            whole.answers = [*whole.answers, *one.answers]
            whole.memos |= one.memos
            whole.done = one.done if whole.done is NOT_DONE else whole.done
        whole.is_resumed = True
        visit._progress = whole  # noqa: SLF001

    def _packet_key(self, visit: Visit) -> str:
        """A packet's key: its node, what it carries, and which one of the same it is."""
        assert visit.packet is not None
        try:
            carried = blake2b(pack(visit.packet.arg, strict=True), digest_size=6).hexdigest()
        except UnserialisableError:
            carried = ""
        start = f"{visit.at.name}#{carried}."
        others = self.visits[visit.depth].values()
        return f"{start}{sum(one.key.startswith(start) for one in others)}"

    def _unsettled(self) -> Iterator[Visit]:
        return (one for step in self.visits.values() for one in step.values() if not one.is_settled)

    def _in_order(self, step: int) -> list[Visit]:
        return sorted(self.visits.get(step, {}).values(), key=lambda one: one.order)

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
            execution.branches, execution.flow_root = (), None
            await branches.give_up(self.ends)

    def _is_narrow(self) -> bool:
        """Whether there is nothing that could run side by side."""
        ready = self._in_order(self.committed + 1)
        if len(self.visits) > 1 or len(ready) > 1 or self.known or self.committed == self.begun:
            return False
        return not ready or not (ready[0].has_begun or ready[0].packet is not None)

    def _following(self) -> list[Ready]:
        return [one.packet or one.at.index for one in self._in_order(self.committed + 1)]

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
        visit.seen, visit.has_begun = self._state_before(visit.depth).copy(), True
        if execution.output is not None:
            await execution.output.entered([visit])
        work = branches.run_branch(execution, self.ends, visit)
        visit.task = asyncio.get_running_loop().create_task(work)
        self.ends.tasks.append(visit.task)
        self.running.append(visit)

    def _state_before(self, step: int) -> dict[str, Any]:
        """The state that all steps before one have left so far."""
        known = step - 1
        while known > self.committed and known not in self.states:
            known -= 1
        state = self.execution.state if known <= self.committed else self.states[known]
        for number in range(known + 1, step):
            if number > self.committed:
                state = self.states[number] = self._with_updates(state, number)
        return state

    def _with_updates(self, state: dict[str, Any], step: int) -> dict[str, Any]:
        changed = state.copy()
        for one in self._in_order(step):
            for update in one.read[0] if one.is_settled else ():
                self.execution.graph.schema.apply(changed, update)
        return changed

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
            raise self.execution.out_of_time()

    async def _settle(self, visit: Visit) -> None:
        visit.read = read(self.execution.graph.schema, visit.seen, visit)
        found, visit.edges = await self._ways(visit)
        visit.is_settled = True
        self.states = {step: state for step, state in self.states.items() if step < visit.depth}
        self.arrivals.add(visit.at, visit.depth)
        for number, one in enumerate(found):
            if isinstance(one, Packet):
                order = (1, *visit.order, number)
                self._refuse_undeclared(visit, one.index)
                self._name(self._make(one.index, visit.depth + 1, order, one))
            elif one >= 0:
                self._refuse_undeclared(visit, one)
                self._lead_to(one, visit.depth + 1)

    def _refuse_undeclared(self, visit: Visit, index: int) -> None:
        node: Any = visit.at
        if not self.reach.exactly(node.index, 1) >> index & 1:
            raise UndeclaredRouteError(node.name, self.execution.program.nodes[index].name)

    def _lead_to(self, index: int, step: int) -> None:
        """Make a node ready in a step, where it is not yet."""
        if index in self.execution.program.deferred:
            self.held.add(index)
        elif index not in self.visits.get(step, {}) and step > self.committed:
            self._name(self._make(index, step, (0, index), None))

    async def _ways(self, visit: Visit) -> tuple[list[Ready], Sequence[Edge]]:
        node: Any = visit.at
        updates, goto = visit.read
        if not node.routers and not goto:
            return list(node.targets), node.edges
        found: list[Ready] = []
        edges: list[Edge] = []
        if not isinstance(goto, Only):
            found, edges = list(node.targets), list(node.edges)
            state = visit.seen
            if node.routers:
                state = state.copy()
                for update in updates:
                    self.execution.graph.schema.apply(state, update)
            for router in node.routers:
                for item, edge in await decide(self.execution, router, state, state):
                    found.append(item)
                    edges.append(edge)
        for one in goto:
            edges.append((one if isinstance(one, str) else one.node, "goto", {}, None))
        return [*ready_of(self.execution.program, node.name, goto), *found], edges

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
        step_id = None
        if execution.saving is not None:
            made = [recorded for recorded in applied if recorded]
            parts = None
            if execution.saving.is_volatile:
                named_parts = zip(visits, applied, strict=True)
                parts = [(str(one.plain_key), recorded or {}) for one, recorded in named_parts]
            step_id = await save(execution, join_updates(made), self._following(), parts=parts)
            self._keep_ahead()
        for one, recorded in zip(visits, applied, strict=True):
            record_apply(
                execution, one, recorded, one.edges, step_id if one is visits[-1] else None
            )
        await self._tell(applied)

    def _release(self) -> None:
        """Let the deferred nodes run: nothing else does."""
        held, self.held = sorted(self.held), set()
        self.arrivals.release(held)
        for index in held:
            self._name(self._make(index, self.committed + 1, (0, index), None))

    async def _tell(self, applied: Sequence[dict[str, Any] | None]) -> None:
        execution = self.execution
        if execution.output is not None:
            await execution.output.merged(execution, {key for one in applied for key in one or ()})
        if len(execution.rows) > execution.rows_limit:
            await wait_for_journal(execution)
        if execution.spending is not None and (over := execution.spending.error()) is not None:
            raise over

    # Keeping

    def _keep_ahead(self) -> None:
        """Keep once more what is done ahead: what is loaded begins with the last whole checkpoint."""
        saving = self.execution.saving
        if saving is None or saving.is_volatile or not saving.was_whole:
            return
        if notes := self._notes():
            saving.note(notes, self.execution.state)

    def _notes(self) -> list[Note]:
        """All that a later execution must know of what is not merged."""
        notes: list[Note] = []
        for visit in (one for step in sorted(self.visits) for one in self._in_order(step)):
            notes += _notes_of(visit)
        for progress in self.known.values():
            notes += _progress_notes(progress)
        return notes

    def _keep_done(self) -> None:
        """Keep what was done when the rest was cut off, where it is not kept yet."""
        execution = self.execution
        if execution.saving is not None and execution.saving.is_volatile:
            execution.notes = [*execution.notes, *self._notes()]

    async def _pause(self) -> list[Ready]:
        """Wait for answers: whatever does not need them is done."""
        execution = self.execution
        asking = [one for step in sorted(self.visits) for one in self._in_order(step)]
        asked = [self._asked(one) for one in asking if one.waiting is not None]
        is_kept = execution.saving is not None and not execution.saving.is_volatile
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
            if visit.packet is not None:
                visit.plain_key = f"{visit.at.name}#{self._in_order(visit.depth).index(visit)}"
            key = visit.plain_key
        renamed = [
            msgspec.structs.replace(one, task=key) if one.task == visit.key else one
            for one in waiting
        ]
        return key, visit.visit, renamed


def _notes_of(visit: Visit) -> list[Note]:
    from inwit.runtime.returned import pack_returned

    if visit.is_done and visit.waiting is None:
        return [("done", visit.task_key, "", pack_returned(visit.update))]
    found = visit._progress  # noqa: SLF001
    return [] if found is None else _progress_notes(found)


def _progress_notes(progress: Progress) -> list[Note]:
    notes: list[Note] = [("memo", progress.key, key, kept) for key, kept in progress.memos.items()]
    notes += [
        ("resume", progress.key, f"{number}", freeze(answer, strict=True))
        for number, answer in enumerate(progress.answers)
    ]
    if progress.done is not NOT_DONE:
        notes.append(("done", progress.key, "", progress.done))
    return notes
