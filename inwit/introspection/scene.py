"""What an analysis is given: the question as it was read, and the record, read once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from inwit.answers import Intent, Level
from inwit.errors import InwitError, UnknownGraphError
from inwit.events import Event
from inwit.introspection.claims import graph_uri
from inwit.introspection.inputs import INPUT_EVENTS, digests
from inwit.introspection.kept import Kept
from inwit.introspection.lineage import Place
from inwit.introspection.resolve import Resolver
from inwit.introspection.router.masking import counted
from inwit.introspection.router.records import Entity
from inwit.introspection.router.timing import parse_time
from inwit.runtime.project import Project
from inwit.runtime.store import Store
from inwit.runtime.views import Execution, RegisteredGraph, Visit

_last_packages: dict[Path, str] = {}
_inputs = Kept[dict[Place, str]](512)

HISTORY = 200
"""Executions of one graph and version that a baseline looks back on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A stretch of time, both ends in nanoseconds since 1970, and the words that name it."""

    since_ns: int
    until_ns: int
    words: str

    def holds(self, at_ns: int) -> bool:
        """Whether a moment lies in it; its end does not."""
        return self.since_ns <= at_ns < self.until_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A question as it was read. `graph` and `execution_id` are what the caller insists on.

    `part` quotes the part of the question that is answered here, where it holds two. `unknown` are
    words that look like names and name nothing.
    """

    text: str
    part: str = ""
    unknown: tuple[str, ...] = ()
    level: Level
    intent: Intent
    entities: tuple[Entity, ...] = ()
    graph: str | None = None
    execution_id: str | None = None
    code: Callable[[str], Any] | None = None
    """Gives the compiled graph of a name, where a change is to be really tried; else None."""


def blanked(text: str, entities: Iterable[Entity]) -> str:
    """A question with each linked name replaced by a blank, or by "run" where it stands for one."""
    letters = list(text)
    for entity in entities:
        if entity.kind in ("node", "graph", "key", "exec", "thread", "package", "tool"):
            size = entity.end - entity.start
            runs = counted(text, entity) if entity.kind == "graph" else ""
            letters[entity.start : entity.end] = runs.ljust(size)[:size]
    return "".join(letters)


def _words(query: Query) -> str:
    """The question in lower case; a graph's name that stands for its executions is "run"."""
    runs = [one for one in query.entities if one.kind == "graph" and counted(query.text, one)]
    return _part(query, blanked(query.text, runs))


def _part(query: Query, text: str) -> str:
    """The part of the question that is answered, of a text with its places, in lower case."""
    begin = max(query.text.find(query.part), 0)
    return text[begin : begin + len(query.part) if query.part else len(text)].lower()


def last_package(project: Project) -> str | None:
    """The package that an answer in a project named last, in this process."""
    return _last_packages.get(project.folder)


def _values(entities: Iterable[Entity], kind: str) -> list[str]:
    ordered = sorted(entities, key=lambda entity: entity.start)
    return list(dict.fromkeys(one.value for one in ordered if one.kind == kind))


