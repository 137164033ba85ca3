"""Predictions: recorded executions re-scheduled under a change."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from statistics import median
from typing import Any

from inwit.introspection import independence
from inwit.introspection.changes import Change
from inwit.introspection.lineage import Place, is_sent
from inwit.introspection.schedule import Schedule, Task
from inwit.introspection.stats import Estimate, estimate, foretold
from inwit.runtime.manifest import GraphManifest
from inwit.runtime.policies import DEFAULT_RETRY
from inwit.runtime.views import Execution

ENOUGH = 30
"""Executions that a prediction should stand on; fewer are used, and said."""


@dataclass(slots=True, kw_only=True)
class Prediction:
    """What a change would give. `reason` says why it is not feasible, or on what it rests."""

    feasible: bool
    reason: str = ""
    before: list[float] = field(default_factory=list)
    after: list[float] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def baseline(self) -> Estimate | None:
        """The median duration as recorded."""
        return estimate(self.before) if self.before else None

    @property
    def predicted(self) -> Estimate | None:
        """The median duration of as many executions under the change."""
        return foretold(self.after) if self.after and self.feasible else None

    @property
    def gain(self) -> Estimate | None:
        """The median saving per execution; its `low` is what at least half of them save."""
        if not self.feasible or not self.after:
            return None
        return estimate([a - b for a, b in zip(self.before, self.after, strict=True)])

    @property
    def share_changed(self) -> float:
        """The share of executions whose duration changes by more than a hundredth."""
        pairs = zip(self.before, self.after, strict=True)
        changed = sum(abs(a - b) > 0.01 * max(a, 1e-9) for a, b in pairs)
        return changed / len(self.before) if self.before else 0.0


def refused(reason: str) -> Prediction:
    """A change that cannot be made, or whose effect the record cannot tell."""
    return Prediction(feasible=False, reason=reason)


def rescheduled(
    schedules: Sequence[Schedule],
    lasts: Callable[[Task], float],
    follows: Callable[[Schedule, Task], Sequence[int]] | None = None,
    **more: Any,
) -> Prediction:
    """Simulate every schedule with other durations, or other waiting."""
    after = [
        one.simulate(lasts, follows=None if follows is None else partial(follows, one))
        for one in schedules
    ]
    return Prediction(feasible=True, before=[one.total for one in schedules], after=after, **more)


def faster(schedules: Sequence[Schedule], change: Change) -> Prediction:
    """Let the nodes take a part of their time, or a given time."""
    chosen = set(change.nodes)

    def lasts(task: Task) -> float:
        if task.visit.node not in chosen:
            return task.duration
        if change.duration_ms is not None:
            return change.duration_ms
        return task.duration * (1.0 if change.factor is None else change.factor)

    return rescheduled(schedules, lasts)


def removed(manifest: GraphManifest, schedules: Sequence[Schedule], change: Change) -> Prediction:
    """Leave nodes out, where nothing depends on them."""
    seen = _seen(schedules)
    for node in change.nodes:
        reason = independence.why_not_removed(manifest, node, seen)
        if reason is not None:
            return refused(reason)
    chosen = set(change.nodes)
    return rescheduled(
        schedules, lambda task: -task.gap if task.visit.node in chosen else task.duration
    )


def parallel(manifest: GraphManifest, schedules: Sequence[Schedule], change: Change) -> Prediction:
    """Start two nodes together, where neither depends on the other."""
    first, second = _in_order(schedules, *change.nodes[:2])
    if independence.runs_beside(manifest, first, second):
        prediction = rescheduled(schedules, lambda task: task.duration)
        prediction.notes.append(f"The edges let {first} and {second} run in parallel already.")
        return _with_blocking(prediction, manifest, first, second)
    reason = independence.why_not_parallel(manifest, first, second, _seen(schedules))
    if reason is not None:
        return refused(reason)
    prediction = rescheduled(schedules, lambda task: task.duration, _beside(first, second))
    return _with_blocking(prediction, manifest, first, second)


def _with_blocking(
    prediction: Prediction, manifest: GraphManifest, first: str, second: str
) -> Prediction:
    """Say which of two nodes holds the other up, edges or not: one that is kept out of threads."""
    blocking = [name for name in (first, second) if _blocks(manifest, name)]
    if blocking:
        prediction.extra["requires"] = [f"{name}: no thread=False, or async" for name in blocking]
        prediction.notes.append(
            f"{' and '.join(blocking)} {'says' if len(blocking) == 1 else 'say'} thread=False: plain "
            f"functions run at the same time only in threads or as coroutines."
        )
    return prediction


def _beside(first: str, second: str) -> Callable[[Schedule, Task], Sequence[int]]:
    """Let each visit of `second` wait only for what led to the visit of `first` before it."""

    def follows(schedule: Schedule, task: Task) -> Sequence[int]:
        if task.visit.node == second:
            return _origin(schedule, task, first, second)
        partners = [
            index
            for before in task.follows
            if schedule.tasks[before].visit.node == second
            for index in _passed(schedule, schedule.tasks[before], first, second)
        ]
        return [*task.follows, *partners]

    return follows


def _passed(schedule: Schedule, task: Task, first: str, second: str) -> list[int]:
    """The visits before `task`, back to and with the nearest visit of `first`.

    None where there is none, or only behind another visit of `second`: that visit is its partner.
    """
    passed: list[int] = []
    waiting = list(task.follows)
    while waiting:
        index = waiting.pop()
        if index in passed:
            continue
        passed.append(index)
        if schedule.tasks[index].visit.node not in (first, second):
            waiting += schedule.tasks[index].follows
    is_found = any(schedule.tasks[index].visit.node == first for index in passed)
    return passed if is_found else []


def _origin(schedule: Schedule, task: Task, first: str, second: str) -> Sequence[int]:
    near = [index for index in _passed(schedule, task, first, second)
            if schedule.tasks[index].visit.node == first]  # fmt: skip
    return schedule.tasks[max(near)].follows if near else task.follows


def _in_order(schedules: Sequence[Schedule], one: str, two: str) -> tuple[str, str]:
    ahead = 0
    for schedule in schedules:
        order = [task.visit.node for task in schedule.tasks if task.visit.node in (one, two)]
        ahead += bool(order) and order[0] == one
        ahead -= bool(order) and order[0] == two
    return (one, two) if ahead >= 0 else (two, one)


def _blocks(manifest: GraphManifest, name: str) -> bool:
    facts = manifest.node(name)
    if facts is None or facts.is_async:
        return False
    return facts.policies.get("thread") is False and not facts.policies.get("timeout_s")


def cached(
    manifest: GraphManifest,
    schedules: Sequence[Schedule],
    change: Change,
    inputs: Callable[[Execution], Mapping[Place, str]],
) -> Prediction:
    """Let repeats of equal inputs take no time, as often as the record shows them.

    `inputs` gives, for each visit of an execution, a digest of what it was given.
    """
    hits: set[tuple[str, int]] = set()
    looked = other = 0
    for node in change.nodes:
        facts = manifest.node(node)
        if facts is not None and facts.policies.get("side_effects"):
            return refused(f"{node} is declared to have side effects, so it may not be cached")
        if any(is_sent((task.visit for task in one.tasks), node) for one in schedules):
            return refused(
                f"{node} is sent inputs of its own by Send, which are not in the record, so how "
                f"often they repeat is not known"
            )
        repeats = _repeats(schedules, node, inputs)
        hits |= repeats.hits
        looked += repeats.looked
        other += repeats.other_results
    names = " and ".join(change.nodes)
    if other:
        return refused(
            f"equal inputs gave other results {other} times in {looked} visits of {names}, so a "
            f"cache would change what the graph returns"
        )
    rate = change.hit_rate
    chosen = set(change.nodes)

    def lasts(schedule: Schedule, task: Task) -> float:
        if task.visit.node not in chosen:
            return task.duration
        if rate is not None:
            return task.duration * (1 - rate)
        hit = (schedule.execution.execution_id, task.index) in hits
        return 0.0 if hit else task.duration

    after = [one.simulate(partial(lasts, one)) for one in schedules]
    share = len(hits) / looked if looked else 0.0
    prediction = Prediction(feasible=True, before=[one.total for one in schedules], after=after)
    prediction.extra |= {"visits": looked, "repeats": len(hits), "hit_rate": round(share, 4)}
    kept = [name for name in change.nodes if (f := manifest.node(name)) and f.policies.get("cache")]
    if kept:
        prediction.notes.append(f"{' and '.join(kept)} has a cache policy already.")
    prediction.notes.append(
        f"{len(hits)} of {looked} recorded visits of {names} had an input that was seen before."
        if rate is None
        else f"The record itself shows {share:.0%} repeats; {rate:.0%} were asked for."
    )
    return prediction


def uncached(
    schedules: Sequence[Schedule], change: Change, hits: Callable[[str], set[Place]]
) -> Prediction:
    """Let visits that came from a cache last as long as those that did not, drawn by chance."""
    chosen = set(change.nodes)
    found = {one.execution.execution_id: hits(one.execution.execution_id) for one in schedules}

    def is_hit(one: Schedule, task: Task) -> bool:
        return (task.visit.node, task.visit.visit) in found[one.execution.execution_id]

    mine = [(one, task) for one in schedules for task in one.tasks if task.visit.node in chosen]
    real = [task.duration for one, task in mine if not is_hit(one, task)]
    number = sum(is_hit(one, task) for one, task in mine)
    if number and not real:
        return refused(
            "no visit on record ran without the cache, so how long one takes is not known"
        )
    dice = random.Random(len(mine))  # noqa: S311 - it draws visits, it keeps no secret
    lasts = {
        (one.execution.execution_id, task.index): dice.choice(real)
        for one, task in mine
        if is_hit(one, task)
    }
    after = [one.simulate(partial(_drawn, lasts, one.execution.execution_id)) for one in schedules]
    prediction = Prediction(feasible=True, before=[one.total for one in schedules], after=after)
    prediction.extra |= {"visits": len(mine), "hits": number}
    prediction.notes.append(f"{number} of {len(mine)} recorded visits came from the cache.")
    return prediction


def _drawn(lasts: Mapping[tuple[str, int], float], execution_id: str, task: Task) -> float:
    return lasts.get((execution_id, task.index), task.duration)


@dataclass(slots=True)
class _Repeats:
    hits: set[tuple[str, int]]
    looked: int
    other_results: int


def _repeats(
    schedules: Sequence[Schedule],
    node: str,
    inputs: Callable[[Execution], Mapping[Place, str]],
) -> _Repeats:
    known: dict[str, str] = {}
    found = _Repeats(set(), 0, 0)
    for schedule in sorted(schedules, key=lambda one: one.execution.position):
        tasks = [task for task in schedule.tasks if task.visit.node == node]
        if not tasks:
            continue
        given = inputs(schedule.execution)
        for task in tasks:
            found.looked += 1
            key = given.get((node, task.visit.visit))
            if key is None:
                continue
            result = repr(task.visit.update)
            if key in known:
                found.hits.add((schedule.execution.execution_id, task.index))
                found.other_results += known[key] != result
            known.setdefault(key, result)
    return found


def with_timeout(
    schedules: Sequence[Schedule], change: Change, attempts: Mapping[str, int],
    inputs: Callable[[Execution], Mapping[Place, str]],
) -> Prediction:  # fmt: skip
    """End attempts at a time-out; one that meets it is tried again as often as its node may be.

    Each further attempt lasts as long as a recorded visit of the node that is drawn by chance, of
    those with an equal input where there are several, with the default wait before it. An execution
    whose last attempt meets the time-out too fails there.
    """
    limit_ms, chosen = change.duration_ms or 0.0, set(change.nodes)
    known = _alike(schedules, chosen, limit_ms, inputs)
    dice = random.Random(len(schedules))  # noqa: S311 - it draws attempts, it keeps no secret
    cut = {
        (one.execution.execution_id, task.index): _tried_again(
            limit_ms, known(one, task), attempts.get(task.visit.node, 1), dice
        )
        for one in schedules
        for task in one.tasks
        if task.visit.node in chosen and task.duration > limit_ms
    }
    prediction = Prediction(
        feasible=True,
        before=[one.total for one in schedules],
        after=[_ending(one, cut) for one in schedules],
    )
    met = [any((one.execution.execution_id, task.index) in cut for task in one.tasks)
           for one in schedules]  # fmt: skip
    failing = {execution for (execution, _), (_, ends) in cut.items() if ends}
    prediction.extra["share_meeting"] = round(sum(met) / len(met), 4)
    prediction.extra["share_failing"] = round(len(failing) / len(met), 4)
    again = max(attempts.values(), default=1)
    prediction.notes.append(
        f"{sum(met)} of {len(met)} recorded executions held a visit longer than that"
        + (f"; tried up to {again} times, {len(failing)} would fail there." if again > 1
           else "; they would have failed at the time-out.")
    )  # fmt: skip
    return prediction


def _alike(
    schedules: Sequence[Schedule], chosen: set[str], limit_ms: float,
    inputs: Callable[[Execution], Mapping[Place, str]],
) -> Callable[[Schedule, Task], list[float]]:  # fmt: skip
    """Gives the recorded durations of a node's visits, those of equal inputs where there are several."""
    every = {node: _durations(schedules, node) for node in chosen}
    if all(took <= limit_ms for durations in every.values() for took in durations):
        return lambda _schedule, task: every[task.visit.node]
    equal: dict[tuple[str, str], list[float]] = {}
    keys: dict[tuple[str, int], tuple[str, str]] = {}
    for one in schedules:
        given = inputs(one.execution)
        for task in one.tasks:
            digest = given.get((task.visit.node, task.visit.visit))
            if task.visit.node in chosen and digest is not None:
                key = keys[one.execution.execution_id, task.index] = (task.visit.node, digest)
                equal.setdefault(key, []).append(task.duration)

    def known(schedule: Schedule, task: Task) -> list[float]:
        key = keys.get((schedule.execution.execution_id, task.index))
        same = equal.get(key, []) if key else []
        return same if len(same) > 1 else every[task.visit.node]

    return known


