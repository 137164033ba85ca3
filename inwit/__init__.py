"""inwit: graphs that can look into themselves.

Write a graph with `StateGraph`; `compile` registers it; running it writes one complete record; then
`ask` what exists, what happens, why, what if, and how to do better.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inwit.answers import Answer, Evidence
    from inwit.registry.packages import load
    from inwit.runtime import metrics
    from inwit.runtime.capture import capture
    from inwit.runtime.checkpoints import (
        Checkpoint,
        Checkpointer,
        InMemoryCheckpointer,
        StateSnapshot,
    )
    from inwit.runtime.checkpoints.sqlite import SqliteCheckpointer
    from inwit.runtime.companion import HelpLevel
    from inwit.runtime.compiled import CompiledGraph
    from inwit.runtime.context import Context
    from inwit.runtime.graph import END, START, StateGraph
    from inwit.runtime.open_project import OpenProject, ask, handle_help, project
    from inwit.runtime.policies import RetryPolicy
    from inwit.runtime.watch import watch

__version__ = "0.1.0"

_HOMES = {
    "END": "runtime.graph",
    "START": "runtime.graph",
    "Answer": "answers",
    "Checkpoint": "runtime.checkpoints",
    "Checkpointer": "runtime.checkpoints",
    "CompiledGraph": "runtime.compiled",
    "Context": "runtime.context",
    "Evidence": "answers",
    "HelpLevel": "runtime.companion",
    "InMemoryCheckpointer": "runtime.checkpoints",
    "OpenProject": "runtime.open_project",
    "RetryPolicy": "runtime.policies",
    "SqliteCheckpointer": "runtime.checkpoints.sqlite",
    "StateGraph": "runtime.graph",
    "StateSnapshot": "runtime.checkpoints",
    "ask": "runtime.open_project",
    "capture": "runtime.capture",
    "handle_help": "runtime.open_project",
    "load": "registry.packages",
    "metrics": "runtime.metrics",
    "project": "runtime.open_project",
    "watch": "runtime.watch",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `inwit --help` needs none of them."""
    if name not in _HOMES:
        raise AttributeError(f"module 'inwit' has no attribute {name!r}")
    home = import_module(f"inwit.{_HOMES[name]}")
    found = globals()[name] = home if name == "metrics" else getattr(home, name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


__all__ = [
    "END", "START", "Answer", "Checkpoint", "Checkpointer", "CompiledGraph", "Context", "Evidence",
    "HelpLevel", "InMemoryCheckpointer", "OpenProject", "RetryPolicy", "SqliteCheckpointer",
    "StateGraph", "StateSnapshot", "ask", "capture", "handle_help", "load", "metrics", "project", "watch",
]  # fmt: skip
