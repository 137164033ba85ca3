"""Introspection: facts of four levels, and true answers with their evidence.

`Introspector.ask` is the one door of questions for CLI, HTTP, MCP and the graph itself. It is loaded
with its first use: a server is there before anybody asks.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inwit.introspection.introspector import Introspector
    from inwit.introspection.resolve import Resolved

__all__ = ["Introspector", "Resolved"]


def __getattr__(name: str) -> Any:
    if name == "Introspector":
        from inwit.introspection.introspector import Introspector

        return Introspector
    if name == "Resolved":
        from inwit.introspection.resolve import Resolved

        return Resolved
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
