"""What a plan would gain: recorded executions laid out again with its changes.

The interval is of what a trial will measure, not of the record's own mean: samples as large as a
trial's arms are drawn from both sides in blocks (neighbours are alike), and the trial's own figure
is taken of each draw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, Final

from inwit.errors import InwitError
from inwit.introspection import predict
from inwit.introspection.changes import Change
from inwit.introspection.inputs import INPUT_EVENTS, digests
from inwit.introspection.schedule import Task, build
from inwit.plans import Effect
from inwit.runtime.manifest import GraphManifest
from inwit.runtime.policies import DEFAULT_RETRY
from inwit.runtime.reconfigured import WHOLE
from inwit.runtime.views import Execution
from inwit.self_improve.actions import Changes
from inwit.self_improve.contents import content_of
from inwit.self_improve.sequential import hodges_lehmann

if TYPE_CHECKING:
    from inwit.runtime.store import Store

EXECUTIONS: Final = 200
VISITS: Final = 20_000
"""Of large executions fewer are used, so that looking ends in seconds."""
ENOUGH: Final = 10
ARM: Final = 25
"""Executions of one arm that the interval is for."""
BLOCK: Final = 10
DRAWS: Final = 200
LOOKUP_MS: Final = 0.05
"""What it takes to look for a kept result, as measured."""
LEAST: Final = 0.1
"""No interval is narrower than this part of the gain: tomorrow's load is not yesterday's."""
METHOD: Final = (
    "recorded executions re-scheduled with the change; Hodges-Lehmann shift, block bootstrap interval "
    f"widened for few blocks, for a trial of {ARM} executions an arm"
)


@dataclass(slots=True, kw_only=True)
class Foretold:
    """What a change would do to recorded executions. Times are milliseconds."""

    ids: tuple[str, ...] = ()
    before: list[float] = field(default_factory=list)
    after: list[float] = field(default_factory=list)
    reason: str = ""
    """Why nothing can be foretold."""

    @property
    def effect(self) -> Effect | None:
        """What an execution saves; None where nothing can be foretold."""
        if self.reason or len(self.before) < ENOUGH:
            return None
        point = hodges_lehmann(self.before, self.after)
        draw = Random(len(self.before))  # noqa: S311 - it resamples, no secret
        found = sorted(
            hodges_lehmann(_blocks(draw, self.before), _blocks(draw, self.after))
            for _ in range(DRAWS)
        )
        tail = DRAWS // 40
        wider = _few(len(self.before) // BLOCK)
        least = LEAST * abs(point)
        low = min(point - wider * (point - found[tail - 1]), point - least)
        high = max(point + wider * (found[-tail] - point), point + least)
        return Effect(
            point=round(point, 4), low=round(low, 4), high=round(high, 4),
            unit="ms per execution", method=METHOD,
        )  # fmt: skip


_T = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 7: 2.36, 8: 2.31, 9: 2.26, 10: 2.23}
"""Student's t at 97.5 %, by degrees of freedom."""


def _few(blocks: int) -> float:
    """How much wider an interval is that stands on so few blocks: Student's t over the normal's."""
    freedom = max(blocks - 1, 1)
    return (_T[freedom] if freedom in _T else 2.0 + 2.4 / freedom) / 1.96