class Scene:
    """The record and the manifests as one question needs them."""

    def __init__(self, query: Query, store: Store, project: Project, resolver: Resolver) -> None:
        self.query = query
        self.store = store
        self.project = project
        self.resolver = resolver
        self.words = _words(query)
        self.picked: tuple[Any] | None = None
        """What `which` found of values that the question names, once it has looked."""
        self.kinds: tuple[Any] | None = None
        """The kinds of executions that the question names, once `kinds` has looked."""
        self._visits: dict[str, list[Visit]] = {}
        self._events: dict[str, list[Event]] = {}
        self._finals: dict[str, dict[str, Any]] = {}

    def read_as(self, query: Query) -> Scene:
        """The scene of another reading of the same question; what was read of the record stays read."""
        made = Scene(query, self.store, self.project, self.resolver)
        made._visits, made._events, made._finals = self._visits, self._events, self._finals
        if replace(query, level=self.query.level, intent=self.query.intent) == self.query:
            made.kinds, made.picked = self.kinds, self.picked
        return made

    def says(self, pattern: str) -> bool:
        """Whether the question holds a word that `pattern` matches, names of things left out."""
        return re.search(rf"\b(?:{pattern})", self.plain_words) is not None

    @cached_property
    def plain_words(self) -> str:
        """The question in lower case, each linked name replaced by a blank."""
        return _part(self.query, blanked(self.query.text, self.entities))

    def named(self, kind: str) -> list[str]:
        """The distinct values of the question's entities of a kind, in the order of the text."""
        return _values(self.entities if kind == "key" else self.query.entities, kind)

    @cached_property
    def entities(self) -> tuple[Entity, ...]:
        """What the question names, less the keys that the meant graph has not: they are plain words."""
        keys = {one.value for one in self.query.entities if one.kind == "key"}
        graph = self.graph_or_none if keys else None
        if graph is None:
            return self.query.entities
        known = {field.name for field in graph.manifest.fields}
        known |= {key for node in graph.manifest.nodes for key in (*node.reads, *node.writes)}
        if not keys & known and not self.nodes:
            return self.query.entities  # Whoever names no other part of a graph means the key.
        return tuple(one for one in self.query.entities if one.kind != "key" or one.value in known)

    @cached_property
    def nodes(self) -> list[str]:
        """The nodes of the meant graph that the question names."""
        known = {node.name for node in self.graph.manifest.nodes} if self.graph else set()
        return [name for name in self.named("node") if name in known]

    @property
    def node(self) -> str | None:
        """The first node that the question names."""
        return self.nodes[0] if self.nodes else None

    @cached_property
    def window(self) -> Window | None:
        """The stretch of time that the question names."""
        now = datetime.now().astimezone()
        for words in self.named("time"):  # "the last run since monday" has two, one of them a span
            span = parse_time(words, now)
            if span is not None:
                since, until = (int(moment.timestamp() * 1e9) for moment in span)
                return Window(since_ns=since, until_ns=until, words=words)
        return None

    @cached_property
    def graphs(self) -> list[RegisteredGraph]:
        """The current version of every graph of the project."""
        return self.store.graphs()

    @cached_property
    def meant_graphs(self) -> list[RegisteredGraph]:
        """The graph in scope; where none is, every one that ran, and the last compiled one first."""
        graph = self.graph
        if graph is None or self.scope is not None:
            return [] if graph is None else [graph]
        ran = [one for one in self.graphs if self.store.newest(1, graph=one.name)]
        return sorted(ran, key=lambda one: one.name != graph.name) or [graph]

    @cached_property
    def scope(self) -> str | None:
        """The graph that the question is about: named, holding what is named, or the caller's."""
        named = next(iter(self.named("graph")), None)
        if named is None and self.query.execution_id:
            return self.store.execution(self.query.execution_id).graph_name
        return named or self._graph_of_run() or self._holder() or self.query.graph

    def _graph_of_run(self) -> str | None:
        """The graph of the execution or thread that is named, unless the caller is one of them."""
        for name in self.named("exec"):
            try:
                return self.store.execution(name).graph_name
            except InwitError:
                continue
        for thread in self.named("thread"):
            found = self.store.executions(thread_id=thread, limit=HISTORY).items
            graphs = dict.fromkeys(one.graph_name for one in found if not one.parent_execution_id)
            if len(graphs) == 1 or (graphs and self.query.graph not in graphs):
                return next(iter(graphs))
        return None

    @cached_property
    def graph(self) -> RegisteredGraph | None:
        """The graph in scope, or the last compiled one; None in a project without graphs."""
        try:
            return self.store.graph(self.scope)
        except UnknownGraphError:
            if self.scope is not None:
                raise
            return None

    @property
    def graph_or_none(self) -> RegisteredGraph | None:
        """The graph in scope; None also where the question names one that is unknown."""
        try:
            return self.graph
        except InwitError:
            return None

    def _holder(self) -> str | None:
        nodes, keys = (set(_values(self.query.entities, kind)) for kind in ("node", "key"))
        # "patients" may be what executions are about, and no key of that name.
        many = {one.value for one in self.query.entities if one.text.lower() == f"{one.value}s"}
        keys = keys - many if nodes or keys - many else keys
        if not nodes and not keys:
            return None
        best: tuple[int, str] | None = None
        order = sorted(self.graphs, key=lambda graph: graph.name != self.query.graph)
        for graph in order:
            held = 4 * len(nodes & {node.name for node in graph.manifest.nodes})
            held += 2 * len(keys & {field.name for field in graph.manifest.fields})
            used = {key for node in graph.manifest.nodes for key in (*node.reads, *node.writes)}
            held += len(keys & used)
            if held and (best is None or held > best[0]):
                best = (held, graph.name)
        return best[1] if best else None

    def graph_uri(self, topic: str = "about") -> str | None:
        """The uri of a topic of the meant graph."""
        return graph_uri(self.graph.name, topic) if self.graph else None

    @property
    def last_package(self) -> str | None:
        """The package that an answer in this project named last."""
        return last_package(self.project)

    def note_package(self, package_id: str) -> None:
        """Keep a package as the one that "it" means next."""
        _last_packages[self.project.folder] = package_id

    def visits(self, execution_id: str) -> list[Visit]:
        """The visits of an execution in the order in which they began."""
        if execution_id not in self._visits:
            found = self.store.visits(execution_id)
            self._visits[execution_id] = sorted(found, key=lambda visit: visit.entry_seq)
        return self._visits[execution_id]

    def events(self, execution_id: str) -> list[Event]:
        """All events of an execution."""
        if execution_id not in self._events:
            self._events[execution_id] = self.store.events(execution_id)
        return self._events[execution_id]

    def final(self, execution: Execution) -> dict[str, Any]:
        """The last state of an execution."""
        name = execution.execution_id
        if name not in self._finals:
            self._finals[name] = self.store.state_at(name)
        return self._finals[name]

    def inputs_of(self, execution: Execution) -> dict[Place, str]:
        """For each visit of an execution, a digest of what its node reads."""

        def made() -> dict[Place, str]:
            trace = self.store.events(execution.execution_id, types=INPUT_EVENTS)
            return digests(trace, self._reads)

        return _inputs.of(execution, made, self.graph.version if self.graph else None)

    @cached_property
    def _reads(self) -> dict[str, Sequence[str] | None]:
        """The keys that each node of the meant graph reads; None where its source hides them."""
        nodes = self.graph.manifest.nodes if self.graph else ()
        return {one.name: one.reads if one.reads_known else None for one in nodes}

    def recent_visits(self, graph: str, node: str | None = None) -> list[Visit]:
        """The visits of a graph's newest executions, in the stretch of time that the question names."""
        found, span = self.store.recent_visits(graph, node=node, executions=HISTORY), self.window
        return [one for one in found if span is None or span.holds(one.started_ns)]

    def history(
        self, graph: str, version: str | None, *, besides: str | None = None, most: int = HISTORY
    ) -> list[tuple[Execution, list[Visit]]]:
        """Completed executions of a graph and version with their visits, newest first."""
        found = self.store.newest(most, graph=graph, version=version, status="completed")
        return [(one, self.store.visits_of(one)) for one in found if one.execution_id != besides]
