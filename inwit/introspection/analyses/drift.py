"""Whether what comes in, the ways that are taken and what comes out are as they were.

The last executions are compared with those before: shares of attributes and ways by shuffling which
ones are the last (see `differences`), numbers by a permutation test of their medians, each at a level
divided by how many there are.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import Any

from inwit import events
from inwit.introspection.analyses import differences
from inwit.introspection.attributes import Called, Known
from inwit.introspection.claims import Draft, Ref, graph_uri, listed, short, told_value
from inwit.introspection.kept import Kept
from inwit.introspection.lineage import decisions
from inwit.introspection.scene import Scene
from inwit.introspection.stats import permutation_p
from inwit.runtime.views import Execution

ALPHA = 0.02
LEAST = 15
"""Executions on either side."""
PAST_MOST = 120
EFFECT = 1.2
KEPT = 2048
ASKED = r"drift\w*|shift\w*|distribution|inputs?\b|routes?\b|quality|outputs?\b|different|changed"
METRICS = ("inputs", "routes", "quality")
_TIMES = ("hour", "version")
_ID = re.compile(r"(?:^|[._-])(?:id|uuid|seq|ts|timestamp)$|[a-z]I[dD]$")


@dataclass(frozen=True, slots=True)
class _Seen:
    """One execution: its ways as marks, and the plain numbers that it returned."""

    ways: Called
    numbers: Mapping[str, float] = field(default_factory=dict)


_kept = Kept[_Seen](KEPT)


def judge(
    scene: Scene, draft: Draft, recent: Sequence[Execution], past: Sequence[Execution]
) -> None:
    """Add verdicts of inputs, routes and outputs; too few executions are said where asked."""
    # Another version takes other ways; what drifts is told of one alone.
    version = recent[0].graph_version if recent else ""
    past = [one for one in past if one.graph_version == version]
    now = [one for one in recent if one.status == "completed" and one.graph_version == version]
    was = [one for one in past if one.status == "completed"][:PAST_MOST]
    if min(len(now), len(was)) < LEAST:
        if scene.says(rf".*\b(?:{ASKED})"):
            draft.say(
                f"Drift needs {LEAST} completed executions before and {LEAST} of late; there are "
                f"{len(was)} and {len(now)}.",
                *(graph_uri(one.graph_name, "executions") for one in [*recent, *past][:1]),
            )
        return
    known = Known(scene.store)
    _inputs(draft, [known.of(one) for one in now], [known.of(one) for one in was])
    seen_now, seen_was = [_seen(scene, one) for one in now], [_seen(scene, one) for one in was]
    _routes(draft, [one.ways for one in seen_now], [one.ways for one in seen_was])
    _outputs(draft, now, seen_now=seen_now, seen_was=seen_was)
    usual = [one["metric"] for one in draft.data["verdicts"]
             if one["metric"] in METRICS and one["verdict"] == "usual"]  # fmt: skip
    if usual and scene.says(rf".*\b(?:{ASKED})"):
        verb = "is" if len(usual) == 1 else "are"
        draft.say(
            f"As before {verb} {listed(usual)}: {len(now)} executions of late beside {len(was)}.",
            graph_uri(now[0].graph_name, "executions"),
        )


def _inputs(draft: Draft, now: Sequence[Called], was: Sequence[Called]) -> None:
    now, was = _counterless(now, was)
    # What differs because time went on has not drifted either.
    timeless = _without(now, _TIMES), _without(was, _TIMES)
    found = differences.differences(*timeless) + differences.differences(*reversed(timeless))
    sizes = _moved([one.sizes for one in now], [one.sizes for one in was])
    verdict = "drifted" if found or sizes else "usual"
    _verdict(draft, "inputs", verdict, len(was))
    if verdict == "usual":
        return
    refs = [Ref(uri=one.uri, why="its input") for one in now[:3]]
    for one in found[:2]:
        of_now, of_was = _shares(one, now, was)
        draft.say(
            f"Inputs drifted: {one.attribute} = {told_value(one.value, 60)} in {of_now:.0%} of the last "
            f"{len(now)} executions, in {of_was:.0%} of the {len(was)} before.",
            *refs,
        )
    for name, before, after in sizes[:2]:
        draft.say(
            f"Inputs drifted: the size of {name} is {after:,.4g} at the median, and was {before:,.4g}.",
            *refs,
        )


def _counterless(now: Sequence[Called], was: Sequence[Called]) -> tuple[list[Called], list[Called]]:
    """Without the numbers that count executions: an order's number moves, and nothing has drifted."""
    numbers = [
        {k: v for k, v in one.attributes.items() if isinstance(v, int | float)}
        for one in (*now, *was)
    ]
    every = _without([*now, *was], _counters(numbers))
    return every[: len(now)], every[len(now) :]