def _durations(schedules: Sequence[Schedule], node: str) -> list[float]:
    return [task.duration for one in schedules for task in one.tasks if task.visit.node == node]


def _tried_again(
    limit_ms: float, known: Sequence[float], attempts: int, dice: random.Random
) -> tuple[float, bool]:
    """How long a visit lasts whose first attempt met a time-out, and whether it fails."""
    lasted = limit_ms
    for attempt in range(1, attempts):
        lasted += (DEFAULT_RETRY.initial_interval * DEFAULT_RETRY.backoff_factor ** (attempt - 1)
                   + dice.random()) * 1e3  # fmt: skip
        took = dice.choice(known)
        if took <= limit_ms:
            return lasted + took, False
        lasted += limit_ms
    return lasted, True


def _ending(one: Schedule, cut: Mapping[tuple[str, int], tuple[float, bool]]) -> float:
    """How long an execution lasts, up to its first visit that fails."""
    name = one.execution.execution_id
    times = one.ends(lambda task: cut.get((name, task.index), (task.duration, False))[0])
    ends = [times[task.index] for task in one.tasks if cut.get((name, task.index), (0.0, False))[1]]
    return min(ends) if ends else max(times, default=0.0) + one.tail


def with_attempts(schedules: Sequence[Schedule], change: Change) -> Prediction:
    """Allow at most so many attempts; an execution that needed more ends at the first such visit."""
    most, chosen = change.max_attempts or 1, set(change.nodes)

    def needs_more(task: Task) -> bool:
        return (not chosen or task.visit.node in chosen) and task.visit.attempts > most

    def lasts(task: Task) -> float:
        return _of_attempts(task, most) if needs_more(task) else task.duration

    def ends(one: Schedule) -> float:
        times = one.ends(lasts)
        cut = [times[task.index] for task in one.tasks if needs_more(task)]
        return min(cut) if cut else max(times, default=0.0) + one.tail

    failing = [any(needs_more(task) for task in one.tasks) for one in schedules]
    used = max((task.visit.attempts for one in schedules for task in one.tasks), default=1)
    prediction = Prediction(
        feasible=True,
        before=[one.total for one in schedules],
        after=[ends(one) for one in schedules],
    )
    share = sum(failing) / len(failing) if failing else 0.0
    prediction.extra |= {"share_failing": round(share, 4), "most_attempts_seen": used}
    prediction.notes.append(
        f"{sum(failing)} of {len(failing)} recorded executions needed more than {most} "
        f"attempt{'' if most == 1 else 's'} of one node and would have failed."
    )
    return prediction


