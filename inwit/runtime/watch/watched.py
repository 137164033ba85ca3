"""A graph of LangGraph that can look into itself."""

from __future__ import annotations

from typing import Any

from inwit.runtime.answering import Answering
from inwit.runtime.manifest import GraphManifest, Source
from inwit.runtime.project import Project
from inwit.runtime.store.journal import Journal
from inwit.runtime.watch.describe import describe
from inwit.runtime.watch.recorder import Watcher
from inwit.runtime.watch.shape import Shape


class WatchedGraph(Answering):
    """A graph of LangGraph, its executions recorded; what is not here is the graph's own.

    The graph itself stays as it is, but for a callback in its config: whoever runs it by its own
    name is recorded too.
    """

    def __init__(self, shape: Shape, name: str, source: Source) -> None:
        self.graph = shape.app
        """The graph of LangGraph."""
        self.name = name
        self.project = Project.find()
        self._shape = shape
        self._source = source
        self._manifest: GraphManifest | None = None
        self._journal: Journal | None = None
        self._watcher: Watcher | None = None
        if not Project.is_off():
            self._journal = Journal.of(self.project)
            self._journal.register(self.manifest, self._rename)
            self._watcher = Watcher(shape, self._journal, lambda: self.name, self.version)
            _bind(self.graph, self._watcher)
            self._watcher.owner = self

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["graph"], name)

    def __repr__(self) -> str:
        return f"<WatchedGraph {self.name!r} of LangGraph: {len(self._shape.nodes)} nodes>"

    @property
    def last_execution_id(self) -> str | None:
        """The execution that began last in this process."""
        return self._watcher.last_execution_id if self._watcher is not None else None

    def manifest(self) -> GraphManifest:
        """What is known of the graph without running it."""
        if self._manifest is None:
            self._manifest = describe(self._shape, self.name, self._source)
        return self._manifest

    def version(self) -> str:
        """The hash of the graph's structure, 12 hexadecimal digits."""
        return self.manifest().version

    def stop(self) -> None:
        """Record no further executions."""
        if self._watcher is not None:
            self._watcher.is_on = False
            _unbind(self.graph, self._watcher)

    def _rename(self, name: str) -> None:
        if name != self.name:
            self.name = name
            self._manifest = None


def watched(app: Any) -> WatchedGraph | None:
    """The graph's watching, where it is watched already."""
    for callback in _callbacks(app):
        if isinstance(callback, Watcher) and isinstance(callback.owner, WatchedGraph):
            return callback.owner
    return None


def _callbacks(app: Any) -> list[Any]:
    given = (app.config or {}).get("callbacks") or []
    return list(getattr(given, "handlers", given))


def _bind(app: Any, watcher: Watcher) -> None:
    given: Any = (app.config or {}).get("callbacks")
    if hasattr(given, "add_handler"):
        given.add_handler(watcher, inherit=True)
    else:
        app.config = {**(app.config or {}), "callbacks": [*(given or []), watcher]}


def _unbind(app: Any, watcher: Watcher) -> None:
    given: Any = (app.config or {}).get("callbacks")
    if hasattr(given, "remove_handler"):
        given.remove_handler(watcher)
    elif isinstance(given, list):
        app.config = {**app.config, "callbacks": [one for one in given if one is not watcher]}
