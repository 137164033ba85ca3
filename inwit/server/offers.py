"""What a host offers beyond answering: what it may change, and which graphs it can run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inwit.runtime.compiled import CompiledGraph
    from inwit.server.host import Host
    from inwit.server.mcp.surface import Surface


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """How a host is started; by default it only answers."""

    graph: str | None = None
    """The graph that is meant where a request names none; None: the last compiled."""
    allow_write: bool = False
    """Whether executions may be begun and steered, and plans decided on."""
    graph_tools: bool = False
    """Whether each graph that can run here is a tool; else only those compiled with `expose`."""
    confirms: bool = True
    """Whether what changes something is confirmed by a person, or by asking twice."""
    legacy_sse: bool = False
    """Whether MCP is also served over the transport before streamable HTTP."""
    graphs: Mapping[str, CompiledGraph[Any]] = field(default_factory=dict)
    """Graphs that run in this process, by name; others are loaded from where they are written."""
    surface: Callable[[Host], Surface] | None = None
    """What is offered over MCP instead of all this."""
