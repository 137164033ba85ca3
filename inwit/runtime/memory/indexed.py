"""What our stores share: embedding before, and one pass over the operations of a batch."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from inwit.runtime.memory.base import BaseStore
from inwit.runtime.memory.items import (
    GetOp,
    IndexConfig,
    ListNamespacesOp,
    Namespace,
    Op,
    PutOp,
    Result,
    SearchOp,
    TTLConfig,
)
from inwit.runtime.memory.matching import listed
from inwit.runtime.memory.meaning import Embeddings, Meaning, Place, Vector
from inwit.runtime.memory.rows import Row, put_row, search


class Embedded(NamedTuple):
    """The vectors that a batch needs."""

    queries: Mapping[str, Vector]
    texts: Mapping[Place, Vector]


class Shelf:
    """Rows and vectors where they are kept, open for one batch."""

    def get(self, namespace: Namespace, key: str) -> Row | None:
        """Find a row, expired or not."""
        raise NotImplementedError

    def below(self, prefix: Namespace) -> Iterable[Row]:
        """All rows below a namespace, in the order in which their keys were first put."""
        raise NotImplementedError

    def vectors(self, prefix: Namespace) -> Callable[[Row], Sequence[Vector]]:
        """Gives the vectors of rows below a namespace."""
        raise NotImplementedError

    def namespaces(self, now: float) -> Iterable[Namespace]:
        """The namespaces that hold something."""
        raise NotImplementedError

    def put(self, row: Row, vectors: Mapping[str, Vector]) -> None:
        """Keep a row in place of the one under its key, and its vectors by their paths."""
        raise NotImplementedError

    def delete(self, namespace: Namespace, key: str) -> None:
        """Forget a row and its vectors."""
        raise NotImplementedError

    def touch(self, row: Row) -> None:
        """Keep a row's new time of expiry."""
        raise NotImplementedError

    def sweep(self, now: float) -> int:
        """Forget what has expired; give how many."""
        raise NotImplementedError


class IndexedStore(BaseStore):
    """A store with an index by meaning and items that may expire."""

    supports_ttl = True

    __slots__ = ("_clock", "_meaning", "index_config", "ttl_config")

    def __init__(
        self,
        *,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._meaning = None if index is None else Meaning(index)
        self._clock = clock
        self.index_config: IndexConfig | None = None if index is None else index.copy()
        self.ttl_config = ttl

    @property
    def embeddings(self) -> Embeddings | None:
        """What turns texts into vectors, where the store has an index."""
        return None if self._meaning is None else self._meaning.embeddings

    @abstractmethod
    def _run(self, ops: Sequence[Op], embedded: Embedded) -> list[Result]:
        """Do the operations of a batch, all or none."""

    @abstractmethod
    async def _arun(self, ops: Sequence[Op], embedded: Embedded) -> list[Result]:
        """Do the operations of a batch without holding the event loop."""

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Do several operations in one transaction; the results are in their order."""
        ops = list(ops)
        queries, texts = self._needed(ops)
        if self._meaning is None:
            return self._run(ops, Embedded({}, {}))
        asked = {query: self._meaning.embeddings.embed_query(query) for query in queries}
        return self._run(ops, self._checked(asked, self._meaning.embed(texts)))

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Do several operations in one transaction; the results are in their order."""
        ops = list(ops)
        queries, texts = self._needed(ops)
        if self._meaning is None:
            return await self._arun(ops, Embedded({}, {}))
        asked = {query: await self._meaning.embeddings.aembed_query(query) for query in queries}
        return await self._arun(ops, self._checked(asked, await self._meaning.aembed(texts)))

    def _needed(self, ops: Sequence[Op]) -> tuple[list[str], list[tuple[str, Place]]]:
        """The queries and texts whose vectors a batch needs."""
        for op in ops:
            if not isinstance(op, GetOp | SearchOp | PutOp | ListNamespacesOp):
                raise ValueError(  # noqa: TRY004 - as LangGraph's stores do
                    f"A store knows no operation {type(op).__name__}."
                )
        if self._meaning is None:
            return [], []
        queries = [op.query for op in ops if isinstance(op, SearchOp) and op.query]
        return list(dict.fromkeys(queries)), self._meaning.texts_of(_last_puts(ops))

    def _checked(self, queries: Mapping[str, Vector], texts: Mapping[Place, Vector]) -> Embedded:
        assert self._meaning is not None
        for vector in queries.values():
            self._meaning.check(vector)
        return Embedded(queries, texts)

    def _perform(self, shelf: Shelf, ops: Sequence[Op], embedded: Embedded) -> list[Result]:
        """Answer the reads, then do the writes."""
        now = self._clock()
        results = [_answer(shelf, op, embedded, now) for op in ops]
        puts = _last_puts(ops)
        for op in puts:
            if op.value is None:
                shelf.delete(op.namespace, op.key)
                continue
            own = {
                place.path: vector
                for place, vector in embedded.texts.items()
                if (place.namespace, place.key) == (op.namespace, op.key)
            }
            shelf.put(put_row(op, shelf.get(op.namespace, op.key), now), own)
        if puts:
            shelf.sweep(now)
        return results


def _last_puts(ops: Sequence[Op]) -> list[PutOp]:
    return list({(op.namespace, op.key): op for op in ops if isinstance(op, PutOp)}.values())


def _answer(shelf: Shelf, op: Op, embedded: Embedded, now: float) -> Result:
    if isinstance(op, GetOp):
        row = shelf.get(op.namespace, op.key)
        if row is None or row.is_over(now):
            return None
        _touch(shelf, row, op.refresh_ttl, now)
        return row.item()
    if isinstance(op, SearchOp):
        rows = (row for row in shelf.below(op.namespace_prefix) if not row.is_over(now))
        query = embedded.queries.get(op.query) if op.query else None
        vectors = shelf.vectors(op.namespace_prefix) if query is not None else _no_vectors
        hits = search(op, rows, vectors, query)
        for hit in hits:
            _touch(shelf, hit.row, op.refresh_ttl, now)
        return [hit.row.found(hit.score) for hit in hits]
    return listed(shelf.namespaces(now), op) if isinstance(op, ListNamespacesOp) else None


def _touch(shelf: Shelf, row: Row, is_asked: bool, now: float) -> None:
    if is_asked and row.ttl_s is not None:
        shelf.touch(row.refreshed(now))


def _no_vectors(_: Row) -> Sequence[Vector]:
    return ()
