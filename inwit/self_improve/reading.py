"""Reading windows from the record: the graph's newest version, and the version before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from inwit.errors import ExecutionError, GraphError
from inwit.events import Event, NodeEntered
from inwit.runtime.manifest import GraphManifest
from inwit.runtime.views import Execution
from inwit.self_improve.window import Window, build_window

if TYPE_CHECKING:
    from inwit.runtime.store import Store

_TYPES = (
    "execution_started", "node_entered", "node_failed", "state_changed", "cache_hit",
    "tool_started", "tool_completed", "tool_failed", "llm_started", "llm_completed",
)  # fmt: skip
_PAGE = 200


def graph_names(store: Store) -> list[str]:
    """Every graph that is registered or was executed, also where its manifest is missing."""
    names = [graph.name for graph in store.graphs()]
    recent = store.executions(limit=_PAGE).items
    return list(dict.fromkeys([*names, *(one.graph_name for one in recent)]))


def read_windows(store: Store, graph: str, executions: int) -> tuple[Window | None, Window | None]:
    """Read the newest executions of a graph's newest version, and of the version before.

    The version before is the one whose execution came last among the others.
    """
    newest = _newest(store, graph, None, executions)
    if not newest:
        return None, None
    version = newest[0].graph_version
    before = next((one.graph_version for one in newest if one.graph_version != version), None)
    if before is None:
        before = _another_version(store, graph, version)
    window = _window(store, graph, version, executions)
    return window, _window(store, graph, before, executions) if before else None


def _another_version(store: Store, graph: str, version: str) -> str | None:
    """Ask the registry for a version whose executions lie further back than the window."""
    others = [
        one.version for one in store.graphs(name=graph, all_versions=True) if one.version != version
    ]
    last = [page[0] for other in others if (page := _newest(store, graph, other, 1))]
    return max(last, key=lambda one: one.position).graph_version if last else None


def _newest(store: Store, graph: str, version: str | None, most: int) -> list[Execution]:
    found: list[Execution] = []
    cursor = None
    while len(found) < most:
        limit = min(_PAGE, most - len(found))
        page = store.executions(graph=graph, version=version, limit=limit, cursor=cursor)
        found.extend(page.items)
        cursor = page.cursor
        if cursor is None:
            break
    return found


def _window(store: Store, graph: str, version: str, most: int) -> Window:
    executions = sorted(_newest(store, graph, version, most), key=lambda one: one.position)
    visits = store.recent_visits(graph, version=version, executions=most)
    traces = {one.execution_id: _trace(store, one) for one in executions}
    known = (graph, version, _manifest(store, graph, version))
    return build_window(known, executions, visits, traces)


def _manifest(store: Store, graph: str, version: str) -> GraphManifest | None:
    try:
        return store.graph(graph, version=version).manifest
    except GraphError:
        return None


def _trace(store: Store, execution: Execution) -> tuple[Sequence[Event], Mapping[str, Any] | None]:
    """The events of an execution, and the state that its first node met.

    An execution that retention takes away meanwhile has none.
    """
    try:
        events = store.events(execution.execution_id, types=_TYPES)
        first = next((event for event in events if isinstance(event, NodeEntered)), None)
        if first is None:
            return events, None
        state = store.state_at(execution.execution_id, first.seq)
    except ExecutionError:
        return (), None
    return events, state
