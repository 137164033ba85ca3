"""A thread's state as callers see it: values, what follows, and how far its tasks came."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from msgspec.structs import replace

from inwit.errors import UnknownCheckpointError
from inwit.events import timestamp
from inwit.runtime.checkpoints import Checkpoint, Checkpointer, Pending, fold, split
from inwit.runtime.checkpoints.base import BEFORE_INPUT, Row, Task, is_alone
from inwit.runtime.commands import Command, Interrupt
from inwit.runtime.interrupts import Waiting, still_waiting
from inwit.runtime.keeping import plain_keys
from inwit.runtime.progress import task_id
from inwit.runtime.returned import unpack_returned
from inwit.runtime.serial import Delta, thaw
from inwit.runtime.updates import changed_by, pairs_written, read_update, writes_of

if TYPE_CHECKING:
    from inwit.runtime.compiled import CompiledGraph
    from inwit.runtime.resume import Place


def is_before_input(checkpoint_id: str | None) -> bool:
    """Whether an id is that of a checkpoint before an input."""
    return checkpoint_id is not None and checkpoint_id.endswith(BEFORE_INPUT)


class SavedTask(NamedTuple):
    """A task of the step that follows a checkpoint, and how far it came."""

    id: str
    name: str
    path: tuple[Any, ...]
    error: Any = None
    interrupts: tuple[Interrupt, ...] = ()
    state: Any = None
    """The config, or with `subgraphs` the `StateSnapshot`, of the graph that the task runs."""
    result: Any = None


PregelTask = SavedTask
"""LangGraph's name."""


class Metadata(dict[str, Any]):
    """How a checkpoint came to be: its source, its step, and what the caller's config said."""

    execution_id: str = ""
    """The execution that wrote it."""


class StateSnapshot(NamedTuple):
    """The state of a thread after one step, and what follows."""

    values: Any
    next: tuple[str, ...]
    config: dict[str, Any]
    metadata: dict[str, Any] | None
    created_at: str | None
    parent_config: dict[str, Any] | None
    tasks: tuple[SavedTask, ...]
    interrupts: tuple[Interrupt, ...]


class StateUpdate(NamedTuple):
    """One change of a thread's state, as if a node had returned it."""

    values: Any
    as_node: str | None = None
    task_id: str | None = None


def has_input_before(graph: CompiledGraph[Any], row: Checkpoint) -> bool:
    """Whether a checkpoint is told with the one before its input."""
    return row.source == "input" and not graph.first_step and not is_alone(row)


def config_of(
    place: Place, checkpoint_id: str | None, row: Checkpoint | None = None
) -> dict[str, Any]:
    """The config that names a checkpoint, or a thread without any.

    By a checkpoint's row, of a graph within another, it names those of the graphs around too.
    """
    named: dict[str, Any] = {"thread_id": place.thread_id, "checkpoint_ns": place.ns}
    if checkpoint_id is not None:
        named["checkpoint_id"] = checkpoint_id
        if parents := parents_of(row):
            named["checkpoint_map"] = {**parents, place.ns: checkpoint_id}
    return {"configurable": named}


def parents_of(row: Checkpoint | None) -> dict[str, str]:
    """The checkpoints that the graphs around had come to, by their places."""
    found = (row.metadata or {}).get("parents") if row is not None else None
    return dict(found or {})


def snapshot_of(
    graph: CompiledGraph[Any], saver: Checkpointer, place: Place, rows: Sequence[Row], *,
    subgraphs: bool = False, is_live: bool = False, following: Checkpoint | None = None,
) -> StateSnapshot:  # fmt: skip
    """What `get_state` gives of the last checkpoint among `rows`.

    `is_live` shows what its step has done so far; `following` is the checkpoint that ended the step.
    """
    if not rows:
        if place.checkpoint_id is not None:
            raise UnknownCheckpointError(place.thread_id, place.checkpoint_id)
        config = {"configurable": {"thread_id": place.thread_id}}
        return StateSnapshot({}, (), config, None, None, None, (), ())
    last, pending = split(rows)
    plain = plain_keys(last)
    pending = [replace(row, task=plain.get(row.task, row.task)) for row in pending]
    values = fold(rows)
    told = _Tasks(graph, saver, place, last, pending, subgraphs=subgraphs, is_live=is_live)
    tasks = tuple(told.all(following))
    if is_live:
        _apply_done(graph, values, pending, tasks)
    parent_id, source = last.parent_id, last.source
    if source == "input" and is_alone(last):
        source = "loop"
    if has_input_before(graph, last):
        parent_id = last.checkpoint_id + BEFORE_INPUT
        source = "loop" if last.parts is None else "update"
    return StateSnapshot(
        values=graph.shown_state(values),
        next=tuple(one.name for one in tasks if not is_live or one.result is None),
        config=config_of(place, last.checkpoint_id, last),
        metadata=_metadata(last, source, last.step),
        created_at=timestamp(last.ts_ns),
        parent_config=None if parent_id is None else config_of(place, parent_id, last),
        tasks=tasks,
        interrupts=tuple(one for task in tasks for one in task.interrupts),
    )