def _blocks(draw: Random, values: Sequence[float]) -> list[float]:
    size = min(BLOCK, max(len(values) // 4, 1))
    found: list[float] = []
    while len(found) < ARM:
        at = draw.randrange(len(values))
        found.extend(values[(at + step) % len(values)] for step in range(size))
    return found[:ARM]


def sample(store: Store, graph: str, most: int = EXECUTIONS) -> list[Execution]:
    """The newest completed executions of a graph's newest version, oldest first."""
    newest = store.newest(most, graph=graph, status="completed")
    version = newest[0].graph_version if newest else None
    found: list[Execution] = []
    visits = 0
    for one in newest:
        if one.graph_version != version or one.duration_ms is None:
            continue
        visits += one.iteration
        if visits > VISITS and len(found) >= ENOUGH:
            break
        found.append(one)
    return sorted(found, key=lambda one: one.position)


def foretell(
    store: Store, changes: Changes, manifest: GraphManifest, executions: Sequence[Execution]
) -> Foretold:
    """Lay recorded executions out again with the changes."""
    reason = _unknowable(changes)
    if reason:
        return Foretold(reason=reason)
    if len(executions) < ENOUGH:
        few = f"{len(executions)} completed executions are on record; {ENOUGH} are needed"
        return Foretold(reason=few)
    schedules = [build(one, store.visits(one.execution_id)) for one in executions]
    found = Foretold(
        ids=tuple(one.execution_id for one in executions),
        before=[one.total for one in schedules],
    )
    if changes.parallel:
        first, second = changes.parallel[0]
        told = predict.parallel(manifest, schedules, Change(kind="parallel", nodes=(first, second)))
        found.reason, found.after = ("" if told.feasible else told.reason), list(told.after)
        return found
    lasts = _Lasts(store, changes, executions)
    found.after = [one.simulate(lasts) for one in schedules]
    return found


def _unknowable(changes: Changes) -> str:
    if changes.patches:
        return "what other source would take is not in the record"
    if changes.packages:
        return "what a package would do is not in the record"
    if changes.unreplayable:
        return f"what {', '.join(changes.unreplayable)} would give is not in the record"
    pairs, others = changes.parallel, [node for node in changes.configs if node != WHOLE]
    if len(pairs) > 1 or (pairs and others):
        return "several changes of the graph's order are not foretold together"
    return ""


class _Lasts:
    """How long a visit takes with the changes."""

    def __init__(self, store: Store, changes: Changes, executions: Sequence[Execution]) -> None:
        self._configs = changes.configs
        self._spared = spared(store, changes, executions)
        for node, values in changes.configs.items():
            _wait_otherwise(store, node, values.get("retry_policy") or {}, executions, self._spared)

    def __call__(self, task: Task) -> float:
        visit, values = task.visit, self._configs.get(task.visit.node)
        if values is None:
            return task.duration
        left = max(
            task.duration - self._spared.get((visit.execution_id, visit.node, visit.visit), 0.0),
            0.0,
        )
        limit_s = values.get("timeout_s")
        if limit_s:
            left = min(left, limit_s * 1000)
        most = (values.get("retry_policy") or {}).get("max_attempts")
        if most is not None and visit.attempts > most:
            left = max(left - visit.retry_ms * (visit.attempts - most) / (visit.attempts - 1), 0.0)
        return left


Key = tuple[str, str, int]
"""An execution, a node and the number of its visit."""


def spared(store: Store, changes: Changes, executions: Sequence[Execution]) -> dict[Key, float]:
    """The milliseconds of each visit that kept results would have spared."""
    found: dict[Key, float] = {}
    for node, values in changes.configs.items():
        if values.get("cache"):
            _spare_visits(store, node, values["cache"], executions, found)
        for kind in ("tool", "model"):
            if values.get(f"{kind}_cache"):
                _spare_calls(store, node, kind, values[f"{kind}_cache"], executions, found)
    return found


def scope_of(execution: Execution, setting: Mapping[str, Any]) -> str:
    """Within what equal inputs are one: an execution, a thread, or all."""
    match setting.get("scope", "execution"):
        case "execution":
            return execution.execution_id
        case "thread":
            return execution.thread_id or execution.execution_id
        case _:
            return ""


def _spare_visits(
    store: Store, node: str, setting: Mapping[str, Any], executions: Sequence[Execution],
    found: dict[Key, float],
) -> None:  # fmt: skip
    keys = setting.get("key")
    reads = [str(key) for key in keys] if isinstance(keys, list | tuple) else None
    seen: set[tuple[str, str]] = set()
    for one in executions:
        given = _given(store, one, node, reads)
        for visit in store.visits(one.execution_id, node):
            digest = given.get((node, visit.visit))
            if digest is None or visit.status != "completed":
                continue
            place = (scope_of(one, setting), digest)
            if place in seen:
                spent_ms = visit.duration_ms or 0.0
                found[one.execution_id, node, visit.visit] = max(spent_ms - LOOKUP_MS, 0.0)
            seen.add(place)


_WAITS: Final = frozenset({"initial_interval", "backoff_factor", "max_interval", "jitter"})


def _wait_otherwise(
    store: Store, node: str, said: Mapping[str, Any], executions: Sequence[Execution],
    found: dict[Key, float],
) -> None:  # fmt: skip
    """Take the waits of a changed policy instead of those that were recorded."""
    if not _WAITS & said.keys():
        return
    values = {name: value for name, value in said.items() if value is not None}
    policy = DEFAULT_RETRY._replace(**values)
    for one in executions:
        if not one.retries:
            continue
        for event in store.events(one.execution_id, types=("retry_scheduled",), node=node):
            said_of: Any = event
            if event.visit is None or event.attempt is None:
                continue
            steady = policy._replace(jitter=False).delay_s(event.attempt)
            wait_ms = (steady + (0.5 if policy.jitter else 0.0)) * 1000
            key = (one.execution_id, node, event.visit)
            found[key] = found.get(key, 0.0) + said_of.delay_ms - wait_ms


def _given(
    store: Store, one: Execution, node: str, reads: Sequence[str] | None
) -> Mapping[tuple[str, int], str]:
    try:
        return digests(store.events(one.execution_id, types=INPUT_EVENTS), {node: reads})
    except InwitError:  # retention took it meanwhile
        return {}


def _spare_calls(  # noqa: PLR0917 - one loop's surroundings
    store: Store, node: str, kind: str, setting: Mapping[str, Any],
    executions: Sequence[Execution], found: dict[Key, float],
) -> None:  # fmt: skip
    names = (
        ("tool_started", "tool_completed") if kind == "tool" else ("llm_started", "llm_completed")
    )
    seen: set[tuple[str, str]] = set()
    for one in executions:
        asked: dict[str, str] = {}
        for event in store.events(one.execution_id, types=names, node=node):
            said: Any = event
            called = str(getattr(said, "tool", None) or getattr(said, "model", ""))
            if setting.get("name") not in (None, called) or event.visit is None:
                continue
            if event.type.endswith("started"):
                given = said.input if kind == "tool" else [said.messages, said.parameters]
                asked[said.call_id] = content_of([called, given]).digest
            elif said.call_id in asked:
                place = (scope_of(one, setting), asked[said.call_id])
                if place in seen:
                    key = (one.execution_id, node, event.visit)
                    found[key] = found.get(key, 0.0) + (said.duration_ms or 0.0)
                seen.add(place)
