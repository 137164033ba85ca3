"""Models of langchain-core in nodes that are replayed, however they are asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage

from inwit import capture
from inwit.runtime.capture.answered_langchain import chunk, message
from tests.runtime.capture.record import one_node

ASKED = "Hi."


@pytest.fixture(autouse=True)
def capturing(project: Any) -> Iterator[None]:
    with capture():
        yield


def model(*said: Any) -> GenericFakeChatModel:
    return GenericFakeChatModel(messages=iter(said))


async def awaited(found: Any, given: str) -> str:
    return str((await found.ainvoke(given)).content)


async def streamed(found: Any, given: str) -> str:
    return "".join([str(piece.content) async for piece in found.astream(given)])


def read(found: Any, given: str) -> str:
    return "".join(str(piece.content) for piece in found.stream(given))


def asking(way: Callable[[Any, str], Any], said: list[str], questions: list[str]) -> Any:
    async def node(state: Any) -> Any:
        found = model(*([said.pop(0)] if said else []))
        told = way(found, questions[0])
        return {"text": told if isinstance(told, str) else await told}

    return one_node(node)


@pytest.mark.parametrize("way", [awaited, streamed, read])
def test_a_model_that_is_awaited_or_read_is_not_asked_again(way: Any) -> None:
    app = asking(way, said := ["Hello there."], [ASKED])
    app.invoke({})

    replay = app.replay(str(app.last_execution_id), run=["speak"])

    assert replay.divergence is None, replay.error
    assert (replay.state["text"], said) == ("Hello there.", [])


@pytest.mark.parametrize("way", [awaited, streamed, read])
def test_a_model_that_is_asked_something_else_answers_live(way: Any) -> None:
    app = asking(way, ["Hello.", "Something else."], questions := [ASKED])
    app.invoke({})
    questions[0] = "And now?"

    replay = app.replay(str(app.last_execution_id), run=["speak"], live=True)

    assert replay.state["text"] == "Something else."


def test_a_message_is_made_of_what_every_record_tells() -> None:
    call = {"name": "add", "args": {"a": 1}, "id": "c1"}
    output = {"content": "Yes.", "tool_calls": [call], "finish_reason": "stop"}
    told = {"model": "m", "input_tokens": 3, "output_tokens": 4, "output": output}

    whole, piece = message(told), chunk(told)

    for found in (whole, piece):
        assert found.content == "Yes."
        assert [(one["name"], one["args"], one["id"]) for one in found.tool_calls] == [
            ("add", {"a": 1}, "c1")
        ]
        assert found.response_metadata == {"model_name": "m", "finish_reason": "stop"}
        assert found.usage_metadata == {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
    assert piece.chunk_position == "last"


@pytest.mark.parametrize("tokens", [{}, {"input_tokens": 3}, {"output_tokens": 3}])
def test_a_message_without_both_counts_of_tokens_has_none(tokens: dict[str, int]) -> None:
    found = message({"output": {"content": "Yes."}, **tokens})

    assert found == AIMessage("Yes.", response_metadata={"model_name": ""})
    assert found.usage_metadata is None
