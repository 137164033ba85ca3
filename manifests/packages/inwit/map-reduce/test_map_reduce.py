from __future__ import annotations

import asyncio

import pytest

from inwit.registry.packages import load


def test_results_are_merged_in_the_order_of_the_items() -> None:
    together = asyncio.Event()

    async def last_comes_first(item: str) -> str:
        if item == "c":
            together.set()
        await together.wait()
        return item.upper()

    app = load("inwit/map-reduce")(last_comes_first, "".join).compile(name="letters")

    result = app.invoke({"items": ["a", "b", "c"]})

    assert result["result"] == "ABC"


def test_no_more_items_than_allowed_are_worked_on_at_once() -> None:
    running, most = 0, 0

    async def watched(item: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return item

    app = load("inwit/map-reduce")(watched, sum, concurrency=2).compile(name="gate")

    result = app.invoke({"items": list(range(10))})

    assert result["result"] == 45
    assert most == 2


def test_an_item_that_fails_is_listed_and_the_others_are_merged() -> None:
    app = load("inwit/map-reduce")(lambda item: 6 // item, sum, in_threads=True).compile(name="six")

    result = app.invoke({"items": [1, 0, 3]})

    assert result["result"] == 8
    assert [failure["place"] for failure in result["failures"]] == [1]
    assert "ZeroDivisionError" in result["failures"][0]["error"]


def test_when_every_item_fails_the_execution_fails() -> None:
    app = load("inwit/map-reduce")(lambda item: 6 // item, sum).compile(name="six")

    with pytest.raises(ZeroDivisionError):
        app.invoke({"items": [0, 0]})


def test_a_text_is_split_at_blank_lines() -> None:
    paragraphs = load("inwit/map-reduce", "paragraphs")
    app = load("inwit/map-reduce")(len, list, split=paragraphs).compile(name="lengths")

    result = app.invoke({"source": "one\n\ntwo\n\n" + "x" * 4000})

    assert result["result"] == [8, 4000]


def test_no_item_gives_the_merge_of_nothing() -> None:
    app = load("inwit/map-reduce")(len, sum).compile(name="none")

    assert app.invoke({"items": []})["result"] == 0
