"""Plant faults in graphs that really run, and hold what the detectors say against the truth.

Plans are then really applied: what they gain is compared with what was foretold, and one that harms
has to be taken back. The same seed plants the same faults, but times are the machine's.

    python benchmarks/improve.py [--quick] [--only FAMILY] [--seed N] [--wrong] [--visits N]
                                 [--json] [--markdown FILE]
"""

from __future__ import annotations

import argparse
import dataclasses
import gc
import json
import random
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import improve_plans
import improve_report as report
import improve_scale
from improve_cases import FAULTS, TRAPS, Planted, healthy
from improve_report import Outcome
from improve_traffic import KINDS
from projects import project
from report import write_between

from inwit.errors import InwitError
from inwit.runtime.project import Project
from inwit.runtime.store import Journal, Store
from inwit.self_improve.analysis import windows
from inwit.self_improve.examining import examine
from inwit.self_improve.findings import Finding, Thresholds

EACH, HEALTHY, STORIES = 8, 100, 10
"""Windows of each family, healthy windows, and plans of each kind in a whole campaign."""
QUICK = 8
"""A quick campaign is this part of a whole one."""
WINDOW = 400


def run_case(family: str, seed: int) -> Outcome:
    """Plant, look, judge."""
    plant = {**FAULTS, **TRAPS, "healthy": healthy}[family]
    traffic = KINDS[seed % len(KINDS)]
    with project():
        planted = plant(random.Random(f"{family} {seed}"), traffic)
        Journal.of(Project.find()).flush()
        store = Store.of(Project.find())
        begun = time.perf_counter()
        found = examine(windows(store, None, WINDOW), Thresholds())
        ms = (time.perf_counter() - begun) * 1e3
        uris = [one.uri for finding in found.findings for one in finding.evidence]
        outcome = judged(family, seed, planted, found.findings)
        return dataclasses.replace(
            outcome, ms=ms, uris=len(uris), resolved=sum(_resolves(store, uri) for uri in uris),
            lacks=len(found.lacks),
        )  # fmt: skip


def judged(family: str, seed: int, planted: Planted, findings: tuple[Finding, ...]) -> Outcome:
    """Which findings are of the planted fault."""
    right = [one for one in findings if one.node in planted.truth.get(one.detector, ())]
    others = [one for one in findings if one not in right and one.detector not in planted.also]
    ranked = [one for one in findings if one.detector not in planted.also]
    return Outcome(
        family=family, traffic=KINDS[seed % len(KINDS)], seed=seed, is_fault=bool(planted.truth),
        right=len(right), wrong=[f"{one.detector} {one.node}: {one.statement}" for one in others],
        plans=sum(bool(one.draft.actions) for one in findings),
        is_first=bool(ranked) and ranked[0] in right,
    )  # fmt: skip


def _resolves(store: Store, uri: str) -> bool:
    execution_id, _, seq = uri.removeprefix("execution://").split("/")
    try:
        return store.event(execution_id, int(seq)).uri == uri
    except InwitError:
        return False


def campaign(only: str, seed: int, part: int) -> tuple[list[Outcome], list[dict[str, Any]]]:
    """Run the cases of all families whose name begins with `only`."""
    outcomes: list[Outcome] = []
    counts = {**dict.fromkeys((*FAULTS, *TRAPS), EACH), "healthy": HEALTHY}
    for family, number in counts.items():
        if not family.startswith(only):
            continue
        mine = [run_case(family, seed + one) for one in range(max(number // part, 2))]
        outcomes += mine
        right = sum(one.right > 0 if one.is_fault else not one.wrong for one in mine)
        print(f"{family}: {right} of {len(mine)}", file=sys.stderr, flush=True)
        gc.collect()
    stories = []
    if "plans".startswith(only):
        for kind in ("serial", "repeated", "contended"):
            for one in range(max(STORIES // part, 2)):
                with project():
                    stories.append(improve_plans.story(kind, seed + one))
            print(f"plans, {kind}: done", file=sys.stderr, flush=True)
    return outcomes, stories


def show_wrong(outcomes: list[Outcome], stories: list[dict[str, Any]]) -> None:
    """Write what was missed and what was said wrongly."""
    for one in outcomes:
        if one.wrong or (one.is_fault and not one.right):
            missed = "" if one.right or not one.is_fault else " MISSED"
            print(f"{one.family} {one.seed} ({one.traffic}){missed}: {one.wrong}", file=sys.stderr)
    for story in stories:
        if story.get("held") is not True:
            print(story, file=sys.stderr)


def main() -> None:
    """Measure, print, and where asked write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="an eighth of the cases")
    parser.add_argument(
        "--only",
        default="",
        help="families that begin so; `plans` for those; `visits` for none of them",
    )
    parser.add_argument("--seed", type=int, default=0, help="where the seeds begin")
    parser.add_argument("--wrong", action="store_true", help="show what was missed or said wrongly")
    parser.add_argument("--visits", type=int, default=0, help="also look at so many visits at once")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--markdown", type=Path, help="also write the figures into this page")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    begun = time.perf_counter()
    scale = None
    if options.visits:
        with project():
            scale = improve_scale.measure(options.visits)
    outcomes, stories = campaign(options.only, options.seed, QUICK if options.quick else 1)
    if options.wrong:
        show_wrong(outcomes, stories)
    parts = {
        "improve": report.page(outcomes) if outcomes else "",
        "improve-plans": report.plans_page(stories) if stories else "",
        "improve-visits": "" if scale is None else report.scale_line(scale),
    }
    for name, text in parts.items():
        if options.markdown and text:
            write_between(options.markdown, name, text)
    took = f"{time.perf_counter() - begun:.0f} s in all."
    if options.json:
        shown = [dataclasses.asdict(one) for one in outcomes]
        found = report.figures(outcomes, stories)
        print(json.dumps({"figures": found, "outcomes": shown, "plans": stories, "scale": scale}))
    else:
        print("\n\n".join([*filter(None, parts.values()), took]))


if __name__ == "__main__":
    main()
