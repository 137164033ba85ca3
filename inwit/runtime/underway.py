"""What is under way where steps overlap: which visits there are, by what names, and what they read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from inwit.errors import UndeclaredRouteError
from inwit.runtime.arrivals import Arrivals
from inwit.runtime.branches import limit
from inwit.runtime.keeping import FlowNames
from inwit.runtime.progress import in_step, task_id
from inwit.runtime.reach import Reach
from inwit.runtime.updates import Packet, Ready
from inwit.runtime.visits import Visit, progress_notes, sent_stem

if TYPE_CHECKING:
    from inwit.runtime.checkpoints.saving import Note
    from inwit.runtime.engine import Execution


class Underway:
    """The visits that are not merged yet, each at its place in the plan."""

    def __init__(self, execution: Execution, ready: Sequence[Ready]) -> None:
        self.execution = execution
        self.reach: Reach = execution.graph.reach
        self.known = dict(execution.resumed or {})
        """What earlier executions did of visits that are not made yet."""
        self.is_resumed = execution.resumed is not None
        """Whether an earlier execution may have begun what runs here, and graphs within it."""
        execution.resumed = None
        self.begun = self.committed = execution.steps
        self.visits: dict[int, dict[Any, Visit]] = {}
        """Those that are not merged, by their steps; within one, by index, or what was sent by itself."""
        self.states: dict[int, dict[str, Any]] = {}
        """The state after a step, as far as it is done; made when asked for."""
        self.held = set(execution.deferred)
        """Deferred nodes that are ready once nothing else is."""
        self.arrivals = Arrivals(execution.program, execution.arrived, self.committed)
        self.root = self._find_root()
        stems = iter(() if execution.flow is None else execution.flow.sent)
        for number, one in enumerate(ready):
            self._add_first(number, one, stems)

    # Visits and their names

    def _find_root(self) -> tuple[str, int]:
        """The checkpoint and the step that tasks are named by: the flow's own, or a resumed one's."""
        execution = self.execution
        if execution.flow is not None:
            return execution.flow.root, execution.flow.first
        execution.steps = self.committed + 1
        root = execution.here, execution.base + execution.steps
        execution.steps = self.committed
        return root

    def _add_first(self, number: int, one: Ready, stems: Iterator[str]) -> None:
        if isinstance(one, Packet):
            visit = self._make(one.index, self.committed + 1, one)
            visit.place(number)
            visit.stem = next(stems, visit.plain_key)
        else:
            visit = self._make(one, self.committed + 1)
        self._name(visit)

    def _make(self, index: int, step: int, packet: Packet | None = None) -> Visit:
        execution = self.execution
        visit = Visit(execution, execution.program.nodes[index], 0)
        visit.depth, visit.packet = step, packet
        visit.stem = visit.plain_key = visit.at.name
        limit(visit)
        self.visits.setdefault(step, {})[index if packet is None else visit] = visit
        return visit

    def _make_sent(self, sender: Visit, number: int, packet: Packet) -> None:
        visit = self._make(packet.index, sender.depth + 1, packet)
        visit.sender, visit.number = sender, number
        visit.stem = sent_stem(visit.at.name, sender, number)
        self._name(visit)

    def _name(self, visit: Visit) -> None:
        """Give a visit its key and id, the same when it is made again on resume."""
        execution, number = self.execution, self.execution.base + visit.depth
        visit.key = in_step(visit.stem, number)
        root, first = self.root
        named = visit.plain_key if number == first else visit.key
        visit.id = task_id(execution.thread_id, execution.ns, root, named)
        keys = [visit.key, *([visit.plain_key] if visit.depth == self.committed + 1 else [])]
        visit.remember([self.known.pop(key) for key in keys if key in self.known])

    def _lead_to(self, index: int, step: int) -> None:
        """Make a node ready in a step, where it is not yet."""
        if index in self.execution.program.deferred:
            self.held.add(index)
        elif index not in self.visits.get(step, {}) and step > self.committed:
            self._name(self._make(index, step))

    def _refuse_undeclared(self, visit: Visit, index: int) -> None:
        node: Any = visit.at
        if not self.reach.exactly(node.index, 1) >> index & 1:
            raise UndeclaredRouteError(node.name, self.execution.program.nodes[index].name)

    # Which there are

    def _unsettled(self) -> Iterator[Visit]:
        return (one for step in self.visits.values() for one in step.values() if not one.is_settled)

    def _in_order(self, step: int) -> list[Visit]:
        return sorted(self.visits.get(step, {}).values(), key=lambda one: one.order)

    def _following(self) -> list[Ready]:
        return [one.packet or one.at.index for one in self._in_order(self.committed + 1)]

    def _is_narrow(self) -> bool:
        """Whether there is nothing that could run side by side."""
        ready = self._in_order(self.committed + 1)
        if len(self.visits) > 1 or len(ready) > 1 or self.known or self.committed == self.begun:
            return False
        return not ready or not (ready[0].is_known or ready[0].packet is not None)

    def _is_last(self, visit: Visit) -> bool:
        """Whether its step is over with it, before anything that it leads to begins."""
        return visit.depth == self.committed + 1 and not any(
            one is not visit and not one.is_settled for one in self.visits[visit.depth].values()
        )

    def _place_next(self) -> None:
        """Number what follows, as far as it is known now who sends it, and say by what it is named."""
        following = self._in_order(self.committed + 1)
        for number, one in enumerate(following):
            one.place(number)
        sent = tuple(one.stem for one in following if one.packet is not None)
        self.execution.flow = None if self._is_narrow() else FlowNames(*self.root, sent)

    def _release(self) -> None:
        """Let the deferred nodes run: nothing else does."""
        held, self.held = sorted(self.held), set()
        self.arrivals.release(held)
        for index in held:
            self._name(self._make(index, self.committed + 1))

    # What they read, and what is kept of them

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

    def _notes(self) -> list[Note]:
        """All that a later execution must know of what is not merged."""
        notes: list[Note] = []
        for visit in (one for step in sorted(self.visits) for one in self._in_order(step)):
            notes += visit.notes()
        for progress in self.known.values():
            notes += progress_notes(progress)
        return notes

    def _notes_with_next(self) -> Sequence[Note]:
        """What is done ahead, if it is to be kept once more: with a checkpoint that is loaded first."""
        saving = self.execution.saving
        is_needed = saving is not None and not saving.is_volatile and saving.is_whole_next
        return self._notes() if is_needed else ()
