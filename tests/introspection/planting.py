"""Graphs on the real runtime with facts planted in them, and recordings with chosen times."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, field
from time import monotonic_ns
from typing import Annotated, Any, TypedDict

from inwit import END, CompiledGraph, RetryPolicy, StateGraph
from inwit.answers import Answer
from inwit.ids import new_id
from inwit.introspection import Introspector
from inwit.runtime import record
from inwit.runtime.project import Project
from inwit.runtime.record import Recording, anchor
from inwit.runtime.store import Journal


class Loop(TypedDict):
    query: str
    rounds: int
    coverage: float
    answer: str


def plan(state: Loop) -> dict[str, Any]:
    """Make the query."""
    return {"query": state["query"].strip()}


def search(state: Loop) -> dict[str, Any]:
    """Look for passages."""
    return {"rounds": state["rounds"] + 1}


def judge(state: Loop) -> dict[str, Any]:
    """See whether enough was found."""
    return {"coverage": state["rounds"] / 3}


def reply(state: Loop) -> dict[str, Any]:
    """Write the answer."""
    if state["query"] == "boom":
        raise ValueError("no words for boom")
    return {"answer": f"about {state['query']}"}


def enough(state: Loop) -> str:
    return "done" if state["coverage"] >= 1 else "again"


def looping(name: str = "finder") -> CompiledGraph[Loop]:
    """Plan → search → judge → (again: search | done: reply); search runs three times."""
    graph = StateGraph(Loop)
    for node in (plan, search, judge, reply):
        graph.add_node(node)
    graph.set_entry_point("plan")
    graph.add_edge("plan", "search")
    graph.add_edge("search", "judge")
    graph.add_conditional_edges("judge", enough, {"again": "search", "done": "reply"})
    graph.set_finish_point("reply")
    return graph.compile(name=name)


def asked(query: str = "rain") -> Loop:
    return {"query": query, "rounds": 0, "coverage": 0.0, "answer": ""}


class Fetch(TypedDict):
    pages: int


def fetching(failures: int, *, attempts: int = 3, name: str = "fetcher") -> CompiledGraph[Fetch]:
    """One node that fails `failures` times in a row, then succeeds."""
    calls: list[int] = []

    def fetch(state: Fetch) -> dict[str, Any]:
        calls.append(1)
        if len(calls) <= failures:
            raise ConnectionError(f"no route, call {len(calls)}")
        return {"pages": 7}

    graph = StateGraph(Fetch)
    policy = RetryPolicy(max_attempts=attempts, initial_interval=0.001, jitter=False)
    graph.add_node("fetch", fetch, retry_policy=policy)
    graph.set_entry_point("fetch")
    graph.set_finish_point("fetch")
    return graph.compile(name=name)


class Chain(TypedDict):
    text: str
    web: str
    docs: str
    total: Annotated[list[str], operator.add]


def chaining(name: str = "chain") -> CompiledGraph[Chain]:
    """Clean → web → docs → join: web and docs read only what clean writes."""

    def clean(state: Chain) -> dict[str, Any]:
        return {"text": state["text"].strip()}

    def web(state: Chain) -> dict[str, Any]:
        return {"web": "web " + state["text"]}

    def docs(state: Chain) -> dict[str, Any]:
        return {"docs": "docs " + state["text"]}

    def join(state: Chain) -> dict[str, Any]:
        return {"total": [state["web"], state["docs"]]}

    graph = StateGraph(Chain)
    for node in (clean, web, docs, join):
        graph.add_node(node)
    for one, two in (("clean", "web"), ("web", "docs"), ("docs", "join")):
        graph.add_edge(one, two)
    graph.set_entry_point("clean")
    graph.set_finish_point("join")
    return graph.compile(name=name)


@dataclass
class Step:
    """A visit to record: how long it took, what it wrote and where it led."""

    node: str
    ms: float
    update: dict[str, Any] | None = None
    edges: Sequence[Any] = field(default=())


class Forged:
    """Writes executions of a registered graph with chosen durations, through the real journal."""

    def __init__(self, app: CompiledGraph[Any]) -> None:
        self.app = app
        self.journal = Journal.of(app.project)

    def run(self, *parts: Step | Sequence[Step], given: dict[str, Any] | None = None) -> str:
        """Record one execution: a step is sequential, a list of steps ran side by side."""
        recording = Recording(
            new_id(), self.app.name, self.app.version, None, None, anchor() - 3_600_000_000_000
        )
        clock = monotonic_ns()
        recording.add(record.START, clock, given or {})
        visits: dict[str, int] = {}
        for part in parts:
            if isinstance(part, Step):
                clock = self._sequential(recording, part, visits, clock)
            else:
                clock = self._parallel(recording, part, visits, clock)
        recording.add(record.END, clock, "completed", {}, None, "", None)
        recording.is_done = True
        self.journal.begin(recording)
        return recording.execution_id

    def _sequential(
        self, recording: Recording, step: Step, visits: dict[str, int], clock: int
    ) -> int:
        visits[step.node] = visits.get(step.node, 0) + 1
        end = clock + int(step.ms * 1e6)
        entry = recording.seq + 1
        seqs = 2 + bool(step.update) + len(step.edges)
        row = (record.VISIT, entry, entry + 1, step.node, visits[step.node], 1, clock, end)
        recording.rows.append((*row, step.update, tuple(step.edges), None))
        recording.seq += seqs
        return end

    def _parallel(
        self, recording: Recording, steps: Sequence[Step], visits: dict[str, int], clock: int
    ) -> int:
        for step in steps:
            visits[step.node] = visits.get(step.node, 0) + 1
            recording.add(record.ENTER, step.node, visits[step.node], 1, clock)
        for step in sorted(steps, key=lambda one: one.ms):
            end = clock + int(step.ms * 1e6)
            recording.add(record.EXIT, step.node, visits[step.node], 1, clock, end)
        last = clock + int(max(step.ms for step in steps) * 1e6)
        for step in steps:
            row = (step.node, visits[step.node], 1, last, step.update, tuple(step.edges), None)
            seqs = bool(step.update) + len(step.edges)
            recording.add(record.APPLY, *row, seqs=seqs)
        return last


def introspector() -> Introspector:
    return Introspector.of(Project.find())


def settled() -> Introspector:
    """The introspector, once everything that happened is on record."""
    found = introspector()
    Journal.of(found.project).flush()
    return found


def uris(answer: Answer) -> list[str]:
    return [one.uri for one in answer.evidence]


def evidence_holds(answer: Answer) -> bool:
    """Whether every uri resolves to a text that holds its quote."""
    resolver = introspector()
    return all(one.quote in resolver.resolve(one.uri, "full").text for one in answer.evidence)


def fanning(name: str = "fan") -> CompiledGraph[Chain]:
    """Clean → (web | docs at once) → join."""
    app = chaining(f"{name}-parts")
    graph = StateGraph(Chain)
    for node in ("clean", "web", "docs", "join"):
        graph.add_node(node, app.program.nodes[app.program.by_name[node]].function)
    graph.set_entry_point("clean")
    graph.add_parallel_edges("clean", ["web", "docs"])
    graph.add_edge(["web", "docs"], "join")
    graph.add_edge("join", END)
    return graph.compile(name=name)
