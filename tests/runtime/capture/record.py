"""Running one node and reading what was recorded of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypedDict

from inwit import END, START, CompiledGraph, StateGraph
from inwit.events import to_json
from inwit.runtime.project import Project
from inwit.runtime.store import Store
from inwit.runtime.store.journal import Journal


class State(TypedDict, total=False):
    text: str
    more: Any


def one_node(node: Callable[..., Any], **how: Any) -> CompiledGraph[Any]:
    graph = StateGraph(State)
    graph.add_node("speak", node, **how)
    graph.add_edge(START, "speak")
    graph.add_edge("speak", END)
    return graph.compile(name="speaker")


def recorded(app: Any, *types: str) -> list[dict[str, Any]]:
    """The last execution's events of these types, as a reader of the record gets them."""
    project = Project.find()
    Journal.of(project).flush()
    events = Store.of(project).events(app.last_execution_id)
    return [to_json(event) for event in events if not types or event.type in types]


def calls(app: Any) -> list[dict[str, Any]]:
    """The model calls that ended."""
    return recorded(app, "llm_completed")
