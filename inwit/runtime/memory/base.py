"""What a store of long-term memory must do: two methods; all others are made of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, Literal, cast

from inwit.runtime.memory.items import (
    NOT_PROVIDED,
    GetOp,
    Item,
    ListNamespacesOp,
    MatchCondition,
    Namespace,
    NamespacePath,
    NotProvided,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
    TTLConfig,
    validate_labels,
    validate_namespace,
)

Index = Literal[False] | list[str] | None


class BaseStore(ABC):
    """Values that all threads share, by namespace and key.

    A subclass gives `batch` and `abatch`. In one batch reads see what was there before it, and of
    several puts under one key the last counts. A namespace is a tuple of words; those whose first is
    ``langgraph`` are reserved.
    """

    supports_ttl: bool = False
    ttl_config: TTLConfig | None = None

    __slots__ = ("__weakref__",)

    @abstractmethod
    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """Do several operations; the results are in their order."""

    @abstractmethod
    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """Do several operations; the results are in their order."""

    def get(
        self, namespace: Namespace, key: str, *, refresh_ttl: bool | None = None
    ) -> Item | None:
        """Read one item; None where there is none.

        Args:
            refresh_ttl: Whether this reading makes it last longer; the store's own choice by default.
        """
        return cast("Item | None", self.batch([self._get(namespace, key, refresh_ttl)])[0])

    async def aget(
        self, namespace: Namespace, key: str, *, refresh_ttl: bool | None = None
    ) -> Item | None:
        """Read one item; see `get`."""
        return cast("Item | None", (await self.abatch([self._get(namespace, key, refresh_ttl)]))[0])

    def search(
        self,
        namespace_prefix: Namespace,
        /,
        *,
        query: str | None = None,
        filter: dict[str, Any] | None = None,
        limit: int = 10,
        offset: int = 0,
        refresh_ttl: bool | None = None,
    ) -> list[SearchItem]:
        """Find items below a namespace.

        Args:
            query: A text; what is most like it comes first, where the store has an index.
            filter: Values that the items' fields have, or comparisons such as ``{"$gte": 3}`` with
                ``$eq $ne $gt $gte $lt $lte``.
        """
        op = self._search(namespace_prefix, query, filter, limit, offset, refresh_ttl)
        return cast("list[SearchItem]", self.batch([op])[0])

    async def asearch(
        self,
        namespace_prefix: Namespace,
        /,
        *,
        query: str | None = None,
        filter: dict[str, Any] | None = None,
        limit: int = 10,
        offset: int = 0,
        refresh_ttl: bool | None = None,
    ) -> list[SearchItem]:
        """Find items below a namespace; see `search`."""
        op = self._search(namespace_prefix, query, filter, limit, offset, refresh_ttl)
        return cast("list[SearchItem]", (await self.abatch([op]))[0])

    def put(
        self,
        namespace: Namespace,
        key: str,
        value: Mapping[str, Any],
        index: Index = None,
        *,
        ttl: float | NotProvided | None = NOT_PROVIDED,
    ) -> None:
        """Keep a value, in place of what was under the key.

        Args:
            index: The paths of the texts that it is found by, False for none; the store's own by
                default.
            ttl: Minutes that it lasts since it was last written or read, None for ever; the
                store's own by default.

        Raises:
            InvalidNamespaceError: The namespace cannot be used.
            NotImplementedError: The store has no `ttl`.
        """
        self.batch([self._put(namespace, key, value, index, ttl)])

    async def aput(
        self,
        namespace: Namespace,
        key: str,
        value: Mapping[str, Any],
        index: Index = None,
        *,
        ttl: float | NotProvided | None = NOT_PROVIDED,
    ) -> None:
        """Keep a value; see `put`."""
        await self.abatch([self._put(namespace, key, value, index, ttl)])

    def delete(self, namespace: Namespace, key: str) -> None:
        """Forget a key; nothing happens where there is none."""
        validate_labels(namespace)
        self.batch([PutOp(namespace, str(key), None)])

    async def adelete(self, namespace: Namespace, key: str) -> None:
        """Forget a key; see `delete`."""
        validate_labels(namespace)
        await self.abatch([PutOp(namespace, str(key), None)])

    def list_namespaces(
        self,
        *,
        prefix: NamespacePath | None = None,
        suffix: NamespacePath | None = None,
        max_depth: int | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> list[Namespace]:
        """List the namespaces that hold something, in order.

        ``*`` in `prefix` and `suffix` stands for any one word; longer namespaces than `max_depth`
        words are cut to that, and given once.
        """
        op = _listing(prefix, suffix, max_depth, limit, offset)
        return cast("list[Namespace]", self.batch([op])[0])

    async def alist_namespaces(
        self,
        *,
        prefix: NamespacePath | None = None,
        suffix: NamespacePath | None = None,
        max_depth: int | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> list[Namespace]:
        """List the namespaces that hold something; see `list_namespaces`."""
        op = _listing(prefix, suffix, max_depth, limit, offset)
        return cast("list[Namespace]", (await self.abatch([op]))[0])

    def _get(self, namespace: Namespace, key: str, refresh_ttl: bool | None) -> GetOp:
        validate_labels(namespace)
        return GetOp(namespace, str(key), self._refresh(refresh_ttl))

    def _search(  # noqa: PLR0917 - the fields of `SearchOp`
        self,
        prefix: Namespace,
        query: str | None,
        wanted: dict[str, Any] | None,
        limit: int,
        offset: int,
        refresh_ttl: bool | None,
    ) -> SearchOp:
        validate_labels(prefix)
        return SearchOp(prefix, wanted, limit, offset, query, self._refresh(refresh_ttl))

    def _put(
        self,
        namespace: Namespace,
        key: str,
        value: Mapping[str, Any],
        index: Index,
        ttl: float | NotProvided | None,
    ) -> PutOp:
        validate_namespace(namespace)
        if isinstance(ttl, NotProvided):
            return PutOp(
                namespace, str(key), value, index, (self.ttl_config or {}).get("default_ttl")
            )
        if ttl is not None and not self.supports_ttl:
            raise NotImplementedError(
                f"{type(self).__name__} keeps values for ever: it has no TTL; give ttl=None."
            )
        return PutOp(namespace, str(key), value, index, ttl)

    def _refresh(self, asked: bool | None) -> bool:
        if asked is not None:
            return asked
        return (self.ttl_config or {}).get("refresh_on_read", True)


def _listing(
    prefix: NamespacePath | None,
    suffix: NamespacePath | None,
    max_depth: int | None,
    limit: int,
    offset: int,
) -> ListNamespacesOp:
    validate_labels(prefix or ())
    validate_labels(suffix or ())
    conditions = []
    if prefix:
        conditions.append(MatchCondition("prefix", prefix))
    if suffix:
        conditions.append(MatchCondition("suffix", suffix))
    return ListNamespacesOp(tuple(conditions), max_depth, limit, offset)
