"""What became of the mutants, as a table with intervals."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from scipy.stats import binomtest

from tests.mutants.sample import ROOMS, Mutant


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of one mutant."""

    mutant: Mutant
    told: str
    by: str
    seconds: float
    tests: int

    @property
    def is_killed(self) -> bool:
        return self.told not in {"survived", "not run"}

    @property
    def line(self) -> str:
        """One line of what is kept: flat, so that each stands for itself."""
        told = asdict(self)
        return json.dumps({"id": self.mutant.id, **told.pop("mutant"), **told})


def _read(line: str) -> Result:
    told = json.loads(line)
    mutant = Mutant(**{field.name: told.pop(field.name) for field in fields(Mutant)})
    told.pop("id")
    return Result(mutant=mutant, **told)


def latest(kept: Path) -> dict[str, Result]:
    """The last result of each mutant."""
    if not kept.exists():
        return {}
    lines = kept.read_text("utf-8").splitlines()
    return {result.mutant.id: result for result in map(_read, lines)}


def table(drawn: Iterable[Mutant], results: dict[str, Result]) -> str:
    """The share that was killed of each room and of all, with its exact 95 % interval."""
    told = [results[mutant.id] for mutant in drawn if mutant.id in results]
    lines = ["| room | mutants | killed | share | 95 % interval |", "|---|---:|---:|---:|---:|"]
    lines += [_row(room, [one for one in told if one.mutant.room == room]) for room in ROOMS]
    return "\n".join([*lines, _row("all", told)])


def _row(name: str, told: list[Result]) -> str:
    killed, count = sum(one.is_killed for one in told), len(told)
    if not count:
        return f"| {name} | 0 | 0 | | |"
    interval = binomtest(killed, count).proportion_ci()  # Clopper and Pearson's
    low, high = f"{interval.low:.1%}", f"{interval.high:.1%}"
    return f"| {name} | {count} | {killed} | {killed / count:.1%} | {low} … {high} |"
