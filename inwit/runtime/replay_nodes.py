"""A graph whose nodes return what they returned, or run again and are compared."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from inwit.errors import ReplayedError, UnreplayableError
from inwit.runtime.commands import Command, GraphBubbleUp
from inwit.runtime.mapped import MappedGraph
from inwit.runtime.policies import NO_RETRY, PLAIN, NodePolicy
from inwit.runtime.policies.compose import bind_relief
from inwit.runtime.policies.relief import relief_name
from inwit.runtime.program import bind, is_coroutine_function
from inwit.runtime.replay_tape import are_equal
from inwit.runtime.serial import Delta, freeze

if TYPE_CHECKING:
    from inwit.runtime.compiled import CompiledGraph
    from inwit.runtime.context import Context
    from inwit.runtime.graph import Written
    from inwit.runtime.replay_record import Key, Past, PastVisit
    from inwit.runtime.state import Channel, StateSchema

Mode = Literal["again", "aside", "changed", "recorded"]
"""What a node does: run and be heard; run, and return what it returned; run where its input is
another one; return what it returned."""


class Outcome(msgspec.Struct, kw_only=True):
    """What a node gave that was run again."""

    given: Any = None
    """Frozen."""
    error: BaseException | None = None


class Players:
    """The replayed graph's nodes."""

    def __init__(
        self, app: CompiledGraph[Any], past: Past, again: Iterable[str] | None, *, is_aside: bool,
        is_onward: bool,
    ) -> None:  # fmt: skip
        self.app = app
        self.past = past
        self.again = None if again is None else frozenset(again)
        """The nodes to run; None is every node that reaches nothing outside."""
        self.is_aside = is_aside
        self.is_onward = is_onward
        self.ran: dict[Key, Outcome] = {}
        self.kept: list[Key] = []
        """Visits of nodes with side effects, which were not run though their input is another."""

    def graph(self) -> CompiledGraph[Any]:
        """The graph that replays: same edges and state, nothing recorded, no policies."""
        from inwit.runtime.assembly import assemble

        app, builder = self.app, copy.copy(self.app.builder)
        builder.nodes = {
            name: msgspec.structs.replace(
                written, function=self._player(name, written), policy=self._policy(name, written)
            )
            for name, written in app.builder.nodes.items()
        }
        limits = msgspec.structs.replace(app.options.limits, node_timeout_s=None)
        options = msgspec.structs.replace(
            app.options, checkpointer=False, introspection=False, retry=NO_RETRY, limits=limits,
            cache=None, budget=None, middleware=(), interrupt_before=frozenset(),
            interrupt_after=frozenset(), durability="async",
        )  # fmt: skip
        schema = self._playing_schema()
        program = assemble(builder, schema, limits)
        made = type(app)(schema, program, options, builder)
        made.share_configs(app)
        return made

    def _playing_schema(self) -> StateSchema:
        """The state's schema, by which a reducer takes what it gave then as it is."""
        schema = copy.copy(self.app.schema)
        # A reducer's result is in the record; what it was given is not.
        vars(schema)["_merge"] = partial(_merge, schema._merge)  # noqa: SLF001
        return schema

    def _player(self, name: str, written: Written) -> Callable[..., Any]:
        call = self._original(written)
        has_effects = written.policy.has_side_effects

        def decide(ctx: Context) -> tuple[Mode, PastVisit | None]:
            visit = self.past.visits.get((name, ctx.visit))
            mode = self._mode(ctx, visit, has_effects=has_effects)
            if visit is not None and visit.answers:
                ctx.progress.answers = list(visit.answers)
            return mode, visit

        if is_coroutine_function(written.function) or hasattr(type(written.function), "run_within"):

            async def play_async(state: Any, ctx: Context) -> Any:
                mode, visit = decide(ctx)
                if mode == "recorded":
                    return self._past(visit, ctx)
                try:
                    given = await call(state, ctx)
                except Exception as exc:  # noqa: BLE001 - the node's border
                    return self._failed(mode, visit, ctx, exc)
                return self._gave(mode, visit, ctx, given)

            return play_async

        def play(state: Any, ctx: Context) -> Any:
            mode, visit = decide(ctx)
            if mode == "recorded":
                return self._past(visit, ctx)
            try:
                given = call(state, ctx)
            except Exception as exc:  # noqa: BLE001 - the node's border
                return self._failed(mode, visit, ctx, exc)
            return self._gave(mode, visit, ctx, given)

        return play

    def _policy(self, name: str, written: Written) -> NodePolicy:
        """A node's policy in the replay: nothing but what takes over from it."""
        policy = written.policy.over(self.app.builder.policy_defaults)
        if not policy.has_relief:
            return PLAIN
        is_handler = policy.error_handler is not None
        found: Any = policy.error_handler if is_handler else policy.fallback
        if isinstance(found, str):
            found = self.app.builder.nodes[found].function
        player = self._relief(name, found, relief_name(name, is_handler=is_handler))
        return NodePolicy(error_handler=player) if is_handler else NodePolicy(fallback=player)

    def _relief(self, name: str, function: Any, recorded_name: str) -> Callable[..., Any]:
        """What takes over from a node returns what it returned, unless that node is run again."""
        is_graph = hasattr(type(function), "run_within")

        async def play(state: Any, ctx: Context) -> Any:
            visit = self.past.visits.get((recorded_name, ctx.visit))
            if visit is not None and visit.answers:
                ctx.progress.answers = list(visit.answers)
            is_given = self.again is not None and name not in self.again
            if visit is not None and (is_given or visit.reaches_out or is_graph):
                return self._past(visit, ctx)
            given = (unplayed(function) if is_graph else bind_relief(function))(state, ctx)
            return await given if inspect.isawaitable(given) else given

        return play

    def _original(self, written: Written) -> Callable[[Any, Context], Any]:
        function = written.function
        return unplayed(function) if hasattr(type(function), "run_within") else bind(function)

    def _mode(self, ctx: Context, visit: PastVisit | None, *, has_effects: bool) -> Mode:
        written = self.app.builder.nodes[ctx.node]
        if self.again is None:
            reaches_out = visit is not None and visit.reaches_out
            is_graph = hasattr(type(written.function), "run_within")
            is_given = has_effects or reaches_out or is_graph
            return "recorded" if visit is not None and is_given else "again"
        if ctx.node in self.again:
            return "aside" if self.is_aside and visit is not None else "again"
        if not self.is_onward:
            return "recorded"
        is_changed = visit is None or not self._is_as_then(ctx, visit)
        if is_changed and has_effects:
            self.kept.append((ctx.node, ctx.visit))
            return "recorded"
        return "again" if is_changed else "recorded"

    def _is_as_then(self, ctx: Context, visit: PastVisit) -> bool:
        """Whether the node would read what it read then."""
        facts = self.app.manifest().node(ctx.node)
        state = ctx.execution.state
        keys: Iterable[str] = state.keys() | visit.before.keys()
        if facts is not None and facts.reads_known:
            keys = facts.reads
        packet = getattr(ctx, "packet", None)
        return packet is None and all(
            are_equal(state.get(key), visit.before.get(key)) for key in keys
        )

    def _past(self, visit: PastVisit | None, ctx: Context) -> Any:
        """Return, or raise, what the visit returned or raised."""
        if visit is None:
            raise UnreplayableError(
                self.past.execution_id,
                f"{ctx.node!r} has no visit {ctx.visit} in it.",
                hint="Run it again: name it among the nodes to run.",
            )
        if visit.failure is not None and visit.status == "failed":
            raise ReplayedError(visit.failure)
        if ctx.node in self.app.program.masks:
            raise UnreplayableError(
                self.past.execution_id,
                f"What {ctx.node!r} returned was not recorded, as its trace_policy says.",
                hint="Run it again: name it among the nodes to run.",
            )
        if visit.status != "completed":
            raise UnreplayableError(
                self.past.execution_id, f"Visit {ctx.visit} of {ctx.node!r} has no end in it."
            )
        return self._returned(visit)

    def _returned(self, visit: PastVisit) -> Any:
        reducers, update = self.app.schema.reducers, dict[str, Any]()
        for key, value in (visit.update or {}).items():
            if isinstance(value, Delta):
                update[key] = value.items
            else:
                update[key] = _Merged(value) if key in reducers else value
        goto = visit.goto()
        return Command(update=update, goto=goto) if goto else update

    def _gave(self, mode: Mode, visit: PastVisit | None, ctx: Context, given: Any) -> Any:
        self.ran[ctx.node, ctx.visit] = Outcome(given=_frozen(given))
        return self._past(visit, ctx) if mode == "aside" else given

    def _failed(self, mode: Mode, visit: PastVisit | None, ctx: Context, error: Exception) -> Any:
        self.ran[ctx.node, ctx.visit] = Outcome(error=error)
        if mode == "aside" and not isinstance(error, GraphBubbleUp):
            return self._past(visit, ctx)
        raise error


