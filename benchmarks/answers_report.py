"""What the campaign measured, beside what was asked, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median
from typing import Any

from answers_cases import CONTROLS, FAMILIES, Outcome

SINGLE = "slow ×2"
UNCAUSED = {*CONTROLS, "visits", "what if"}
GOALS: tuple[tuple[str, str, float, float], ...] = (
    ("cause", "top-1 cause, all planted faults", 0.95, 1.0),
    ("single", "top-1 cause, a single node at ×2", 0.98, 1.0),
    ("false", "false cause on healthy controls", 0.0, 0.03),
    ("visits", "visits counted exactly", 1.0, 1.0),
    ("error", "what-if, median error against the real re-run", 0.0, 0.10),
    ("covered", "what-if, 90 % intervals that hold the real re-run", 0.85, 0.95),
    ("refused", "what-if, refused though it can be run", 0.0, 0.0),
    ("resolved", "evidence that resolves", 1.0, 1.0),
)
"""Each figure with its name and the range that it must lie in."""


def _share(found: Iterable[bool]) -> float | None:
    values = list(found)
    return sum(values) / len(values) if values else None


def figures(outcomes: list[Outcome]) -> dict[str, float | None]:
    """The figures that have a goal; None where nothing was measured."""
    foretold = [one for one in outcomes if one.family == "what if"]
    told = [one.extra for one in foretold if one.extra["error"] is not None]
    uris = sum(len(one.uris) for one in outcomes)
    return {
        "cause": _share(one.is_right for one in outcomes if one.family not in UNCAUSED),
        "single": _share(one.is_right for one in outcomes if one.family == SINGLE),
        "false": _share(not one.is_right for one in outcomes if one.family in CONTROLS),
        "visits": _share(one.is_right for one in outcomes if one.family == "visits"),
        "error": median(one["error"] for one in told) if told else None,
        "covered": _share(one["covered"] for one in told),
        "refused": _share(one.extra["error"] is None for one in foretold),
        "resolved": 1 - sum(len(one.unresolved) for one in outcomes) / uris if uris else None,
    }


def page(
    outcomes: list[Outcome],
    found: dict[str, float | None],
    speed: dict[str, Any] | None,
    took_s: float,
) -> str:
    """All of it."""
    parts = [_goals(found), _families(outcomes)]
    if speed is not None:
        parts.append(_speed(speed))
    parts.append(f"{len(outcomes)} questions over graphs that really ran, in {took_s:.0f} s.")
    return "\n\n".join(parts)


def _goals(found: dict[str, float | None]) -> str:
    lines = ["| figure | measured | goal | reached |", "|---|---|---|---|"]
    for key, words, low, high in GOALS:
        value = found[key]
        if value is None:
            continue
        goal = f"{low:.0%} to {high:.0%}" if low and high < 1 else _bound(low, high)
        reached = "yes" if low <= value <= high else "**no**"
        lines.append(f"| {words} | {value:.1%} | {goal} | {reached} |")
    return "\n".join(lines)


def _bound(low: float, high: float) -> str:
    return f"at least {low:.0%}" if low else f"at most {high:.0%}"


def _families(outcomes: list[Outcome]) -> str:
    lines = ["| planted | questions | right | asking, median ms |", "|---|---|---|---|"]
    for family in (*FAMILIES, "what if"):
        mine = [one for one in outcomes if one.family == family]
        if mine:
            right = sum(one.is_right for one in mine)
            ms = median(one.ms for one in mine)
            shown = f"{ms:.0f}" if ms else "–"
            lines.append(f"| {family} | {len(mine)} | {right} | {shown} |")
    return "\n".join(lines)


def _speed(speed: dict[str, Any]) -> str:
    said = (
        f"`ask` over {speed['executions']:,} stored executions of {speed['nodes']} nodes "
        f"({speed['questions']} questions): p50 {speed['p50_ms']:.0f} ms (goal 50), "
        f"p99 {speed['p99_ms']:.0f} ms (goal 250), resident memory "
        f"{speed['rss_begin_mib']:.0f} MiB after the first round of questions and "
        f"{speed['rss_end_mib']:.0f} MiB after the last."
    )
    lines = ["| question | median ms | most ms |", "|---|---|---|"]
    for question, (middle, most) in speed["each"].items():
        lines.append(f"| {question} | {middle:.0f} | {most:.0f} |")
    return said + "\n\n" + "\n".join(lines)
