from __future__ import annotations

import sys
from typing import Any

import pytest

from inwit import Context
from inwit.errors import UnknownToolError
from tests.runtime.capture.record import one_node, recorded


def add(a: int, b: int = 1) -> int:
    return a + b


async def aadd(a: int, b: int = 1) -> int:
    return a + b


def test_a_tool_is_called_and_recorded_under_its_name(project: Any) -> None:
    app = one_node(lambda state, ctx: {"more": ctx.tool(add, 2, b=3)})

    result = app.invoke({})

    assert result["more"] == 5
    started, completed = recorded(app, "tool_started", "tool_completed")
    assert (started["tool"], started["input"]) == ("add", {"a": 2, "b": 3})
    assert (completed["tool"], completed["output"]) == ("add", 5)
    assert started["call_id"] == completed["call_id"]
    assert (started["node"], started["visit"]) == ("speak", 1)


def test_a_tool_that_raises_is_recorded_and_its_error_raised(project: Any) -> None:
    app = one_node(lambda state, ctx: ctx.tool(add, "x"))

    with pytest.raises(TypeError):
        app.invoke({})

    (failed,) = recorded(app, "tool_failed")
    assert failed["error"]["type"] == "TypeError"
    assert recorded(app, "tool_completed") == []


@pytest.mark.anyio
async def test_a_coroutine_function_gives_an_awaitable(project: Any) -> None:
    async def node(state: Any, ctx: Context) -> Any:
        return {"more": await ctx.tool(aadd, 2)}

    app = one_node(node)

    result = await app.ainvoke({})

    assert result["more"] == 3
    assert [event["output"] for event in recorded(app, "tool_completed")] == [3]


@pytest.mark.anyio
async def test_a_coroutine_tool_that_raises_is_recorded(project: Any) -> None:
    async def node(state: Any, ctx: Context) -> Any:
        return {"more": await ctx.tool(aadd, "x")}

    app = one_node(node)

    with pytest.raises(TypeError):
        await app.ainvoke({})

    assert len(recorded(app, "tool_failed")) == 1


def test_a_tool_can_be_called_by_the_name_that_the_config_gives_it(project: Any) -> None:
    app = one_node(lambda state, ctx: {"more": ctx.tool("plus", 2)})

    result = app.invoke({}, {"configurable": {"tools": {"plus": add}}})

    assert result["more"] == 3
    assert recorded(app, "tool_started")[0]["tool"] == "plus"


def test_an_unknown_tool_names_its_nearest(project: Any) -> None:
    app = one_node(lambda state, ctx: ctx.tool("plsu"))

    with pytest.raises(UnknownToolError, match="Did you mean 'plus'"):
        app.invoke({}, {"configurable": {"tools": {"plus": add}}})


def test_what_a_tool_is_given_is_recorded_as_it_was_then(project: Any) -> None:
    def grow(items: list[int]) -> list[int]:
        items.append(4)
        return items

    app = one_node(lambda state, ctx: {"more": ctx.tool(grow, [1, 2, 3])})

    app.invoke({})

    assert recorded(app, "tool_started")[0]["input"] == {"items": [1, 2, 3]}
    assert recorded(app, "tool_completed")[0]["output"] == [1, 2, 3, 4]


def test_a_tool_may_be_given_anything(project: Any) -> None:
    thing = sys.modules
    app = one_node(lambda state, ctx: {"more": ctx.tool(len, thing) > 0})

    assert app.invoke({})["more"] is True
    assert len(recorded(app, "tool_completed")) == 1
