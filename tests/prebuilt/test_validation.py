"""`ValidationNode` beside LangGraph's, and with messages of our own."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
from langchain_core import messages as theirs
from langchain_core.tools import tool as their_tool
from pydantic import BaseModel
from pydantic.v1 import BaseModel as BaseModelV1

from inwit import AIMessage, ValidationNode, tool
from inwit.errors import ToolDefinitionError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from langgraph.prebuilt import ValidationNode as TheirNode


def pick(number: int, why: str) -> str:
    """Pick a number."""
    return f"{number}: {why}"


class Pick(BaseModel):
    number: int
    why: str


class OldPick(BaseModelV1):
    number: int
    why: str


def asking(name: str, kind: Any = theirs.AIMessage) -> Any:
    given = ({"number": 37, "why": "prime"}, {"number": "many", "why": "no"})
    calls = [{"name": name, "args": args, "id": f"c{i}"} for i, args in enumerate(given)]
    return kind(content="", tool_calls=calls)


def plain(messages: list[Any]) -> list[Any]:
    return [
        (one.content, one.name, one.tool_call_id, one.additional_kwargs.get("is_error"))
        for one in messages
    ]


@pytest.mark.parametrize("schema", [pick, Pick, OldPick, their_tool(pick)])
def test_calls_are_answered_as_langgraph_answers_them(schema: Any) -> None:
    name = getattr(schema, "name", None) or schema.__name__
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        their_node = TheirNode([schema], format_error=lambda error, call, _: str(call["id"]))
    node = ValidationNode([schema], format_error=lambda error, call, _: call["id"])

    found = node.invoke({"messages": [asking(name)]})["messages"]

    assert plain(found) == plain(their_node.invoke({"messages": [asking(name)]})["messages"])
    assert plain(node.invoke([asking(name)])) == plain(found)
    assert [one.additional_kwargs for one in found] == [{}, {"is_error": True}]


@pytest.mark.anyio
async def test_our_messages_are_answered_by_ours_and_unknown_names_are_told_to_the_model() -> None:
    node = ValidationNode([tool(pick)])

    known = await node.ainvoke({"messages": [asking("pick", AIMessage)]})
    unknown = await node.ainvoke({"messages": [asking("peck", AIMessage)]})

    assert [type(one).__module__ for one in known["messages"]] == [
        "inwit.runtime.messages.classes"
    ] * 2
    assert "valid integer" in known["messages"][1].content
    assert "'peck' is none of pick" in unknown["messages"][0].content


def test_what_is_no_schema_and_what_is_no_models_message_is_refused() -> None:
    with pytest.raises(ToolDefinitionError, match="no schema"):
        ValidationNode([3])
    with pytest.raises(ValueError, match="No message found in input"):
        ValidationNode([Pick]).invoke({"messages": []})
    with pytest.raises(ValueError, match="not an AIMessage"):
        ValidationNode([Pick]).invoke([theirs.HumanMessage("hi")])
