"""Drift of what executions are called with, and of how good their results are."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from statistics import fmean, median

from inwit.plans import Effect
from inwit.self_improve import stats
from inwit.self_improve.calls import Called, Score
from inwit.self_improve.detectors.common import (
    Sides,
    draft,
    evidence,
    lack,
    restore,
    sides,
    tool_name,
    value_shown,
)
from inwit.self_improve.findings import Finding, Lack, Look, Seen, Thresholds, shown
from inwit.self_improve.window import Window

INPUT, QUALITY = "input_drift", "quality_drift"
COMMON = 0.05
"""The share from which on a value of an input is looked at."""
SIZE_LEAST = 8
"""How far a size has to move, however small it was."""
COUNTING = 0.98
"""The rank correlation with time from which on a number counts what comes."""
VALUES_MOST = 30
"""An input with more values is no category."""


def detect_inputs(window: Window, baseline: Window | None, limits: Thresholds) -> Seen:
    """Compare sizes and categories of what executions were called with."""
    looks: list[Look] = []
    within = sum(one.parent_execution_id is not None for one in window.executions)
    if within > len(window.executions) / 2:
        return Seen()  # what a graph within is called with is its caller's doing
    for pair in sides(baseline.called if baseline else (), window.called):
        looks.extend(_sizes(window, pair, limits))
        looks.extend(_categories(window, pair, limits))
    return Seen(looks=tuple(looks))


def _sizes(window: Window, pair: Sides[Called], limits: Thresholds) -> Iterator[Look]:
    names = dict.fromkeys(name for one in pair.newer for name in one.size_names)
    for name in list(names)[:VALUES_MOST]:
        older, newer = ([*_size(side, name)] for side in (pair.older, pair.newer))
        if min(len(older), len(newer)) < 0.5 * min(len(pair.older), len(pair.newer)):
            continue
        if min(*older, *newer) <= 0:
            continue
        blocks = [_blocks(side, limits, median) for side in (older, newer)]
        p = min(1.0, 2 * min(stats.mann_whitney(*blocks), stats.mann_whitney(*blocks[::-1])))
        ratio = stats.ratio_interval(blocks[1], blocks[0])
        far = limits.drift_factor
        is_far = (ratio[1] >= far**0.5 and ratio[0] >= far) or (
            ratio[2] <= far**-0.5 and ratio[0] <= 1 / far
        )
        finding = None
        if is_far and _is_more_than_a_count(older, newer):
            said = f"{median(newer):g} instead of {median(older):g} (×{ratio[0]:.2f})"
            effect = Effect(
                point=ratio[0], low=ratio[1], high=ratio[2], unit="ratio",
                method="Hodges-Lehmann ratio of block medians; Mann-Whitney, two-sided",
            )  # fmt: skip
            finding = _input_finding(window, pair, name, said, (effect, p))
        yield Look(detector=INPUT, graph_name=window.graph_name, node="", p_value=p, finding=finding,
                   visits=len(newer))  # fmt: skip


def _is_more_than_a_count(older: Sequence[float], newer: Sequence[float]) -> bool:
    """Whether a size moved by itself: a number that only ever rises counts calls."""
    if abs(median(newer) - median(older)) < SIZE_LEAST and min(median(newer), median(older)) >= 1:
        return False
    places = [(float(at), value) for at, value in enumerate((*older, *newer))]
    return abs(stats.spearman(places[:: max(len(places) // 400, 1)])) < COUNTING


def _size(side: Sequence[Called], name: str) -> Iterator[float]:
    for one in side:
        if name in one.size_names:
            yield one.sizes[one.size_names.index(name)]


def _blocks(
    values: Sequence[float], limits: Thresholds, middle: Callable[[Sequence[float]], float]
) -> list[float]:
    size = min(stats.block_size(len(values), limits.block_size), max(len(values) // 4, 1))
    first = len(values) % size
    return [middle(values[at : at + size]) for at in range(first, len(values), size)]


def _categories(window: Window, pair: Sides[Called], limits: Thresholds) -> Iterator[Look]:
    counts: dict[str, Counter[str | bool]] = {}
    for one in (*pair.older, *pair.newer):
        for name, value in zip(one.names, one.values, strict=True):
            counts.setdefault(name, Counter())[value] += 1
    total = len(pair.older) + len(pair.newer)
    for name, values in counts.items():
        if len(values) > VALUES_MOST or len(values) < 2:
            continue
        for value, count in values.items():
            if count >= COMMON * total:
                yield _category(window, pair, (name, value), limits)


def _category(
    window: Window, pair: Sides[Called], what: tuple[str, str | bool], limits: Thresholds
) -> Look:
    name, value = what
    flags = [
        [float(name in one.names and one.values[one.names.index(name)] == value) for one in side]
        for side in (pair.older, pair.newer)
    ]
    blocks = [_blocks(side, limits, fmean) for side in flags]
    p = min(1.0, 2 * min(stats.mann_whitney(*blocks), stats.mann_whitney(*blocks[::-1])))
    sums = [int(sum(side)) for side in flags]
    point, low, high = stats.difference_interval(sums[1], len(flags[1]), sums[0], len(flags[0]))
    finding = None
    if abs(point) >= limits.drift_least and low * high > 0:
        said = (
            f"{value_shown(value)} in {sums[1]} of {len(flags[1])} instead of {sums[0]} of "
            f"{len(flags[0])}"
        )
        effect = Effect(
            point=point, low=low, high=high, unit="share of executions, more",
            method="Newcombe 95 % interval; Mann-Whitney of block shares, two-sided",
        )  # fmt: skip
        finding = _input_finding(window, pair, name, said, (effect, p))
    return Look(detector=INPUT, graph_name=window.graph_name, node="", p_value=p, finding=finding,
                visits=len(flags[1]))  # fmt: skip


def _input_finding(
    window: Window, pair: Sides[Called], name: str, said: str, tested: tuple[Effect, float]
) -> Finding:
    effect, p = tested
    name = tool_name(name)
    return Finding(
        detector=INPUT, graph_name=window.graph_name, graph_version=window.graph_version, node="",
        subject=name, statement=f"What {shown(window.graph_name)} is called with as {name} drifted "
        f"{pair.since}: {said}.",
        baseline={"executions": len(pair.older)}, candidate={"executions": len(pair.newer), "input": name},
        effect=effect, p_value=p,
        evidence=evidence(pair.newer[-2:], name, "A newer call.") + evidence(pair.older[-2:], name, "An older call."),
        draft=draft(
            title=f"Look whether {shown(window.graph_name)} is made for its newer inputs",
            hypothesis=f"The callers of {shown(window.graph_name)} give other values as {name}.",
            expected="Figures that depend on inputs move at the same time.",
        ),
    )  # fmt: skip


def detect_quality(window: Window, baseline: Window | None, limits: Thresholds) -> Seen:
    """Compare each recorded score with the version before and with its own earlier part."""
    before: dict[str, list[Score]] = {}
    now: dict[str, list[Score]] = {}
    for side, scores in ((before, baseline.scores if baseline else ()), (now, window.scores)):
        for score in scores:
            side.setdefault(score.name, []).append(score)
    looks: list[Look] = []
    lacks: list[Lack] = []
    for name, scores in now.items():
        found = [
            _quality(window, baseline, name, pair, limits)
            for pair in sides(before.get(name, ()), scores)
        ]
        looks.extend(found)
        if not found:
            rate = window.rate(len(scores))
            need = math.ceil((80 - len(scores)) / rate)
            lacks.append(
                lack(window, QUALITY, scores[-1].node, f"{len(scores)} scores are too few", need)
            )
    return Seen(looks=tuple(looks), lacks=tuple(lacks))


def _quality(
    window: Window, baseline: Window | None, name: str, pair: Sides[Score], limits: Thresholds
) -> Look:
    older, newer = ([score.value for score in side] for side in (pair.older, pair.newer))
    blocks = [_blocks(side, limits, fmean) for side in (older, newer)]
    p = stats.mann_whitney(blocks[0], blocks[1])  # that the older ones lie higher
    shifts = sorted(a - b for a in blocks[1] for b in blocks[0])
    point = median(shifts)
    low, high = stats.shift_interval(blocks[1], blocks[0])
    spread = max(_spread(older), 1e-12)
    latest = fmean(newer[-max(len(newer) // 3, 10) :]) - fmean(older)
    is_large = high < 0 and point <= -max(0.05 * abs(fmean(older)), 0.3 * spread) and latest < 0
    finding = None
    if is_large:
        finding = _quality_finding(window, baseline, name, pair, (Effect(
            point=point, low=low, high=high, unit=f"change of {tool_name(name)}",
            method="Hodges-Lehmann shift of block means, 95 % order-statistic interval; Mann-Whitney",
        ), p, fmean(older), fmean(newer)))  # fmt: skip
    return Look(
        detector=QUALITY, graph_name=window.graph_name, node=pair.newer[-1].node, p_value=p,
        finding=finding, visits=min(len(older), len(newer)),
        visits_per_execution=window.rate(len(newer)),
    )  # fmt: skip


def _spread(values: Sequence[float]) -> float:
    return stats.quantile(values, 0.84) - stats.quantile(values, 0.16)


def _quality_finding(
    window: Window, baseline: Window | None, name: str, pair: Sides[Score],
    tested: tuple[Effect, float, float, float],
) -> Finding:  # fmt: skip
    effect, p, before, after = tested
    node, shown_name = pair.newer[-1].node, tool_name(name)
    back = restore(window, baseline, node) if pair.kind == "version" else None
    return Finding(
        detector=QUALITY, graph_name=window.graph_name, graph_version=window.graph_version,
        node=node, subject=shown_name,
        statement=f"Score {shown(shown_name)} of node {shown(node)} fell {pair.since}: mean "
        f"{after:.3g} instead of {before:.3g}.",
        baseline={"mean": round(before, 6), "scores": len(pair.older)},
        candidate={"mean": round(after, 6), "scores": len(pair.newer), "score": shown_name},
        effect=effect, p_value=p,
        evidence=evidence(pair.newer[-3:], shown_name, "A newer score.")
        + evidence(pair.older[-2:], shown_name, "An older score."),
        draft=draft(
            title=f"Restore node {shown(node)} of {shown(window.graph_name)} to its code before"
            if back
            else f"Find what made {shown(shown_name)} of {shown(window.graph_name)} fall",
            hypothesis="The code that came with the version gives worse results."
            if back
            else "A model, a prompt, a source or the inputs have changed.",
            expected=f"No quality_drift of {shown(shown_name)}.", actions=(back,) if back else (),
            risk="What the newer version was written for is lost until it is mended.",
        ),
    )  # fmt: skip
