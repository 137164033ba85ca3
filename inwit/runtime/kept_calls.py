"""Results kept for one execution, one thread or the process, as a node's configuration asks for it.

Unlike `CachePolicy` these need no cache of the graph: what is kept is bounded, lives in the process
and is given again only where all that the node reads is equal.
"""

from __future__ import annotations

import inspect
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from inwit.errors import UnserialisableError
from inwit.runtime.caching.keys import canonical, digest
from inwit.runtime.returned import pack_returned, unpack_returned

if TYPE_CHECKING:
    from inwit.runtime.context import Context
    from inwit.runtime.program import Node

MOST: Final = 4096
"""Results that are kept of one node; the longest unused give way."""
_MISS: Final = object()
Shelf = OrderedDict[str, tuple[float, Any]]


class Kept:
    """A bounded store of results. Thread-safe.

    What is kept for one execution goes with it; the rest is bounded by number.
    """

    def __init__(self, setting: Mapping[str, Any]) -> None:
        self._scope = setting.get("scope", "execution")
        keys = setting.get("key")
        self._keys = [str(key) for key in keys] if isinstance(keys, list | tuple) else None
        self._ttl_s = setting.get("ttl")
        self._found: Shelf = OrderedDict()
        self._lock = threading.Lock()

    def key(self, ctx: Context, given: Any) -> str | None:
        """The key of an input; None where nothing tells equal inputs."""
        place = ctx.thread_id if self._scope == "thread" else ""
        if self._keys is not None:
            given = [[key, _value(given, key)] for key in self._keys]
        try:
            return digest(canonical([place, given]))
        except UnserialisableError:
            return None

    def get(self, ctx: Context, key: str | None) -> Any:
        """What is kept under a key, or `_MISS`."""
        with self._lock:
            shelf = self._shelf(ctx)
            found = None if key is None else shelf.get(key)
            if key is None or found is None:
                return _MISS
            if self._ttl_s is not None and time.monotonic() - found[0] > self._ttl_s:
                del shelf[key]
                return _MISS
            shelf.move_to_end(key)
            return found[1]

    def put(self, ctx: Context, key: str | None, value: Any) -> None:
        """Keep a result."""
        if key is None:
            return
        with self._lock:
            shelf = self._shelf(ctx)
            shelf[key] = (time.monotonic(), value)
            while len(shelf) > MOST:
                shelf.popitem(last=False)

    def _shelf(self, ctx: Context) -> Shelf:
        if self._scope != "execution":
            return self._found
        shelves: dict[int, Shelf] = ctx.execution.__dict__.setdefault("kept_results", {})
        return shelves.setdefault(id(self), OrderedDict())


def _value(given: Any, key: str) -> Any:
    if isinstance(given, Mapping):
        return given.get(key)
    return getattr(given, key, None)


def keep_results(node: Node, setting: Mapping[str, Any]) -> None:
    """Let a node give what it gave before for equal input."""
    node.call = with_results(node.call, setting, is_async=node.is_async)
    node.is_plain = False


def with_results(
    call: Callable[[Any, Context], Any], setting: Mapping[str, Any], *, is_async: bool
) -> Callable[[Any, Context], Any]:
    """A node's call that gives what it gave before for equal input."""
    kept = Kept(setting)

    def known(state: Any, ctx: Context) -> tuple[str | None, Any]:
        key = kept.key(ctx, state)
        found = kept.get(ctx, key)
        if found is _MISS:
            return key, _MISS
        ctx.is_cached = True
        ctx.emit("cache_hit", key=key)
        return key, unpack_returned(found)

    def keep(ctx: Context, key: str | None, result: Any) -> Any:
        with suppress(UnserialisableError):
            kept.put(ctx, key, pack_returned(result))
        return result

    if is_async:

        async def arun(state: Any, ctx: Context) -> Any:
            key, found = known(state, ctx)
            return keep(ctx, key, await call(state, ctx)) if found is _MISS else found

        return arun

    def run(state: Any, ctx: Context) -> Any:
        key, found = known(state, ctx)
        return keep(ctx, key, call(state, ctx)) if found is _MISS else found

    return run


def keep_calls(node: Node, kind: str, setting: Mapping[str, Any]) -> None:
    """Let the calls that a node makes by ``ctx.tool`` or ``ctx.llm`` give what equal ones gave."""
    kept, call = Kept(setting), node.call
    name, method = setting.get("name"), "tool" if kind == "tool" else "llm"

    def around(ctx: Context) -> Callable[..., Any]:
        real = getattr(ctx, method)

        def asked(what: Any, *args: Any, **kwargs: Any) -> Any:
            called = _name_of(what) if kind == "tool" else kwargs.get("model")
            if name is not None and called is not None and called != name:
                return real(what, *args, **kwargs)
            said = [called, args, kwargs] if kind == "tool" else [what, args, kwargs]
            key = kept.key(ctx, said)
            found = kept.get(ctx, key)
            if found is not _MISS:
                ctx.emit("cache_hit", key=key)
                return _ready(found[1]) if found[0] else found[1]
            result = real(what, *args, **kwargs)
            if inspect.isawaitable(result):
                return _later(kept, ctx, key, result)
            kept.put(ctx, key, (False, result))
            return result

        return asked

    if node.is_async:

        async def arun(state: Any, ctx: Context) -> Any:
            setattr(ctx, method, around(ctx))
            try:
                return await call(state, ctx)
            finally:
                delattr(ctx, method)

        node.call = arun
    else:

        def run(state: Any, ctx: Context) -> Any:
            setattr(ctx, method, around(ctx))
            try:
                return call(state, ctx)
            finally:
                delattr(ctx, method)

        node.call = run
    node.is_plain = False


async def _later(kept: Kept, ctx: Context, key: str | None, result: Any) -> Any:
    found = await result
    kept.put(ctx, key, (True, found))
    return found


async def _ready(found: Any) -> Any:
    return found


def _name_of(tool: Any) -> str:
    if isinstance(tool, str):
        return tool
    return str(getattr(tool, "name", None) or getattr(tool, "__name__", type(tool).__name__))
