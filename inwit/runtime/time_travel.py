"""Looking at a thread's states, changing them, and going on from any of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from inwit.errors import (
    InvalidUpdateError,
    UnknownCheckpointError,
    UnknownSubgraphError,
    nearest,
)
from inwit.ids import new_id
from inwit.runtime import loops
from inwit.runtime.checkpoints import Checkpoint, Checkpointer, fold, split
from inwit.runtime.checkpoints.saving import Saving, refuse_busy
from inwit.runtime.destinations import invoked_graph
from inwit.runtime.keeping import arrived_at, save, writers_at
from inwit.runtime.serial import freeze_all
from inwit.runtime.snapshot import (
    PregelTask,
    SavedTask,
    StateSnapshot,
    StateUpdate,
    config_of,
    history_of,
    parents_of,
    snapshot_of,
    state_at,
)
from inwit.runtime.updates import (
    Packet,
    Ready,
    changed_by,
    in_order,
    pairs_written,
    read_update,
    ready_of,
)
from inwit.runtime.ways import advance, entry_of

if TYPE_CHECKING:
    from inwit.runtime.compiled import CompiledGraph
    from inwit.runtime.resume import Place

Config = Mapping[str, Any]
INPUT = "__input__"
"""As whom a thread is given an input, which the start then takes."""
_NOBODY = frozenset({""})
COPY = "__copy__"
"""As whom a thread is updated to copy a checkpoint."""


class TimeTravel:
    """What a compiled graph does with saved states."""

    def get_state(self: Any, config: Config, *, subgraphs: bool = False) -> StateSnapshot:
        """The state of the thread that `config` names, after its last or the named checkpoint.

        Raises:
            UnknownCheckpointError: The thread has no checkpoint of that id.
            CheckpointingOffError: No thread is named, or none is kept.
        """
        saver, place = self.thread(config)
        graph = self.graph_at(place.ns)
        if place.checkpoint_id is not None:
            return state_at(graph, saver, place, subgraphs=subgraphs)
        rows = saver.load(place.thread_id, ns=place.ns)
        return snapshot_of(graph, saver, place, rows, subgraphs=subgraphs, is_live=True)

    async def aget_state(self: Any, config: Config, *, subgraphs: bool = False) -> StateSnapshot:
        """See `get_state`."""
        import asyncio

        found: StateSnapshot = await asyncio.to_thread(self.get_state, config, subgraphs=subgraphs)
        return found

    def get_state_history(
        self: Any,
        config: Config,
        *,
        filter: Mapping[str, Any] | None = None,
        before: Config | None = None,
        limit: int | None = None,
    ) -> Iterator[StateSnapshot]:
        """The states of a thread, newest first.

        Args:
            filter: What the snapshots' metadata must hold.
            before: A config with the checkpoint_id before which to begin.
        """
        saver, place = self.thread(config)
        graph = self.graph_at(place.ns)
        until = None if before is None else before["configurable"].get("checkpoint_id")
        count, is_reached = 0, until is None
        for found in history_of(graph, saver, place):
            if limit is not None and count >= limit:
                return
            if not is_reached:
                is_reached = found.config["configurable"]["checkpoint_id"] == until
            elif filter is None or filter.items() <= (found.metadata or {}).items():
                count += 1
                yield found

    async def aget_state_history(
        self: Any, config: Config, **options: Any
    ) -> AsyncIterator[StateSnapshot]:
        """See `get_state_history`."""
        import asyncio

        for found in await asyncio.to_thread(
            lambda: list(self.get_state_history(config, **options))
        ):
            yield found

    def update_state(
        self: Any, config: Config, values: Any, as_node: str | None = None,
        task_id: str | None = None,  # noqa: ARG002 - LangGraph's
    ) -> dict[str, Any]:  # fmt: skip
        """Change a thread's state as if a node had returned `values`, and give the new config.

        With a checkpoint_id in `config` it forks the thread there.

        Raises:
            InvalidUpdateError: It cannot be known which node it stands for, or the values don't fit.
        """
        found: dict[str, Any] = self.bulk_update_state(config, [[StateUpdate(values, as_node)]])
        return found

    async def aupdate_state(
        self: Any, config: Config, values: Any, as_node: str | None = None,
        task_id: str | None = None,  # noqa: ARG002 - LangGraph's
    ) -> dict[str, Any]:  # fmt: skip
        """See `update_state`."""
        import asyncio

        found: dict[str, Any] = await asyncio.to_thread(self.update_state, config, values, as_node)
        return found

    def bulk_update_state(
        self: Any, config: Config, supersteps: Sequence[Sequence[StateUpdate]]
    ) -> dict[str, Any]:
        """Change a thread's state in several steps, each as if nodes had returned the values."""
        if not supersteps:
            raise ValueError("No supersteps provided")
        saver, place = self.thread(config)
        if not all(supersteps):
            raise ValueError("No updates provided")
        graph = self.graph_at(place.ns, is_strict=True)
        for updates, is_input in _turns(supersteps):
            written = loops.run(_update(graph, saver, place, updates, is_input))
            place.checkpoint_id = None
        return config_of(place, *written)

    async def abulk_update_state(
        self: Any, config: Config, supersteps: Sequence[Sequence[StateUpdate]]
    ) -> dict[str, Any]:
        """See `bulk_update_state`."""
        import asyncio

        found: dict[str, Any] = await asyncio.to_thread(self.bulk_update_state, config, supersteps)
        return found

    def graph_at(self: Any, ns: str, *, is_strict: bool = False) -> Any:
        """The graph within this one that a place names; where there is none, the nearest around it.

        Raises:
            UnknownSubgraphError: `is_strict`, and a node named there is no graph.
        """
        graph, names = self, [piece.partition(":")[0] for piece in ns.split("|") if piece]
        for name in names:
            within = None if name.isdigit() else graph.subgraph(name)
            if within is None and is_strict and not name.isdigit():
                raise UnknownSubgraphError("|".join(names))
            graph = graph if within is None else within
        return graph

    def subgraph(self: Any, name: str) -> Any:
        """The compiled graph that is a node of this one, or that its function invokes, or None."""
        written = self.builder.nodes.get(name)
        found = None if written is None else written.function
        if not hasattr(type(found), "run_within"):
            return invoked_graph(found)
        return getattr(found, "within", found)

    def get_subgraphs(
        self: Any, *, namespace: str | None = None, recurse: bool = False
    ) -> Iterator[tuple[str, Any]]:
        """The graphs that are nodes of this one, with their places."""
        for name in self.builder.nodes:
            graph = self.subgraph(name)
            if graph is None:
                continue
            is_on_way = namespace is None or namespace.startswith(f"{name}|")
            if namespace in (None, name):
                yield name, graph
            if recurse and is_on_way:
                rest = None if namespace is None else namespace.partition("|")[2]
                for inner, found in graph.get_subgraphs(namespace=rest, recurse=True):
                    yield f"{name}|{inner}", found


