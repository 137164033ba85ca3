"""inwit: graphs that can look into themselves.

Write a graph with `StateGraph`; `compile` registers it; running it writes one complete record; then
`ask` what exists, what happens, why, what if, and how to do better.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inwit.answers import Answer, Evidence
    from inwit.errors import GraphRecursionError, InvalidUpdateError
    from inwit.registry.packages import load
    from inwit.runtime import metrics
    from inwit.runtime.capture import capture
    from inwit.runtime.checkpoints import (
        Checkpoint,
        Checkpointer,
        InMemoryCheckpointer,
    )
    from inwit.runtime.checkpoints.sqlite import SqliteCheckpointer
    from inwit.runtime.commands import (
        Command,
        GraphInterrupt,
        Interrupt,
        Overwrite,
        Send,
        interrupt,
    )
    from inwit.runtime.companion import HelpLevel
    from inwit.runtime.compiled import CompiledGraph
    from inwit.runtime.context import Context
    from inwit.runtime.graph import END, START, StateGraph
    from inwit.runtime.messages import (
        REMOVE_ALL_MESSAGES,
        AIMessage,
        AIMessageChunk,
        AnyMessage,
        BaseMessage,
        FunctionMessage,
        HumanMessage,
        MessagesState,
        RemoveMessage,
        SystemMessage,
        ToolMessage,
        add_messages,
    )
    from inwit.runtime.open_project import OpenProject, ask, handle_help, project
    from inwit.runtime.policies import RetryPolicy
    from inwit.runtime.time_travel import StateSnapshot, StateUpdate
    from inwit.runtime.watch import watch

__version__ = "0.1.0"

_HOMES = {
    "END": "runtime.graph",
    "START": "runtime.graph",
    "AIMessage": "runtime.messages",
    "AIMessageChunk": "runtime.messages",
    "Answer": "answers",
    "AnyMessage": "runtime.messages",
    "BaseMessage": "runtime.messages",
    "Checkpoint": "runtime.checkpoints",
    "Checkpointer": "runtime.checkpoints",
    "Command": "runtime.commands",
    "CompiledGraph": "runtime.compiled",
    "Context": "runtime.context",
    "Evidence": "answers",
    "FunctionMessage": "runtime.messages",
    "GraphInterrupt": "runtime.commands",
    "GraphRecursionError": "errors",
    "HelpLevel": "runtime.companion",
    "HumanMessage": "runtime.messages",
    "InMemoryCheckpointer": "runtime.checkpoints",
    "Interrupt": "runtime.commands",
    "InvalidUpdateError": "errors",
    "MessagesState": "runtime.messages",
    "OpenProject": "runtime.open_project",
    "Overwrite": "runtime.commands",
    "REMOVE_ALL_MESSAGES": "runtime.messages",
    "RemoveMessage": "runtime.messages",
    "RetryPolicy": "runtime.policies",
    "Send": "runtime.commands",
    "SqliteCheckpointer": "runtime.checkpoints.sqlite",
    "StateGraph": "runtime.graph",
    "StateSnapshot": "runtime.time_travel",
    "StateUpdate": "runtime.time_travel",
    "SystemMessage": "runtime.messages",
    "ToolMessage": "runtime.messages",
    "add_messages": "runtime.messages",
    "ask": "runtime.open_project",
    "capture": "runtime.capture",
    "handle_help": "runtime.open_project",
    "interrupt": "runtime.commands",
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
    "END",
    "REMOVE_ALL_MESSAGES",
    "START",
    "AIMessage",
    "AIMessageChunk",
    "Answer",
    "AnyMessage",
    "BaseMessage",
    "Checkpoint",
    "Checkpointer",
    "Command",
    "CompiledGraph",
    "Context",
    "Evidence",
    "FunctionMessage",
    "GraphInterrupt",
    "GraphRecursionError",
    "HelpLevel",
    "HumanMessage",
    "InMemoryCheckpointer",
    "Interrupt",
    "InvalidUpdateError",
    "MessagesState",
    "OpenProject",
    "Overwrite",
    "RemoveMessage",
    "RetryPolicy",
    "Send",
    "SqliteCheckpointer",
    "StateGraph",
    "StateSnapshot",
    "StateUpdate",
    "SystemMessage",
    "ToolMessage",
    "add_messages",
    "ask",
    "capture",
    "handle_help",
    "interrupt",
    "load",
    "metrics",
    "project",
    "watch",
]
