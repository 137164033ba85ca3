"""What the campaign of detectors and plans measured, beside what was asked, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from improve_cases import FAULTS, TRAPS

GOALS: tuple[tuple[str, str, float, float], ...] = (
    ("recall", "planted faults that are found", 0.95, 1.0),
    ("precision", "findings that are of the planted fault", 0.95, 1.0),
    ("false", "healthy windows with a plan", 0.0, 0.03),
    ("trapped", "traps with a plan", 0.0, 0.03),
    ("cause", "the first finding names the cause", 0.95, 1.0),
    ("once", "a cause is reported once", 0.95, 1.0),
    ("covered", "measured gains within the predicted interval", 0.9, 1.0),
    ("again", "new plans at a second look", 0.0, 0.0),
    ("acted", "nodes that acted while plans were proved", 0.0, 0.0),
    ("harm", "harmful plans taken back within 100 executions", 1.0, 1.0),
    ("evidence", "evidence that resolves", 1.0, 1.0),
)
COUNTS = ("again", "acted")


@dataclass(slots=True, kw_only=True)
class Outcome:
    """One planted window and what was found in it."""

    family: str
    traffic: str
    seed: int
    is_fault: bool
    right: int
    wrong: list[str] = field(default_factory=list)
    plans: int = 0
    is_first: bool = True
    uris: int = 0
    resolved: int = 0
    lacks: int = 0
    ms: float = 0.0


def _share(found: Iterable[bool]) -> float | None:
    values = list(found)
    return sum(values) / len(values) if values else None


def figures(
    outcomes: Sequence[Outcome], stories: Sequence[dict[str, Any]]
) -> dict[str, float | None]:
    """The figures that have a goal; None where nothing was measured."""
    faults = [one for one in outcomes if one.is_fault]
    right, wrong = sum(one.right for one in faults), sum(len(one.wrong) for one in outcomes)
    gains = [one for one in stories if one["kind"] != "contended"]
    harms = [one for one in stories if one["kind"] == "contended"]
    uris = sum(one.uris for one in outcomes)
    return {
        "recall": _share(one.right > 0 for one in faults),
        "precision": right / (right + wrong) if right + wrong else None,
        "false": _share(one.plans > 0 for one in outcomes if one.family == "healthy"),
        "trapped": _share(one.plans > 0 for one in outcomes if one.family in TRAPS),
        "cause": _share(one.is_first for one in faults if one.right),
        "once": _share(one.right == 1 for one in faults if one.right),
        "covered": _share(one.get("held") is True for one in gains),
        "again": float(sum(one.get("again", 0) for one in stories)) if stories else None,
        "acted": float(sum(one["acted"] for one in stories)) if stories else None,
        "harm": _share(
            one.get("ended") == "rolled_back" and one["executions"] <= 100 for one in harms
        ),
        "evidence": sum(one.resolved for one in outcomes) / uris if uris else None,
    }


def page(outcomes: Sequence[Outcome]) -> str:
    """What the detectors found."""
    found = figures(outcomes, ())
    words = f"{len(outcomes)} windows of graphs that really ran."
    return "\n\n".join((_goals(found), _families(outcomes), words))


def plans_page(stories: Sequence[dict[str, Any]]) -> str:
    """What became of plans."""
    words = f"{len(stories)} plans that were really applied."
    return "\n\n".join((_goals(figures((), stories)), _stories(stories), words))


def _goals(found: dict[str, float | None]) -> str:
    lines = ["| figure | measured | goal | reached |", "|---|---|---|---|"]
    for key, words, low, high in GOALS:
        value = found[key]
        if value is None:
            continue
        reached = "yes" if low <= value <= high else "**no**"
        shown = f"{value:.0f}" if key in COUNTS else f"{value:.1%}"
        lines.append(f"| {words} | {shown} | {_bound(key, low, high)} | {reached} |")
    return "\n".join(lines)


def _bound(key: str, low: float, high: float) -> str:
    if key in COUNTS:
        return "0"
    return f"at least {low:.0%}" if low else f"at most {high:.0%}"


def _families(outcomes: Sequence[Outcome]) -> str:
    lines = [
        "| planted | windows | found | other findings | with a plan |",
        "|---|---|---|---|---|",
    ]
    for family in (*FAULTS, *TRAPS, "healthy"):
        mine = [one for one in outcomes if one.family == family]
        if mine:
            found = sum(one.right > 0 for one in mine) if mine[0].is_fault else "–"
            others = sum(len(one.wrong) for one in mine)
            with_plan = sum(one.plans > 0 for one in mine)
            lines.append(f"| {family} | {len(mine)} | {found} | {others} | {with_plan} |")
    return "\n".join(lines)


def _stories(stories: Sequence[dict[str, Any]]) -> str:
    lines = [
        "| plan | applied | kept | taken back | predicted interval held | executions, most |",
        "|---|---|---|---|---|---|",
    ]
    for kind, words in (
        ("serial", "nodes at once"),
        ("repeated", "results kept"),
        ("contended", "nodes at once, which then harm"),
    ):
        mine = [one for one in stories if one["kind"] == kind]
        if mine:
            ended = [one.get("ended") for one in mine]
            held = "–" if kind == "contended" else str(sum(one.get("held") is True for one in mine))
            most = max(one.get("executions", 0) for one in mine)
            lines.append(
                f"| {words} | {sum(one is not None for one in ended)} of {len(mine)} | "
                f"{ended.count('implemented')} | {ended.count('rolled_back')} | {held} | {most} |"
            )
    return "\n".join(lines)


def scale_line(scale: dict[str, Any]) -> str:
    """The figures of the look at many visits."""
    return (
        f"{scale['visits']:,} visits of nodes, looked at by all detectors ({scale['tests']} tests): "
        f"{scale['seconds']:.0f} s, {scale['processor_s']:.0f} s of the processor (goal 60), "
        f"{scale['memory_mb']:.0f} MB at most (goal 500)."
    )
