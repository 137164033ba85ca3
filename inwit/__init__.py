"""inwit: graphs that can look into themselves.

Write a graph with `StateGraph`; `compile` registers it; running it writes one complete record; then
`ask` what exists, what happens, why, what if, and how to do better.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from inwit.answers import Answer, Evidence
from inwit.runtime.checkpoints import Checkpoint, Checkpointer, InMemoryCheckpointer, StateSnapshot
from inwit.runtime.compiled import CompiledGraph
from inwit.runtime.companion import HelpLevel
from inwit.runtime.context import Context
from inwit.runtime.graph import END, START, StateGraph
from inwit.runtime.policies import RetryPolicy

if TYPE_CHECKING:
    from inwit.registry.packages import load
    from inwit.runtime import metrics
    from inwit.runtime.capture import capture
    from inwit.runtime.checkpoints.sqlite import SqliteCheckpointer
    from inwit.runtime.open_project import OpenProject, ask, handle_help, project
    from inwit.runtime.watch import watch

__version__ = "0.1.0"

_LAZY = {
    "OpenProject": "inwit.runtime.open_project",
    "SqliteCheckpointer": "inwit.runtime.checkpoints.sqlite",
    "ask": "inwit.runtime.open_project",
    "capture": "inwit.runtime.capture",
    "handle_help": "inwit.runtime.open_project",
    "load": "inwit.registry.packages",
    "metrics": "inwit.runtime",
    "project": "inwit.runtime.open_project",
    "watch": "inwit.runtime.watch",
}


def __getattr__(name: str) -> Any:
    """Import on first use what a graph does not need to run."""
    from importlib import import_module

    if name not in _LAZY:
        raise AttributeError(f"module 'inwit' has no attribute {name!r}")
    if name == "metrics":
        return import_module("inwit.runtime.metrics")
    return getattr(import_module(_LAZY[name]), name)


__all__ = [
    "END", "START", "Answer", "Checkpoint", "Checkpointer", "CompiledGraph", "Context", "Evidence",
    "HelpLevel", "InMemoryCheckpointer", "OpenProject", "RetryPolicy", "SqliteCheckpointer",
    "StateGraph", "StateSnapshot", "ask", "capture", "handle_help", "load", "metrics", "project", "watch",
]  # fmt: skip
