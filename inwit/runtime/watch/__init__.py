"""Making a graph of LangGraph introspectable as it is."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from inwit.errors import MissingPackageError
from inwit.runtime import naming
from inwit.runtime.manifest import Source

if TYPE_CHECKING:
    from inwit.runtime.watch.watched import WatchedGraph

__all__ = ["watch"]


def watch(app: Any, name: str | None = None) -> WatchedGraph:
    """Register a compiled graph of LangGraph and record its executions, without a change to it.

    What comes back runs as the graph does (`invoke`, `astream`, …) and can be asked (`ask`). A
    graph without a name of its own is named after the place that watches it; watching it again
    gives the same.

    Raises:
        MissingPackageError: LangGraph is not installed.
        NotWatchableError: It is no compiled graph of LangGraph.
    """
    for package in ("langgraph", "langchain_core"):
        if find_spec(package) is None:
            raise MissingPackageError(package.replace("_", "-"), "inwit.watch")
    from inwit.runtime.watch import watched
    from inwit.runtime.watch.shape import Shape

    if isinstance(app, watched.WatchedGraph):
        return app
    shape = Shape(app)
    found = watched.watched(app)
    if found is not None:
        return found
    frame = sys._getframe(1)  # noqa: SLF001
    own = app.get_name()
    if name is None:
        name = own if own != "LangGraph" and naming.is_graph_name(own) else naming.name_of(frame)
    source = Source(file=frame.f_code.co_filename, line=frame.f_lineno)
    return watched.WatchedGraph(shape, name, source)
