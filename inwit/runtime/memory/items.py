"""What a store holds, and what it can be asked: items and operations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple, TypedDict

from inwit.errors import InvalidNamespaceError

Namespace = tuple[str, ...]


class NotProvided:
    """The type of `NOT_PROVIDED`: nothing was said, and None would be something."""

    def __bool__(self) -> Literal[False]:
        return False

    def __repr__(self) -> str:
        return "NOT_PROVIDED"


NOT_PROVIDED: Final = NotProvided()


class Item:
    """A value kept under a key of a namespace. It is the reader's own: changing it changes nothing."""

    __slots__ = ("created_at", "key", "namespace", "updated_at", "value")

    def __init__(
        self,
        *,
        value: dict[str, Any],
        key: str,
        namespace: Sequence[str],
        created_at: datetime | str,
        updated_at: datetime | str,
    ) -> None:
        self.value = value
        self.key = key
        self.namespace: Namespace = tuple(namespace)
        self.created_at = _moment(created_at)
        self.updated_at = _moment(updated_at)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Item):
            return NotImplemented
        return Item.dict(self) == Item.dict(other)

    def __hash__(self) -> int:
        return hash((self.namespace, self.key))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.dict().items())})"

    def dict(self) -> dict[str, Any]:
        """Show it as JSON values, times in ISO 8601."""
        return {
            "namespace": list(self.namespace),
            "key": self.key,
            "value": self.value,
            "created_at": self.created_at.isoformat(),
            "updated_at": self.updated_at.isoformat(),
        }


class SearchItem(Item):
    """An item that was found; `score` is its likeness to the query, None where none was asked."""

    __slots__ = ("score",)

    def __init__(  # noqa: PLR0917 - the order that callers know
        self,
        namespace: Sequence[str],
        key: str,
        value: dict[str, Any],
        created_at: datetime | str,
        updated_at: datetime | str,
        score: float | None = None,
    ) -> None:
        super().__init__(
            value=value, key=key, namespace=namespace, created_at=created_at, updated_at=updated_at
        )
        self.score = score

    def dict(self) -> dict[str, Any]:
        """Show it as JSON values, the score among them."""
        return {**super().dict(), "score": self.score}


def _moment(value: datetime | str) -> datetime:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


class GetOp(NamedTuple):
    """Read one item."""

    namespace: Namespace
    key: str
    refresh_ttl: bool = True


class SearchOp(NamedTuple):
    """Find items below a namespace, by their values and by meaning."""

    namespace_prefix: Namespace
    filter: dict[str, Any] | None = None
    limit: int = 10
    offset: int = 0
    query: str | None = None
    refresh_ttl: bool = True


NamespacePath = tuple[str, ...]
"""A namespace in which ``*`` stands for any one word."""
NamespaceMatchType = Literal["prefix", "suffix"]


class MatchCondition(NamedTuple):
    """How a namespace begins or ends."""

    match_type: NamespaceMatchType
    path: NamespacePath


class ListNamespacesOp(NamedTuple):
    """List namespaces, cut to `max_depth` words."""

    match_conditions: tuple[MatchCondition, ...] | None = None
    max_depth: int | None = None
    limit: int = 100
    offset: int = 0


class PutOp(NamedTuple):
    """Keep a value, or with None forget the key. `ttl` is in minutes."""

    namespace: Namespace
    key: str
    value: Mapping[str, Any] | None
    index: Literal[False] | list[str] | None = None  # type: ignore[assignment]  # shadows tuple.index
    """Which fields are found by meaning: None is the store's own choice, False none."""
    ttl: float | None = None


Op = GetOp | SearchOp | PutOp | ListNamespacesOp
Result = Item | list[Item] | list[SearchItem] | list[Namespace] | None


class TTLConfig(TypedDict, total=False):
    """How long items last, in minutes since they were last written or read."""

    default_ttl: float | None
    refresh_on_read: bool
    """Whether reading counts; True where it is not said."""
    omit_expired: bool
    """Taken for compatibility: what has expired is never given."""
    sweep_interval_minutes: int | None
    """Taken for compatibility: what has expired is removed when something is put."""


class IndexConfig(TypedDict, total=False):
    """How items are found by meaning."""

    dims: int
    embed: Any
    """A function from texts to vectors, sync or async, or an object with `embed_documents`."""
    fields: list[str] | None
    """Paths of the texts, ``["$"]`` being the whole value; see `get_text_at_path`."""


def validate_namespace(namespace: Namespace) -> None:
    """Refuse a namespace that nothing can be put into.

    Raises:
        InvalidNamespaceError: It is empty, reserved, or has a word that cannot be one.
    """
    if not namespace:
        raise InvalidNamespaceError(namespace, "is empty")
    validate_labels(namespace)
    if namespace[0] == "langgraph":
        raise InvalidNamespaceError(namespace, 'begins with "langgraph", which is reserved')


def validate_labels(namespace: Sequence[object]) -> None:
    """Refuse words that are no strings, empty, or hold a point or NUL."""
    for label in namespace:
        if not isinstance(label, str):
            kind = type(label).__name__
            raise InvalidNamespaceError(namespace, f"has a word that is of {kind}, not a string")
        if not label:
            raise InvalidNamespaceError(namespace, "has an empty word")
        if "." in label or "\0" in label:
            raise InvalidNamespaceError(namespace, f"has the word {label!r} with a point or NUL")


def validate_op_namespace(op: Op) -> None:
    """Refuse an operation whose namespace has words that cannot be any."""
    if isinstance(op, GetOp | PutOp):
        validate_labels(op.namespace)
    elif isinstance(op, SearchOp):
        validate_labels(op.namespace_prefix)
    else:
        for condition in op.match_conditions or ():
            validate_labels(condition.path)
