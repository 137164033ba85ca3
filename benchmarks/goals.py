"""What the runtime must reach and aims at, and whether it does."""

from __future__ import annotations

from typing import NamedTuple

from timing import Row


class Goal(NamedTuple):
    """How many times faster than LangGraph at least and hopefully; how slow beside bare awaits."""

    must: float
    aim: float
    over_bare: float | None = None


GOALS = {
    "chain of 10, memory": Goal(150, 300),
    "chain of 10, SQLite, durable at the end": Goal(40, 60),
    "chain of 10, SQLite, durable at every step": Goal(5, 7),
    "50 at once": Goal(100, 150),
    "chain": Goal(150, 300, 5),
    "conditional": Goal(150, 300, 5),
    "loop": Goal(150, 300, 5),
    "fan-out": Goal(20, 35, 2),
    "compile": Goal(20, 30),
}
MEMORY_SHARE = 5
"""How many times less memory than LangGraph."""


def goal_of(shape: str) -> Goal:
    return next(goal for name, goal in GOALS.items() if shape.startswith(name))


def faster(row: Row, *, least: bool = False) -> float:
    """How many times faster than LangGraph, by medians or by the least times."""
    ours, theirs = row.figures["inwit"], row.figures["LangGraph"]
    return theirs.least / ours.least if least else theirs.median / ours.median


def over_bare(row: Row) -> float | None:
    """How many times slower than by hand."""
    bare = row.figures.get("bare")
    return None if bare is None else row.figures["inwit"].least / bare.least


def verdict(row: Row) -> str:
    """Whether the goal is reached, by medians against LangGraph and by the least beside bare."""
    goal, ratio, over = goal_of(row.shape), faster(row), over_bare(row)
    words = "aim" if ratio >= goal.aim else "must" if ratio >= goal.must else "**no**"
    if goal.over_bare is not None and over is not None and over > goal.over_bare:
        words += f"; bare: **{over:.1f} of {goal.over_bare:g}**"
    return words


def verdict_on_memory(ours: float, theirs: float) -> str:
    """Whether a load takes at most a fifth of LangGraph's memory."""
    return "yes" if theirs >= ours * MEMORY_SHARE else "**no**"