def with_visits(
    manifest: GraphManifest, schedules: Sequence[Schedule], change: Change
) -> Prediction:
    """Let nodes run no more than so often: of a loop's rounds those in between are left out.

    The last round stays, since it is the one that the record shows leading out of the loop.
    """
    most = change.number or 1
    loops = {name: independence.loop_of(manifest, name) for name in change.nodes}
    if not any(loops.values()):
        return with_attempts(schedules, replace(change, kind="retries", max_attempts=most))
    dropped = {id(one): _rounds_over(one, loops, most) for one in schedules}
    prediction = Prediction(
        feasible=True,
        before=[one.total for one in schedules],
        after=[one.simulate(_without(dropped[id(one)])) for one in schedules],
    )
    over = sum(bool(gone) for gone in dropped.values())
    prediction.extra |= {
        "share_limited": round(over / len(schedules), 4) if schedules else 0.0,
        "most_visits_seen": max(
            (
                task.visit.visit
                for one in schedules
                for task in one.tasks
                if loops.get(task.visit.node)
            ),
            default=0,
        ),
    }
    named = " and ".join(change.nodes)
    often = {1: "once", 2: "twice"}.get(most, f"{most} times")
    kept = (
        "the last" if most == 1 else f"the first {f'{most - 1} ' if most > 2 else ''}and the last"
    )
    prediction.notes.append(
        f"{over} of {len(schedules)} recorded executions ran {named} more than {often}; of their rounds "
        f"{kept} {'is' if most == 1 else 'are'} kept."
        if over
        else f"None of {len(schedules)} recorded executions ran {named} more than {often}."
    )
    if over:
        prediction.notes.append("What the rounds left out would have added to the result is lost.")
    return prediction


