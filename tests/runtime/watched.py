"""Graphs of LangGraph to watch, and what is recorded of them."""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

from langgraph.graph import END, START, StateGraph

import inwit
from inwit.runtime.project import Project
from inwit.runtime.store import Store
from inwit.runtime.store.journal import Journal
from inwit.runtime.views import Visit


class State(TypedDict, total=False):
    """What a search knows."""

    question: str
    tries: int
    found: Annotated[list[str], operator.add]
    answer: str


def plan(state: State) -> State:
    """Plan the next try."""
    return {"tries": state.get("tries", 0) + 1}


def web(state: State) -> State:
    return {"found": [f"web {state['tries']}"]}


def docs(state: State) -> State:
    return {"found": [f"docs {state['tries']}"]}


def judge(state: State) -> None:
    return None


def write(state: State) -> State:
    return {"answer": f"{len(state['found'])} found"}


def enough(state: State) -> str:
    return "write" if state["tries"] >= 3 else "again"


def searching() -> Any:
    graph = StateGraph(State)
    for node in (plan, web, docs, judge, write):
        graph.add_node(node.__name__, node)
    graph.add_edge(START, "plan")
    graph.add_edge("plan", "web")
    graph.add_edge("plan", "docs")
    graph.add_edge(["web", "docs"], "judge")
    graph.add_conditional_edges("judge", enough, {"again": "plan", "write": "write"})
    graph.add_edge("write", END)
    return graph.compile(name="searching")


def one_node(node: Any, *, state: Any = State, **how: Any) -> Any:
    graph = StateGraph(state)
    graph.add_node("speak", node, **how)
    graph.add_edge(START, "speak")
    graph.add_edge("speak", END)
    return inwit.watch(graph.compile(name="speaker"))


def store() -> Store:
    project = Project.find()
    Journal.of(project).flush()
    return Store.of(project)


def execution(app: Any) -> Any:
    return store().execution(app.last_execution_id)


def visits(app: Any) -> list[Visit]:
    return store().visits(app.last_execution_id)


def state(app: Any) -> dict[str, Any]:
    return store().state_at(app.last_execution_id)
