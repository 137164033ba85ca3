from __future__ import annotations

from typing import Any

import pytest

from inwit.registry.packages import load

Message = dict[str, Any]


def add(left: int, right: int) -> int:
    """Add two whole numbers."""
    return left + right


async def divide(left: float, right: float) -> float:
    """Divide one number by another."""
    return left / right


def asks(name: str, arguments: str) -> Message:
    call = {"id": "c1", "type": "function", "function": {"name": name, "arguments": arguments}}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


class Scripted:
    """A model that says its lines and keeps what it was shown."""

    def __init__(self, *lines: Message) -> None:
        self.lines = list(lines)
        self.seen: list[list[Message]] = []
        self.offered: list[list[dict[str, Any]]] = []

    def __call__(self, messages: list[Message], tools: list[dict[str, Any]]) -> Message:
        self.seen.append(messages)
        self.offered.append(tools)
        return self.lines.pop(0)


def says(text: str) -> Message:
    return {"role": "assistant", "content": text}


def test_the_agent_reads_what_its_tool_returned_and_answers() -> None:
    model = Scripted(asks("add", '{"left": 2, "right": 40}'), says("It is 42."))
    app = load("inwit/react-agent")(model, {"add": add}).compile(name="adder")

    result = app.invoke({"question": "What is 2 + 40?"})

    assert result["answer"] == "It is 42."
    assert model.seen[1][-1] == {
        "role": "tool",
        "tool_call_id": "c1",
        "name": "add",
        "content": "42",
    }


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (asks("divide", '{"left": 1, "right": 0}'), "ZeroDivisionError"),
        (asks("devide", "{}"), "devide is not a valid tool"),
        (asks("divide", "{not json"), "not valid JSON"),
        (asks("divide", '{"top": 1}'), "left: Field required"),
    ],
)
def test_a_tool_call_that_goes_wrong_is_told_to_the_model(asked: Message, told: str) -> None:
    model = Scripted(asked, says("I cannot."))
    app = load("inwit/react-agent")(model, {"divide": divide}).compile(name="divider")

    result = app.invoke({"question": "?"})

    assert told in model.seen[1][-1]["content"]
    assert result["answer"] == "I cannot."


def test_after_the_last_turn_the_model_is_asked_without_tools() -> None:
    again = [asks("add", '{"left": 1, "right": 1}') for _ in range(2)]
    model = Scripted(*again, says("Two, I think."))
    app = load("inwit/react-agent")(model, {"add": add}, max_turns=2).compile(name="stubborn")

    result = app.invoke({"question": "1 + 1?"})

    assert [len(offered) for offered in model.offered] == [1, 1, 0]
    assert result["answer"] == "Two, I think."


def test_a_tool_is_described_by_its_signature_and_docstring() -> None:
    described = load("inwit/react-agent", "describe_tool")("add", add)["function"]

    assert described["description"] == "Add two whole numbers."
    assert described["parameters"]["properties"] == {
        "left": {"type": "integer"},
        "right": {"type": "integer"},
    }
    assert described["parameters"]["required"] == ["left", "right"]
