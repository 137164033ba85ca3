"""Introspection: facts of four levels, and true answers with their evidence.

`Introspector.ask` is the one door of questions for CLI, HTTP, MCP and the graph itself.
"""

from inwit.introspection.introspector import Introspector
from inwit.introspection.resolve import Resolved

__all__ = ["Introspector", "Resolved"]