def _without(gone: set[int]) -> Callable[[Task], float]:
    return lambda task: -task.gap if task.index in gone else task.duration


def _rounds_over(one: Schedule, loops: Mapping[str, set[str]], most: int) -> set[int]:
    """The visits of a loop between its `most`-th round and its last."""
    gone: set[int] = set()
    for name, loop in loops.items():
        rounds = [task.start for task in one.tasks if task.visit.node == name]
        if loop and len(rounds) > most:
            gone |= {
                task.index for task in one.tasks
                if task.visit.node in loop and rounds[most - 1] <= task.start < rounds[-1]
            }  # fmt: skip
    return gone


def _of_attempts(task: Task, most: int) -> float:
    """How long a visit's first attempts took: the failed ones alike, and no wait after the last."""
    visit = task.visit
    last = max(task.duration - visit.retry_ms, 0.0)
    each = visit.retry_ms / max(visit.attempts - 1, 1)
    return each * (most - 1) + min(last, each)


def _seen(schedules: Sequence[Schedule]) -> dict[str, set[str]]:
    return independence.observed_writes(task.visit for one in schedules for task in one.tasks)


def middle(schedules: Sequence[Schedule], node: str) -> float | None:
    """The median duration of a node's visits."""
    took = _durations(schedules, node)
    return median(took) if took else None
