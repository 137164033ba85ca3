"""Shadow replay: recorded executions run again with a plan's changes, and no effect on the world.

Every node that is not declared ``pure=True`` gives what the record has; a node that is runs again,
where the graph's code is at hand. Each execution has to end in the state in which it ended then.
Without the code the recorded updates alone are put together again, in the changed order and with the
results that would have been kept. What cannot be replayed says why, and its plan stays a hypothesis.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from inwit.errors import InwitError
from inwit.introspection.inputs import digest
from inwit.runtime.kept_calls import with_results
from inwit.runtime.program import is_coroutine_function
from inwit.runtime.reconfigured import parallel_edges
from inwit.runtime.replay_nodes import Players
from inwit.runtime.replay_record import Past, PastVisit, read_past
from inwit.runtime.replay_tape import Tape, are_equal, shown
from inwit.runtime.store.fold import apply_update
from inwit.runtime.views import Execution, Visit
from inwit.self_improve.actions import Changes
from inwit.self_improve.foretelling import scope_of

if TYPE_CHECKING:
    from inwit.runtime.compiled import CompiledGraph
    from inwit.runtime.store import Store

REPLAYED: Final = 20
PASSED_MIN: Final = 5
"""Fewer replayed executions prove nothing."""
BUDGET_S: Final = 20.0
"""Seconds after which no further execution is replayed, once some were."""
_DIVERGENCES: Final = 10


class Shadow(msgspec.Struct, frozen=True, kw_only=True):
    """What shadow replay found."""

    n: int = 0
    passed: int = 0
    divergences: tuple[dict[str, Any], ...] = ()
    method: str = ""
    ran: tuple[str, ...] = ()
    """The pure nodes that ran again; all others gave what the record has."""
    executions: tuple[str, ...] = ()
    reason: str = ""
    """Why it proves nothing."""

    @property
    def is_proof(self) -> bool:
        """Whether the changes leave the recorded executions as they were."""
        return not self.reason and self.n >= PASSED_MIN and self.passed == self.n


def replay(
    store: Store, changes: Changes, executions: Sequence[Execution],
    app: CompiledGraph[Any] | None = None,
) -> Shadow:  # fmt: skip
    """Run recorded executions again with the changes; `app` is the graph's code, where at hand."""
    reason = _unreplayable(changes)
    if reason:
        return Shadow(reason=reason)
    chosen = [one for one in executions if one.status == "completed"][-REPLAYED:]
    if len(chosen) < PASSED_MIN:
        few = f"{len(chosen)} completed executions can be replayed; {PASSED_MIN} are needed"
        return Shadow(reason=few)
    divergences: list[dict[str, Any]] = []
    done: list[str] = []
    refused = ""
    pure = _pure(app)
    records = _Records(changes)
    deadline = time.monotonic() + BUDGET_S
    for one in chosen:
        if time.monotonic() > deadline and len(done) >= PASSED_MIN:
            break
        try:
            found = _replayed(store, changes, one, (app, pure, records))
        except InwitError as exc:
            refused = str(exc)
            continue
        except Exception as exc:  # noqa: BLE001 - the replayed program's border
            refused = f"{type(exc).__name__}: {exc}"
            continue
        done.append(one.execution_id)
        divergences += found[:1]
    if len(done) < PASSED_MIN:
        return Shadow(n=len(done), reason=f"too few executions can be replayed: {refused}")
    return Shadow(
        n=len(done), passed=len(done) - len(divergences),
        divergences=tuple(divergences[:_DIVERGENCES]),
        method="graph and recorded outputs" if app is not None else "recorded updates",
        ran=pure, executions=tuple(done),
        reason="" if not divergences else f"{len(divergences)} of {len(done)} ended otherwise",
    )  # fmt: skip


def _unreplayable(changes: Changes) -> str:
    if changes.patches:
        return "changed source cannot be replayed on what the old source gave: review the patch"
    if changes.packages:
        return "a package that no execution has used cannot be replayed"
    if changes.unreplayable:
        names = ", ".join(changes.unreplayable)
        return f"what {names} would give is not in the record: no replay can tell"
    return ""


def _pure(app: CompiledGraph[Any] | None) -> tuple[str, ...]:
    """The nodes that are declared pure, and may run again."""
    if app is None:
        return ()
    nodes = app.builder.nodes.items()
    return tuple(
        sorted(
            name for name, one in nodes if one.policy.is_pure and not one.policy.has_side_effects
        )
    )


def _replayed(
    store: Store, changes: Changes, one: Execution,
    code: tuple[CompiledGraph[Any] | None, tuple[str, ...], _Records],
) -> list[dict[str, Any]]:  # fmt: skip
    """How an execution ends otherwise with the changes; nothing where it does not."""
    app, pure, records = code
    past = read_past(store.project, one.execution_id)
    found = _by_limits(changes, store.visits(one.execution_id)) + records.compared(past, one)
    return found or ([] if app is None else _by_graph(changes, past, app, pure))


