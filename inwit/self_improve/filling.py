"""Packages for gaps: what a graph lacks may be in the registry already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from inwit.registry.packages import PackageIndex
from inwit.self_improve.detectors import gaps
from inwit.self_improve.detectors import questions as unanswered
from inwit.self_improve.findings import Finding, shown
from inwit.self_improve.report import Report

if TYPE_CHECKING:
    from inwit.runtime.project import Project

NEAR = 0.4
"""The score from which on a package is near enough to what is missing to be proposed."""
KINDS = (gaps.MISSING, unanswered.DETECTOR)


def with_packages(project: Project, report: Report) -> Report:
    """Propose, for each gap that a package of the registry fills, to install that package."""
    found = tuple(
        _filled(project, one) if one.detector in KINDS else one for one in report.findings
    )
    return msgspec.structs.replace(report, findings=found)


def _filled(project: Project, finding: Finding) -> Finding:
    wanted = _wanted(finding)
    if not wanted or finding.draft.actions or not finding.graph_name:
        return finding
    matches = PackageIndex.of(project).search(wanted, limit=1)
    if not matches or matches[0].score < NEAR:
        return finding
    package = matches[0].package.id
    action: dict[str, Any] = {"type": "package", "graph": finding.graph_name, "package": package}
    draft = msgspec.structs.replace(
        finding.draft, actions=(action,), title=f"Install {shown(package)} for what is missing",
        hypothesis=f"Package {shown(package)} does what was asked for in vain.",
        risk="The package is code of others: what it may do is in its manifest.",
        rollback=f"Uninstall {shown(package)}.",
    )  # fmt: skip
    return msgspec.structs.replace(finding, draft=draft)


def _wanted(finding: Finding) -> str:
    """What is missing, in words to search by; they reach no action, only what they find does."""
    if finding.detector == gaps.MISSING:
        return finding.subject.partition(":")[2].replace("_", " ").replace("-", " ")
    return finding.evidence[0].quote.rpartition(" (")[0] if finding.evidence else ""
