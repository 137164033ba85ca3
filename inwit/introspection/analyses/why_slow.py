"""Why was it slow: the excess over what is usual, on the critical path, confirmed by restoring.

A suspect is a node whose visits took unusually long, a loop that went round unusually often, or an
unusual wait before a node. Each suspect is put back to what is usual in the recorded schedule; what
the execution would then have saved is its effect.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from time import time_ns
from typing import Any

from inwit.events import epoch_ns
from inwit.introspection import schedule
from inwit.introspection.analyses.why_visits import nothing_recorded
from inwit.introspection.baseline import FLOOR, Baseline, collect, is_slow, is_unusual, rarity
from inwit.introspection.claims import Draft, Ref, count, duration, execution_uri, graph_uri, times
from inwit.introspection.lineage import leads, place
from inwit.introspection.quotes import being
from inwit.introspection.scene import Scene
from inwit.introspection.schedule import Schedule, Task
from inwit.introspection.stats import BASELINE_MIN, estimate, median_ranks, spread
from inwit.introspection.which import Choice, choose

CONFIRMING_SHARE = 0.2
"""A suspect is a cause when restoring it takes back this share of the excess."""
SHARES_TOLD = 3
_GOING_ON = (
    r"(?:is|are)\b.*\b(?:taking|hanging|stuck|still|waiting|running)\b|not (?:finished|done) yet"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspect:
    """What would be put back: by which schedule, for which node, in what way."""

    node: str
    kind: str
    tasks: tuple[Task, ...]
    restored: Callable[[Task, float], float]
    """The duration of a task at a given usual duration of its node's visit."""
    usual: tuple[float, float, float]
    """The usual duration or wait: point, low and high."""


def explain(scene: Scene) -> Draft:
    """Find what made the execution that is meant slower than usual."""
    draft = Draft(data={"causes": []})
    nodes = set(scene.nodes)
    choice = _choose(scene)
    if choice is None or choice.execution.duration_ms is None:
        return _not_over(scene, draft, choice)
    execution = choice.execution
    draft.data["execution_id"] = execution.execution_id
    shape = schedule.build(execution, scene.visits(execution.execution_id))
    usual = collect(scene, execution)
    draft.data["baseline_n"] = usual.n
    _say_total(draft, choice, shape, usual)
    if not usual.n:
        return _shares(draft, shape)
    excess = shape.total - median(usual.totals)
    found = _causes(shape, usual, excess, nodes)
    if not found:
        _say_nothing(draft, choice, excess)
        for node in scene.nodes:
            _say_harmless(draft, shape, usual, node)
        return _shares(draft, shape)
    for cause in found:
        _say_cause(draft, *cause)
    draft.data["causes"] = [cause for cause, _ in found]
    told = {cause["node"] for cause, _ in found}
    for node in scene.nodes:
        if node not in told:
            _say_harmless(draft, shape, usual, node)
    _rate(draft, shape, usual)
    return draft


def _say_harmless(draft: Draft, shape: Schedule, usual: Baseline, node: str) -> None:
    """A node that the question suspects and that delayed nothing, or nothing unusual."""
    tasks = [task for task in shape.tasks if task.visit.node == node]
    past = usual.visits.get(node, [])
    if not tasks or not past:
        return
    took = sum(task.duration for task in tasks)
    text = f"{node} took {duration(took)} where {duration(median(past))} a visit is usual"
    if all(task.index not in {one.index for one in shape.critical_path()} for task in tasks):
        text += ", beside the critical path: others took longer, so it delayed nothing"
    else:
        text += ": that is no cause"
    draft.say(
        f"{text}.", *(Ref(uri=task.visit.uri, why=f"a visit of {node}") for task in tasks[:3])
    )


def _choose(scene: Scene) -> Choice | None:
    if scene.says(_GOING_ON):
        running = choose(scene, status="running")
        if running is not None:
            return running
    if scene.node is None or scene.graph is None:
        return choose(scene, fits=lambda one: one.duration_ms is not None)
    visits = scene.store.recent_visits(scene.graph.name, node=scene.node)
    holders = {visit.execution_id for visit in visits}
    return choose(
        scene,
        fits=lambda one: one.execution_id in holders and one.duration_ms is not None,
        fitting=f"that visited {scene.node}",
    )


