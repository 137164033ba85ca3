"""Error bursts: a node, or a tool within it, fails more often than it did, or often in all."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from inwit.plans import Effect
from inwit.self_improve import stats
from inwit.self_improve.calls import Called, FailedAttempt, FailedCall, NodeCall
from inwit.self_improve.detectors.common import (
    Sides,
    configure,
    draft,
    error_name,
    evidence,
    restore,
    sides,
    tool_name,
    value_shown,
)
from inwit.self_improve.findings import Draft, Finding, Look, Seen, Thresholds, shown
from inwit.self_improve.window import Window, has_side_effects

DETECTOR = "error_burst"
TIMEOUTS = ("NodeTimeoutError",)
LOOPS = ("GraphRecursionError",)
NO_FAULT = ("UnknownToolError", "CancelledError", "Cancelled", "GraphInterrupt")
"""A missing tool is looked at elsewhere; who is cancelled has not failed by itself."""
_TRANSIENT = re.compile(
    r"connect|timeout|unavailable|ratelimit|toomanyrequests|temporar", re.IGNORECASE
)
ERRORS_LEAST = 5
BURST_LEAST = 8
"""Errors in a row, or nearly, that make a burst within a window that is otherwise healthy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Series:
    """What failed or not, in order: visits of a node or calls of a tool."""

    node: str
    subject: str
    error: str
    what: str
    failed: Sequence[bool]
    executions: Sequence[str]
    attempts: Sequence[FailedAttempt | FailedCall]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Test:
    """One comparison of shares: the newer or inner part against the rest or a floor."""

    kind: str
    p: float
    effect: Effect
    hits: int
    n: int
    old_hits: int = 0
    old_n: int = 0

    def is_large(self, limits: Thresholds) -> bool:
        floor = 0.0 if self.kind == "share" else self.old_hits / max(self.old_n, 1)
        share = self.hits / self.n
        return (
            self.hits >= ERRORS_LEAST
            and self.effect.low > limits.error_share_floor * (self.kind == "share")
            and share - floor >= limits.error_share_floor
            and share >= 2 * floor
        )


def detect(window: Window, baseline: Window | None, limits: Thresholds) -> Seen:
    """Test each node's share of failed visits, and each tool's of failed calls, by class of error."""
    looks: list[Look] = []
    for series in _all_series(window):
        old = _old_share(baseline, series)
        tests = list(_tests(series, old, limits))
        large = [one for one in tests if one.is_large(limits)]
        best = min(large, key=lambda one: one.p, default=None)
        for one in tests:
            finding = _finding(window, baseline, series, one) if one is best else None
            looks.append(
                Look(
                    detector=DETECTOR, graph_name=window.graph_name, node=series.node,
                    p_value=one.p, finding=finding, visits=one.n,
                    visits_per_execution=window.rate(len(series.failed)),
                    context=_context(series) if finding else {},
                )
            )  # fmt: skip
    return Seen(looks=tuple(looks))


def _context(series: _Series) -> dict[str, Any]:
    failing = {name for name, flag in zip(series.executions, series.failed, strict=True) if flag}
    parents = {one.execution.parent_execution_id for one in series.attempts} - {None}
    return {"error": series.error, "executions": failing, "parents_of": failing, "parents": parents}


def _all_series(window: Window) -> Iterator[_Series]:
    failures: dict[tuple[str, str], dict[tuple[str, int], FailedAttempt]] = {}
    for one in window.failures:
        key = (one.node, error_name(one.error.type))
        failures.setdefault(key, {})[one.execution.execution_id, one.visit] = one
    for (node, error), found in failures.items():
        if error in TIMEOUTS or error in NO_FAULT:
            continue  # other detectors look at these
        calls = window.by_node().get(node, [])
        flags = [_is_failed(call, found) for call in calls]
        if any(flags):
            yield _Series(
                node=node, subject=error, error=error, what=f"visits of node {shown(node)}",
                failed=flags, executions=[call.execution_id for call in calls],
                attempts=[
                    found[call.execution_id, call.number]
                    for call, flag in zip(calls, flags, strict=True)
                    if flag
                ],
            )  # fmt: skip
    yield from _tools(window)


def _is_failed(call: NodeCall, found: dict[tuple[str, int], FailedAttempt]) -> bool:
    return call.status == "failed" and (call.execution_id, call.number) in found