def unplayed(given: Any) -> Callable[[Any, Context], Any]:
    """A graph within, as it is run again: neither recorded nor saved."""
    graph = getattr(given, "within", given)
    inner = graph.without_introspection().without_checkpointing()
    played = given.around(inner) if isinstance(given, MappedGraph) else inner
    within: Callable[[Any, Context], Any] = played.run_within
    return within


class _Merged:
    """What a reducer gave then."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


def _merge(
    merge: Callable[..., Any], channel: Channel, state: dict[str, Any], value: Any, strict: bool
) -> Any:
    if not isinstance(value, _Merged):
        return merge(channel, state, value, strict)
    state[channel.name] = value.value
    return freeze(value.value)


def _frozen(given: Any) -> Any:
    """A copy of what a node returned, as its update: later changes don't reach it."""
    if isinstance(given, Command):
        return freeze(given.update if not inspect.isawaitable(given.update) else None)
    return freeze(given)


def plain_update(
    app: CompiledGraph[Any], before: Mapping[str, Any], given: Any
) -> Mapping[str, Any]:
    """What a node's return does to a state: the keys that it changes, with their new values."""
    from inwit.runtime.updates import changed_by, read_update

    state = dict(before)
    updates, _ = read_update(app.schema, "", changed_by(app.schema, state, given))
    for update in updates:
        app.schema.apply(state, update)
    keys = {key for update in updates for key in update}
    return {key: state[key] for key in keys if key in state}
