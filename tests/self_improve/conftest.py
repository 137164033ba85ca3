"""Graphs with planted faults, and what looks at them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypedDict

import pytest

from inwit import END, START, StateGraph
from inwit.plans import Principal
from inwit.runtime.project import Project
from inwit.runtime.store import Journal, Store
from inwit.self_improve.daemon import run_once
from inwit.self_improve.plans import PlanBook

ADA = Principal("person", "ada")


class State(TypedDict, total=False):
    query: str
    hits: list[str]
    turns: int
    charged: int


@dataclass
class World:
    """What the nodes do, counted; and how slow looking for something is."""

    seconds: float = 0.002
    searches: int = 0
    charges: int = 0
    names: Iterator[int] = field(default_factory=lambda: iter(range(10**6)))

    def search(self, state: State) -> dict[str, Any]:
        self.searches += 1
        time.sleep(self.seconds)
        return {"hits": [f"{state['query']} found"]}

    def charge(self, state: State) -> dict[str, Any]:
        """Charges a card, without saying that it does."""
        self.charges += 1
        return {"charged": 1}


def searcher(world: World, **policy: Any) -> Any:
    """Looks three times for a query that stays as it is, and charges a card in the end."""
    graph = StateGraph(State)
    graph.add_node("search", world.search, **policy)
    graph.add_node("judge", lambda state: {"turns": state.get("turns", 0) + 1})
    graph.add_node("charge", world.charge)
    graph.add_edge(START, "search")
    graph.add_edge("search", "judge")
    route = lambda state: "again" if state["turns"] < 3 else "done"  # noqa: E731
    graph.add_conditional_edges("judge", route, {"again": "search", "done": "charge"})
    graph.add_edge("charge", END)
    return graph.compile(name="searcher")


def another_version(world: World) -> Any:
    """The same graph with another structure."""
    app = searcher(world)
    builder = app.builder
    builder.add_node("thank", lambda state: {"turns": state["turns"]})
    builder.edges = [edge for edge in builder.edges if edge != (("charge",), END)]
    builder.add_edge("charge", "thank")
    builder.add_edge("thank", END)
    return builder.compile(name="searcher")


def run(app: Any, times: int, world: World) -> None:
    """Executions, each in a thread of its own."""
    for _ in range(times):
        number = next(world.names)
        app.invoke({"query": f"owls {number}"}, thread_id=f"thread-{number}")


def try_out(app: Any, world: World, measure: Callable[[], str]) -> int:
    """Execute until a change is measured, which takes more executions on a busy machine; gives how many."""
    for times in range(60, 481, 60):
        run(app, 60, world)
        if measure() != "in_progress":
            return times
    raise AssertionError("it is still on trial")


def book() -> PlanBook:
    project = Project.find()
    Journal.of(project).flush()
    return PlanBook.of(Store.of(project))


Look = Callable[[], Any]


@pytest.fixture
def world(project: Any) -> World:
    return World()


@pytest.fixture
def look() -> Look:
    return lambda: run_once(Project.find())