def _tools(window: Window) -> Iterator[_Series]:
    failed: dict[tuple[str, str], list[FailedCall]] = {}
    for one in window.failed_calls:
        if not one.is_missing:
            failed.setdefault((one.node, f"{one.kind}:{tool_name(one.name)}"), []).append(one)
    for (node, subject), found in failed.items():
        kind, _, name = subject.partition(":")
        good = window.outer_by_name.get((node, "tool" if kind == "tool" else "model", name), [])
        ordered: list[tuple[int, int, bool, str]] = [
            (window.places.get(one.execution.execution_id, 0), one.seq, flag, one.execution.execution_id)
            for flag, side in ((True, found), (False, good))
            for one in side
        ]  # fmt: skip
        ordered.sort()
        yield _Series(
            node=node, subject=subject, error=error_name(found[-1].error.type),
            what=f"calls of {kind} {shown(name)} in node {shown(node)}",
            failed=[one[2] for one in ordered], executions=[one[3] for one in ordered],
            attempts=found,
        )  # fmt: skip


def _old_share(baseline: Window | None, series: _Series) -> Sequence[bool]:
    if baseline is None or ":" in series.subject:
        return ()
    found = {
        (one.execution.execution_id, one.visit): one
        for one in baseline.failures
        if one.node == series.node and error_name(one.error.type) == series.error
    }
    return [_is_failed(call, found) for call in baseline.by_node().get(series.node, [])]


def _tests(series: _Series, old: Sequence[bool], limits: Thresholds) -> Iterator[_Test]:
    hits, n = sum(series.failed), len(series.failed)
    low, high = stats.share_interval(hits, n)
    method = "Clopper-Pearson 95 % interval; exact binomial test against the floor"
    yield _Test(
        kind="share", p=stats.binomial_tail(hits, n, limits.error_share_floor), hits=hits, n=n,
        effect=Effect(point=hits / n, low=low, high=high, unit="share failed", method=method),
    )  # fmt: skip
    for pair in sides(old, series.failed):
        yield _compared(pair.kind, pair)
    burst = _burst(series.failed, limits)
    if burst is not None:
        first, last = burst
        inner = series.failed[first:last]
        outer = [*series.failed[:first], *series.failed[last:]]
        test = _compared("burst", Sides(kind="burst", older=outer, newer=inner))
        # Every beginning and end was tried.
        yield _Test(
            kind="burst", p=min(1.0, test.p * n * n / 2), effect=test.effect, hits=test.hits,
            n=test.n, old_hits=test.old_hits, old_n=test.old_n,
        )  # fmt: skip


def _compared(kind: str, pair: Sides[bool]) -> _Test:
    hits, n, old_hits, old_n = sum(pair.newer), len(pair.newer), sum(pair.older), len(pair.older)
    point, low, high = stats.difference_interval(hits, n, old_hits, old_n)
    method = "Newcombe 95 % interval of the difference; Fisher's exact test"
    return _Test(
        kind=kind, p=stats.fisher_greater(hits, n, old_hits, old_n), hits=hits, n=n,
        old_hits=old_hits, old_n=old_n,
        effect=Effect(point=point, low=low, high=high, unit="share failed, more", method=method),
    )  # fmt: skip


def _burst(failed: Sequence[bool], limits: Thresholds) -> tuple[int, int] | None:
    """The stretch that failures fill most, by the largest sum of what is above the middle (Kadane)."""
    share = sum(failed) / len(failed)
    level = share + max(limits.error_share_floor, (1 - share) * 0.25)
    best, bounds, score, start = 0.0, None, 0.0, 0
    for at, flag in enumerate(failed):
        if score <= 0:
            score, start = 0.0, at
        score += flag - level
        if score > best:
            best, bounds = score, (start, at + 1)
    if bounds is None or bounds[1] - bounds[0] >= 0.9 * len(failed):
        return None
    return bounds if sum(failed[bounds[0] : bounds[1]]) >= BURST_LEAST else None


