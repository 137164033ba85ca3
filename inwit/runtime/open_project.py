"""The project of the working directory, from Python: ask it, list what it knows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inwit.answers import Answer
from inwit.runtime import companion
from inwit.runtime.project import Project
from inwit.runtime.store import Store
from inwit.runtime.views import Execution, Page, RegisteredGraph

if TYPE_CHECKING:
    from inwit.runtime.compiled import CompiledGraph


class OpenProject:
    """One project, to ask and to list."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._store = Store.of(project)

    @property
    def graphs(self) -> list[RegisteredGraph]:
        """The graphs that were compiled in the project, their current versions."""
        return self._store.graphs()

    @property
    def executions(self) -> Page[Execution]:
        """The last 50 executions, newest first; `Store.executions` pages and filters."""
        return self._store.executions()

    @property
    def packages(self) -> Any:
        """The packages at hand, to go through: also ``.search(query)``, ``.list()``, ``.get(id)``."""
        return companion.introspection().packages(self._project)

    @property
    def plans(self) -> list[dict[str, Any]]:
        """The plans that the daemon has proposed."""
        return companion.introspection().plans(self._project)

    def ask(
        self,
        question: str,
        *,
        graph: str | None = None,
        level: str | None = None,
        execution_id: str | None = None,
        verify: bool = False,
        conversation_id: str | None = None,
    ) -> Answer:
        """Ask in plain language; see `CompiledGraph.ask`."""
        return companion.introspection().ask(
            self._project, question, graph=graph, level=level, execution_id=execution_id,
            verify=verify, conversation_id=conversation_id,
        )  # fmt: skip

    def resolve(self, uri: str) -> Any:
        """What the uri of an evidence names."""
        return companion.introspection().resolve(self._project, uri)


def project(start: str | Path | None = None) -> OpenProject:
    """Open the project of a folder, the working directory by default."""
    return OpenProject(Project.find(Path(start) if start is not None else None))


def ask(
    question: str,
    *,
    graph: str | None = None,
    level: str | None = None,
    execution_id: str | None = None,
    verify: bool = False,
    conversation_id: str | None = None,
) -> Answer:
    """Ask the project of the working directory."""
    return project().ask(
        question, graph=graph, level=level, execution_id=execution_id, verify=verify,
        conversation_id=conversation_id,
    )  # fmt: skip


def handle_help(app: CompiledGraph[Any], argv: list[str] | None = None) -> bool:
    """Serve ``--help`` of a program built on a graph: print it and return True where it is asked."""
    return companion.introspection().handle_help(app, sys.argv[1:] if argv is None else argv)
