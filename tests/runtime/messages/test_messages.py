"""Messages by themselves: their text, how they are shown, and what they refuse."""

from __future__ import annotations

from uuid import UUID

import pytest
from langchain_core import messages as theirs

from inwit.errors import InvalidMessageError
from inwit.runtime.messages import AIMessage, HumanMessage, RemoveMessage, ToolMessage

CALL = {"name": "look", "args": {"at": 1}, "id": "c1", "type": "tool_call"}
BLOCKS: list[str | dict[str, object]] = [
    "one ",
    {"type": "text", "text": "two"},
    {"type": "image_url", "image_url": {}},
]


def test_the_text_of_blocks_is_that_of_langchains() -> None:
    assert HumanMessage("Hi.").text == "Hi."
    assert HumanMessage(BLOCKS).text == theirs.HumanMessage(BLOCKS).text == "one two"


def test_a_message_is_shown_below_a_line_that_names_its_kind(
    capsys: pytest.CaptureFixture[str],
) -> None:
    message = AIMessage("I look.", name="ada", tool_calls=[CALL])

    message.pretty_print()

    said = capsys.readouterr().out.splitlines()
    assert said[0].strip("= ") == "Ai Message" and len(said[0]) == 80
    assert said[1:] == ["Name: ada", "", "I look.", "look (c1)", "  at: 1"]


def test_a_tools_answer_is_text_or_blocks_and_its_call_a_text() -> None:
    number = ToolMessage(7, tool_call_id=3)  # type: ignore[arg-type]
    blocks = ToolMessage(("a", 1, {"type": "text"}), tool_call_id=UUID(int=1))  # type: ignore[arg-type]

    assert (number.content, number.tool_call_id) == ("7", "3")
    assert blocks.content == ["a", "1", {"type": "text"}]
    assert blocks.tool_call_id == str(UUID(int=1))


def test_what_takes_a_message_out_has_no_content() -> None:
    with pytest.raises(InvalidMessageError, match="was given the content 'x'"):
        RemoveMessage("x", id="1")
