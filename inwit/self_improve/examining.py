"""Running every detector over windows and judging all they looked at together."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

import msgspec

from inwit.introspection.asked_questions import AskedQuestion
from inwit.self_improve import stats
from inwit.self_improve.detectors import (
    drift,
    errors,
    gaps,
    latency,
    loops,
    parallel,
    repeats,
    retries,
    schema,
    timeouts,
    tokens,
    unused,
)
from inwit.self_improve.detectors import questions as unanswered
from inwit.self_improve.findings import Finding, Lack, Look, Seen, Thresholds
from inwit.self_improve.joining import join
from inwit.self_improve.report import LookedAt, Report
from inwit.self_improve.window import Window

Pair = tuple[Window, Window | None]
Detector = Callable[[Window, Window | None, Thresholds], Seen]
DETECTORS: dict[str, Detector] = {
    latency.DETECTOR: latency.detect,
    errors.DETECTOR: errors.detect,
    retries.DETECTOR: retries.detect,
    timeouts.DETECTOR: timeouts.detect,
    loops.DETECTOR: loops.detect,
    repeats.DETECTOR: repeats.detect,
    parallel.DETECTOR: parallel.detect,
    f"{unused.EDGE}, {unused.NODE}, {unused.TOOL}": unused.detect,
    f"{tokens.UNREAD}, {tokens.RESENT}, {tokens.DEARER}": tokens.detect,
    schema.DETECTOR: schema.detect,
    drift.INPUT: drift.detect_inputs,
    drift.QUALITY: drift.detect_quality,
    f"{gaps.MISSING}, {gaps.WORKAROUND}": gaps.detect,
}
NAMES: tuple[str, ...] = (
    *(name for names in DETECTORS for name in names.split(", ")), unanswered.DETECTOR,
)  # fmt: skip
"""Every kind of finding."""


class Tally:
    """What was read of all windows; the windows themselves are let go one after another."""

    def __init__(self) -> None:
        self.graphs: list[str] = []
        self.versions: list[str] = []
        self.executions = self.visits = self.unfinished = self.outer_calls = 0
        self._nodes: set[tuple[str, str]] = set()

    def add(self, new: Window, old: Window | None) -> None:
        """Count a window and its baseline."""
        self.graphs.append(new.graph_name)
        for one in (new, old):
            if one is not None:
                self.versions.append(f"{one.graph_name}@{one.graph_version}")
                self.executions += len(one.executions)
                self.visits += len(one.calls)
                self.unfinished += one.unfinished
                self.outer_calls += len(one.outer_calls)
                self._nodes |= {(one.graph_name, node) for node in one.by_node()}

    def told(self, tests: int, window: int, limits: Thresholds) -> LookedAt:
        """The same as a value of the report."""
        return LookedAt(
            graphs=tuple(self.graphs), versions=tuple(self.versions), executions=self.executions,
            visits=self.visits, unfinished_visits=self.unfinished, nodes=len(self._nodes),
            outer_calls=self.outer_calls, tests=tests, window=window,
            detectors=NAMES,
            thresholds=limits,
        )  # fmt: skip


def examine(
    pairs: Iterable[Pair],
    thresholds: Thresholds,
    *,
    window: int = 0,
    questions: Sequence[AskedQuestion] = (),
) -> Report:
    """Run every detector over windows and their baselines: a pure function, nothing is entered.

    `questions` are those that were asked, oldest first. `pairs` may be a generator: a window is not needed any more when the next one is asked for.
    """
    tally, looks, parts = Tally(), list[Look](), list[Seen]()
    for new, old in pairs:
        tally.add(new, old)
        for detect in DETECTORS.values():
            seen = detect(new, old, thresholds)
            looks.extend(_placed(look, new) for look in seen.looks)
            parts.append(msgspec.structs.replace(seen, looks=()))
    looks.extend(unanswered.detect(questions).looks)
    sure, unsure = _judge(looks, thresholds)
    kept, explained = join(sure)
    held = [one for part in parts for one in part.held]
    return Report(
        at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        looked_at=tally.told(len(looks), window, thresholds),
        findings=tuple(sorted(kept, key=lambda finding: finding.q_value)),
        held=tuple(dict.fromkeys((*held, *explained))),
        lacks=(*(one for part in parts for one in part.lacks), *unsure),
    )


def _placed(look: Look, window: Window) -> Look:
    """Tell a finding where its node stands in the graph, for joining."""
    if look.finding is None or window.manifest is None:
        return look
    facts = window.facts(look.node)
    place = {
        "reads": set(facts.reads) if facts else set(),
        "writes": (set(facts.writes) if facts else set())
        | window.writes.get(look.node, frozenset()),
        "inner": facts.graph if facts else "",
        "after": loops.reach_of(window.manifest, look.node),
    }
    return msgspec.structs.replace(look, context=place | look.context)


def _judge(looks: Sequence[Look], limits: Thresholds) -> tuple[list[Look], list[Lack]]:
    """Adjust for all that was looked at: what is still sure, once for each fingerprint."""
    adjusted = stats.benjamini_hochberg([look.p_value for look in looks])
    sure: dict[str, Look] = {}
    unsure: list[Lack] = []
    for look, q in zip(looks, adjusted, strict=True):
        finding = look.finding
        if finding is None:
            continue
        if q > limits.false_discovery_rate:
            unsure.append(_lack(look, finding, len(looks), limits))
            continue
        best = sure.get(finding.fingerprint)
        if best is None or finding.p_value < best.p_value:
            found = msgspec.structs.replace(finding, q_value=q)
            sure[finding.fingerprint] = msgspec.structs.replace(look, finding=found)
    return list(sure.values()), unsure


def _lack(look: Look, finding: Finding, tests: int, limits: Thresholds) -> Lack:
    """An effect that is large enough, but may be chance among so many tests."""
    need = stats.smallest_blocks(tests, limits.false_discovery_rate) * limits.block_size
    more = max(need - look.visits, look.visits // 2, 1)
    return Lack(
        detector=look.detector, graph_name=look.graph_name, node=look.node,
        reason=f"{finding.statement} Among {tests} tests that may be chance",
        executions_needed=math.ceil(more / max(look.visits_per_execution, 1e-9)),
    )  # fmt: skip
