"""What a cache must do: six methods, sync and async."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from inwit.runtime.serial import pack, unpack

V = TypeVar("V")
Namespace = tuple[str, ...]
FullKey = tuple[Namespace, str]


class Serializer(Protocol):
    """Another way to turn values into bytes, such as LangGraph's serializers."""

    def dumps_typed(self, obj: Any) -> tuple[str, bytes]: ...

    def loads_typed(self, data: tuple[str, bytes]) -> Any: ...


class BaseCache(ABC, Generic[V]):
    """Values by namespace and key, each for ever or for some seconds.

    Values are kept as bytes (msgpack by type, never pickle), so that nobody changes them later.
    """

    def __init__(self, *, serde: Serializer | None = None) -> None:
        self.serde = serde

    @abstractmethod
    def get(self, keys: Sequence[FullKey]) -> dict[FullKey, V]:
        """Find values; what is not there or has expired is left out."""

    @abstractmethod
    async def aget(self, keys: Sequence[FullKey]) -> dict[FullKey, V]:
        """Find values; see `get`."""

    @abstractmethod
    def set(self, pairs: Mapping[FullKey, tuple[V, int | None]]) -> None:
        """Keep values, each with the seconds that it lasts, None for ever."""

    @abstractmethod
    async def aset(self, pairs: Mapping[FullKey, tuple[V, int | None]]) -> None:
        """Keep values; see `set`."""

    @abstractmethod
    def clear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """Forget what is in these namespaces, or everything."""

    @abstractmethod
    async def aclear(self, namespaces: Sequence[Namespace] | None = None) -> None:
        """Forget what is in these namespaces, or everything."""

    def dump(self, value: V) -> bytes:
        """Turn a value into bytes.

        Raises:
            UnserialisableError: It holds what cannot be kept.
        """
        return pack(value if self.serde is None else self.serde.dumps_typed(value))

    def load(self, data: bytes) -> V:
        """Give back a value that `dump` made."""
        value: Any = unpack(data)
        return value if self.serde is None else self.serde.loads_typed(value)  # type: ignore[no-any-return]
