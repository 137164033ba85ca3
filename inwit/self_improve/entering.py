"""From findings to the book: each becomes a plan, is validated, and says what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from inwit.ids import new_id
from inwit.plans import Plan, Validation
from inwit.self_improve import tables, validating
from inwit.self_improve.findings import Finding, Held, Thresholds, check_command
from inwit.self_improve.plans import PlanBook, rank
from inwit.self_improve.report import Report


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan's figures were taken from, so that they can be taken again."""

    position: int
    """Of the newest execution that was on record."""
    window: int
    graphs: tuple[str, ...]
    thresholds: Thresholds


def look_of(book: PlanBook, plan: Plan) -> Look | None:
    """The look that a plan's figures are from; None of a plan that was proposed otherwise."""
    return tables.kept(book.store, f"look:{plan.id}", Look)


def enter(book: PlanBook, report: Report, position: int = 0) -> Report:
    """Enter a plan for each finding that calls for a change; gives the report with the plans.

    Those that promise most come first, since a few may be open at once. A finding that has no plan
    now says why among what was held back.
    """
    new: list[Plan] = []
    known: list[Plan] = []
    held: list[Held] = []
    drafts = [(make_plan(one), one) for one in report.findings if one.draft.actions]
    for plan, finding in sorted(drafts, key=lambda pair: rank(pair[0]), reverse=True):
        entry = book.enter(plan, expected_evidence=finding.draft.expected_evidence)
        if entry.outcome in ("new", "known") and _is_of(entry.plan, plan):
            seen = report.looked_at
            taken = Look(
                position=position, window=seen.window, graphs=seen.graphs,
                thresholds=seen.thresholds,
            )  # fmt: skip
            tables.keep(book.store, f"look:{entry.plan.id}", taken)
        match entry.outcome:
            case "new":
                new.append(validating.validate(book, entry.plan.id))
            case "known" | "rests":
                known.append(_looked_at_again(book, entry.plan))
            case _:
                held.append(_held(finding, entry.reason))
    return msgspec.structs.replace(
        report, plans=_in_order(report, new), known=_in_order(report, known),
        held=(*report.held, *held),
    )  # fmt: skip


_FIGURES = ("baseline", "candidate", "effect", "confidence")


def _is_of(kept: Plan, drafted: Plan) -> bool:
    """Whether the figures of a plan in the book are those of this look."""
    return all(getattr(kept, name) == getattr(drafted, name) for name in _FIGURES)


def _looked_at_again(book: PlanBook, plan: Plan) -> Plan:
    """What could not be replayed when it was proposed may be by now."""
    return validating.validate(book, plan.id) if plan.status == "proposed" else plan


def _in_order(report: Report, plans: Sequence[Plan]) -> tuple[Plan, ...]:
    places = {one.fingerprint: at for at, one in enumerate(report.findings)}
    return tuple(sorted(plans, key=lambda plan: places[plan.fingerprint]))


def _held(finding: Finding, reason: str) -> Held:
    return Held(
        detector=finding.detector, graph_name=finding.graph_name, node=finding.node, reason=reason
    )


def make_plan(finding: Finding) -> Plan:
    """Turn a finding with its draft into a plan."""
    draft = finding.draft
    stated = 1 - finding.q_value if finding.confidence is None else finding.confidence
    fields: dict[str, Any] = {
        name: getattr(draft, name)
        for name in ("title", "hypothesis", "actions", "risk", "rollback")
    }
    return Plan(
        id=new_id(),
        fingerprint=finding.fingerprint,
        category=finding.detector,
        graph_name=finding.graph_name,
        evidence=finding.evidence,
        baseline=finding.baseline,
        candidate=finding.candidate,
        effect=finding.effect,
        expected_gain=draft.expected_gain,
        # Statistics speak of chance alone, so nothing is ever certain.
        confidence=round(min(stated, 0.999), 4),
        validation=Validation(command=check_command(finding.graph_name), expected=draft.expected),
        **fields,
    )
