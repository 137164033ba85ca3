"""Several things at once inside one node: all of them, or only as many as are needed."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from inwit.errors import InvalidJoinError
from inwit.runtime.commands import GraphBubbleUp

T = TypeVar("T")
R = TypeVar("R")


async def all_of(work: Sequence[Coroutine[Any, Any, R]]) -> list[R]:
    """Run all, and give their results in their order.

    The first error cancels the others and is raised when they have cleaned up; where one waits for
    a person, the others are let finish first.
    """
    if not work:
        return []
    async with _owned([asyncio.ensure_future(one) for one in work]) as tasks:
        done, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        if left and any(isinstance(task.exception(), GraphBubbleUp) for task in done):
            await asyncio.wait(left)
        failed = next((task for task in tasks if task.done() and task.exception()), None)
        return [task.result() for task in ([failed] if failed is not None else tasks)]


@asynccontextmanager
async def _owned(
    tasks: list[asyncio.Future[R]],
) -> AsyncIterator[list[asyncio.Future[R]]]:
    """Cancel what still runs at the end, and wait for its clean-up."""
    try:
        yield tasks
    finally:
        left = [task for task in tasks if not task.done()]
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left)
        for task in tasks:
            if not task.cancelled():
                task.exception()  # the first one is raised; the others have been seen


async def map_concurrent(
    items: Iterable[T],
    fn: Callable[[T], Any],
    max_concurrency: int | None = 8,
    *,
    in_threads: bool = False,
    return_exceptions: bool = False,
) -> list[Any]:
    """Call a function for each item, some at the same time, and give the results in their order.

    Args:
        fn: Sync or async. A sync one runs in place, or with `in_threads` in threads.
        max_concurrency: How many run at once; None is no limit.
        return_exceptions: Give an error in its item's place, instead of cancelling the others and
            raising the first.
    """
    if max_concurrency is not None and max_concurrency < 1:
        raise InvalidJoinError(f"max_concurrency is {max_concurrency}.", hint="Give 1 or more.")
    gate = asyncio.Semaphore(max_concurrency) if max_concurrency is not None else None

    async def call(item: T) -> Any:
        if gate is None:
            return await _called(fn, item, in_threads=in_threads)
        async with gate:
            return await _called(fn, item, in_threads=in_threads)

    async def kept(item: T) -> Any:
        try:
            return await call(item)
        except GraphBubbleUp:
            raise
        except Exception as exc:  # noqa: BLE001 - the caller asked for it
            return exc

    work = [kept(item) if return_exceptions else call(item) for item in items]
    return await all_of(work)


async def _called(fn: Callable[[T], Any], item: T, *, in_threads: bool) -> Any:
    found = await asyncio.to_thread(fn, item) if in_threads else fn(item)
    return await found if inspect.isawaitable(found) else found


Branch = Callable[[Any], Any]


def join_k(
    k: int, branches: Sequence[Branch], *, merge: Callable[[list[Any]], Any] | None = None
) -> Callable[[Any], Coroutine[Any, Any, Any]]:
    """Make a node that runs several functions of the state and goes on when `k` of them are done.

    The rest are cancelled. A branch that fails counts for nothing, unless too few are left: then its
    error is raised. Sync branches get a thread each, which runs on when it is not waited for.

    Args:
        merge: Makes the node's update of the first `k` results, in the order in which they came;
            without it they are dicts that are merged.

    Raises:
        InvalidJoinError: `k` is not between 1 and the number of branches.
    """
    if not 1 <= k <= len(branches):
        raise InvalidJoinError(
            f"{k} of {len(branches)} branches cannot be waited for.",
            hint=f"Give a k from 1 to {len(branches)}.",
        )

    async def join(state: Any) -> Any:
        """Wait for the first of several branches."""
        results = await first_k(
            k, [_called(one, state, in_threads=not _is_async(one)) for one in branches]
        )
        return merge(results) if merge is not None else _merged(results)

    join.__name__ = f"join_{k}_of_{len(branches)}"
    return join


def _is_async(function: Any) -> bool:
    from inwit.runtime.program import is_coroutine_function

    return is_coroutine_function(function)


def _merged(updates: list[Any]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for update in updates:
        merged |= update or {}
    return merged


async def first_k(k: int, work: Sequence[Coroutine[Any, Any, R]]) -> list[R]:
    """Give the first `k` results, in the order in which they come, and cancel the rest.

    Raises:
        Exception: So many failed that `k` can't be reached: the first one's error.
    """
    results: list[R] = []
    errors: list[BaseException] = []
    async with _owned([asyncio.ensure_future(one) for one in work]) as tasks:
        left = set(tasks)
        while len(results) < k:
            done, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
            for task in sorted(done, key=tasks.index):
                error = task.exception()
                if isinstance(error, GraphBubbleUp):
                    raise error
                if error is not None:
                    errors.append(error)
                elif len(results) < k:
                    results.append(task.result())
            if len(results) < k and len(tasks) - len(errors) < k:
                raise errors[0]
    return results
