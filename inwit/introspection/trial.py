"""A what-if really tried: recorded executions run again, without the change and with it.

Only nodes that are declared ``pure=True`` run; every other one waits as long as it took and gives
what the record has. Where such a node would be given something else than then, what it gave is no
answer, and that execution is not counted. Nothing is recorded or saved. The decisions on the way are
asked again, for they read the state alone.
"""

from __future__ import annotations

import asyncio
import copy
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic_ns
from typing import Any

import msgspec

from inwit.errors import InwitError, UnreplayableError
from inwit.ids import new_id
from inwit.introspection import rebuilding
from inwit.introspection.changes import Change
from inwit.runtime import loops
from inwit.runtime.called import context_in
from inwit.runtime.capture.answered import answering
from inwit.runtime.compiled import CompiledGraph
from inwit.runtime.replay_nodes import Players
from inwit.runtime.replay_record import Key, Past, read_past
from inwit.runtime.replay_tape import shown

TRIED_MOST = 30
BUDGET_S = 20.0
"""Seconds after which no further execution is begun."""
_trying = threading.Lock()


@dataclass(slots=True, kw_only=True)
class Trial:
    """What came of it. Times are milliseconds, one for each execution that was run both ways."""

    change: Change
    reason: str = ""
    """Why nothing could be tried."""
    ids: list[str] = field(default_factory=list)
    unchanged: list[float] = field(default_factory=list)
    changed: list[float] = field(default_factory=list)
    same: int = 0
    """Executions that ended with the same state as without the change."""
    failed: int = 0
    """Executions that failed with the change."""
    left_out: int = 0
    """Executions that went where the record gives no answer."""
    not_run: list[str] = field(default_factory=list)
    """Nodes that are not declared pure, and gave what the record has."""


class _Met(Exception):  # noqa: N818 - it is no error: the trial of one execution ends here
    """A node that is not run would be given something else."""


def tried(
    app: CompiledGraph[Any], change: Change, recorded: Mapping[str, Mapping[Key, float]],
    budget_s: float = BUDGET_S,
) -> Trial:  # fmt: skip
    """Run executions again, oldest first; `recorded` holds how long each of their visits took."""
    nodes = app.builder.nodes
    impure = [name for name, node in nodes.items() if not _is_pure(app, name)]
    found = Trial(
        change=change,
        not_run=sorted(set(impure) - set(change.nodes if change.kind == "removed" else ())),
    )
    found.reason = rebuilding.why_not(app, change, impure)
    if found.reason:
        return found
    if not _trying.acquire(blocking=False):
        found.reason = "another change is being tried just now"
        return found
    try:
        rebuilt = rebuilding.rebuilt(app, change)
        until_ns = monotonic_ns() + int(budget_s * 1e9)
        for execution_id, lasted in recorded.items():
            if monotonic_ns() > until_ns or len(found.ids) >= TRIED_MOST:
                break
            _try(app, rebuilt, execution_id, lasted, found)
    finally:
        _trying.release()
    return found


def _is_pure(app: CompiledGraph[Any], name: str) -> bool:
    written = app.builder.nodes[name]
    return written.policy.over(app.builder.policy_defaults).is_pure


def _try(
    app: CompiledGraph[Any], rebuilt: rebuilding.Rebuilt, execution_id: str,
    lasted: Mapping[Key, float], found: Trial,
) -> None:  # fmt: skip
    try:
        past = read_past(app.project, execution_id)
        plain = rebuilding.Rebuilt(app.builder, {}, app.options)
        before = _Run(_Tried(app, past, lasted, plain), past).go()
        after = _Run(_Tried(app, past, lasted, rebuilt), past).go()
    except (_Met, UnreplayableError):
        found.left_out += 1
        return
    except InwitError as exc:
        found.reason = found.reason or str(exc)
        found.left_out += 1
        return
    found.ids.append(execution_id)
    found.unchanged.append(before.took_ms)
    found.changed.append(after.took_ms)
    found.failed += after.error is not None and before.error is None
    gone = _written_by(past, found.change) if found.change.kind == "removed" else set()
    found.same += after.error is None and _without(after.state, gone) == _without(
        before.state, gone
    )


def _written_by(past: Past, change: Change) -> set[str]:
    """The keys that only removed nodes wrote: they are gone with them."""
    mine = {
        key for one in past.visits.values() if one.node in change.nodes for key in one.update or ()
    }
    others = {key for one in past.visits.values() if one.node not in change.nodes
              for key in one.update or ()}  # fmt: skip
    return mine - others - set(past.given or ())


def _without(state: Any, keys: set[str]) -> Any:
    return {key: value for key, value in state.items() if key not in keys} if keys else state


class _Tried(Players):
    """The nodes of a graph on trial."""

    def __init__(
        self, app: CompiledGraph[Any], past: Past, lasted: Mapping[Key, float],
        rebuilt: rebuilding.Rebuilt,
    ) -> None:  # fmt: skip
        super().__init__(app, past, (), is_aside=False, is_onward=False)
        self.lasted = lasted
        self.rebuilt = rebuilt
        self.met: list[str] = []

    def graph(self) -> CompiledGraph[Any]:
        """The graph, changed or not; nodes that are not pure play what is recorded."""
        from inwit.runtime.assembly import assemble

        app, builder = self.app, copy.copy(self.rebuilt.builder)
        builder.nodes = {
            name: msgspec.structs.replace(written, function=self._plays(name), policy=PLAYED)
            if not _is_pure(app, name)
            else self.rebuilt.written(name, written)
            for name, written in builder.nodes.items()
        }
        options = msgspec.structs.replace(
            self.rebuilt.options, checkpointer=False, introspection=False, budget=None,
            middleware=(), interrupt_before=frozenset(), interrupt_after=frozenset(),
            durability="async",
        )  # fmt: skip
        schema = self._playing_schema()
        made = type(app)(schema, assemble(builder, schema, options.limits), options, builder)
        made.share_configs(app)
        return made

    def _plays(self, name: str) -> Callable[..., Any]:
        async def play(_state: Any, ctx: Any) -> Any:
            visit = self.past.visits.get((name, ctx.visit))
            if visit is None or not self._is_as_then(ctx, visit):
                self.met.append(name)
                raise _Met(name)
            await asyncio.sleep(self.lasted.get((name, ctx.visit), 0.0) / 1e3)
            return self._past(visit, ctx)

        return play


PLAYED = rebuilding.PLAYED


@dataclass(frozen=True, slots=True)
class _Ended:
    took_ms: float
    state: Any
    error: BaseException | None


class _Run:
    """One execution on trial."""

    def __init__(self, players: _Tried, past: Past) -> None:
        self._players = players
        self._past = past

    def go(self) -> _Ended:
        past, players = self._past, self._players
        graph = players.graph()
        config = {**(past.called.get("config") or {}), **players.rebuilt.config}
        execution = graph.make_execution(new_id(), past.thread_id, config, dict(past.initial))
        execution.given_context = context_in(past.called, past.execution_id)
        error: BaseException | None = None
        began_ns = monotonic_ns()
        try:
            with answering():
                loops.run(execution.run(None, dict(past.given or {})))
        except Exception as exc:  # noqa: BLE001 - the tried program's border
            error = exc
        took_ms = (monotonic_ns() - began_ns) / 1e6
        if players.met:
            raise _Met(players.met[0])
        return _Ended(took_ms, shown(dict(execution.state)), error)


def lasting(visits: Sequence[Any]) -> dict[Key, float]:
    """How long each recorded visit took, in milliseconds."""
    return {(one.node, one.visit): one.duration_ms or 0.0 for one in visits}
