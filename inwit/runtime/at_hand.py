"""The compiled graphs that live in this process, found by their name in the project."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from inwit.runtime.compiled import CompiledGraph
    from inwit.runtime.project import Project

_numbers = count()
_known: WeakValueDictionary[int, Any] = WeakValueDictionary()


def note(app: CompiledGraph[Any]) -> None:
    """Let a compiled graph be found as long as it lives."""
    _known[next(_numbers)] = app


def find(project: Project, name: str) -> CompiledGraph[Any] | None:
    """The last compiled graph of a project that has this name now; None where none lives here."""
    for _, app in sorted(_known.items(), reverse=True):
        if app.name == name and app.project.folder == project.folder:
            found: CompiledGraph[Any] = app
            return found
    return None
