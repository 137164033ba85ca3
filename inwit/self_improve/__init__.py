"""Self-improvement: detectors over the traces, findings with their statistics, plans.

`analyze` reads the record and enters plans for what it finds; `daemon.run_once` does so for a
project. Detectors are pure functions of windows of traces.
"""

from inwit.self_improve.analysis import analyze
from inwit.self_improve.examining import examine
from inwit.self_improve.findings import Finding, Thresholds
from inwit.self_improve.plans import PlanBook
from inwit.self_improve.report import LookedAt, Report

__all__ = ["Finding", "LookedAt", "PlanBook", "Report", "Thresholds", "analyze", "examine"]
