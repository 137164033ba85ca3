"""What a compiled graph does with its cache as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from inwit.errors import NoCacheError

if TYPE_CHECKING:
    from inwit.runtime.caching.base import BaseCache, Namespace
    from inwit.runtime.compiled import Options
    from inwit.runtime.program import Program


class Cached:
    """A graph whose nodes may keep results."""

    options: Options
    program: Program
    name: str

    @property
    def cache(self) -> Any:
        """The cache that it was compiled with."""
        return self.options.cache

    def clear_cache(self, nodes: Sequence[str] | None = None) -> None:
        """Forget what nodes returned: these, or all of the graph.

        Raises:
            NoCacheError: It was compiled without a cache.
        """
        self._cache_there().clear(self._namespaces(nodes))

    async def aclear_cache(self, nodes: Sequence[str] | None = None) -> None:
        """Forget what nodes returned; see `clear_cache`."""
        await self._cache_there().aclear(self._namespaces(nodes))

    def _cache_there(self) -> BaseCache[Any]:
        found: BaseCache[Any] | None = self.options.cache
        if found is None:
            raise NoCacheError(self.name)
        return found

    def _namespaces(self, names: Sequence[str] | None) -> list[Namespace]:
        found = (
            getattr(node.call, "namespace", None)
            for node in self.program.nodes
            if not names or node.name in names
        )
        return [namespace for namespace in found if namespace is not None]
