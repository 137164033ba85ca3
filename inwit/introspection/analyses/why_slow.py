"""Why was it slow: the excess over what is usual, on the critical path, confirmed by restoring.

A suspect is a node whose visits took unusually long beside the others of their execution, once or
from some execution on; a loop that went round unusually often; an unusual wait. Each suspect is put
back to what is usual in the recorded schedule; what the execution would then have saved is its
effect. What a larger input or a limit explains is told as that.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from statistics import median
from time import time_ns
from typing import Any

from inwit.events import epoch_ns
from inwit.introspection import schedule
from inwit.introspection.analyses import slow_reasons, suspects
from inwit.introspection.analyses.suspects import Suspect
from inwit.introspection.analyses.why_visits import nothing_recorded
from inwit.introspection.attributes import Known
from inwit.introspection.baseline import Baseline, collect
from inwit.introspection.claims import Draft, Ref, count, duration, execution_uri, graph_uri, times
from inwit.introspection.quotes import being
from inwit.introspection.scene import Scene
from inwit.introspection.schedule import Schedule
from inwit.introspection.stats import BASELINE_MIN, estimate, spread
from inwit.introspection.which import Choice, choose, names_one

CONFIRMING_SHARE = 0.2
"""A suspect is a cause when it costs this share of what the costliest one does."""
COMMON_TOLD = 1.1
"""A slowdown of all nodes alike is told from here."""
SHARES_TOLD = 3
_ONE = r"(?:last|latest|newest|previous|first|this|that) (?:\w+ )?(?:execution|run|time|one|invocation|call)\b"
_GOING_ON = (
    r"(?:is|are)\b.*\b(?:taking|hanging|stuck|still|waiting|running)\b|not (?:finished|done) yet"
)


def explain(scene: Scene) -> Draft:
    """Find what made the execution that is meant slower than usual."""
    draft = Draft(data={"causes": []})
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
    known = Known(scene.store)
    found = _causes(scene, shape, usual, known)
    if not found:
        _say_nothing(draft, choice, shape, usual)
        for node in scene.nodes:
            _say_harmless(draft, shape, usual, node)
        return _shares(draft, shape)
    for cause, suspect in found:
        _say_cause(draft, cause, suspect)
    draft.data["causes"] = [cause for cause, _ in found]
    slow_reasons.say_differences(draft, shape, usual, found[0][1], known)
    told = {cause["node"] for cause, _ in found}
    for node in scene.nodes:
        if node not in told:
            _say_harmless(draft, shape, usual, node)
    # The share of usual executions in which the costliest cause stood lower.
    draft.certainty = 1 - found[0][1].rarity
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
        # Who asks of no certain execution means one that did its work, not one that was cut short.
        is_general = not names_one(scene) and re.search(_ONE, scene.words) is None
        over = choose(scene, status="completed") if is_general else None
        return over or choose(scene, fits=lambda one: one.duration_ms is not None)
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
    scene: Scene, shape: Schedule, usual: Baseline, known: Known
) -> list[tuple[dict[str, Any], Suspect]]:
    nodes = set(scene.nodes)
    is_slow = shape.total - median(usual.totals) > -spread(usual.totals)
    found, doubtful = [], []
    lately = not names_one(scene) and not scene.says(_ONE)
    for suspect in suspects.find(shape, usual, lately=lately):
        effect = suspect.effect(shape)
        is_worth = effect["point"] > suspect.floor * median(usual.totals)
        is_over = is_worth and (is_slow or suspect.is_lasting)
        if is_over and slow_reasons.stands(suspect, shape, usual, known):
            found.append((effect, suspect))
        elif suspect.node in nodes and effect["point"] > 0:
            found.append((effect, replace(suspect, is_sure=False)))
        elif not is_over:
            continue
        elif suspect.standing and suspect.standing.is_second:
            doubtful.append((effect, replace(suspect, is_sure=False)))
    found += doubtful if found else []
    most = max((effect["point"] for effect, _ in found), default=0.0)
    kept = [
        (effect, slow_reasons.reason(scene, suspect, shape, usual, known))
        for effect, suspect in found
        if effect["point"] >= CONFIRMING_SHARE * most or suspect.node in nodes
    ]
    kept.sort(key=lambda one: -one[0]["point"])
    return [
        ({"node": one.node, "kind": one.kind, "effect": effect, **one.told}
         | {"confirmed": usual.is_enough and one.is_sure}, one)
        for effect, one in kept
    ]  # fmt: skip


def _say_cause(draft: Draft, cause: dict[str, Any], suspect: Suspect) -> None:
    saved = duration(cause["effect"]["point"])
    middle = duration(suspect.usual[0])
    match suspect.kind:
        case "extra_visits":
            ran = Counter(task.visit.node for task in suspect.tasks)
            more = ", ".join(f"{node} {times(number)}" for node, number in ran.items())
            text = f"After {suspect.node} it went round more often than usual ({more} more)"
        case "waiting":
            text = suspect.words or f"It waited before {suspect.node}, usually {middle}"
        case "input":
            text = suspect.words
        case _:
            longest = max(task.duration for task in suspect.tasks)
            text = f"{suspect.node} took {duration(longest)} where {middle} is usual"
            if suspect.kind == "retries":
                retried = sum(task.visit.retry_ms for task in suspect.tasks)
                text += f", {duration(retried)} of it in failed attempts and waits"
            if suspect.standing and suspect.standing.run:
                text += f", as in {count(suspect.standing.run, 'execution')} in a row by now"
    tested = "" if cause["confirmed"] else " (not confirmed)"
    refs = [
        Ref(uri=task.visit.uri, why=f"visit {task.visit.visit} of {task.visit.node}")
        for task in sorted(suspect.tasks, key=lambda task: -task.duration)[:4]
    ]
    refs += [Ref(uri=uri, why="what explains it") for uri in suspect.uris[:4]]
    draft.say(f"{text}: put back to what is usual, it would have saved {saved}{tested}.", *refs)


def _say_nothing(draft: Draft, choice: Choice, shape: Schedule, usual: Baseline) -> None:
    excess = shape.total - median(usual.totals)
    how = "slower" if excess >= 0 else "faster"
    uri = execution_uri(choice.execution.execution_id, "history")
    draft.say(
        f"No cause stands out: it was {duration(abs(excess))} {how} than the median, "
        f"and no node, loop or wait explains more than its usual spread.",
        Ref(uri=uri, why="every visit"),
    )
    together = suspects.common_slowdown(shape, usual)
    if together >= COMMON_TOLD:
        draft.data["common_slowdown"] = round(together, 3)
        draft.say(
            f"Its nodes took {together:.2f} times as long as usual alike, as when the machine or "
            f"something that they share is busy.",
            Ref(uri=uri, why="every visit"),
        )


def _shares(draft: Draft, shape: Schedule) -> Draft:
    shares = sorted(shape.on_path().items(), key=lambda item: -item[1])
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
