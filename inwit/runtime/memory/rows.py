"""Items as stores keep them, and which of them a search gives."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, NamedTuple, cast

from inwit.runtime.memory.items import Item, Namespace, PutOp, SearchItem, SearchOp
from inwit.runtime.memory.matching import passes
from inwit.runtime.memory.meaning import Vector, likeness
from inwit.runtime.serial import pack, unpack

_MINUTE_S = 60.0


class Row(NamedTuple):
    """One item; times are seconds since 1970, `expires` None for ever."""

    namespace: Namespace
    key: str
    data: bytes
    created: float
    updated: float
    ttl_s: float | None
    expires: float | None

    def is_over(self, now: float) -> bool:
        """Whether it has expired."""
        return self.expires is not None and self.expires <= now

    def refreshed(self, now: float) -> Row:
        """The same item, which was read now."""
        return self if self.ttl_s is None else self._replace(expires=now + self.ttl_s)

    def value(self) -> dict[str, Any]:
        """A copy of the value."""
        return cast("dict[str, Any]", unpack(self.data))

    def item(self) -> Item:
        """The item as a reader gets it."""
        return Item(
            value=self.value(), key=self.key, namespace=self.namespace,
            created_at=_moment(self.created), updated_at=_moment(self.updated),
        )  # fmt: skip

    def found(self, score: float | None) -> SearchItem:
        """The item as a search gives it."""
        created, updated = _moment(self.created), _moment(self.updated)
        return SearchItem(self.namespace, self.key, self.value(), created, updated, score)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def put_row(op: PutOp, before: Row | None, now: float) -> Row:
    """The row of a value that is put in place of another or of none.

    Raises:
        UnserialisableError: The value holds what cannot be kept.
    """
    assert op.value is not None
    ttl_s = None if op.ttl is None else op.ttl * _MINUTE_S
    expires = None if ttl_s is None else now + ttl_s
    is_new = before is None or before.is_over(now)
    created = now if is_new or before is None else before.created
    return Row(op.namespace, op.key, pack(dict(op.value)), created, now, ttl_s, expires)


class Hit(NamedTuple):
    """A row that a search found."""

    row: Row
    score: float | None


def search(
    op: SearchOp,
    rows: Iterable[Row],
    vectors_of: Callable[[Row], Sequence[Vector]],
    query: Vector | None,
) -> list[Hit]:
    """Find the page of rows that an operation asks for.

    With a query what is most like it comes first, by the likest of its texts; what has no texts
    comes last.
    """
    passing = (row for row in rows if not op.filter or passes(row.value(), op.filter))
    end = op.offset + op.limit
    if query is None:
        return [Hit(row, None) for row in islice(passing, op.offset, max(end, op.offset))]
    return _ranked(list(passing), vectors_of, query)[op.offset : end]


def _ranked(
    rows: list[Row], vectors_of: Callable[[Row], Sequence[Vector]], query: Vector
) -> list[Hit]:
    owners: list[int] = []
    vectors: list[Vector] = []
    for number, row in enumerate(rows):
        own = vectors_of(row)
        owners += [number] * len(own)
        vectors += own
    best: dict[int, float] = {}
    for number, score in zip(owners, likeness(query, vectors), strict=True):
        best[number] = max(score, best.get(number, score))
    scored = sorted(best, key=lambda number: -best[number])
    rest = (number for number in range(len(rows)) if number not in best)
    return [Hit(rows[number], best[number]) for number in scored] + [
        Hit(rows[number], None) for number in rest
    ]
