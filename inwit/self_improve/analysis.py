"""One look at the traces: read windows, run detectors, adjust for all that was tested, propose."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from inwit.answers import Evidence
from inwit.errors import UnknownExecutionError, UnknownUriError
from inwit.ids import new_id
from inwit.introspection import quotes
from inwit.plans import Plan, Validation
from inwit.self_improve import latency, repeats, retries, stats
from inwit.self_improve.findings import (
    Finding,
    Held,
    Lack,
    Look,
    Seen,
    Thresholds,
    check_command,
    merge,
    shown,
)
from inwit.self_improve.plans import PlanBook
from inwit.self_improve.reading import graph_names, read_windows
from inwit.self_improve.report import LookedAt, Report
from inwit.self_improve.window import Window

if TYPE_CHECKING:
    from inwit.runtime.store import Store

Pair = tuple[Window, Window | None]
Detector = Callable[[Window, Window | None, Thresholds], Seen]
DETECTORS: dict[str, Detector] = {
    latency.DETECTOR: latency.detect,
    retries.DETECTOR: retries.detect,
    repeats.DETECTOR: repeats.detect,
}

EXPLAINED = 0.8
"""The share of a slowdown that repeated calls have to fill for it to be theirs."""


def analyze(
    store: Store,
    *,
    graph: str | None = None,
    window: int = 400,
    thresholds: Thresholds | None = None,
) -> Report:
    """Look at the newest executions of one graph or of all, and enter plans for what is found.

    Args:
        window: How many executions are read of each graph's newest version, and of the one before.

    Raises:
        UnknownGraphError: Nothing of that name was ever registered or executed.
    """
    names = [graph] if graph is not None else graph_names(store)
    pairs: list[Pair] = []
    for name in names:
        newest, before = read_windows(store, name, window)
        if newest is not None:
            pairs.append((newest, before))
        elif graph is not None:
            store.graph(graph)
    report = quoted(store, examine(pairs, thresholds or Thresholds(), window=window))
    book = PlanBook.of(store)
    new: list[Plan] = []
    known: list[Plan] = []
    for finding in report.findings:
        plan = make_plan(finding)
        kept = book.propose(plan, expected_evidence=finding.draft.expected_evidence)
        (new if kept.id == plan.id else known).append(kept)
    return msgspec.structs.replace(report, plans=tuple(new), known=tuple(known))


def quoted(store: Store, report: Report) -> Report:
    """Quote each finding's evidence as a reader finds it where its uri leads.

    An event that retention has taken away meanwhile is evidence no more.
    """

    def again(one: Evidence) -> Iterator[Evidence]:
        execution_id, _, seq = one.uri.removeprefix("execution://").split("/")
        try:
            event = store.event(execution_id, int(seq))
        except (UnknownExecutionError, UnknownUriError):
            return
        yield msgspec.structs.replace(one, quote=quotes.event(event))

    return msgspec.structs.replace(
        report,
        findings=tuple(
            msgspec.structs.replace(
                finding, evidence=tuple(shown for one in finding.evidence for shown in again(one))
            )
            for finding in report.findings
        ),
    )


def examine(pairs: Sequence[Pair], thresholds: Thresholds, *, window: int = 0) -> Report:
    """Run every detector over windows and their baselines: a pure function, nothing is entered."""
    seen = merge(
        [detect(new, old, thresholds) for new, old in pairs for detect in DETECTORS.values()]
    )
    adjusted = stats.benjamini_hochberg([look.p_value for look in seen.looks])
    sure: dict[str, Finding] = {}
    unsure: list[Lack] = []
    for look, q in zip(seen.looks, adjusted, strict=True):
        finding = look.finding
        if finding is None:
            continue
        if q > thresholds.false_discovery_rate:
            unsure.append(_lack(look, finding, len(seen.looks), thresholds))
            continue
        finding = msgspec.structs.replace(finding, q_value=q)
        best = sure.get(finding.fingerprint)
        if best is None or finding.p_value < best.p_value:
            sure[finding.fingerprint] = finding
    kept, explained = _without_explained(tuple(sure.values()))
    return Report(
        at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        looked_at=_looked_at(pairs, seen, thresholds, window),
        findings=tuple(sorted(kept, key=lambda finding: finding.q_value)),
        held=tuple(dict.fromkeys((*seen.held, *explained))),
        lacks=(*seen.lacks, *unsure),
    )


def _without_explained(findings: Sequence[Finding]) -> tuple[list[Finding], list[Held]]:
    """Leave out slowdowns that the repeated calls found in the same node explain: one cause, one plan."""
    repeated = {
        (one.graph_name, one.node): one
        for one in findings
        if one.detector == repeats.DETECTOR and one.subject
    }
    kept: list[Finding] = []
    held: list[Held] = []
    for finding in findings:
        cause = repeated.get((finding.graph_name, finding.node))
        if finding.detector != latency.DETECTOR or cause is None:
            kept.append(finding)
            continue
        slower = finding.candidate["median_ms"] - finding.baseline["median_ms"]
        if finding.candidate["repeated_ms"] < EXPLAINED * slower:
            kept.append(finding)
            continue
        kind, _, name = cause.subject.partition(":")
        reason = (
            f"slower by {slower:.2f} ms a visit, which repeated calls of {kind} {shown(name)} in it "
            f"explain: they take {finding.candidate['repeated_ms']:.2f} ms a visit"
        )
        held.append(
            Held(
                detector=latency.DETECTOR, graph_name=finding.graph_name, node=finding.node,
                reason=reason,
            )
        )  # fmt: skip
    return kept, held


def _lack(look: Look, finding: Finding, tests: int, thresholds: Thresholds) -> Lack:
    """An effect that is large enough, but may be chance among so many tests."""
    need = stats.smallest_blocks(tests, thresholds.false_discovery_rate) * thresholds.block_size
    more = max(need - look.visits, look.visits // 2, 1)
    return Lack(
        detector=look.detector, graph_name=look.graph_name, node=look.node,
        reason=f"{finding.statement} Among {tests} tests that may be chance",
        executions_needed=math.ceil(more / max(look.visits_per_execution, 1e-9)),
    )  # fmt: skip


def _looked_at(pairs: Sequence[Pair], seen: Seen, thresholds: Thresholds, window: int) -> LookedAt:
    windows = [one for pair in pairs for one in pair if one is not None]
    return LookedAt(
        graphs=tuple(new.graph_name for new, _ in pairs),
        versions=tuple(f"{one.graph_name}@{one.graph_version}" for one in windows),
        executions=sum(len(one.executions) for one in windows),
        visits=sum(len(one.calls) for one in windows),
        unfinished_visits=sum(one.unfinished for one in windows),
        nodes=len({(one.graph_name, c.visit.node) for one in windows for c in one.calls}),
        outer_calls=sum(len(one.outer_calls) for one in windows),
        tests=len(seen.looks),
        window=window,
        detectors=tuple(DETECTORS),
        thresholds=thresholds,
    )


def make_plan(finding: Finding) -> Plan:
    """Turn a finding with its draft into a plan."""
    draft = finding.draft
    stated = 1 - finding.q_value if finding.confidence is None else finding.confidence
    return Plan(
        id=new_id(),
        fingerprint=finding.fingerprint,
        title=draft.title,
        hypothesis=draft.hypothesis,
        category=finding.detector,
        graph_name=finding.graph_name,
        evidence=finding.evidence,
        baseline=finding.baseline,
        candidate=finding.candidate,
        effect=finding.effect,
        expected_gain=draft.expected_gain,
        # Statistics speak of chance alone, so nothing is ever certain.
        confidence=round(min(stated, 0.999), 4),
        actions=draft.actions,
        risk=draft.risk,
        validation=Validation(command=check_command(finding.graph_name), expected=draft.expected),
        rollback=draft.rollback,
    )
