"""A cache in the process's own memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from inwit.runtime.caching.base import BaseCache, FullKey, Namespace, Serializer, V


class _Entry(NamedTuple):
    data: bytes
    expires: float | None


class InMemoryCache(BaseCache[V]):
    """A cache that ends with the process."""

    def __init__(
        self, *, serde: Serializer | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__(serde=serde)
        self._clock = clock
        self._entries: dict[Namespace, dict[str, _Entry]] = {}
        self._lock = threading.Lock()

    def get(self, keys: Sequence[FullKey]) -> dict[FullKey, V]:
        """Find values; what is not there or has expired is left out."""
        now, found = self._clock(), dict[FullKey, bytes]()
        with self._lock:
            for namespace, key in keys:
                entries = self._entries.get(tuple(namespace), {})
                entry = entries.get(key)
                if entry is None:
                    continue
                if entry.expires is not None and entry.expires <= now:
                    del entries[key]
                else:
                    found[tuple(namespace), key] = entry.data
        return {key: self.load(data) for key, data in found.items()}

    def set(self, pairs: Mapping[FullKey, tuple[V, int | None]]) -> None:
        """Keep values, each with the seconds that it lasts, None for ever."""
        now = self._clock()
        made = {
            key: _Entry(self.dump(value), None if ttl is None else now + ttl)
            for key, (value, ttl) in pairs.items()
        }
        with self._lock:
            for (namespace, key), entry in made.items():
                self._entries.setdefault(tuple(namespace), {})[key] = entry

    def clear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """Forget what is in these namespaces, or everything."""
        with self._lock:
            if namespaces is None:
                self._entries.clear()
            for namespace in namespaces or ():
                self._entries.pop(tuple(namespace), None)

    async def aget(self, keys: Sequence[FullKey]) -> dict[FullKey, V]:
        """Find values; see `get`."""
        return self.get(keys)

    async def aset(self, pairs: Mapping[FullKey, tuple[V, int | None]]) -> None:
        """Keep values; see `set`."""
        self.set(pairs)

    async def aclear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """Forget what is in these namespaces, or everything."""
        self.clear(namespaces)
