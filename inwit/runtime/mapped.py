"""A graph as a node of another whose state has other keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inwit.runtime.compiled import CompiledGraph
    from inwit.runtime.context import Context


def mapped(
    graph: CompiledGraph[Any],
    into: Mapping[str, str] | Callable[[Any], Any],
    back: Mapping[str, str] | Callable[[Any], Any],
) -> MappedGraph:
    """Make a node of a graph whose state differs from the one around it.

    Args:
        into: A function of the outer state that gives the graph's input, or which of its keys is
            which of the outer state's: ``{"question": "query"}``.
        back: A function of the graph's result that gives the outer update, or which of the outer
            keys is which of the result's: ``{"answer": "reply"}``.

    Example:
        >>> from typing import TypedDict
        >>> from inwit import END, START, StateGraph, mapped
        >>> Inner = TypedDict("Inner", {"text": str})
        >>> inner = StateGraph(Inner).add_node("shout", lambda s: {"text": s["text"].upper()})
        >>> shouting = inner.add_edge(START, "shout").compile(name="shouting")
        >>> Outer = TypedDict("Outer", {"said": str})
        >>> outer = StateGraph(Outer).add_node(
        ...     "loud", mapped(shouting, into={"text": "said"}, back={"said": "text"})
        ... )
        >>> outer.add_edge(START, "loud").compile(name="talk").invoke({"said": "hello"})
        {'said': 'HELLO'}
    """
    return MappedGraph(graph, into, back)


class MappedGraph:
    """A compiled graph between two mappings; see `mapped`."""

    def __init__(self, graph: CompiledGraph[Any], into: Any, back: Any) -> None:
        self.within = graph
        self.builder = graph.builder
        self.options = graph.options
        self.__name__ = graph.name
        self._into = into
        self._back = back

    @property
    def takes(self) -> tuple[str, ...] | None:
        """The outer keys that it reads; None where a function says."""
        return None if callable(self._into) else tuple(self._into.values())

    @property
    def gives(self) -> tuple[str, ...] | None:
        """The outer keys that it writes; None where a function says."""
        return None if callable(self._back) else tuple(self._back)

    def around(self, graph: CompiledGraph[Any]) -> MappedGraph:
        """The same mappings around another graph."""
        return MappedGraph(graph, self._into, self._back)

    async def run_within(self, state: Any, ctx: Context) -> Any:
        """Run as a node of another graph, and give its update."""
        outer = ctx.execution.graph.schema
        given = self._into
        if not callable(given):
            found = outer.keys_of(state) or {}
            given_state: Any = {
                key: found[name] for key, name in self._into.items() if name in found
            }
        else:
            given_state = given(state)
        result = await self.within.run_as_node(given_state, ctx)
        if callable(self._back):
            return self._back(result)
        return {key: result[name] for key, name in self._back.items() if name in result}
