"""What an execution tells of itself while it runs, for those stream modes that are read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from inwit.runtime.commands import Command
from inwit.runtime.policies.relief import told_name
from inwit.runtime.updates import pairs_written

if TYPE_CHECKING:
    from inwit.runtime.branches import Branch
    from inwit.runtime.commands import Interrupt
    from inwit.runtime.context import Context
    from inwit.runtime.delivery import Delivery
    from inwit.runtime.engine import Execution
    from inwit.runtime.functional.calls import TaskContext
    from inwit.runtime.interrupts import Waiting

_DETAILED = frozenset({"debug", "checkpoints", "tasks"})
_LIVE = frozenset({"messages", "custom", "tools"})
_NOTHING = object()


class Sink:
    """Where an execution, and the graphs within it, put what their readers asked for."""

    def __init__(
        self, modes: Iterable[str], delivery: Delivery, keys: Any, *, with_subgraphs: bool
    ) -> None:
        self.modes = frozenset(modes)
        self.delivery = delivery
        self.keys = keys
        """The keys to show: None for all, one name for its value alone, or several."""
        self.with_subgraphs = with_subgraphs
        self.is_live = bool(self.modes & _LIVE) or with_subgraphs
        """Whether readers are told things while a node still runs."""
        self.is_detailed = self.is_live or bool(self.modes & _DETAILED)
        """Whether each task's beginning matters."""
        self.within: tuple[str, ...] = ()
        self._before: Any = _NOTHING
        """The state as readers know it, once a branch has asked a person."""
        self.seen: set[Any] = set()
        """Ids of the messages that were put, or that a node was given."""

    def child(self, ns: str) -> Sink:
        """The sink of a graph within, which puts its place beside each thing."""
        sink = Sink(self.modes, self.delivery, None, with_subgraphs=self.with_subgraphs)
        sink.within, sink.seen = tuple(ns.split("|")), self.seen
        return sink

    def wants(self, mode: str) -> bool:
        """Whether a mode is read."""
        return mode in self.modes

    def put(self, mode: str, value: Any) -> None:
        """Give one thing to the reader, if the mode is read."""
        if mode in self.modes:
            self.delivery.put((self.within, mode, value))

    async def begun(self, execution: Execution, given: Mapping[str, Any] | None) -> None:
        """Tell the state that an execution begins with, where its input wrote any."""
        if given is None or self._concerns(execution, given):
            self.put("values", self._shown(execution))
        await self.delivery.taken()

    async def saved_input(self, execution: Execution) -> None:
        """Tell the checkpoints that an execution begins with."""
        if self.modes & _DETAILED:
            from inwit.runtime.details import tell_input

            tell_input(self, execution)

    async def entered(self, branches: Sequence[Branch]) -> None:
        """Tell that a step's tasks begin."""
        if "messages" in self.modes:
            from inwit.runtime.message_stream import note_given

            for branch in branches:
                note_given(self, branch.given_state())
        if self.modes & _DETAILED:
            from inwit.runtime.details import tell_task

            for branch in branches:
                tell_task(self, branch)

    async def branched(self, execution: Execution, branch: Branch) -> None:
        """Tell what one branch of a step returned."""
        is_cached = branch.is_cached
        self._update(execution, branch.at.name, branch.update, branch)
        if self.modes & _DETAILED and not is_cached:
            from inwit.runtime.details import tell_result

            tell_result(self, execution, branch)

    async def asked(self, execution: Execution, branch: Branch) -> None:
        """Tell what a branch asks a person, with the state as it was before the step."""
        self._before = self._tell_asked(execution, branch.waiting or ())
        await self.failed(execution, branch, None)

    async def failed(
        self, execution: Execution, branch: Branch, error: BaseException | None
    ) -> None:
        """Tell that a branch gave no result, and why where it failed."""
        if self.modes & _DETAILED:
            from inwit.runtime.details import tell_result

            tell_result(self, execution, branch, error)

    def task_begun(self, ctx: TaskContext, given: Any) -> None:
        """Tell that a call of a `task` begins."""
        if self.modes & _DETAILED:
            from inwit.runtime.details import tell_begin

            tell_begin(self, ctx, given)

    def task_ended(self, ctx: TaskContext, result: Any) -> None:
        """Tell what a call of a `task` returned."""
        is_cached = ctx.is_cached
        if "messages" in self.modes:
            from inwit.runtime.message_stream import tell_returned

            tell_returned(self, ctx, result)
        self.tell_update(ctx.node, result, ctx)
        if self.modes & _DETAILED and not is_cached:
            from inwit.runtime.details import tell_end

            tell_end(self, ctx, {"__return__": result}, [], None)

    def task_failed(
        self, ctx: TaskContext, error: BaseException | None, asked: list[Interrupt]
    ) -> None:
        """Tell why a call of a `task` gave no result."""
        if self.modes & _DETAILED:
            from inwit.runtime.details import tell_end

            tell_end(self, ctx, {}, asked, error)

    async def stepped(self, execution: Execution, done: Sequence[tuple[str, Any, Any]]) -> None:
        """Tell of a step that was one node."""
        for name, update, _ in done:
            self._update(execution, name, update, execution)
        await self.merged(execution, [key for _, _, recorded in done for key in recorded or ()])

    async def merged(self, execution: Execution, written: Collection[str]) -> None:
        """Tell the state after a step, and let the reader take all that was put."""
        if "values" in self.modes and self._concerns(execution, written):
            self.put("values", self._shown(execution))
        if self.modes & _DETAILED:
            from inwit.runtime.details import tell_checkpoint

            tell_checkpoint(self, execution)
        await self.delivery.taken()

    async def ended(self, execution: Execution) -> None:
        """Tell what the execution waits for, and what its other branches have done meanwhile."""
        if not execution.is_paused:
            return
        if self._before is _NOTHING:
            if execution.waiting or not self.within:
                self._tell_asked(execution, execution.waiting)
        elif (shown := self._shown(execution)) != self._before:
            self.put("values", shown)

    def _tell_asked(self, execution: Execution, waiting: Sequence[Waiting]) -> Any:
        found, shown = tuple(one.interrupt() for one in waiting), self._shown(execution)
        if found or not self.within:
            self.put("updates", {"__interrupt__": found})
        if found:
            is_one = execution.graph.shown_key is not None or not isinstance(shown, dict)
            self.put("values", {**({} if is_one else shown), "__interrupt__": found})
        return shown

    def _concerns(self, execution: Execution, written: Collection[str]) -> bool:
        """Whether any of the keys that are shown was written."""
        if execution.graph.shown_key is not None:
            return execution.graph.shown_key in written
        if self.keys is None:
            return bool(written)
        return any(key in written for key in ((self.keys,) if self._is_single else self.keys))

    @property
    def _is_single(self) -> bool:
        return isinstance(self.keys, str)

    def _shown(self, execution: Execution) -> Any:
        return pick(execution.graph.shown_state(execution.state), self.keys)

    def _update(self, execution: Execution, name: str, returned: Any, ctx: Context) -> None:
        if "messages" in self.modes:
            from inwit.runtime.message_stream import tell_returned

            tell_returned(self, ctx, returned)
        is_hidden = name.startswith("__") and name.endswith("__")
        if "updates" not in self.modes or is_hidden or _is_handed_up(returned):
            ctx.is_cached = False
            return
        self.tell_update(told_name(name), self.shown_update(execution, returned), ctx)

    def tell_update(self, name: str, shown: Any, ctx: Context) -> None:
        """Put what a task returned, and whether that was known before."""
        chunk = {name: shown}
        if ctx.is_cached:
            chunk["__metadata__"] = {"cached": True}
            ctx.is_cached = False
        self.put("updates", chunk)

    def shown_update(self, execution: Execution, returned: Any) -> Any:
        """An update as readers see it: its keys of the state; several writes to one key in a list."""
        graph = execution.graph
        pairs = pairs_written(graph.schema, returned)
        if graph.shown_key is not None:
            values = [value for key, value in pairs if key == graph.shown_key]
            return values[0] if len(values) == 1 else values or None
        if self.keys is not None and not self._is_single:
            pairs = [pair for pair in pairs if pair[0] in self.keys]
        found = dict(pairs)
        return [{key: value} for key, value in pairs] if len(found) < len(pairs) else found or None


def _is_handed_up(returned: Any) -> bool:
    """Whether a node writes to the graph around its own, which tells it as its node's update."""
    several = returned if isinstance(returned, list | tuple) else (returned,)
    return any(isinstance(one, Command) and one.graph == Command.PARENT for one in several)


def pick(state: Any, keys: Any) -> Any:
    """The keys that were asked for: all, one's value, or several."""
    if not isinstance(state, Mapping):
        return state
    if keys is None:
        return dict(state)
    if isinstance(keys, str):
        return state.get(keys)
    return {key: state[key] for key in keys if key in state}