def before_input(
    graph: CompiledGraph[Any], saver: Checkpointer, place: Place, row: Checkpoint
) -> StateSnapshot:
    """The checkpoint that takes an execution's input: the state without it."""
    rows = () if row.parent_id is None else saver.load(place.thread_id, row.parent_id, ns=place.ns)
    values = fold(rows) if rows else graph.schema.initial()
    identifier = task_id(place.thread_id, place.ns, row.checkpoint_id, "__start__")
    given = graph.shown_state({key: thaw(value) for key, value in row.update.items()})
    task = SavedTask(identifier, "__start__", ("__pregel_pull", "__start__"), result=given)
    return StateSnapshot(
        values=graph.shown_state(values),
        next=("__start__",),
        config=config_of(place, row.checkpoint_id + BEFORE_INPUT, row),
        metadata=_metadata(row, "input", row.step - 1),
        created_at=timestamp(row.ts_ns),
        parent_config=None if row.parent_id is None else config_of(place, row.parent_id, row),
        tasks=(task,),
        interrupts=(),
    )


def history_of(
    graph: CompiledGraph[Any], saver: Checkpointer, place: Place
) -> Iterator[StateSnapshot]:
    """All states of a thread, newest first; of a place at a checkpoint, that one alone."""
    if place.checkpoint_id is not None:
        yield state_at(graph, saver, place)
        return
    checkpoints = saver.history(place.thread_id, ns=place.ns)
    ends = ends_of(checkpoints)
    for row in checkpoints:
        rows = saver.load(place.thread_id, row.checkpoint_id, ns=place.ns)
        yield snapshot_of(graph, saver, place, rows, following=ends.get(row.checkpoint_id))
        if has_input_before(graph, row):
            yield before_input(graph, saver, place, row)


def state_at(
    graph: CompiledGraph[Any], saver: Checkpointer, place: Place, *, subgraphs: bool = False
) -> StateSnapshot:
    """The state at the checkpoint that a place names."""
    named = place.checkpoint_id or ""
    real = named.removesuffix(BEFORE_INPUT)
    rows = saver.load(place.thread_id, real, ns=place.ns)
    if not rows:
        raise UnknownCheckpointError(place.thread_id, named)
    last = split(rows)[0]
    if named != real:
        return before_input(graph, saver, place, last)
    ends = ends_of(saver.history(place.thread_id, ns=place.ns)) if last.next else {}
    end = ends.get(last.checkpoint_id)
    return snapshot_of(graph, saver, place, rows, subgraphs=subgraphs, following=end)


def ends_of(checkpoints: Iterable[Checkpoint]) -> dict[str, Checkpoint]:
    """The checkpoints, given newest first, that ended the step after each of them."""
    return {
        row.parent_id: row
        for row in checkpoints
        if row.parent_id is not None and (row.source == "loop" or row.parts is not None)
    }


def _metadata(row: Checkpoint, source: str, step: int) -> Metadata:
    found = Metadata({"source": source, "step": step, "parents": {}, **(row.metadata or {})})
    found.execution_id = row.execution_id
    return found


