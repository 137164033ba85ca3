"""Reading windows from the record: the graph's newest version, and the version before it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inwit.errors import GraphError
from inwit.runtime.manifest import GraphManifest
from inwit.runtime.record import APPLY, END, ENTER, EVENT, EXIT, START, VISIT
from inwit.runtime.store.batches import Batches
from inwit.runtime.store.expand import About
from inwit.runtime.store.fold import Batch, Folder
from inwit.runtime.views import Execution
from inwit.self_improve.tracing import read_rows
from inwit.self_improve.window import Window, WindowBuilder

if TYPE_CHECKING:
    import apsw

    from inwit.runtime.store import Store

_PAGE = 200
_FIELDS = {START: 4, VISIT: 11, ENTER: 6, EXIT: 7, APPLY: 9, EVENT: 8, END: 8}
"""How many fields a row of each kind has; a start may have more."""
RECENT = 100
"""The newest executions that tell which versions run."""
RUNS = 0.2
"""The share of them that a version has while it runs."""


def graph_names(store: Store) -> list[str]:
    """Every graph that is registered or was executed, also where its manifest is missing."""
    names = [graph.name for graph in store.graphs()]
    recent = store.executions(limit=_PAGE).items
    return list(dict.fromkeys([*names, *(one.graph_name for one in recent)]))


def read_windows(store: Store, graph: str, executions: int) -> tuple[Window | None, Window | None]:
    """Read the newest executions of a graph's newest version, and of the version before.

    While two versions run, the newer one is that which was registered last. The version before is
    the one whose execution came last among the others.
    """
    recent = _newest(store, graph, None, RECENT)
    if not recent:
        return None, None
    version = _version_of(store, graph, [one.graph_version for one in recent])
    before = _another_version(store, graph, version)
    window = _window(store, graph, version, executions)
    return window, _window(store, graph, before, executions) if before else None


def _version_of(store: Store, graph: str, recent: list[str]) -> str:
    """Of the versions that run, the one registered last; one of a few executions is on its way out."""
    running = {one for one in recent if recent.count(one) >= RUNS * len(recent)} or {recent[0]}
    if len(running) > 1:
        known = store.graphs(name=graph, all_versions=True)
        dated = [(one.registered_at, one.version) for one in known if one.version in running]
        if dated:
            return max(dated)[1]
    return recent[0] if recent[0] in running else max(running, key=recent.count)


def _another_version(store: Store, graph: str, version: str) -> str | None:
    """Ask the registry for a version whose executions lie further back than the window."""
    others = [
        one.version for one in store.graphs(name=graph, all_versions=True) if one.version != version
    ]
    last = [page[0] for other in others if (page := _newest(store, graph, other, 1))]
    return max(last, key=lambda one: one.position).graph_version if last else None


def _newest(store: Store, graph: str, version: str | None, most: int) -> list[Execution]:
    return store.newest(most, graph=graph, version=version)


def _window(store: Store, graph: str, version: str, most: int) -> Window:
    builder = WindowBuilder((graph, version, _manifest(store, graph, version)))
    executions = _newest(store, graph, version, most)
    while executions:  # each is let go when it was read: a window may hold a hundred thousand
        one = executions.pop()
        trace = builder.gatherer(one)
        batches = _batches(store, one)
        read_rows(batches, trace)
        about = About(
            execution_id=one.execution_id, graph_name=one.graph_name,
            graph_version=one.graph_version, thread_id=one.thread_id,
            parent_execution_id=one.parent_execution_id,
        )  # fmt: skip
        builder.add(Folder(about).visits(batches), trace)
    return builder.window()


def _batches(store: Store, execution: Execution) -> list[Batch]:
    """The rows of an execution. One that retention takes away meanwhile has none.

    Rows that are half-written, or of a form that this version does not know, are passed over.
    """

    def read(connection: apsw.Connection) -> list[Batch]:
        batches = Batches(connection, store.redactor).of(execution.execution_id)
        return [(_sound(rows), first, last, anchor) for rows, first, last, anchor in batches]

    return store.database.read(read)


def _sound(rows: Any) -> list[Any]:
    if not isinstance(rows, list):
        return []
    return [row for row in rows if isinstance(row, list) and row and _is_sound(row)]


def _is_sound(row: list[Any]) -> bool:
    return (
        row[0] in _FIELDS
        and len(row) >= _FIELDS[row[0]]
        and (row[0] == START or len(row) == _FIELDS[row[0]])
    )


def _manifest(store: Store, graph: str, version: str) -> GraphManifest | None:
    try:
        return store.graph(graph, version=version).manifest
    except GraphError:
        return None
