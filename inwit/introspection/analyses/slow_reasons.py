"""What stands behind a slow node: a larger input, a limit's queue, or what slow executions share."""

from __future__ import annotations

from dataclasses import replace

from inwit import events
from inwit.introspection.analyses import differences, slow_inputs
from inwit.introspection.analyses.suspects import Suspect
from inwit.introspection.attributes import Called, Known
from inwit.introspection.baseline import Baseline
from inwit.introspection.claims import Draft, duration
from inwit.introspection.scene import Scene
from inwit.introspection.schedule import Schedule

LIMITS = {"concurrency_limited": "its concurrency limit", "rate_limited": "its rate limit"}
HALF = 0.5


def stands(suspect: Suspect, shape: Schedule, usual: Baseline, known: Known) -> bool:
    """Whether a suspect is one: what is doubtful must be tied to an input or to what others share."""
    if not suspect.is_doubtful or _larger(suspect, shape, usual, known):
        return True
    return bool(_parted(suspect, shape, usual, known)[2])


def reason(
    scene: Scene, suspect: Suspect, shape: Schedule, usual: Baseline, known: Known
) -> Suspect:
    """The suspect with what explains it, where something does."""
    if suspect.kind != "slower":
        return suspect
    return _limited(scene, suspect, shape) or _larger(suspect, shape, usual, known) or suspect


def _limited(scene: Scene, suspect: Suspect, shape: Schedule) -> Suspect | None:
    """A queue before a limit that took half of the excess."""
    visits = {task.visit.visit for task in suspect.tasks}
    waits = [
        event
        for event in scene.store.events(shape.execution.execution_id, types=("custom",))
        if isinstance(event, events.Custom) and event.name in LIMITS
        and event.node == suspect.node and event.visit in visits
    ]  # fmt: skip
    waited = sum(float((event.data or {}).get("waited_ms", 0.0)) for event in waits)
    over = sum(task.duration for task in suspect.tasks) - len(suspect.tasks) * suspect.usual[0]
    if not waits or waited < HALF * over:
        return None
    words = (
        f"{suspect.node} waited {duration(waited)} for {LIMITS[waits[0].name]}, of the "
        f"{duration(max(task.duration for task in suspect.tasks))} that it took"
    )
    return replace(
        suspect, kind="waiting", words=words, uris=tuple(event.uri for event in waits),
        told={"waited_ms": round(waited, 3), "limit": waits[0].name},
    )  # fmt: skip


def _larger(suspect: Suspect, shape: Schedule, usual: Baseline, known: Known) -> Suspect | None:
    """A larger input by which the node took as long as is usual."""
    if len(suspect.tasks) != 1 or (suspect.standing and suspect.standing.run):
        return None
    node = suspect.node
    past = []
    alike = suspect.standing.high if suspect.standing else frozenset()
    for one in usual.schedules[::-1]:
        if one.execution.execution_id in alike:
            continue
        took = next((task.duration for task in one.tasks if task.visit.node == node), None)
        if took is not None:
            past.append((slow_inputs.sizes(known.of(one.execution), one, node), took))
    mine = known.of(shape.execution)
    common = suspect.standing.common if suspect.standing else 1.0
    took_ms = suspect.tasks[0].duration / common
    grown = slow_inputs.explained(took_ms, slow_inputs.sizes(mine, shape, node), past)
    if grown is None:
        return None
    words = (
        f"{node} took {duration(suspect.tasks[0].duration)} where {duration(suspect.usual[0])} is "
        f"usual, and its {grown.name} was {grown.size / grown.usual:.1f} times as large as usual: at "
        f"that size about {duration(grown.foretold_ms)} "
        + ("is usual, so it got no slower" if grown.is_learnt else "would be in proportion")
    )
    told = {"attribute": grown.name, "size": grown.size, "usual_size": grown.usual}
    return replace(
        suspect,
        kind="input",
        words=words,
        told=told,
        uris=(mine.uri,),
        is_sure=grown.is_learnt and suspect.is_sure,
    )


Parted = tuple[dict[str, Called], dict[str, Called], list[differences.Difference]]


def _parted(suspect: Suspect, shape: Schedule, usual: Baseline, known: Known) -> Parted:
    high = suspect.standing.high if suspect.standing else frozenset()
    if len(high) < differences.BAD_LEAST:
        return {}, {}, []
    every = [one.execution for one in (*usual.schedules, shape)]
    bad = {one.execution_id: known.of(one) for one in every if one.execution_id in high}
    good = {one.execution_id: known.of(one) for one in every if one.execution_id not in high}
    return bad, good, differences.differences([*bad.values()], [*good.values()])


def say_differences(
    draft: Draft, shape: Schedule, usual: Baseline, suspect: Suspect, known: Known
) -> None:
    """Tell what the executions in which the costliest cause is high have in common."""
    if suspect.kind not in ("slower", "retries"):
        return
    bad, good, found = _parted(suspect, shape, usual, known)
    if found:
        words = (f"executions in which {suspect.node} took far longer than usual", "others")
        differences.say(draft, bad, good, words)