def _not_over(scene: Scene, draft: Draft, choice: Choice | None) -> Draft:
    if choice is None:
        return nothing_recorded(scene, draft)
    at = f" at {choice.execution.current_node}" if choice.execution.current_node else ""
    draft.data["execution_id"] = choice.execution.execution_id
    so_far = (time_ns() - epoch_ns(choice.execution.started_at)) / 1e6
    draft.data["so_far_ms"] = round(so_far, 1)
    draft.say(
        f"{choice.words[:1].upper()}{choice.words[1:]} {being(choice.execution)}{at}; it is not "
        f"over: it began {duration(so_far)} ago.",
        choice.execution.uri,
    )
    return draft


def _say_total(draft: Draft, choice: Choice, shape: Schedule, usual: Baseline) -> None:
    text = f"{choice.words[:1].upper()}{choice.words[1:]} took {duration(shape.total)}"
    if usual.n:
        middle = estimate(usual.totals)
        draft.data["baseline"] = middle.to_json()
        text += f"; usual are {duration(middle.point)} (median of {count(usual.n, 'other')})"
    refs = [Ref(uri=shape.execution.uri, why="how long it took")]
    refs.append(Ref(uri=graph_uri(shape.execution.graph_name, "metrics"), why="what is usual"))
    draft.say(f"{text}.", *refs)
    if not usual.is_enough:
        draft.admit(
            f"A baseline takes at least {BASELINE_MIN} completed executions of this graph and "
            f"version; there {'is' if usual.n == 1 else 'are'} {usual.n}, so no cause can be "
            f"confirmed."
        )


def _causes(
    shape: Schedule, usual: Baseline, excess: float, nodes: set[str]
) -> list[tuple[dict[str, Any], Suspect]]:
    slow = is_slow(shape.total, usual.totals)
    if not slow and not nodes:
        return []
    found = []
    for suspect in _suspects(shape, usual):
        if nodes and not slow and suspect.node not in nodes:
            continue
        effect = _effect(shape, suspect)
        is_cause = slow and effect["point"] >= CONFIRMING_SHARE * excess
        if is_cause or (suspect.node in nodes and effect["point"] > 0):
            confirmed = usual.is_enough and is_cause
            cause = {"node": suspect.node, "kind": suspect.kind, "effect": effect}
            found.append((cause | {"confirmed": confirmed}, suspect))
    return sorted(found, key=lambda one: -one[0]["effect"]["point"])


def _suspects(shape: Schedule, usual: Baseline) -> list[Suspect]:
    extra = _extra_visits(shape, usual)
    known = {task.index for suspect in extra for task in suspect.tasks}
    grouped: dict[str, list[Task]] = defaultdict(list)
    for task in shape.tasks:
        if task.index not in known:
            grouped[task.visit.node].append(task)
    found = list(extra)
    for node, tasks in grouped.items():
        found += _slow_visits(node, tasks, usual) + _waits(node, tasks, usual)
    return found


def _slow_visits(node: str, tasks: list[Task], usual: Baseline) -> list[Suspect]:
    past = usual.visits.get(node, [])
    slow = tuple(task for task in tasks if is_unusual(task.duration, past))
    if not slow:
        return []
    retried = sum(task.visit.retry_ms for task in slow)
    over = sum(task.duration for task in slow) - len(slow) * median(past)
    kind = "retries" if retried >= over / 2 else "slower"
    return [
        Suspect(
            node=node, kind=kind, tasks=slow, usual=_middle(past),
            restored=lambda task, normal: min(task.duration, normal),
        )
    ]  # fmt: skip


def _waits(node: str, tasks: list[Task], usual: Baseline) -> list[Suspect]:
    past = usual.gaps.get(node, [])
    late = tuple(
        task
        for task in tasks
        if is_unusual(task.gap, past) and task.gap > FLOOR * median(usual.totals)
    )
    if not late:
        return []
    return [
        Suspect(
            node=node, kind="waiting", tasks=late, usual=_middle(past),
            restored=lambda task, normal: task.duration - max(task.gap - normal, 0.0),
        )
    ]  # fmt: skip


