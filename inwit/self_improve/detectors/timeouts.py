"""Time-outs that are mis-set: so tight that good visits are cut off, or so loose that hangs last."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from inwit.plans import Effect
from inwit.self_improve import stats
from inwit.self_improve.calls import FailedAttempt, NodeCall
from inwit.self_improve.detectors.common import configure, draft, evidence
from inwit.self_improve.detectors.errors import TIMEOUTS
from inwit.self_improve.findings import Draft, Finding, Look, Seen, Thresholds, shown
from inwit.self_improve.window import Window, has_side_effects

DETECTOR = "timeout_misset"
CUT_FLOOR = 0.01
"""The share of visits that may run out of time before it is looked at."""
CUTS_LEAST = 3
NEAR = 0.5
"""A limit is tight when one good visit in ten lasts longer than this share of it."""
LOOSE = 5.0
"""A limit is loose when it is so many times the slowest hundredth of the good visits."""
DEFAULT_S = 300.0


def detect(window: Window, baseline: Window | None, limits: Thresholds) -> Seen:
    """Test each node's share of visits that ran out of time, and where good ones lie below it."""
    del baseline, limits
    cut: dict[str, dict[tuple[str, int], list[FailedAttempt]]] = {}
    for one in window.failures:
        if one.error.type in TIMEOUTS:
            place = (one.execution.execution_id, one.visit)
            cut.setdefault(one.node, {}).setdefault(place, []).append(one)
    looks: list[Look] = []
    for node, found in cut.items():
        calls = window.by_node().get(node, [])
        n, hits = len(calls), min(len(found), len(calls))
        if not n:
            continue
        p = stats.binomial_tail(hits, n, CUT_FLOOR)
        low, high = stats.share_interval(hits, n)
        finding = None
        if hits >= CUTS_LEAST and low > CUT_FLOOR:
            attempts = [one for group in found.values() for one in group]
            finding = _finding(window, node, attempts, (hits, n, p, low, high))
        looks.append(
            Look(
                detector=DETECTOR, graph_name=window.graph_name, node=node, p_value=p,
                finding=finding, visits=n, visits_per_execution=window.rate(n),
            )
        )  # fmt: skip
    return Seen(looks=tuple(looks))


Tested = tuple[int, int, float, float, float]


def _finding(
    window: Window, node: str, attempts: Sequence[FailedAttempt], tested: Tested
) -> Finding | None:
    hits, n, p, low, high = tested
    good = [
        call.self_ms for call in window.by_node()[node]
        if call.status == "completed" and not call.is_cached
    ]  # fmt: skip
    facts = window.facts(node)
    limit_s = _limit(window, node, good, attempts)
    slowest = stats.quantile(good, 0.99) / 1000 if good else None
    usual = stats.quantile(good, 0.9) / 1000 if good else None
    change: float | None = None
    said = "no visit ended in time"
    if slowest is not None and usual is not None:
        said = f"nine in ten of those in time take at most {usual * 1000:.1f} ms"
        if usual >= NEAR * limit_s:
            change = _rounded(2 * limit_s)
        elif limit_s >= LOOSE * slowest:
            change = _rounded(max(3 * slowest, 0.001))
    figures: dict[str, Any] = {
        "timeout_s": limit_s, "cut_off": hits, "of": n,
        "p99_ms": None if slowest is None else round(slowest * 1000, 3),
    }  # fmt: skip
    return Finding(
        detector=DETECTOR, graph_name=window.graph_name, graph_version=window.graph_version, node=node,
        statement=f"{hits} of {n} visits of node {shown(node)} ran out of time after {limit_s:g} s; {said}.",
        baseline={"timeout_s": facts.policies.get("timeout_s") if facts else None}, candidate=figures,
        effect=Effect(
            point=hits / n, low=low, high=high, unit="share of visits cut off",
            method="Clopper-Pearson 95 % interval; exact binomial test against the floor",
        ),
        p_value=p, evidence=evidence(attempts, "ran out of time", "A visit that was cut off."),
        draft=_draft(window, node, limit_s, change, attempts),
    )  # fmt: skip


def _limit(
    window: Window, node: str, good: Sequence[float], attempts: Sequence[FailedAttempt]
) -> float:
    """The limit in seconds: as declared, or as the visits that it cut off show it."""
    facts = window.facts(node)
    told = facts.policies.get("timeout_s") if facts else None
    if isinstance(told, int | float) and told > 0:
        return float(told)
    places = {(one.execution.execution_id, one.visit) for one in attempts}
    lasted = [
        call.self_ms / 1000 for call in window.by_node()[node]
        if (call.execution_id, call.number) in places and call.status == "failed"
    ]  # fmt: skip
    return min(lasted, default=max(good, default=DEFAULT_S * 1000) / 1000)


def _rounded(seconds: float) -> float:
    digits = 2 - math.floor(math.log10(seconds))
    return round(seconds, max(digits, 0))


def _draft(
    window: Window, node: str, limit_s: float, change: float | None,
    attempts: Sequence[FailedAttempt],
) -> Draft:  # fmt: skip
    graph = shown(window.graph_name)
    if change is None:
        return draft(
            title=f"Find why node {shown(node)} of {graph} hangs",
            hypothesis=f"Some visits of node {shown(node)} never end; others are far below the limit.",
            expected=f"No visit of node {shown(node)} runs out of time.",
        )  # fmt: skip
    is_looser = change > limit_s
    side = " It has side effects: a call cut off may have had its effect."
    return draft(
        title=f"Give node {shown(node)} of {graph} {change:g} s instead of {limit_s:g} s",
        hypothesis=(
            f"Visits of node {shown(node)} that would have ended well are cut off."
            if is_looser
            else f"Visits of node {shown(node)} that will never end are waited for too long."
        ),
        expected=f"No timeout_misset of node {shown(node)}.",
        actions=(configure(window, node, {"timeout_s": change}, {"timeout_s": limit_s}),),
        risk=("A visit that hangs is waited for longer." if is_looser else "A visit that is slow for once fails.")
        + (side if has_side_effects(window.facts(node)) else ""),
        rollback=f"Set timeout_s of node {shown(node)} back to {limit_s:g}.",
        expected_gain=None if is_looser else _gain(window, limit_s, change, attempts),
    )  # fmt: skip


def _gain(
    window: Window, limit_s: float, change: float, attempts: Sequence[FailedAttempt]
) -> Effect:
    saved = dict.fromkeys((one.execution_id for one in window.executions[-2000:]), 0.0)
    for one in attempts:
        if one.execution.execution_id in saved:
            saved[one.execution.execution_id] += (limit_s - change) * 1000
    point, low, high = stats.bootstrap_mean(list(saved.values()))
    return Effect(
        point=point, low=low, high=high, unit="ms per execution",
        method="time above the new limit of the visits cut off, bootstrap over executions",
    )  # fmt: skip


__all__ = ["DETECTOR", "NodeCall", "detect"]