async def _update(
    graph: CompiledGraph[Any], saver: Checkpointer, place: Place, updates: Sequence[Any],
    is_input: bool,
) -> tuple[str, Checkpoint | None]:  # fmt: skip
    """Write one checkpoint with changes, whole, and give its id, and the one that it follows."""
    rows = saver.load(place.thread_id, place.checkpoint_id, ns=place.ns)
    if place.checkpoint_id is not None and not rows:
        raise UnknownCheckpointError(place.thread_id, place.checkpoint_id)
    refuse_busy(rows)
    last = split(rows)[0] if rows else None
    state = fold(rows) if rows else graph.schema.initial()
    execution = graph.make_execution(new_id(), place.thread_id, {}, state)
    execution.ns, execution.base = place.ns, -1 if last is None else last.step
    is_copy = len(updates) == 1 and updates[0][1:2] == (COPY,)
    execution.arrived = arrived_at(graph.program, last)
    ready = _same_next(graph.program, last) if is_copy else _joined(graph.program, last, updates)
    parts = []
    if len(updates) > 1 and any(len(one) < 2 or one[1] is None for one in updates):
        raise InvalidUpdateError(
            "Several updates of one step, and not all say which node they stand for.",
            hint="Give each an as_node.",
        )
    for one in () if is_copy else updates:
        values, as_node = one[0], one[1] if len(one) > 1 else None
        ready += await _apply_as(graph, saver, place, execution, last, values, as_node)
        if as_node is not None and values is not None:
            parts.append((as_node, freeze_all(dict(pairs_written(graph.schema, values)))))
    execution.steps, recorded = 1, {}
    if is_input:
        execution.base += last is not None
        recorded = freeze_all(graph.parse_input(updates[0][0]))
    following = in_order(ready)
    seq = saver.last_seq(place.thread_id, ns=place.ns)
    saving = Saving(saver, place.thread_id, place.ns, execution.execution_id, "sync", rows, seq)
    if parents := parents_of(last):
        saving.metadata = {"parents": parents}
    execution.saving = saving
    source = "fork" if is_copy else "input" if is_input else "update"
    checkpoint_id, _ = await save(execution, recorded, following, source, parts=parts or None)
    return checkpoint_id, last