def _extra_visits(shape: Schedule, usual: Baseline) -> list[Suspect]:
    ran = Counter(task.visit.node for task in shape.tasks)
    over = {
        node: int(median(usual.counts.get(node) or [0]))
        for node, number in ran.items()
        if _is_more_often(number, usual.counts.get(node) or [0] * usual.n)
    }
    extra = tuple(
        task for task in shape.tasks if task.visit.visit > over.get(task.visit.node, 1 << 30)
    )
    if not extra:
        return []
    return [
        Suspect(
            node=_decider(shape, extra), kind="extra_visits", tasks=extra, usual=(0.0, 0.0, 0.0),
            restored=lambda task, _: -task.gap,
        )
    ]  # fmt: skip


def _is_more_often(number: int, usual: list[int]) -> bool:
    if not usual or number <= median(usual) + 3 * spread(usual):
        return False
    return rarity(number, usual) <= max(0.05, 1 / (len(usual) + 1))


def _decider(shape: Schedule, extra: tuple[Task, ...]) -> str:
    led = leads(task.visit for task in shape.tasks)
    chosen = Counter(
        lead.source.node for task in extra for lead in led[place(task.visit)] if lead.is_decision
    )
    return chosen.most_common(1)[0][0] if chosen else extra[0].visit.node


def _middle(past: list[float]) -> tuple[float, float, float]:
    ordered = sorted(past)
    low, high = median_ranks(len(ordered))
    return median(ordered), ordered[low], ordered[high]


def _effect(shape: Schedule, suspect: Suspect) -> dict[str, Any]:
    chosen = {task.index for task in suspect.tasks}

    def saved(usual: float) -> float:
        def lasts(task: Task) -> float:
            return suspect.restored(task, usual) if task.index in chosen else task.duration

        return round(shape.total - shape.simulate(lasts), 3)

    point, low, high = (saved(usual) for usual in suspect.usual)
    return {"point": point, "low": min(high, point), "high": max(low, point), "unit": "ms"}


def _say_cause(draft: Draft, cause: dict[str, Any], suspect: Suspect) -> None:
    saved = duration(cause["effect"]["point"])
    middle = duration(suspect.usual[0])
    match suspect.kind:
        case "extra_visits":
            ran = Counter(task.visit.node for task in suspect.tasks)
            more = ", ".join(f"{node} {times(number)}" for node, number in ran.items())
            text = f"After {suspect.node} it went round more often than usual ({more} more)"
        case "waiting":
            waited = sum(task.gap for task in suspect.tasks)
            text = f"It waited {duration(waited)} before {suspect.node}, usually {middle}"
        case _:
            longest = max(task.duration for task in suspect.tasks)
            text = f"{suspect.node} took {duration(longest)} where {middle} is usual"
            if suspect.kind == "retries":
                retried = sum(task.visit.retry_ms for task in suspect.tasks)
                text += f", {duration(retried)} of it in failed attempts and waits"
    tested = "" if cause["confirmed"] else " (not confirmed)"
    refs = [
        Ref(uri=task.visit.uri, why=f"visit {task.visit.visit} of {task.visit.node}")
        for task in sorted(suspect.tasks, key=lambda task: -task.duration)[:4]
    ]
    draft.say(f"{text}: put back to what is usual, it would have saved {saved}{tested}.", *refs)


def _say_nothing(draft: Draft, choice: Choice, excess: float) -> None:
    how = "slower" if excess >= 0 else "faster"
    draft.say(
        f"No cause stands out: it was {duration(abs(excess))} {how} than the median, "
        f"and no node, loop or wait explains more than its usual spread.",
        Ref(uri=execution_uri(choice.execution.execution_id, "history"), why="every visit"),
    )


def _shares(draft: Draft, shape: Schedule) -> Draft:
    took: dict[str, float] = defaultdict(float)
    for task in shape.critical_path():
        took[task.visit.node] += task.duration
    shares = sorted(took.items(), key=lambda item: -item[1])
    draft.data["shares"] = [
        {
            "node": node,
            "ms": round(ms, 3),
            "share": round(ms / shape.total, 4) if shape.total else 0.0,
        }
        for node, ms in shares
    ]
    if shares:
        told = ", ".join(f"{node} {duration(ms)}" for node, ms in shares[:SHARES_TOLD])
        uri = execution_uri(shape.execution.execution_id, "history")
        draft.say(f"On its critical path the time went to {told}.", uri)
    return draft


def _rate(draft: Draft, shape: Schedule, usual: Baseline) -> None:
    """Certainty: the share of usual executions that lie below, this one counted in."""
    draft.certainty = 1 - rarity(shape.total, usual.totals)
