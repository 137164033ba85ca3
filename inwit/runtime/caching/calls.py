"""Node calls that look into a cache first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import msgspec

from inwit.errors import StoreError
from inwit.runtime.caching.base import BaseCache, FullKey, Namespace
from inwit.runtime.caching.keys import identity
from inwit.runtime.caching.policy import CachePolicy
from inwit.runtime.failures import failure_of
from inwit.runtime.returned import pack_returned, unpack_returned

if TYPE_CHECKING:
    from inwit.runtime.context import Context

Call = Callable[[Any, "Context"], Any]
_MISS = object()


def namespace_of(node: str, function: Any) -> Namespace:
    """Where a node's results are kept: another place when its code was changed."""
    return ("inwit.nodes", node, identity(function))


def cached(call: Call, namespace: Namespace, policy: CachePolicy) -> Call:
    """Wrap a sync node's call."""

    def run(state: Any, ctx: Context) -> Any:
        cache: BaseCache[Any] | None = ctx.execution.cache
        if cache is None:
            return call(state, ctx)
        key = (namespace, policy.key_of(state))
        try:
            found = cache.get((key,))
        except (StoreError, OSError) as exc:
            found = _failed(ctx, exc)
        given = _hit(ctx, key, found)
        if given is not _MISS:
            return given
        result = call(state, ctx)
        kept = bytes(pack_returned(result))
        try:
            cache.set({key: (kept, policy.ttl)})
        except (StoreError, OSError) as exc:
            _failed(ctx, exc)
        return result

    return _placed(run, namespace)


def acached(
    call: Callable[[Any, Context], Awaitable[Any]],
    namespace: Namespace,
    policy: CachePolicy,
) -> Callable[[Any, Context], Awaitable[Any]]:
    """Wrap an async node's call."""

    async def run(state: Any, ctx: Context) -> Any:
        cache: BaseCache[Any] | None = ctx.execution.cache
        if cache is None:
            return await call(state, ctx)
        key = (namespace, policy.key_of(state))
        try:
            found = await cache.aget((key,))
        except (StoreError, OSError) as exc:
            found = _failed(ctx, exc)
        given = _hit(ctx, key, found)
        if given is not _MISS:
            return given
        result = await call(state, ctx)
        kept = bytes(pack_returned(result))
        try:
            await cache.aset({key: (kept, policy.ttl)})
        except (StoreError, OSError) as exc:
            _failed(ctx, exc)
        return result

    return _placed(run, namespace)


def _placed(run: Call, namespace: Namespace) -> Call:
    run.namespace = namespace  # type: ignore[attr-defined]  # `Cached` clears it
    return run


def _hit(ctx: Context, key: FullKey, found: dict[FullKey, Any]) -> Any:
    if key not in found:
        return _MISS
    ctx.is_cached = True
    ctx.emit("cache_hit", key=key[1])
    return unpack_returned(msgspec.Raw(found[key]))


def _failed(ctx: Context, error: Exception) -> dict[FullKey, Any]:
    """Record that the cache is of no use now: the node runs without it."""
    ctx.emit("custom", name="cache_failed", data={"error": str(failure_of(error).message)})
    return {}
