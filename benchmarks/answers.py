"""Ask graphs with planted faults what is wrong with them, and hold the answers against the truth.

Every fault really runs on the runtime; questions are in plain words through `app.ask`, answered from
the record alone. What-ifs are then really run. The same seed plants the same faults, but times are
the machine's.

    python benchmarks/answers.py [--quick] [--only FAMILY] [--seed N] [--wrong] [--stored N]
                                 [--json] [--markdown FILE]
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import gc
import json
import random
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import answers_report as report
import answers_stored as stored
import answers_whatif as whatif
from answers_cases import FAMILIES, Asked, Outcome
from projects import project
from report import write_between

from inwit.answers import Answer
from inwit.errors import UnknownUriError

WORLDS = 16
"""Graphs whose what-ifs are run again in a whole campaign."""
QUICK = 10
"""A quick campaign is this part of a whole one."""


def unresolved(app: Any, answer: Answer) -> list[str]:
    """The uris of an answer's evidence that name nothing."""
    missing = []
    for one in answer.evidence:
        try:
            app.resolve(one.uri)
        except UnknownUriError:
            missing.append(one.uri)
    return missing


def run_case(family: str, seed: int) -> Outcome:
    """Plant, ask, judge."""
    dice = random.Random(f"{family} {seed}")
    with project():
        asked: Asked = asyncio.run(FAMILIES[family][0](dice))
        app = asked.world.app
        begun = time.perf_counter()
        answer = app.ask(asked.question)
        ms = (time.perf_counter() - begun) * 1e3
        return Outcome(
            family=family, seed=seed, question=asked.question, planted=asked.planted,
            answered=asked.shown(answer), is_right=asked.judge(answer), text=answer.text, ms=ms,
            uris=[one.uri for one in answer.evidence], unresolved=unresolved(app, answer),
        )  # fmt: skip


def run_whatifs(seed: int) -> list[Outcome]:
    """Ask a graph's what-ifs, run it again with each change, and compare."""
    dice = random.Random(f"what if {seed}")
    missing: list[list[str]] = []

    def ask(app: Any, question: str) -> Answer:
        answer: Answer = app.ask(question)
        missing.append(unresolved(app, answer))
        return answer

    with project():
        found = asyncio.run(whatif.world_of(dice, ask))
    return [_foretold(seed, one, lost) for one, lost in zip(found, missing, strict=True)]


def _foretold(seed: int, one: whatif.Foretold, lost: list[str]) -> Outcome:
    told = one.answer.data.get("predicted")
    error = abs(told["point"] - one.real) / one.real if told else None
    covered = bool(told) and told["low"] <= one.real <= told["high"]
    said = f"{told['point']:.1f} ({told['low']:.1f} to {told['high']:.1f})" if told else "refused"
    return Outcome(
        family="what if", seed=seed, question=one.question, answered=said,
        planted=f"{one.real:.1f} instead of {one.before:.1f} ms", is_right=covered,
        text=one.answer.text, uris=[ref.uri for ref in one.answer.evidence], unresolved=lost,
        extra={"error": error, "covered": covered},
    )  # fmt: skip


def campaign(only: str, seed: int, part: int) -> list[Outcome]:
    """Run the cases of all families whose name begins with `only`."""
    found: list[Outcome] = []
    for family, (_, number) in FAMILIES.items():
        if not family.startswith(only):
            continue
        mine = [run_case(family, seed + one) for one in range(max(number // part, 2))]
        right = sum(one.is_right for one in mine)
        print(f"{family}: {right} of {len(mine)}", file=sys.stderr, flush=True)
        found += mine
        gc.collect()
    if "what if".startswith(only):
        for one in range(max(WORLDS // part, 1)):
            found += run_whatifs(seed + one)
        print("what if: done", file=sys.stderr, flush=True)
    return found


def show_wrong(outcomes: list[Outcome]) -> None:
    """Write each wrong answer in full."""
    for one in outcomes:
        if not one.is_right or one.unresolved:
            print(
                f"\n{one.family} {one.seed}: {one.question}\n  planted: {one.planted}"
                f"\n  answered: {one.answered}\n  {one.text.replace(chr(10), chr(10) + '  ')}"
                + (f"\n  unresolved: {one.unresolved}" if one.unresolved else ""),
                file=sys.stderr,
            )


def main() -> None:
    """Measure, print, and where asked write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the cases")
    parser.add_argument("--only", default="", help="families that begin so; `what if` for those")
    parser.add_argument("--seed", type=int, default=0, help="where the seeds begin")
    parser.add_argument("--wrong", action="store_true", help="show each wrong answer")
    parser.add_argument("--stored", type=int, default=0, help="also ask over so many executions")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--markdown", type=Path, help="also write the figures into this page")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    begun = time.perf_counter()
    speed = None
    if options.stored:
        with project():
            speed = stored.measure(options.stored, 100 if options.quick else 400)
    outcomes = campaign(options.only, options.seed, QUICK if options.quick else 1)
    if options.wrong:
        show_wrong(outcomes)
    figures = report.figures(outcomes)
    text = report.page(outcomes, figures, speed, time.perf_counter() - begun)
    if options.markdown:
        write_between(options.markdown, "answers", text)
    if options.json:
        shown = [dataclasses.asdict(one) for one in outcomes]
        print(json.dumps({"figures": figures, "outcomes": shown, "stored": speed}))
    else:
        print(text)


if __name__ == "__main__":
    main()