def _by_limits(changes: Changes, visits: Sequence[Visit]) -> list[dict[str, Any]]:
    """The visits that would not have come to their end within the changed limits."""
    found = []
    for visit in visits:
        values = changes.configs.get(visit.node, {})
        limit_s = values.get("timeout_s")
        most = (values.get("retry_policy") or {}).get("max_attempts")
        took = (visit.duration_ms or 0.0) - visit.retry_ms
        if limit_s and took > limit_s * 1000:
            what = f"it took {took:.1f} ms, and would have been ended at {limit_s * 1000:g} ms"
        elif most is not None and visit.status == "completed" and visit.attempts > most:
            what = f"it needed {visit.attempts} attempts, and would have had {most}"
        else:
            continue
        found.append({"uri": visit.uri, "node": visit.node, "what": what})
    return found


# With the graph's code


class _Players(Players):
    """The replayed graph's nodes, with the results kept that the changes would keep."""

    caches: Mapping[str, Mapping[str, Any]] = {}

    def _player(self, name: str, written: Any) -> Any:
        play = super()._player(name, written)
        if name not in self.caches or written.policy.has_side_effects:
            return play
        is_async = is_coroutine_function(play)
        kept = with_results(play, self.caches[name], is_async=is_async)
        if is_async:

            async def aplay(state: Any, ctx: Any) -> Any:
                return await kept(state, ctx)

            return aplay

        def again(state: Any, ctx: Any) -> Any:
            return kept(state, ctx)

        return again


def _by_graph(
    changes: Changes, past: Past, app: CompiledGraph[Any], pure: Sequence[str]
) -> list[dict[str, Any]]:
    from inwit.runtime.replay import _Performance

    changed = app
    if changes.parallel:
        changed = copy.copy(app)
        changed.builder = copy.copy(app.builder)
        for first, second in changes.parallel:
            changed.builder.edges = parallel_edges(changed.builder, first, second)
    players = _Players(changed, past, list(pure), is_aside=False, is_onward=False)
    players.caches = {
        node: values["cache"] for node, values in changes.configs.items() if values.get("cache")
    }
    tape = Tape(past.visits, past.begun_ns, is_live=False)
    played = _Performance(players, past, tape).play({}, None)
    uri = f"execution://{past.execution_id}/summary"
    if played.error is not None or played.status != past.status:
        told = type(played.error).__name__ if played.error is not None else played.status
        return [{"uri": uri, "what": f"it ended as {told}, and not as {past.status}"}]
    return _compared(uri, past.state, played.state)


# With the record alone


class _Records:
    """Recorded updates put together again, with the results kept that the changes would keep."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self._updates: dict[tuple[str, str, str], Any] = {}
        self._replies: dict[tuple[str, str, str, str], Any] = {}

    def compared(self, past: Past, one: Execution) -> list[dict[str, Any]]:
        """How an execution would have ended otherwise. They come in the order of the record."""
        state: dict[str, Any] = copy.deepcopy(past.initial)
        found: list[dict[str, Any]] = []
        for visit in _reordered(self._changes, list(past.visits.values())):
            values = self._changes.configs.get(visit.node, {})
            update: Any = visit.update or {}
            setting = values.get("cache")
            if setting and visit.status == "completed":
                keys = setting.get("key")
                given = digest(shown(state), keys if isinstance(keys, list | tuple) else None)
                update = self._updates.setdefault(
                    (visit.node, scope_of(one, setting), given), update
                )
            if values.get("tool_cache") or values.get("model_cache"):
                found += self._replies_differ(visit, values, one)
            apply_update(state, update)
        uri = f"execution://{past.execution_id}/summary"
        return found or _compared(uri, past.state, state)

    def _replies_differ(
        self, visit: PastVisit, values: Mapping[str, Any], one: Execution
    ) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        asked: dict[Any, tuple[str, str, str, str]] = {}
        for told in visit.told:
            fields = told.fields
            kind, _, step = told.type.partition("_")
            setting = values.get("tool_cache" if kind == "tool" else "model_cache")
            name = str(fields.get("tool") or fields.get("model") or "")
            if not setting or setting.get("name") not in (None, name):
                continue
            if step == "started":
                given = [fields.get("input"), fields.get("messages"), fields.get("parameters")]
                place = scope_of(one, setting)
                asked[fields.get("call_id")] = (kind, name, place, digest({"": shown(given)}, None))
            elif step == "completed" and fields.get("call_id") in asked:
                reply = fields.get("output")
                first = self._replies.setdefault(asked[fields.get("call_id")], reply)
                if not are_equal(first, reply):
                    uri = f"execution://{one.execution_id}/events/{visit.seq}"
                    what = f"{kind} {name!r} gave something else for equal input"
                    found.append({"uri": uri, "node": visit.node, "what": what})
        return found


def _reordered(changes: Changes, visits: list[PastVisit]) -> list[PastVisit]:
    """The visits as they may come in the changed order: the second of a pair before the first."""
    for first, second in changes.parallel:
        for at in range(len(visits) - 1):
            if (visits[at].node, visits[at + 1].node) == (first, second):
                visits[at], visits[at + 1] = visits[at + 1], visits[at]
    return visits


def _compared(uri: str, then: Mapping[str, Any], now: Mapping[str, Any]) -> list[dict[str, Any]]:
    keys = sorted({*then, *now})
    other = [key for key in keys if not are_equal(then.get(key), now.get(key))]
    if not other:
        return []
    return [{"uri": uri, "keys": other, "what": f"its state differs in {', '.join(other)}"}]