class _Tasks:
    """The tasks of the step that follows a checkpoint."""

    def __init__(
        self, graph: CompiledGraph[Any], saver: Checkpointer, place: Place, last: Checkpoint,
        pending: Sequence[Pending], *, subgraphs: bool, is_live: bool,
    ) -> None:  # fmt: skip
        self._graph = graph
        self._saver = saver
        self._place = place
        self._last = last
        self._pending = pending
        self._subgraphs = subgraphs
        asked = still_waiting(pending) if is_live else _last_asked(pending)
        by_id = {row.key: row.task for row in pending if row.kind == "interrupt"}
        self._asked = [(by_id.get(one.id), one.interrupt()) for one in asked]

    def all(self, following: Checkpoint | None) -> Iterator[SavedTask]:
        """Each task: those that were sent, then nodes in the order in which they were added."""
        tasks = self._last.next
        ended = _parts(following, tasks)
        for number, task in sorted(enumerate(tasks), key=self._rank):
            key = f"{task.name}#{number}" if task.is_sent else task.name
            found = self._task(number, task, key)
            if found.result is None and key in ended:
                found = found._replace(result=_changes(self._graph, ended[key]))
            yield found

    def _rank(self, numbered: tuple[int, Task]) -> tuple[int, int]:
        number, task = numbered
        names = list(self._graph.builder.nodes)
        is_known = not task.is_sent and task.name in names
        return (1, names.index(task.name)) if is_known else (0, number)

    def _task(self, number: int, task: Task, key: str) -> SavedTask:
        place, last = self._place, self._last
        identifier = task_id(place.thread_id, place.ns, last.checkpoint_id, key)
        path = ("__pregel_push", number, False) if task.is_sent else ("__pregel_pull", task.name)
        return SavedTask(
            id=identifier,
            name=task.name,
            path=path,
            error=_error(self._pending, task.name, key),
            interrupts=tuple(one for name, one in self._asked if name == key),
            state=self._within(task, identifier),
            result=_result(self._graph, self._pending, key),
        )

    def _within(self, task: Task, identifier: str) -> Any:
        """The config, or the state, of the graph that a task runs or has called."""
        from inwit.runtime.resume import Place

        place, within = self._place, self._graph.subgraph(task.name)
        is_lasting = within is not None and within.options.checkpointer is True
        piece = task.name if is_lasting else f"{task.name}:{identifier}"
        ns = f"{place.ns}|{piece}" if place.ns else piece
        rows = self._saver.load(place.thread_id, ns=ns)
        if not rows and within is None:
            return None
        if within is None or not self._subgraphs:
            return {"configurable": {"thread_id": place.thread_id, "checkpoint_ns": ns}}
        inner = Place(thread_id=place.thread_id, ns=ns)
        return snapshot_of(within, self._saver, inner, rows, subgraphs=True, is_live=True)


def _parts(following: Checkpoint | None, tasks: Sequence[Task]) -> Mapping[str, Any]:
    """What is known of the tasks' own updates, by the checkpoint that ended their step."""
    if following is None:
        return {}
    if following.parts is not None:
        return dict(following.parts)
    if following.source != "loop" or len(tasks) != 1 or is_alone(following):
        return {}
    one = tasks[0]
    return {f"{one.name}#0" if one.is_sent else one.name: following.update}


def _last_asked(pending: Iterable[Pending]) -> list[Waiting]:
    """The last question of each task, answered or not."""
    found = {row.task: Waiting.thawed(row.value) for row in pending if row.kind == "interrupt"}
    return list(found.values())


def _error(pending: Sequence[Pending], name: str, key: str) -> str | None:
    for row in pending:
        if row.kind == "failed" and row.task in (name, key):
            shown = thaw(row.value)
            return f"{shown['type']}({shown['message']!r})"
    return None


def _returned(pending: Sequence[Pending], key: str) -> tuple[bool, Any]:
    """Whether a task was done before its step ended, and what it returned."""
    kept = [row.value for row in pending if row.kind == "done" and row.task == key]
    return (True, unpack_returned(kept[-1])) if kept else (False, None)


def _result(graph: CompiledGraph[Any], pending: Sequence[Pending], key: str) -> Any:
    is_done, returned = _returned(pending, key)
    if not is_done:
        return None
    command = returned.update if isinstance(returned, Command) else returned
    return writes_of(pairs_written(graph.schema, command))


def _changes(graph: CompiledGraph[Any], update: Mapping[str, Any]) -> Any:
    """What the only task of a step wrote, by the step's checkpoint."""
    found = {}
    for key, frozen in update.items():
        value = thaw(frozen)
        found[key] = value.items if isinstance(value, Delta) else value
    return graph.shown_state(found)


def _apply_done(
    graph: CompiledGraph[Any], values: dict[str, Any], pending: Sequence[Pending],
    tasks: Sequence[SavedTask],
) -> None:  # fmt: skip
    """Merge what the tasks have written that are done, in a step that is not."""
    keys = {row.task for row in pending if row.kind == "done"}
    if not keys or all(one.result is not None for one in tasks):
        return
    for key in sorted(keys):
        _, returned = _returned(pending, key)
        updates, _ = read_update(graph.schema, key, changed_by(graph.schema, values, returned))
        for update in updates:
            graph.schema.apply(values, update)
