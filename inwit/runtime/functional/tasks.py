"""`task`: a function that an entry point, a node or another task calls, and goes on meanwhile."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, Protocol, TypeVar, cast, overload
from weakref import WeakKeyDictionary

from inwit.errors import OutsideNodeError
from inwit.runtime.caching.policy import CachePolicy
from inwit.runtime.context import Context, current
from inwit.runtime.policies import NodePolicy, RetryPolicy
from inwit.runtime.policies.timeouts import TimeoutPolicy
from inwit.runtime.program import Node, is_coroutine_function, parameter_kind

if TYPE_CHECKING:
    from inwit.runtime.caching.base import BaseCache
    from inwit.runtime.functional.calls import Given

P = ParamSpec("P")
R = TypeVar("R")
Seconds = float | timedelta | TimeoutPolicy | None
Retry = RetryPolicy | Sequence[RetryPolicy] | None


class TaskFunction(Generic[P, R]):
    """A function whose calls are futures. Made by `task`."""

    def __init__(self, function: Callable[P, Any], name: str | None, policy: NodePolicy) -> None:
        update_wrapper(self, cast(Any, function))
        self.func = function
        self.name: str = name or getattr(function, "__name__", None) or _inner_name(function)
        self.policy = policy
        self._extras = _extras(function)
        self._nodes: WeakKeyDictionary[Any, Node] = WeakKeyDictionary()

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Begin a call, and give its future: ``.result()`` in sync code, ``await`` in async code.

        Raises:
            OutsideNodeError: Neither an entry point nor a node runs here.
        """
        from inwit.runtime.functional.calls import Scope

        ctx = current()
        if ctx is None:
            raise OutsideNodeError(f"The task {self.name!r}")
        return Scope.of(ctx).start(self, (args, kwargs))

    def node_of(self, graph: Any) -> Node:
        """The task as the engine calls it, with its policies, within a graph."""
        found = self._nodes.get(graph)
        if found is None:
            from inwit.runtime.policies.compose import Around, compose

            found = Node(-1, self.name, self.func, self.policy)
            found.call, found.is_plain = self._call, False
            compose(found, Around(graph.options.limits, graph.schema, {}))
            self._nodes[graph] = found
        return found

    def _call(self, given: Given, ctx: Context) -> Any:
        args, kwargs = given
        if not self._extras:
            return self.func(*args, **kwargs)
        said = inspect.signature(self.func).bind_partial(*args, **kwargs).arguments
        more = {name: ctx.given(kind) for name, kind in self._extras.items() if name not in said}
        return cast(Any, self.func)(*args, **kwargs, **more)

    def clear_cache(self, cache: BaseCache[Any]) -> None:
        """Forget the results that a cache keeps of this task."""
        cache.clear((self._namespace(),))

    async def aclear_cache(self, cache: BaseCache[Any]) -> None:
        """Forget the results that a cache keeps of this task."""
        await cache.aclear((self._namespace(),))

    def _namespace(self) -> tuple[str, ...]:
        from inwit.runtime.caching.calls import namespace_of

        return namespace_of(self.name, self.func)


class _Decorator(Protocol):
    """What makes a task of a function, with the options that it was given."""

    @overload
    def __call__(self, function: Callable[P, Awaitable[R]], /) -> TaskFunction[P, R]: ...
    @overload
    def __call__(self, function: Callable[P, R], /) -> TaskFunction[P, R]: ...


@overload
def task(
    __func_or_none__: None = None, *, name: str | None = None, retry_policy: Retry = None,
    cache_policy: CachePolicy | None = None, timeout: Seconds = None,
) -> _Decorator: ...  # fmt: skip


@overload
def task(__func_or_none__: Callable[P, Awaitable[R]]) -> TaskFunction[P, R]: ...


@overload
def task(__func_or_none__: Callable[P, R]) -> TaskFunction[P, R]: ...


def task(
    __func_or_none__: Any = None, *, name: str | None = None, retry_policy: Retry = None,
    cache_policy: CachePolicy | None = None, timeout: Seconds = None,
) -> Any:  # fmt: skip
    """Make a function one whose calls are futures that run at the same time.

    What a call returned is kept with the thread; when the entry point runs again, the same call (the
    n-th of that name) is given it without running. What nodes ask for by name or type (config,
    writer, store, runtime, ctx), a task is given too.

    Args:
        timeout: The seconds that an attempt may take, or a `TimeoutPolicy`; for async tasks.

    Raises:
        ValueError: A sync task was given a time-out: it could not be cut off. Or it is not above 0.

    Example:
        >>> from inwit import entrypoint, task
        >>> @task
        ... def double(n: int) -> int:
        ...     return n * 2
        >>> @entrypoint()
        ... def doubled(numbers: list[int]) -> list[int]:
        ...     return [future.result() for future in [double(n) for n in numbers]]
        >>> doubled.invoke([1, 2, 3])
        [2, 4, 6]
    """
    TimeoutPolicy.coerce(timeout)  # One that can be none is refused at once.

    def made(function: Callable[..., Any]) -> TaskFunction[Any, Any]:
        refuse_sync_timeout(function, timeout, "task")
        policy: dict[str, Any] = {"retry_policy": retry_policy, "timeout": timeout}
        if cache_policy is not None:
            policy["cache_policy"] = _of_arguments(cache_policy)
        return TaskFunction(function, name, NodePolicy.written(policy))

    return made if __func_or_none__ is None else made(__func_or_none__)


def refuse_sync_timeout(function: Callable[..., Any], timeout: Seconds, kind: str) -> None:
    """Refuse a time-out that could not be kept.

    Raises:
        ValueError: The function is sync.
    """
    if timeout is not None and not is_coroutine_function(function):
        raise ValueError(
            f"The {kind} {_inner_name(function)!r} is sync and cannot be cut off: a timeout is only"
            " supported for async nodes, tasks and entry points."
        )


def _of_arguments(policy: CachePolicy) -> CachePolicy:
    """A policy whose key is made of a call's arguments."""

    def key_of(given: Given) -> str | bytes:
        return policy.key_func(*given[0], **given[1])

    return CachePolicy(key_func=key_of, ttl=policy.ttl)


def _extras(function: Callable[..., Any]) -> dict[str, str]:
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}
    kinds = {name: parameter_kind(name, one.annotation) for name, one in parameters.items()}
    return {name: kind for name, kind in kinds.items() if kind is not None}


def _inner_name(function: Any) -> str:
    inner = getattr(function, "func", function)
    return str(getattr(inner, "__name__", type(inner).__name__))
