"""Finding the edges of a drawing by walking through the graph, as LangGraph does.

Every node is thought to run whenever something leads to it, every answer of a router to be given at
its first run. So an edge is drawn where a node can be led to by another, a join shows all that it
waits for, and a deferred node comes when nothing else is left to run. What a router may answer is
known from its path map or its ``Literal`` annotation; what nothing else leads to stands alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from inwit.runtime.drawing.shape import Edge
from inwit.runtime.program import END, START

Trigger = tuple[str, tuple[str, ...]]
"""A node, and what it waits for together; without it, any one of its sources."""


class Ways(msgspec.Struct, frozen=True, kw_only=True):
    """What leads on from one node."""

    targets: tuple[str, ...] = ()
    answers: tuple[tuple[str, str | None], ...] = ()
    """Targets that may be chosen, each with the label that chooses it."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What leads where."""

    ways: Mapping[str, Ways]
    """By node, the start included."""
    joins: tuple[tuple[tuple[str, ...], str], ...] = ()
    deferred: frozenset[str] = frozenset()


class _Write(NamedTuple):
    trigger: Trigger
    conditional: bool
    label: str | None


Writes = set[_Write]


def edges_of(plan: Plan) -> list[Edge]:
    """The edges to draw, in their order: by source, then target."""
    found = _Walk(plan).edges()
    return _with_ends(*found)


class _Walk:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.found: set[Edge] = set()
        self.sources: dict[str, Writes] = {}
        self.declared: dict[str, Writes] = {}
        self.arrived: dict[Trigger, set[str]] = {}
        self.waiting: set[Trigger] = set()
        """What is complete but leads to a deferred node."""
        self.triggers: dict[str, list[Trigger]] = {name: [(name, ())] for name in plan.ways}
        self.joins: dict[str, list[Trigger]] = {}
        for sources, target in plan.joins:
            trigger = (target, sources)
            self.triggers.setdefault(target, []).append(trigger)
            for source in sources:
                self.joins.setdefault(source, []).append(trigger)

    def edges(self) -> tuple[set[Edge], set[str]]:
        """Walk, and give the edges and the nodes of the last step."""
        last = self._walk({START})
        return self.found, last

    def _walk(self, tasks: set[str]) -> set[str]:
        """Walk on from nodes, and give the last ones; none where it goes round for ever."""
        seen: set[tuple[frozenset[str], int]] = set()
        last = tasks
        while tasks:
            here = (frozenset(tasks), len(self.found))
            if here in seen:
                return set()
            seen.add(here)
            last = tasks
            tasks = self._step(tasks)
        return last

    def _step(self, tasks: set[str]) -> set[str]:
        fired: set[Trigger] = set()
        now = {name: self._fire(name, fired) for name in tasks}
        self.sources.update(now)
        by_trigger: dict[Trigger, set[tuple[str, _Write]]] = {}
        for source, writes in self.sources.items():
            for write in writes:
                by_trigger.setdefault(write.trigger, set()).add((source, write))
        following = self._following(fired)
        for name in following:
            self._draw(name, by_trigger, now)
        return following

    def _fire(self, name: str, fired: set[Trigger]) -> Writes:
        """What a node may trigger; a router's answers are given at its first run alone."""
        ways = self.plan.ways[name]
        labels: dict[Trigger, str | None] = {}
        if name not in self.declared:
            self.found |= {Edge(name, END, label, True) for to, label in ways.answers if to == END}
            answers = [((to, ()), label) for to, label in ways.answers if to != END]
            self.declared[name] = {_Write(trigger, True, label) for trigger, label in answers}
            labels = dict(answers)
        plain = {(target, ()) for target in ways.targets if target != END}
        for trigger in self.joins.get(name, ()):
            self.arrived.setdefault(trigger, set()).add(name)
        fired |= plain | labels.keys()
        given = {_Write(one, one in labels, labels.get(one)) for one in plain | labels.keys()}
        joined = {_Write(one, False, None) for one in self.joins.get(name, ())}
        return given | joined | self.declared[name]

    def _following(self, fired: set[Trigger]) -> set[str]:
        """The nodes to run next: those that were led to, else the deferred ones."""
        for trigger, seen in list(self.arrived.items()):
            if seen >= set(trigger[1]):
                del self.arrived[trigger]
                fired.add(trigger)
        self.waiting |= {one for one in fired if one[0] in self.plan.deferred}
        led = {target for target, _ in fired} - self.plan.deferred
        if not led and self.waiting:
            led = {target for target, _ in self.waiting}
            self.waiting.clear()
        return led & self.plan.ways.keys()

    def _draw(
        self,
        name: str,
        by_trigger: Mapping[Trigger, set[tuple[str, _Write]]],
        now: Mapping[str, Writes],
    ) -> None:
        is_led = False
        for trigger in self.triggers[name]:
            for source, write in by_trigger.get(trigger, ()):
                self.found.add(Edge(source, name, write.label, write.conditional))
                if write in now.get(source, ()):
                    is_led = True
                else:
                    self.sources[source].discard(write)
        if not is_led:
            self.found.update(Edge(source, name, None, True) for source in now)


def _with_ends(found: set[Edge], last: set[str]) -> list[Edge]:
    """One edge for each pair of nodes, those to the end added."""
    pairs: dict[tuple[str, str], Edge] = {}
    for edge in sorted(found, key=_order):
        shown = edge._replace(data=None) if edge.data == edge.target else edge
        pairs.setdefault((edge.source, edge.target), shown)
    ends = {target for _, target in pairs} - {END} - {source for source, _ in pairs}
    for name in sorted(ends):
        pairs[name, END] = Edge(name, END)
    if not ends and len(last) == 1 and not any(target == END for _, target in pairs):
        (name,) = last
        pairs[name, END] = Edge(name, END, None, True)
    return list(pairs.values())


def _order(edge: Edge) -> tuple[str, str, bool, bool, str]:
    return (edge.source, edge.target, edge.conditional, edge.data is not None, str(edge.data))
