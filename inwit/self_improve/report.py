"""What one look at the traces gave, as a value, as JSON and as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from inwit.errors import MalformedInputError
from inwit.plans import Plan
from inwit.self_improve.findings import Finding, Held, Lack, Thresholds


class LookedAt(msgspec.Struct, frozen=True, kw_only=True):
    """How much was read and tested, so that silence can be judged."""

    graphs: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()
    """``name@version``, the version before included."""
    executions: int = 0
    visits: int = 0
    unfinished_visits: int = 0
    """Left out: still running, cut off, or with an impossible time."""
    nodes: int = 0
    outer_calls: int = 0
    """Calls of tools and models."""
    tests: int = 0
    window: int = 0
    """The newest executions that were read of each version, at most."""
    detectors: tuple[str, ...] = ()
    thresholds: Thresholds = Thresholds()


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One look at the traces.

    `plans` are new; `known` are plans that the book held already for what was found again.
    `held` looked like findings and are none; `lacks` could not be judged yet.
    """

    at: str
    looked_at: LookedAt
    findings: tuple[Finding, ...] = ()
    plans: tuple[Plan, ...] = ()
    known: tuple[Plan, ...] = ()
    held: tuple[Held, ...] = ()
    lacks: tuple[Lack, ...] = ()


def to_json(report: Report) -> dict[str, Any]:
    """Show a report as plain JSON values."""
    shown: dict[str, Any] = msgspec.to_builtins(report, enc_hook=repr)
    return shown


def to_markdown(report: Report) -> str:
    """Write a report for people. Texts from traces are escaped: they are quoted, never rendered."""
    return "\n".join([*_head(report), *_findings(report), *_plans(report), *_rest(report)]) + "\n"


def _head(report: Report) -> Iterator[str]:
    seen = report.looked_at
    yield f"# What the traces say, {report.at}"
    yield ""
    yield (
        f"Looked at {seen.executions:,} executions with {seen.visits:,} visits of {seen.nodes} nodes "
        f"and {seen.outer_calls:,} tool and model calls; {seen.tests} tests, adjusted for each other."
    )
    if seen.unfinished_visits:
        yield f"{seen.unfinished_visits:,} unfinished visits were left out."
    yield ""
    for version in seen.versions:
        yield f"- {escape(version)}"
    limits = ", ".join(f"{k} {v}" for k, v in msgspec.structs.asdict(seen.thresholds).items())
    yield f"- thresholds: {escape(limits)}"


def _findings(report: Report) -> Iterator[str]:
    yield ""
    yield "## Findings"
    yield ""
    if not report.findings:
        yield "None."
    for finding in report.findings:
        effect = finding.effect
        yield f"- **{finding.detector}** {escape(finding.statement)}"
        yield (
            f"  effect {effect.point:.3g} ({effect.low:.3g} to {effect.high:.3g}) {effect.unit}, "
            f"p {finding.p_value:.2g}, adjusted {finding.q_value:.2g}"
        )
        for evidence in finding.evidence:
            yield f"  - {escape(evidence.uri)}: {escape(evidence.quote)}"
        if not finding.draft.actions:
            yield f"  - a hypothesis, nothing is proposed: {escape(finding.draft.hypothesis)}"
        for symptom in finding.symptoms:
            yield f"  - follows from it: {escape(symptom.statement)} ({escape(symptom.reason)})"
        for limit in finding.limits:
            yield f"  - {escape(limit)}"


def _plans(report: Report) -> Iterator[str]:
    yield ""
    yield "## New plans"
    yield ""
    if not report.plans:
        yield "None."
    for plan in report.plans:
        gain = plan.expected_gain
        yield f"- **{escape(plan.title)}** (`{plan.id}`, confidence {plan.confidence:.2f})"
        yield f"  {escape(plan.hypothesis)}"
        if gain is None:
            yield "  The gain cannot be predicted from the record."
        else:
            yield f"  Gain {gain.point:.3g} ({gain.low:.3g} to {gain.high:.3g}) {gain.unit}."
        yield f"  Risk: {escape(plan.risk)}"
    for plan in report.known:
        yield f"- known already: {escape(plan.title)} (`{plan.id}`, {plan.status})"


def _rest(report: Report) -> Iterator[str]:
    for title, lines in (
        ("Held back", [(one, one.reason) for one in report.held]),
        ("Not judged yet", [(one, _lack(one)) for one in report.lacks]),
    ):
        if lines:
            yield ""
            yield f"## {title}"
            yield ""
        for one, text in lines:
            yield escape(f"- {one.graph_name}/{one.node}, {one.detector}: {text}")


def _lack(lack: Lack) -> str:
    if lack.executions_needed is None:
        return lack.reason
    return f"{lack.reason}; needs {lack.executions_needed:,} more executions"


def escape(text: str) -> str:
    """Keep a text from being read as Markdown, HTML or a second line."""
    line = " ".join(text.split())
    # An underscore within a word is no emphasis.
    return re.sub(r"([\\`*\[\]<>#|!]|(?<!\w)_|_(?!\w))", r"\\\1", line)


def write(report: Report, path: str) -> None:
    """Write a report to a file: JSON where its name ends so, else Markdown.

    Raises:
        MalformedInputError: It cannot be written there.
    """
    text = to_markdown(report)
    if path.endswith(".json"):
        text = msgspec.json.format(msgspec.json.encode(to_json(report)), indent=2).decode() + "\n"
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as exc:
        raise MalformedInputError(
            f"{path} cannot be written: {exc}.", hint="Give another."
        ) from exc
