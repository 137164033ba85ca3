"""A store in the process's own memory."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from inwit.runtime.memory.indexed import Embedded, IndexedStore, Shelf
from inwit.runtime.memory.items import IndexConfig, Namespace, Op, Result, TTLConfig
from inwit.runtime.memory.meaning import Vector
from inwit.runtime.memory.rows import Row


class InMemoryStore(IndexedStore):
    """Long-term memory that ends with the process; shared by all graphs that are given it.

    Args:
        index: How values are found by meaning: ``{"dims": …, "embed": …, "fields": […]}``.
        ttl: How long values last where `put` says nothing.

    Example:
        >>> store = InMemoryStore()
        >>> store.put(("users", "ada"), "tea", {"likes": "green"})
        >>> store.search(("users",), filter={"likes": "green"})[0].key
        'tea'
    """

    __slots__ = ("_lock", "_shelf")

    def __init__(
        self,
        *,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(index=index, ttl=ttl, clock=clock)
        self._shelf = _Dicts()
        self._lock = threading.Lock()

    def _run(self, ops: Sequence[Op], embedded: Embedded) -> list[Result]:
        with self._lock:
            return self._perform(self._shelf, ops, embedded)

    async def _arun(self, ops: Sequence[Op], embedded: Embedded) -> list[Result]:
        return self._run(ops, embedded)

    def sweep_ttl(self) -> int:
        """Forget what has expired; give how many values."""
        with self._lock:
            return self._shelf.sweep(self._clock())


class _Dicts(Shelf):
    def __init__(self) -> None:
        self._rows: dict[Namespace, dict[str, Row]] = {}
        self._vectors: dict[tuple[Namespace, str], Sequence[Vector]] = {}
        self._mortal: dict[tuple[Namespace, str], float] = {}
        """When what does not last for ever expires."""

    def get(self, namespace: Namespace, key: str) -> Row | None:
        return self._rows.get(namespace, {}).get(key)

    def below(self, prefix: Namespace) -> Iterator[Row]:
        for namespace, rows in self._rows.items():
            if namespace[: len(prefix)] == prefix:
                yield from rows.values()

    def vectors(self, prefix: Namespace) -> Callable[[Row], Sequence[Vector]]:  # noqa: ARG002
        return lambda row: self._vectors.get((row.namespace, row.key), ())

    def namespaces(self, now: float) -> list[Namespace]:
        return [
            namespace
            for namespace, rows in self._rows.items()
            if any(not row.is_over(now) for row in rows.values())
        ]

    def put(self, row: Row, vectors: Mapping[str, Vector]) -> None:
        self._vectors.pop((row.namespace, row.key), None)
        if vectors:
            self._vectors[row.namespace, row.key] = tuple(vectors.values())
        self.touch(row)

    def delete(self, namespace: Namespace, key: str) -> None:
        rows = self._rows.get(namespace, {})
        rows.pop(key, None)
        if not rows:
            self._rows.pop(namespace, None)
        self._vectors.pop((namespace, key), None)
        self._mortal.pop((namespace, key), None)

    def touch(self, row: Row) -> None:
        self._rows.setdefault(row.namespace, {})[row.key] = row
        if row.expires is None:
            self._mortal.pop((row.namespace, row.key), None)
        else:
            self._mortal[row.namespace, row.key] = row.expires

    def sweep(self, now: float) -> int:
        over = [place for place, expires in self._mortal.items() if expires <= now]
        for place in over:
            self.delete(*place)
        return len(over)