def _finding(window: Window, baseline: Window | None, series: _Series, test: _Test) -> Finding:
    with_attribute = attribute_of(window, series.executions, series.failed)
    said = f"; {with_attribute['said']}" if with_attribute else ""
    before = ""
    if test.kind != "share":
        others = "outside of that stretch" if test.kind == "burst" else "before"
        before = f", {test.old_hits} of {test.old_n} {others}"
    figures: dict[str, Any] = {"failed": test.hits, "of": test.n, "error": series.error}
    if with_attribute:
        figures["attribute"] = {k: v for k, v in with_attribute.items() if k != "said"}
    return Finding(
        detector=DETECTOR, graph_name=window.graph_name, graph_version=window.graph_version,
        node=series.node, subject=series.subject,
        statement=f"{test.hits} of {test.n} {series.what} failed with {series.error}{before}{said}.",
        baseline={"failed": test.old_hits, "of": test.old_n}, candidate=figures,
        effect=test.effect, p_value=test.p,
        evidence=evidence(series.attempts, series.error, "One of the failures."),
        draft=_draft(window, baseline, series, test),
    )  # fmt: skip


def _draft(window: Window, baseline: Window | None, series: _Series, test: _Test) -> Draft:
    node, facts = series.node, window.facts(series.node)
    expected = f"No error_burst of node {shown(node)} with {series.error}."
    back = restore(window, baseline, node) if test.kind == "version" else None
    if back is not None:
        return draft(
            title=f"Restore node {shown(node)} of {shown(window.graph_name)} to its code before",
            hypothesis=f"The code of node {shown(node)} that came with version "
            f"{window.graph_version} raises {series.error}.",
            expected=expected, actions=(back,), rollback=f"Set the version back to {window.graph_version}.",
            risk="What the newer version was written for is lost until it is mended.",
        )  # fmt: skip
    is_tried_once = not any(
        call.attempts > 1 for call in window.by_node().get(node, ()) if call.status == "failed"
    )
    if _TRANSIENT.search(series.error) and is_tried_once and not has_side_effects(facts):
        change = {"max_attempts": 3, "initial_interval": 0.5, "backoff_factor": 2.0, "jitter": True}
        return draft(
            title=f"Try node {shown(node)} of {shown(window.graph_name)} again when it fails",
            hypothesis=f"{series.error} in node {shown(node)} passes with time.",
            expected=expected, actions=(configure(window, node, {"retry_policy": change}),),
            risk="A visit that fails takes longer; a node that acts on the world acts again.",
        )  # fmt: skip
    return draft(
        title=f"Find why {series.what} of {shown(window.graph_name)} fail",
        hypothesis=f"Something that {series.what} depend on, or their code, raises {series.error}.",
        expected=expected,
    )  # fmt: skip


def attribute_of(
    window: Window, executions: Sequence[str], failed: Sequence[bool]
) -> dict[str, Any] | None:
    """The value of an input that tells executions with failures from those without, if one does."""
    called = {one.execution.execution_id: one for one in window.called}
    bad = {name for name, flag in zip(executions, failed, strict=True) if flag}
    all_of_them = {name: called[name] for name in dict.fromkeys(executions) if name in called}
    tallies = _tallies(all_of_them, bad)
    total, total_bad = len(all_of_them), sum(name in bad for name in all_of_them)
    best: tuple[float, str, str | bool, int, int] | None = None
    for (name, value), (n, hits) in tallies.items():
        if hits < ERRORS_LEAST or hits < 0.6 * total_bad or n >= total:
            continue
        p = stats.fisher_greater(hits, n, total_bad - hits, total - n) * len(tallies)
        lift = hits / n - (total_bad - hits) / (total - n)
        if p <= 0.01 and lift >= 0.2 and (best is None or p < best[0]):
            best = (p, name, value, n, hits)
    if best is None:
        return None
    p, name, value, n, hits = best
    with_it, without = f"{hits} of {n}", f"{total_bad - hits} of {total - n}"
    said = f"of executions with {tool_name(name)} {value_shown(value)} {with_it} fail, of others {without}"
    return {
        "name": tool_name(name), "value": value_shown(value), "failed": hits, "of": n,
        "others_failed": total_bad - hits, "others": total - n, "p": p, "said": said,
    }  # fmt: skip


def _tallies(
    called: dict[str, Called], bad: set[str]
) -> dict[tuple[str, str | bool], tuple[int, int]]:
    found: dict[tuple[str, str | bool], tuple[int, int]] = {}
    for execution_id, one in called.items():
        for key in zip(one.names, one.values, strict=True):
            n, hits = found.get(key, (0, 0))
            found[key] = (n + 1, hits + (execution_id in bad))
    return {key: counts for key, counts in found.items() if counts[0] >= ERRORS_LEAST}