async def _apply_as(  # noqa: PLR0917 - of one update
    graph: CompiledGraph[Any], saver: Checkpointer, place: Place, execution: Any,
    last: Checkpoint | None, values: Any, as_node: str | None,
) -> list[Ready]:  # fmt: skip
    """Merge values as a node would, and give where that node leads."""
    program, state = graph.program, execution.state
    if values is None and as_node is None and last is not None:
        return _same_next(program, last)
    name = as_node or _last_writer(graph, saver, place, last)
    if name == "__start__":
        graph.schema.apply(state, graph.parse_input(values))
        return list(await entry_of(execution))
    if name == "__end__":
        return []
    if name not in program.by_name:
        raise InvalidUpdateError(
            f"Node {name!r} does not exist.", hint=nearest(name, program.by_name)
        )
    node = program.nodes[program.by_name[name]]
    values = changed_by(graph.schema, state, graph.as_returned(values))
    updates, goto = read_update(graph.schema, name, values)
    for update in updates:
        graph.schema.apply(state, update, strict=True)
    following, _ = await advance(execution, node, state)
    return [*following, *ready_of(program, name, goto)]


def _joined(program: Any, last: Checkpoint | None, updates: Sequence[Any]) -> list[Ready]:
    """The tasks that wait because their joins are complete: these an update leaves waiting."""
    as_nodes = {one[1] for one in updates if len(one) > 1}
    targets = {join.target for join in program.joins}
    if "__end__" in as_nodes:
        return []
    return [
        one
        for one in _same_next(program, last)
        if type(one) is int and one in targets and program.nodes[one].name not in as_nodes
    ]


def _same_next(program: Any, last: Checkpoint | None) -> list[Ready]:
    """The tasks that follow a checkpoint, as far as the graph still has their nodes."""
    found: list[Ready] = []
    for task in () if last is None else last.next:
        index = program.by_name.get(task.name)
        if index is not None:
            found.append(Packet.kept(index, task) if task.is_sent else index)
    return found


def _last_writer(
    graph: CompiledGraph[Any], saver: Checkpointer, place: Place, last: Checkpoint | None
) -> str:
    """The node that led to a checkpoint, where only one can have; the start, where none has run.

    Raises:
        InvalidUpdateError: Several can have.
    """
    if graph.first_step:  # An entry point is its only node.
        return next(iter(graph.program.by_name))
    found: set[str] | None = None
    while last is not None and not found:
        if last.source == "input":
            return "__start__"
        rows = () if last.parent_id is None else saver.load(
            place.thread_id, last.parent_id, ns=place.ns
        )  # fmt: skip
        before = split(rows)[0] if rows else None
        found = writers_at(last)
        if found is None and last.source == "loop":
            found = _ran(graph, before, last) if before is not None else set(_NOBODY)
        last = before
    if not found:
        return "__start__"
    if len(found) == 1 and found != _NOBODY:
        return next(iter(found))
    raise InvalidUpdateError(
        "Ambiguous update, specify as_node: it cannot be known which node the values stand for.",
        hint="Give update_state(config, values, as_node=…): one of "
        f"{', '.join(graph.program.by_name)}.",
    )


def _ran(graph: CompiledGraph[Any], before: Checkpoint, after: Checkpoint) -> set[str]:
    """The nodes that ran between two checkpoints: those that are held back did not."""
    nodes = graph.program.nodes
    held = {nodes[index].name for index in graph.program.deferred}
    held &= {task.name for task in after.next}
    return {task.name for task in before.next} - held


def _turns(
    supersteps: Sequence[Sequence[Any]],
) -> Iterator[tuple[Sequence[Any], bool]]:
    """Each step's updates, and whether they are an input: it is given as `INPUT` and as the start."""
    given: list[StateUpdate] = []
    for updates in supersteps:
        names = [one[1] if len(one) > 1 else None for one in updates]
        if given and names != ["__start__"]:
            yield given, True
            given = []
        if names == [INPUT]:
            given = [StateUpdate(updates[0][0], "__start__")]
        else:
            yield updates, bool(given)
            given = []
    if given:
        yield given, True


__all__ = ["PregelTask", "SavedTask", "StateSnapshot", "StateUpdate", "TimeTravel", "snapshot_of"]
