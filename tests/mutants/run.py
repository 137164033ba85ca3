"""Try a seeded sample of mutants against the tests that run their lines: `make mutants`.

Each result is kept as a line of JSON when it is known, so what was stopped goes on where it was.
A mutant counts as killed when a test fails that passes without it, or when the tests come to no end.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import SimpleQueue

from tests.mutants.covering import Covering, covering
from tests.mutants.moving import moved
from tests.mutants.places import COMMIT, DATA, RESULTS, TIMES
from tests.mutants.sample import ROOMS, Mutant, draw
from tests.mutants.table import Result, latest, table
from tests.mutants.worker import Outcome, Worker, copied, worker

FIRST = 24
"""So many tests are tried first: most mutants die of them."""
SLACK = 4
"""A machine that does other work too takes longer than it did when tests were timed."""
START_S = 45


def main() -> None:
    """Try what is left to try, then tell how many were killed."""
    asked = _asked()
    RESULTS.parent.mkdir(exist_ok=True)
    commit = COMMIT.read_text("utf-8").strip()
    with _workers(asked, commit) as (workers, tree):
        drawn = draw(tree, size=asked.size, seed=asked.seed)
        known = latest(RESULTS)
        todo = [one for one in drawn if _is_asked(one, known.get(one.id), asked)]
        trial = Trial(
            workers=workers,
            cover=_known_tests(covering(DATA, TIMES, tree), workers),
            also=[one for one in asked.also if Path(one).name.startswith("test_")],
            seconds=asked.seconds,
        )
        while todo:
            trial.all(todo, asked.workers)
            known = latest(RESULTS)
            trial.broken |= trial.failing({known[one.id].by for one in drawn if one.id in known})
            todo = [one for one in drawn if one.id in known and known[one.id].by in trial.broken]
    print(table(drawn, latest(RESULTS)))


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=400, help="mutants, equally many of each room")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument(
        "--seconds", type=float, default=60, help="of tests for one mutant, as timed"
    )
    parser.add_argument("--survivors", action="store_true", help="try those again that survived")
    parser.add_argument(
        "--at",
        help="the commit to try, if not that which was measured; mutants whose"
        " lines are others there are passed over",
    )
    parser.add_argument("--only", help="ids, with commas between")
    parser.add_argument("--rooms", default=",".join(ROOMS), help="with commas between")
    parser.add_argument(
        "--also", nargs="*", default=[], help="tests as they are now, or their files"
    )
    return parser.parse_args()


def _known_tests(cover: Covering, workers: SimpleQueue[Worker]) -> Covering:
    """Only the tests that are still there."""
    free = workers.get()
    there = free.collected()
    workers.put(free)
    return replace(cover, seconds={test: s for test, s in cover.seconds.items() if test in there})


def _is_asked(mutant: Mutant, result: Result | None, asked: argparse.Namespace) -> bool:
    if asked.only:
        return mutant.id in asked.only.split(",")
    if mutant.room not in asked.rooms.split(","):
        return False
    return result is None or (asked.survivors and not result.is_killed)


@contextmanager
def _workers(asked: argparse.Namespace, commit: str) -> Iterator[tuple[SimpleQueue[Worker], Path]]:
    """Make the workers; one tree more stays as it was measured, for reading."""
    folder = Path(tempfile.mkdtemp(prefix="mutants-"))
    try:
        measured = copied(folder / "measured", commit=commit)
        free: SimpleQueue[Worker] = SimpleQueue()
        with ExitStack() as stack:
            for number in range(asked.workers):
                copied(folder / str(number), commit=asked.at or commit, also=asked.also)
                free.put(stack.enter_context(worker(folder / str(number))))
            yield free, measured
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(kw_only=True)
class Trial:
    """Mutants against tests."""

    workers: SimpleQueue[Worker]
    cover: Covering
    also: list[str]
    """Files of tests that are newer than what was measured; they are tried first."""
    seconds: float
    """How long the tests of one mutant may take, as they were timed."""
    broken: set[str] = field(default_factory=set)
    """Tests that fail without any mutant too."""

    def all(self, mutants: Sequence[Mutant], at_once: int) -> None:
        """Try each, and keep what becomes of it."""
        with ThreadPoolExecutor(at_once) as pool:
            _tell([pool.submit(self._one, mutant) for mutant in mutants])

    def failing(self, tests: set[str]) -> set[str]:
        """Those of these tests that fail although nothing was changed."""
        asked = sorted(tests - self.broken - {""})
        free = self.workers.get()
        limit_s = START_S + SLACK * sum(self.cover.seconds.get(test, 1) for test in asked)
        outcome = free.run(asked, limit_s=limit_s, to_the_end=True) if asked else Outcome(told="")
        self.workers.put(free)
        return set(outcome.by)

    def _one(self, mutant: Mutant) -> Result | None:
        free = self.workers.get()
        try:
            measured = self.cover.root / mutant.path
            changed = mutant.applied(measured.read_text("utf-8"))
            source = moved(measured, changed, free.tree / mutant.path)
            if source is None:
                return None
            result = self._tried(free, mutant, source)
        finally:
            self.workers.put(free)
        with RESULTS.open("a", encoding="utf-8") as kept:
            kept.write(result.line + "\n")
        return result

    def _tried(self, free: Worker, mutant: Mutant, source: str) -> Result:
        found = self.cover.tests(mutant.path, mutant.line, mutant.end_line)
        tests = [test for test in found if test not in self.broken]
        for asked, limit_s in self._batches(tests):
            with free.changed(mutant.path, source, by=mutant.id):
                outcome = free.run(asked, limit_s=limit_s, but=self.broken)
                if outcome.told == "failed" and not outcome.by:  # something else may have ended it
                    outcome = free.run(asked, limit_s=limit_s, but=self.broken)
            if outcome.told != "passed" and self._is_by_mutant(free, outcome, asked, limit_s):
                return _result(mutant, outcome, len(tests))
        return _result(mutant, Outcome(told="survived" if tests else "not run"), len(tests))

    def _is_by_mutant(
        self, free: Worker, outcome: Outcome, asked: list[str], limit_s: float
    ) -> bool:
        """Whether the end was the mutant's doing; tests that failed are all looked at later."""
        if outcome.by:
            return True
        without = free.run(asked, limit_s=limit_s, but=self.broken).told
        return without == "passed" or (without == "failed" and outcome.told != "out of time")

    def _batches(self, tests: Sequence[str]) -> Iterator[tuple[list[str], float]]:
        """First those that are new, then a few, then those for which there is time."""
        if self.also:
            yield self.also, START_S + SLACK * self.seconds
        used = 0.0
        within: list[str] = []
        for test in tests:
            if used + self.cover.seconds[test] <= self.seconds or not within:
                within.append(test)
                used += self.cover.seconds[test]
        for asked in (within[:FIRST], within[FIRST:]):
            if asked:
                told_s = sum(self.cover.seconds[test] for test in asked)
                yield sorted(asked), START_S + SLACK * told_s


def _result(mutant: Mutant, outcome: Outcome, tests: int) -> Result:
    by = outcome.by[0] if outcome.by else ""
    return Result(mutant=mutant, told=outcome.told, by=by, seconds=outcome.seconds, tests=tests)


def _tell(begun: list[Future[Result | None]]) -> None:
    killed = 0
    for done, future in enumerate(as_completed(begun), 1):
        result = future.result()
        if result is None:
            continue
        killed += result.is_killed
        where = f"{result.mutant.path}:{result.mutant.line} {result.mutant.operator}"
        line = f"{done}/{len(begun)} killed {killed}: {result.told} {where} {result.by}"
        print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
