"""Where an execution begins: at the entry, where its thread stopped, or where a command leads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from inwit.errors import EmptyInputError, InvalidStateError, UnknownCheckpointError
from inwit.ids import new_id
from inwit.runtime.checkpoints import Checkpoint, Checkpointer, Pending, Task, fold, split
from inwit.runtime.checkpoints.base import BEFORE_INPUT, Durability, Row
from inwit.runtime.checkpoints.saving import Note, Saving, refuse_busy
from inwit.runtime.commands import Command
from inwit.runtime.configs import metadata_of
from inwit.runtime.interrupts import Waiting, is_by_id, match_answers, still_waiting
from inwit.runtime.keeping import arrived_at, flow_at, joins_kept, plain_keys, tasks_of_ready
from inwit.runtime.progress import NOT_DONE, Progress, step_of_key
from inwit.runtime.serial import freeze, thaw
from inwit.runtime.snapshot import is_before_input
from inwit.runtime.state import ROOT
from inwit.runtime.travel import Travel, travel_of
from inwit.runtime.updates import Packet, Ready, in_order, read_update, ready_of
from inwit.runtime.ways import hold_back

if TYPE_CHECKING:
    from inwit.runtime.compiled import CompiledGraph
    from inwit.runtime.engine import Execution

_GO_ON = ("waiting_for_input", "paused")


class Place(msgspec.Struct, kw_only=True):
    """Where in which thread to begin."""

    thread_id: str
    ns: str = ""
    checkpoint_id: str | None = None
    execution_id: str | None = None
    durability: Durability = "async"
    is_within: bool = False
    """Whether the graph runs in a node of another."""
    is_resumed: bool = False
    """Whether that node is run again by a resumed execution."""
    is_lasting: bool = False
    """Whether a graph within keeps its state from call to call."""
    parents: Mapping[str, str] = {}
    """The checkpoints of the graphs around it, by their places."""
    travel: Travel | None = None
    """How the execution around it travels."""
    pinned: Mapping[str, str] = {}
    """The checkpoints at which graphs within it begin again, by their places."""
    is_pinned: bool = False
    """Whether a graph within goes on at the named checkpoint."""
    is_as_of: bool = False
    """Whether a graph within begins with what it was at the named checkpoint, if any."""


class Begun(msgspec.Struct, kw_only=True):
    """What an execution begins with."""

    execution: Execution
    ready: list[Ready] | None = None
    given: Mapping[str, Any] | None = None


def begin(
    graph: CompiledGraph[Any], given: Any, config: Mapping[str, Any], place: Place,
    saver: Checkpointer | None,
) -> Begun:  # fmt: skip
    """Find where to begin, and make the execution; without a saver it is not saved as it goes.

    Raises:
        InvalidStateError: The input does not fit, or there is none and nothing to go on with.
        InvalidAnswerError: An answer does not fit; the thread still waits.
        ThreadBusyError: Another process executes on the thread.
        UnknownCheckpointError: The thread has no such checkpoint.
    """
    before_ns = None
    if saver is not None and given is None and is_before_input(place.checkpoint_id):
        given, before_ns = _before(graph, place, saver)
    if saver is not None and place.is_within and place.travel is not None:
        place.travel.point(place, saver)
    is_fresh = place.is_as_of and place.checkpoint_id is None
    rows: Sequence[Row] = ()
    if saver is not None and not is_fresh:
        rows = saver.load(place.thread_id, place.checkpoint_id, ns=place.ns)
    if place.checkpoint_id is not None and not rows:
        raise UnknownCheckpointError(place.thread_id, place.checkpoint_id)
    refuse_busy(rows)
    if saver is not None and not place.is_within:
        place.travel = travel_of(place, given, saver, rows, before_ns)
    return _Beginning(graph, config, place, saver, rows).begin(given)


def _before(graph: CompiledGraph[Any], place: Place, saver: Checkpointer) -> tuple[Any, int]:
    """Point the place at what came before an input, and give that input again, and its time."""
    named = (place.checkpoint_id or "").removesuffix(BEFORE_INPUT)
    rows = saver.load(place.thread_id, named, ns=place.ns)
    if not rows:
        raise UnknownCheckpointError(place.thread_id, named)
    last = split(rows)[0]
    place.checkpoint_id = last.parent_id
    found = {key: thaw(value) for key, value in last.update.items()}
    return (found[ROOT] if graph.schema.is_root else found), last.ts_ns


class _Beginning:
    def __init__(
        self, graph: CompiledGraph[Any], config: Mapping[str, Any], place: Place,
        saver: Checkpointer | None, rows: Sequence[Row],
    ) -> None:  # fmt: skip
        self.graph = graph
        self.config = config
        self.place = place
        self.saver = saver
        self.rows = rows
        self.last: Checkpoint | None = None
        self.pending: list[Pending] = []
        self.is_fork = False
        if rows:
            self.last, self.pending = split(rows)
            if place.checkpoint_id is not None:
                assert saver is not None
                newest = saver.last_seq(place.thread_id, ns=place.ns)
                self.is_fork = rows[-1].seq != newest
            if place.is_pinned or place.pinned:
                self.is_fork = True

    def begin(self, given: Any) -> Begun:
        if self.place.is_within and not isinstance(given, Command):
            return self._within(given)
        if isinstance(given, Command):
            return self._command(given)
        if given is None:
            return self._go_on()
        return self._input(given)

    def _within(self, given: Any) -> Begun:
        """A graph that a node calls: it goes on where it was cut off, or begins with its input."""
        last, place = self.last, self.place
        if place.is_pinned:
            return self._resumed({}, [])
        is_resumed = place.is_resumed and not place.is_as_of
        if last is not None and is_resumed and (last.next or not place.is_lasting):
            return self._resumed({}, [])
        return self._input(given)

    # A new input

    def _input(self, given: Any) -> Begun:
        schema, place = self.graph.schema, self.place
        goes_on = bool(self.rows) and (place.is_lasting or not place.is_within)
        values = fold(self.rows) if goes_on else schema.initial()
        names = set(values)
        parsed = self.graph.parse_input(given)
        changes = schema.apply(values, parsed, strict=goes_on)
        begun = self._made(values, place.execution_id or new_id(), seq=0)
        begun.given = parsed
        if goes_on and not self.is_fork and values.keys() == names | changes.keys():
            saving = begun.execution.saving
            if saving is not None:
                saving.follow(self.rows, changes)
        begun.execution.base = self._first_step()
        return begun

    def _first_step(self) -> int:
        """The number of the input's checkpoint; the one before it, which is told, has one too."""
        first = self.graph.first_step
        return first if self.last is None else self.last.step + (1 if first else 2)

    # Going on where the thread stopped

    def _go_on(self) -> Begun:
        if self.last is None:
            if self.graph.takes_nothing:
                return self._input({})
            raise EmptyInputError
        return self._resumed({}, [])

    def _command(self, command: Command[Any]) -> Begun:
        if self.last is None:
            if command.resume is None:
                return self._commanded_first(command)
            raise InvalidStateError(
                f"Nothing waits in the thread {self.place.thread_id!r}.",
                hint="Give the thread_id (or the execution's id) of an execution that waits.",
            )
        answers: dict[str, Any] = {}
        waiting = still_waiting(self.pending)
        travel = self.place.travel
        if command.resume is not None:
            if self.is_fork and travel is not None and not is_by_id(command.resume):
                travel.answers.append(command.resume)
            elif waiting:
                answers = match_answers(waiting, command.resume)
            elif not self._resumable_by_answer():
                raise InvalidStateError(
                    f"No question waits in the thread {self.place.thread_id!r}.",
                    hint="See get_state(config).interrupts for what waits.",
                )
        return self._resumed(answers, waiting, command)

    def _resumable_by_answer(self) -> bool:
        """Whether tasks are left that have not asked yet, such as after a break point."""
        return self.last is not None and bool(self.last.next)

    def _commanded_first(self, command: Command[Any]) -> Begun:
        updates, goto = read_update(self.graph.schema, "the input", _own(command))
        parsed = {key: value for update in updates for key, value in update.items()}
        begun = self._input(parsed)
        if goto:
            program = self.graph.program
            begun.ready = in_order([*program.entry_targets, *ready_of(program, "the input", goto)])
        return begun

    def _resumed(
        self,
        answers: Mapping[str, Any],
        waiting: Sequence[Waiting],
        command: Command[Any] | None = None,
    ) -> Begun:
        last = self.last
        assert last is not None
        program, values = self.graph.program, fold(self.rows)
        ready = [one for one in map(self._ready_of, last.next) if one is not None]
        notes = self._answer_notes(answers, waiting)
        progress = {} if self.is_fork else self._progress(notes)
        if command is not None and (command.update is not None or command.goto):
            updates, goto = read_update(self.graph.schema, "the input", _own(command))
            for update in updates:
                self.graph.schema.apply(values, update)
            ready = in_order([*ready, *ready_of(program, "the input", goto)])
        closed = self._closed()
        execution_id, seq = self.place.execution_id or new_id(), 0
        if closed is not None and self.place.execution_id in (None, last.execution_id):
            execution_id, seq = last.execution_id, int(closed.get("seq", 0))
        begun = self._made(values, execution_id, seq=seq)
        execution = begun.execution
        execution.base, execution.source = last.step, "fork" if self.is_fork else "loop"
        execution.answered = tuple(answers.items())
        execution.resumed = execution.known = progress
        execution.arrived = arrived_at(program, last)
        execution.flow = None if self.is_fork else flow_at(last)
        begun.ready = ready = hold_back(execution, ready)
        execution.is_careful = True
        execution.resumed_break = True
        if closed is not None and seq:
            for index, node in enumerate(program.nodes):
                execution.visits[index] = int(closed.get("visits", {}).get(node.name, 0))
        self._keep(execution, notes, ready, command)
        if not ready:
            execution.is_careful = False
        return begun

    def _keep(
        self, execution: Execution, notes: Mapping[str, list[Note]], ready: list[Ready],
        command: Command[Any] | None,
    ) -> None:  # fmt: skip
        """Write the answers, or a fork's first checkpoint, before anything runs."""
        saving = execution.saving
        if saving is None:
            return
        changes = command is not None and (command.update is not None or bool(command.goto))
        own, done = notes.get(self.place.ns, []), None
        if self.is_fork or changes:
            execution.base += self.is_fork
            step = execution.base
            id_ = f"{execution.execution_id}:{step}" if self.is_fork else f"{new_id()}:{step}"
            own = [*self._unfinished(), *own]
            done = saving.save(
                id_, step, {}, tasks_of_ready(execution, ready), execution.state,
                execution.source, joins_kept(execution), notes=own,
            )  # fmt: skip
            if done is None and own:
                done = saving.close(execution.state)
        elif own:
            done = saving.note(own, execution.state)
        for ns, found in notes.items():
            if ns != self.place.ns:
                self._note_within(ns, found, execution.execution_id)
        if done is not None:
            done.result()  # Two processes may answer at once: the slower one is refused here.

    def _unfinished(self) -> list[Note]:
        if self.is_fork:
            return []
        return [
            (row.kind, row.task, row.key, row.value) for row in self.pending if row.kind != "closed"
        ]

    def _note_within(self, ns: str, notes: Sequence[Note], execution_id: str) -> None:
        saver, thread_id = self.saver, self.place.thread_id
        assert saver is not None
        rows = saver.load(thread_id, ns=ns)
        seq = saver.last_seq(thread_id, ns=ns)
        saving = Saving(saver, thread_id, ns, execution_id, "async", rows, seq)
        done = saving.note(notes, {})
        if done is not None:
            done.result()

    def _answer_notes(
        self, answers: Mapping[str, Any], waiting: Sequence[Waiting]
    ) -> dict[str, list[Note]]:
        """The rows that answers are kept as: in the graph that asked, and in those around it."""
        found: dict[str, list[Note]] = {}
        by_id = {one.id: one for one in waiting}
        for key, value in answers.items():
            one = by_id[key]
            found.setdefault(one.ns, []).append(
                ("resume", one.task, key, freeze(value, strict=True))
            )
            around = one.ns
            while around != self.place.ns:
                around = around.rpartition("|")[0] if "|" in around else self.place.ns
                found.setdefault(around, []).append(("resume", "", key, None))
        return found

    def _progress(self, notes: Mapping[str, Sequence[Note]]) -> dict[str, Progress]:
        """What is known of the tasks of the step that was begun."""
        assert self.last is not None
        rows = [(row.kind, row.task, row.key, row.value) for row in [*self._ahead(), *self.pending]]
        rows += notes.get(self.place.ns, [])
        found: dict[str, Progress] = {}
        answers: dict[str, dict[str, Any]] = {}
        plain = plain_keys(self.last)
        for kind, named, key, value in rows:
            task = plain.get(named, named)
            if kind == "interrupt":  # asked again, since the answer was refused
                answers.get(task, {}).pop(key, None)
            if kind not in ("done", "resume", "memo") or not task:
                continue
            progress = found.setdefault(task, Progress(task))
            if kind == "done":
                progress.done = value
            elif kind == "resume":
                answers.setdefault(task, {})[key] = thaw(value)
            else:
                progress.memos[key] = value
        for task, given in answers.items():
            found[task].questions, found[task].answers = list(given), list(given.values())
        return found

    def _ahead(self) -> list[Pending]:
        """What was kept before the last checkpoint of tasks that follow a later one."""
        assert self.last is not None
        found: list[Pending] = []
        for row in self.rows:
            if isinstance(row, Checkpoint):
                found = [one for one in found if row.source == "loop"]
                if row is self.last:
                    break
            elif step_of_key(row.task) > self.last.step:
                found.append(row)
        return found

    def _closed(self) -> dict[str, Any] | None:
        """How the last execution stopped, where it can be gone on with."""
        if self.is_fork or not self.pending or self.pending[-1].kind != "closed":
            return None
        last = self.pending[-1]
        return thaw(last.value) if last.key in _GO_ON else None

    def _ready_of(self, task: Task) -> Ready | None:
        index = self.graph.program.by_name.get(task.name)
        if index is None:
            raise InvalidStateError(
                f"The thread goes on at the node {task.name!r}, which {self.graph.name!r} lacks.",
                hint="Resume it with the graph that it was saved by, or fork it by update_state.",
            )
        return Packet.kept(index, task) if task.is_sent else index

    def _made(self, values: dict[str, Any], execution_id: str, *, seq: int) -> Begun:
        place = self.place
        execution = self.graph.make_execution(execution_id, place.thread_id, self.config, values)
        execution.ns = place.ns
        execution.parents, execution.travel = place.parents, place.travel
        execution.seq = seq if self.graph.journal is not None else 0
        if self.saver is not None:
            newest = self.rows[-1].seq if self.rows else 0
            if self.is_fork or not self.rows:
                newest = self.saver.last_seq(place.thread_id, ns=place.ns)
            saving = Saving(
                self.saver,
                place.thread_id,
                place.ns,
                execution_id,
                place.durability,
                self.rows,
                newest,
            )
            saving.metadata = metadata_of(self.config, place.parents)
            execution.saving = saving
        return Begun(execution=execution)


def _own(command: Command[Any]) -> Command[Any]:
    return Command(update=command.update, goto=command.goto)


__all__ = ["NOT_DONE", "Begun", "Place", "begin"]
