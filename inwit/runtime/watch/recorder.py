"""The callbacks by which a graph of LangGraph tells what it does."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from uuid import UUID

from langchain_core.runnables.config import var_child_runnable_config

from inwit.ids import new_id
from inwit.runtime.capture import place
from inwit.runtime.capture.langchain import CallRecorder
from inwit.runtime.capture.place import Place
from inwit.runtime.capture.recorder import unharmed
from inwit.runtime.program import START
from inwit.runtime.record import Recording, anchor
from inwit.runtime.store.journal import Journal
from inwit.runtime.watch.execution import Visit, Watching
from inwit.runtime.watch.shape import Branch, Shape

_WAITING_LIMIT = 1000


class Run(NamedTuple):
    """One of langchain-core's runs, and what it is in the record."""

    watching: Watching
    root: UUID
    visit: Visit | None = None
    kind: str = "inner"
    """``root``, ``entry`` (LangGraph's own first node), ``node``, ``router`` or ``inner``."""
    branch: Branch | None = None
    given: Any = None


class Watcher(CallRecorder):
    """Records the executions of one graph."""

    def __init__(
        self, shape: Shape, journal: Journal, name: Callable[[], str], version: Callable[[], str]
    ) -> None:
        super().__init__()
        self._shape = shape
        self._journal = journal
        self._name = name
        self._version = version
        self.owner: object = None
        """The watched graph that this records for."""
        self.last_execution_id: str | None = None
        self._runs: dict[UUID, Run] = {}
        self._waiting: dict[str, Watching] = {}
        """Executions that wait for a person, by thread."""
        _watchers.add(self)
        place.add_finder(find_place)

    @property
    def ignore_chain(self) -> bool:
        """Chains are what a graph and its nodes are."""
        return not self.is_on

    def place_of(self, parent_run_id: UUID | None) -> Place | None:
        """Say in which node a call is made."""
        return self.find(parent_run_id) or place.here()

    def find(self, run_id: UUID | None) -> Place | None:
        """The place of a run, if it is of this graph."""
        run = self._runs.get(run_id) if run_id is not None else None
        if run is None or run.visit is None:
            return None
        return run.watching.place(run.visit)

    @unharmed
    def on_chain_start(
        self, serialized: dict[str, Any], inputs: Any, *, run_id: UUID,
        parent_run_id: UUID | None = None, metadata: dict[str, Any] | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        """See langchain-core."""
        del serialized
        if run_id in self._runs:
            return
        parent = self._runs.get(parent_run_id) if parent_run_id is not None else None
        about = metadata or {}
        if parent is None:
            self._runs[run_id] = self._begin(run_id, inputs, about)
        elif parent.kind == "root" and "langgraph_node" in about:
            self._runs[run_id] = _enter(parent, inputs, about)
        else:
            self._runs[run_id] = _inner(parent, inputs, str(kwargs.get("name")))

    def _begin(self, run_id: UUID, inputs: Any, about: dict[str, Any]) -> Run:
        thread_id = about.get("thread_id")
        thread_id = None if thread_id is None else str(thread_id)
        earlier = self._waiting.pop(thread_id, None) if thread_id is not None else None
        is_resumed = earlier is not None and (inputs is None or hasattr(inputs, "resume"))
        execution_id = (
            earlier.recording.execution_id if earlier is not None and is_resumed else new_id()
        )
        caller = place.here()
        recording = Recording(
            execution_id, self._name(), self._version, thread_id or execution_id,
            caller.recording.execution_id if caller is not None else None, anchor(),
        )  # fmt: skip
        if earlier is not None and is_resumed:
            watching = earlier
            watching.resume(recording, getattr(inputs, "resume", None))
        else:
            watching = Watching(self._shape, recording)
            watching.begin(inputs)
        self.last_execution_id = execution_id
        self._journal.begin(recording)
        return Run(watching, run_id, kind="root")

    @unharmed
    def on_chain_end(self, outputs: Any, *, run_id: UUID, **_: Any) -> None:
        """See langchain-core."""
        run = self._runs.get(run_id)
        if run is None:
            return
        if run.kind == "root":
            run.watching.complete(outputs)
            self._forget(run)
        elif run.kind == "node" and run.visit is not None:
            run.watching.exit(run.visit, outputs)
        elif run.branch is not None:
            run.watching.decide(run.visit, run.branch, run.given, outputs)

    @unharmed
    def on_chain_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        """See langchain-core."""
        run = self._runs.get(run_id)
        if run is None:
            return
        if run.kind == "root":
            run.watching.break_off(error)
            self._forget(run)
        elif run.kind == "node" and run.visit is not None:
            run.watching.fail(run.visit, error)

    def on_tool_start(
        self, serialized: dict[str, Any], input_str: str, *, run_id: UUID,
        parent_run_id: UUID | None = None, **kwargs: Any,
    ) -> None:  # fmt: skip
        """See langchain-core."""
        parent = self._runs.get(parent_run_id) if parent_run_id is not None else None
        if parent is not None:
            self._runs[run_id] = Run(parent.watching, parent.root, parent.visit)
        super().on_tool_start(
            serialized, input_str, run_id=run_id, parent_run_id=parent_run_id, **kwargs
        )

    def _forget(self, root: Run) -> None:
        thread_id = root.watching.recording.thread_id
        if root.watching.is_waiting and thread_id is not None:
            self._waiting[thread_id] = root.watching
            while len(self._waiting) > _WAITING_LIMIT:
                del self._waiting[next(iter(self._waiting))]
        over = [key for key, run in list(self._runs.items()) if run.root == root.root]
        for key in over:
            self._runs.pop(key, None)


def _enter(root: Run, inputs: Any, about: dict[str, Any]) -> Run:
    node = str(about["langgraph_node"])
    if node == START:
        return Run(root.watching, root.root, kind="entry")
    path = about.get("langgraph_path") or ("",)
    visit = root.watching.enter(
        node, str(about.get("langgraph_checkpoint_ns")), int(about.get("langgraph_step") or 0),
        inputs, is_push=path[0] == "__pregel_push",
    )  # fmt: skip
    return Run(root.watching, root.root, visit, "node")


def _inner(parent: Run, inputs: Any, name: str) -> Run:
    """A run within a node: one of its routers, or anything else."""
    if parent.kind in ("node", "entry"):
        source = parent.visit.node if parent.visit is not None else START
        branch = parent.watching.router(parent.visit, source, name)
        if branch is not None:
            return Run(parent.watching, parent.root, parent.visit, "router", branch, inputs)
    return Run(parent.watching, parent.root, parent.visit)


_watchers: weakref.WeakSet[Watcher] = weakref.WeakSet()


def find_place() -> Place | None:
    """The node of a watched graph that runs here."""
    config = var_child_runnable_config.get()
    callbacks: Any = config.get("callbacks") if config is not None else None
    run_id = getattr(callbacks, "parent_run_id", None)
    return next(_places(run_id), None) if run_id is not None else None


def _places(run_id: UUID) -> Iterator[Place]:
    for watcher in list(_watchers):
        found = watcher.find(run_id)
        if found is not None:
            yield found
