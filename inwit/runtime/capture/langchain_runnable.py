"""A compiled graph as a part of langchain-core's chains; that is imported when one is asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from functools import cache, wraps
from types import ModuleType
from typing import Any


def join(module: ModuleType) -> None:
    """Let `coerce_to_runnable` of `langchain_core.runnables.base` take compiled graphs too.

    A chain asks a part whether it is a `Runnable`, before the part could say how it becomes one.
    """
    coerce = module.coerce_to_runnable

    @wraps(coerce)
    def coerce_to_runnable(thing: Any) -> Any:
        from inwit.runtime.compiled import CompiledGraph

        return coerce(as_runnable(thing) if isinstance(thing, CompiledGraph) else thing)

    vars(module)["coerce_to_runnable"] = coerce_to_runnable


@cache
def _base() -> type:
    from langchain_core.runnables import Runnable

    class GraphRunnable(Runnable[Any, Any]):
        """Runs a graph where a chain runs its parts."""

        def __init__(self, graph: Any) -> None:
            self.graph = graph
            self.name = graph.name

        def invoke(self, input: Any, config: Any = None, **options: Any) -> Any:
            return self.graph.invoke(input, config, **options)

        async def ainvoke(self, input: Any, config: Any = None, **options: Any) -> Any:
            return await self.graph.ainvoke(input, config, **options)

        def stream(self, input: Any, config: Any = None, **options: Any) -> Iterator[Any]:
            yield from self.graph.stream(input, config, **options)

        async def astream(
            self, input: Any, config: Any = None, **options: Any
        ) -> AsyncIterator[Any]:
            async for item in self.graph.astream(input, config, **options):
                yield item

        def transform(self, input: Any, config: Any = None, **options: Any) -> Iterator[Any]:
            for given in input:
                yield from self.stream(given, config, **options)

        async def atransform(
            self, input: Any, config: Any = None, **options: Any
        ) -> AsyncIterator[Any]:
            async for given in input:
                async for item in self.astream(given, config, **options):
                    yield item

    return GraphRunnable


def as_runnable(graph: Any) -> Any:
    """The graph as langchain-core's `Runnable`."""
    return _base()(graph)
