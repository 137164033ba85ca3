"""The meaning of steps, written to be read: slow, and obviously right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from tests.runtime.simulation.shapes import (
    END,
    FIRST,
    REDUCERS,
    Shape,
    chosen,
    packets,
    update_of,
)

MOST_VISITS = 120


class TooBigError(Exception):
    """The graph does more than a test has time for."""


class Outcome(NamedTuple):
    """How an execution ended."""

    error: str | None
    """None, or which limit or rule it ran into."""
    state: dict[str, Any]


class Task(NamedTuple):
    """A node that is to run; with an input of its own, or None."""

    name: str
    arg: Mapping[str, Any] | None


def run(shape: Shape, limit: int = 25) -> Outcome:
    """Run a graph step by step."""
    state = dict(FIRST)
    waiting: dict[int, set[str]] = {number: set() for number in range(len(shape.joins))}
    held: set[str] = set()
    step, visits = 0, 0
    ready, held = _in_order(shape, [Task(name, None) for name in shape.entry], held)
    while ready:
        step, visits = step + 1, visits + len(ready)
        if step > limit:
            return Outcome("recursion", state)
        if visits > MOST_VISITS:
            raise TooBigError
        for number, (sources, target) in enumerate(shape.joins):
            if Task(target, None) in ready and waiting[number] == set(sources):
                waiting[number] = set()
        before = dict(state)
        given = [before if task.arg is None else task.arg for task in ready]
        updates = [update_of(shape, task.name, one) for task, one in zip(ready, given, strict=True)]
        if sum("last" in update for update in updates) > 1:
            return Outcome("conflict", before)
        following: list[Task] = []
        for task, one, update in zip(ready, given, updates, strict=True):
            merge(state, update)
            following += _following(shape, task.name, one, update, before)
            following += _completed(shape, waiting, task.name)
        ready, held = _in_order(shape, following, held)
    return Outcome(None, state)


def merge(state: dict[str, Any], update: Mapping[str, Any]) -> None:
    """Merge an update into the state."""
    for key, value in update.items():
        state[key] = REDUCERS[key](state[key], value) if key in REDUCERS else value


def _following(
    shape: Shape,
    name: str,
    given: Mapping[str, Any],
    update: Mapping[str, Any],
    before: Mapping[str, Any],
) -> list[Task]:
    """Where one node leads to: by its edges, its command, its router."""
    found = [Task(end, None) for start, end in shape.edges if start == name and end != END]
    if name in shape.commands:
        ways = chosen(shape.commands[name], given.get("counts", {}).get(name, 0))
        found += [Task(*one) for one in packets(given, name, ways)]
    if name in shape.routers:
        seen = dict(before)
        merge(seen, update)
        ways = chosen(shape.routers[name], seen["counts"][name] - 1)
        found += [Task(*one) for one in packets(seen, f"{name}?", ways)]
    return found


def _completed(shape: Shape, waiting: dict[int, set[str]], name: str) -> list[Task]:
    """The joins that a node was the last to arrive at; they are complete until their target runs."""
    found = []
    for number, (sources, target) in enumerate(shape.joins):
        if name in sources:
            waiting[number].add(name)
            if waiting[number] == set(sources):
                found.append(Task(target, None))
    return found


def _in_order(shape: Shape, tasks: list[Task], held: set[str]) -> tuple[list[Task], set[str]]:
    """Each node once, by name; then what was sent, as it came. Deferred nodes come when all else is done."""
    names = {task.name for task in tasks if task.arg is None}
    sent = [task for task in tasks if task.arg is not None]
    held = held | {name for name in names if name in shape.deferred}
    now = sorted(names - shape.deferred)
    if not now and not sent:
        now, held = sorted(held), set()
    return [Task(name, None) for name in now] + sent, held
