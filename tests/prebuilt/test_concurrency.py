from __future__ import annotations

import asyncio
from typing import Any, TypedDict

import anyio
import pytest

from inwit import START, StateGraph, join_k, map_concurrent
from inwit.errors import InvalidJoinError
from inwit.prebuilt import first_k
from inwit.runtime.commands import GraphInterrupt


class State(TypedDict, total=False):
    n: int
    a: int
    b: int
    c: int


def a_graph(node: Any) -> Any:
    return StateGraph(State).add_node("join", node).add_edge(START, "join").compile(name="joins")


@pytest.mark.parametrize("limit", [1, 2, 7, None])
@pytest.mark.anyio
async def test_results_keep_the_order_of_the_items_within_the_limit(limit: int | None) -> None:
    running, most = 0, 0

    async def work(item: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(5 - item % 5):
            await asyncio.sleep(0)
        running -= 1
        return item * 2

    result = await map_concurrent(range(10), work, limit)

    assert result == [item * 2 for item in range(10)]
    assert most == min(10, limit or 10)


@pytest.mark.anyio
async def test_sync_functions_run_in_threads_where_asked() -> None:
    import threading

    met = threading.Barrier(3, timeout=30)

    result = await map_concurrent("abc", lambda one: (met.wait(), one)[1], in_threads=True)

    assert result == ["a", "b", "c"]


@pytest.mark.anyio
async def test_the_first_error_cancels_the_others_and_waits_for_them() -> None:
    cleaned = []

    async def work(item: int) -> int:
        if item == 1:
            raise ValueError("one")
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append(item)
        return item

    with anyio.fail_after(30), pytest.raises(ValueError, match="one"):
        await map_concurrent(range(4), work)

    assert sorted(cleaned) == [0, 2, 3]


@pytest.mark.anyio
async def test_errors_stand_in_their_items_places_where_asked() -> None:
    result = await map_concurrent([2, 0, 4], lambda item: 8 // item, return_exceptions=True)

    assert result[::2] == [4, 2]
    assert isinstance(result[1], ZeroDivisionError)


@pytest.mark.anyio
async def test_a_question_to_a_person_is_no_result_and_lets_the_others_finish() -> None:
    done = []

    async def work(item: int) -> int:
        if item == 0:
            raise GraphInterrupt([])
        await asyncio.sleep(0)
        done.append(item)
        return item

    with pytest.raises(GraphInterrupt):
        await map_concurrent(range(3), work, return_exceptions=True)

    assert done == [1, 2]


@pytest.mark.anyio
async def test_no_items_give_no_results() -> None:
    assert await map_concurrent([], len) == []


@pytest.mark.anyio
async def test_a_limit_below_one_is_refused() -> None:
    with pytest.raises(InvalidJoinError, match="max_concurrency is 0"):
        await map_concurrent([1], str, 0)


@pytest.mark.anyio
async def test_a_join_goes_on_when_k_branches_are_done_and_cancels_the_rest() -> None:
    cancelled = []

    def branch(name: str, ticks: int | None) -> Any:
        async def run(state: Any) -> dict[str, int]:
            try:
                if ticks is None:
                    await asyncio.Event().wait()
                for _ in range(ticks or 0):
                    await asyncio.sleep(0)
            except asyncio.CancelledError:
                cancelled.append(name)
                raise
            return {name: state["n"]}

        return run

    app = a_graph(join_k(2, [branch("a", None), branch("b", 3), branch("c", 1)]))

    with anyio.fail_after(30):
        result = await app.ainvoke({"n": 7})

    assert result == {"n": 7, "b": 7, "c": 7}
    assert cancelled == ["a"]


def test_a_join_merges_by_a_function_of_ones_own() -> None:
    branches = [lambda state: state["n"] + 1, lambda state: state["n"] + 2]
    app = a_graph(join_k(2, branches, merge=lambda results: {"a": sum(results)}))

    assert app.invoke({"n": 1}) == {"n": 1, "a": 5}


@pytest.mark.anyio
async def test_a_branch_that_fails_does_not_count_unless_too_few_are_left() -> None:
    async def fails() -> int:
        raise ValueError("broken")

    async def works(n: int) -> int:
        await asyncio.sleep(0)
        return n

    assert await first_k(2, [fails(), works(1), works(2)]) == [1, 2]
    with pytest.raises(ValueError, match="broken"):
        await first_k(2, [fails(), works(1)])


@pytest.mark.parametrize("k", [0, 3])
def test_more_branches_than_there_are_cannot_be_waited_for(k: int) -> None:
    with pytest.raises(InvalidJoinError, match=f"{k} of 2"):
        join_k(k, [dict, dict])


@pytest.mark.anyio
async def test_a_cancelled_join_cancels_its_branches() -> None:
    cleaned = []

    async def waits(state: Any) -> Any:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(1)

    app = a_graph(join_k(1, [waits, waits]))

    with anyio.move_on_after(0.05):
        await app.ainvoke({"n": 1})

    assert cleaned == [1, 1]
