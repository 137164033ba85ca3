"""Messages in states that are pydantic models."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from langchain_core import messages as theirs
from pydantic import BaseModel, ValidationError

from inwit import START, AIMessage, AnyMessage, HumanMessage, StateGraph, add_messages
from inwit.errors import InvalidStateError


class Ours(BaseModel):
    messages: Annotated[list[AnyMessage], add_messages]


class Theirs(BaseModel):
    messages: Annotated[list[theirs.AnyMessage], add_messages]


class OneAnswer(BaseModel):
    answer: AIMessage


def answering(state: type, answer: Any) -> Any:
    graph: Any = StateGraph(state).add_node("answer", lambda _: {"messages": [answer]})
    return graph.add_edge(START, "answer").compile(name="answering")


@pytest.mark.parametrize(
    "given", [("user", "meow"), {"role": "user", "content": "meow"}, HumanMessage("meow")]
)
def test_a_model_holds_our_messages_however_they_are_written(given: Any, project: Any) -> None:
    result = answering(Ours, AIMessage("woof")).invoke({"messages": [given]})

    assert [(one.type, one.content) for one in result["messages"]] == [
        ("human", "meow"), ("ai", "woof"),
    ]  # fmt: skip


@pytest.mark.parametrize("given", [("user", "meow"), "meow", theirs.HumanMessage("meow")])
@pytest.mark.parametrize("state", [Ours, Theirs])
def test_a_model_holds_langchains_messages_however_they_are_written(
    state: type, given: Any, project: Any
) -> None:
    result = answering(state, theirs.AIMessage("woof")).invoke({"messages": [given]})

    assert [(one.type, one.content) for one in result["messages"]] == [
        ("human", "meow"), ("ai", "woof"),
    ]  # fmt: skip


@pytest.mark.parametrize("state", [Ours, Theirs])
def test_what_is_no_message_is_refused_as_input(state: type, project: Any) -> None:
    with pytest.raises(InvalidStateError, match="The input is no"):
        answering(state, AIMessage("woof")).invoke({"messages": [7]})


def test_a_field_of_one_kind_takes_no_other_and_is_shown_as_json() -> None:
    found = OneAnswer(answer={"role": "assistant", "content": "yes"})  # type: ignore[arg-type]

    assert found.answer == AIMessage("yes")
    assert found.model_dump(mode="json")["answer"]["content"] == "yes"
    assert found.model_dump()["answer"] is found.answer
    assert "content" in str(OneAnswer.model_json_schema())
    with pytest.raises(ValidationError, match="It is a HumanMessage, no AIMessage"):
        OneAnswer(answer=HumanMessage("no"))  # type: ignore[arg-type]
