"""Functions around every node call of a graph: ``compile(middleware=[…])``.

A middleware is called with the node's name, the state that it is given, its context and
``call_next``, and returns the update: what ``call_next(state)`` gave, or another. It may change the
state that it hands on, not call the node at all, or call it again.

A sync one is for sync and async nodes alike: around an async node ``call_next`` gives an awaitable,
which it may return as it is. An async one makes every node async. Retries call all of it again; a
result from the cache none of it. What a middleware changes is recorded.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from inwit.runtime.program import is_coroutine_function
from inwit.runtime.source import unwrap

if TYPE_CHECKING:
    from inwit.runtime.context import Context

Call = Callable[[Any, "Context"], Any]


class Middleware(Protocol):
    """Something around node calls, sync or async."""

    def __call__(
        self, node: str, state: Any, ctx: Context, call_next: Callable[[Any], Any], /
    ) -> Any:
        """Give the node's update."""


def surrounded(
    call: Call, name: str, middleware: Sequence[Middleware], *, is_async: bool
) -> tuple[Call, bool]:
    """Put middleware around a node's call, the first outermost; say whether it is async now."""
    for one in reversed(middleware):
        if is_async or is_coroutine_function(one):
            call, is_async = _around_async(call, name, one, is_async=is_async), True
        else:
            call = _around(call, name, one)
    return call, is_async


class _Watch:
    """What one middleware did of one call."""

    __slots__ = ("calls", "given", "result", "state")

    def __init__(self, state: Any) -> None:
        self.state = self.given = state
        self.calls = 0
        self.result: Any = None

    def tell(self, ctx: Context, middleware: Middleware, returned: Any) -> None:
        """Record what it changed, if anything."""
        did = []
        if self.calls != 1:
            did.append("called again" if self.calls else "answered instead")
        if self.given is not self.state:
            did.append("changed the state")
        if self.calls and returned is not self.result:
            did.append("changed the update")
        if did:
            ctx.emit("custom", name="middleware", data={"name": name_of(middleware), "did": did})


def _around(call: Call, name: str, middleware: Middleware) -> Call:
    def run(state: Any, ctx: Context) -> Any:
        watch = _Watch(state)

        def call_next(given: Any) -> Any:
            watch.given, watch.calls = given, watch.calls + 1
            watch.result = call(given, ctx)
            return watch.result

        returned = middleware(name, state, ctx, call_next)
        watch.tell(ctx, middleware, returned)
        return returned

    return run


def _around_async(
    call: Call, name: str, middleware: Middleware, *, is_async: bool
) -> Callable[[Any, Context], Awaitable[Any]]:
    async def run(state: Any, ctx: Context) -> Any:
        watch = _Watch(state)

        async def call_next(given: Any) -> Any:
            watch.given, watch.calls = given, watch.calls + 1
            result = call(given, ctx)
            watch.result = await result if is_async else result
            return watch.result

        returned = middleware(name, state, ctx, call_next)
        if inspect.isawaitable(returned):
            returned = await returned
        watch.tell(ctx, middleware, returned)
        return returned

    return run


def name_of(middleware: Middleware) -> str:
    """The name of a middleware: its function's, or its class's."""
    name = str(getattr(unwrap(middleware), "__name__", "__call__"))
    return type(middleware).__name__ if name == "__call__" else name