def _counters(newest_first: Sequence[Mapping[str, float]]) -> set[str]:
    """The numbers that went on by one step from each execution to the next, or are called ids."""
    found = set()
    for name in {name for one in newest_first for name in one}:
        values = [one[name] for one in newest_first if name in one]
        steps = {later - one for one, later in pairwise(values)}
        is_counted = len(values) > LEAST and len(steps) == 1 and steps <= {-1, 1}
        if is_counted or _ID.search(name):
            found.add(name)
    return found


def _shares(
    one: differences.Difference, now: Sequence[Called], was: Sequence[Called]
) -> tuple[float, float]:
    shares = [
        sum(each.marks.get(one.attribute) == one.value for each in side) / len(side)
        for side in (now, was)
    ]
    return shares[0], shares[1]


def _without(every: Sequence[Called], names: Collection[str]) -> list[Called]:
    """Without what has one of these names."""
    return [
        Called(
            one.uri,
            {k: v for k, v in one.attributes.items() if k not in names},
            {k: v for k, v in one.sizes.items() if k not in names},
        )
        for one in every
    ]


def _routes(draft: Draft, now: Sequence[Called], was: Sequence[Called]) -> None:
    found = [*differences.differences(now, was), *differences.differences(was, now)]
    _verdict(draft, "routes", "drifted" if found else "usual", len(was))
    for one in found[:2]:
        of_now, of_was = _shares(one, now, was)
        draft.say(
            f"Routes drifted: {one.attribute} in {of_now:.0%} of the last {len(now)} executions, in "
            f"{of_was:.0%} of the {len(was)} before.",
            *(Ref(uri=each.uri, why="the way it took") for each in now[:3]),
        )


def _outputs(
    draft: Draft, now: Sequence[Execution], *, seen_now: Sequence[_Seen],
    seen_was: Sequence[_Seen],
) -> None:  # fmt: skip
    counters = _counters([one.numbers for one in (*seen_now, *seen_was)])
    sides = [
        [{k: v for k, v in one.numbers.items() if k not in counters} for one in side]
        for side in (seen_now, seen_was)
    ]
    if not any(sides[0]):
        return
    moved = _moved(*sides)
    _verdict(draft, "quality", "drifted" if moved else "usual", len(seen_was))
    for name, before, after in moved[:2]:
        draft.say(
            f"Outputs drifted: {name} is {after:,.4g} at the median, and was {before:,.4g}.",
            *(Ref(uri=one.uri, why="what it returned") for one in now[:3]),
        )


def _moved(
    now: Sequence[Mapping[str, float]], was: Sequence[Mapping[str, float]]
) -> list[tuple[str, float, float]]:
    """The numbers whose medians lie apart by more than shuffling explains."""
    names = {name for one in now for name in one} & {name for one in was for name in one}
    found = []
    for name in sorted(names):
        after = [one[name] for one in now if name in one]
        before = [one[name] for one in was if name in one]
        if min(len(after), len(before)) < LEAST or not _is_far(median(before), median(after)):
            continue
        if permutation_p(before, after) <= ALPHA / len(names):
            found.append((name, median(before), median(after)))
    return found


def _is_far(before: float, after: float) -> bool:
    low, high = sorted((abs(before), abs(after)))
    return before * after < 0 or high > EFFECT * low


def _seen(scene: Scene, one: Execution) -> _Seen:
    return _kept.of(one, lambda: _read(scene, one))


def _read(scene: Scene, one: Execution) -> _Seen:
    marks: dict[str, Any] = {}
    for lead in decisions(scene.store.visits_of(one)):
        way = str(lead.edge.get("label") or lead.edge.get("target"))
        marks[f"{lead.source.node} decided {short(way, 40)!r}"] = True
    ends = scene.store.events(one.execution_id, types=("execution_completed",))
    output = ends[-1].output if ends and isinstance(ends[-1], events.ExecutionCompleted) else None
    numbers = {
        str(key): float(value)
        for key, value in (output.items() if isinstance(output, Mapping) else ())
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    return _Seen(Called(one.uri, marks), numbers)


def _verdict(draft: Draft, metric: str, verdict: str, n: int) -> None:
    one: dict[str, Any] = {"metric": metric, "verdict": verdict, "current": None}
    draft.data["verdicts"].append(one | {"baseline": None, "n": n, "unit": ""})
