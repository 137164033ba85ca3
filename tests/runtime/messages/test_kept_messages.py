"""How a conversation is kept: by what was appended, in both kinds of message classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, TypedDict

import pytest
from langchain_core import messages as theirs

from inwit.runtime import messages as ours
from inwit.runtime.checkpoints.snapshots import apply_update, join_updates
from inwit.runtime.messages import MessagesState, RemoveMessage, add_messages
from inwit.runtime.serial import Delta, pack, plain, thaw, unpack
from inwit.runtime.state import schema_of

CALL = {"name": "look", "args": {"at": 1}, "id": "c1", "type": "tool_call"}


def one_of_each(kind: Any) -> list[Any]:
    return [
        kind.SystemMessage("Be kind.", id="0", additional_kwargs={"a": [1]}),
        kind.HumanMessage([{"type": "text", "text": "Hi."}], id="1", name="ada"),
        kind.AIMessage(
            "",
            id="2",
            tool_calls=[CALL],
            response_metadata={"model": "m"},
            usage_metadata={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
        ),
        kind.ToolMessage("no", id="3", tool_call_id="c1", status="error", artifact={"raw": b"x"}),
        kind.FunctionMessage("4", id="4", name="look"),
        kind.RemoveMessage(id="0"),
    ]


@pytest.mark.parametrize("kind", [ours, theirs], ids=["ours", "theirs"])
def test_messages_come_back_from_bytes_as_they_were(kind: Any) -> None:
    messages = one_of_each(kind)

    found = unpack(pack(messages))

    assert found == messages
    assert [type(one) for one in found] == [type(one) for one in messages]


def test_what_a_langchain_message_holds_beside_its_fields_comes_back() -> None:
    message = theirs.HumanMessage("Hi.", mood="good")

    assert unpack(pack(message)).mood == "good"


@pytest.mark.parametrize("kind", [ours, theirs], ids=["ours", "theirs"])
def test_a_reader_sees_whose_message_it_is(kind: Any) -> None:
    shown = plain(pack(kind.AIMessage("Hello.", id="1")))

    assert (shown["type"], shown["content"], shown["id"]) == ("ai", "Hello.", "1")


@pytest.mark.parametrize("kind", [ours, theirs], ids=["ours", "theirs"])
def test_what_is_kept_of_a_conversation_is_what_was_appended(kind: Any) -> None:
    schema = schema_of(MessagesState)
    state = schema.initial()
    schema.apply(state, {"messages": [kind.HumanMessage("x" * 1000)] * 1})

    sizes = []
    for at in range(20):
        update = schema.apply(state, {"messages": kind.AIMessage(f"{at:04}" * 10)}, strict=True)
        sizes.append(len(bytes(update["messages"].data)))

    assert max(sizes) == min(sizes)
    assert len(state["messages"]) == 21


def test_messages_rebuilt_from_what_was_kept_are_those_that_were_there() -> None:
    schema = schema_of(MessagesState)
    state, rebuilt = schema.initial(), schema.initial()
    updates: list[Any] = [
        ("user", "Hi."),
        ours.AIMessage("Hello.", id="2"),
        [ours.AIMessage("Good day.", id="2"), ours.HumanMessage("How?", id="3")],
        RemoveMessage(id="2"),
        [],
        ours.AIMessage("So.", id="4"),
    ]

    for update in updates:
        apply_update(rebuilt, schema.apply(state, {"messages": update}, strict=True))

        assert rebuilt == state


def test_a_branch_that_removes_beside_one_that_appends_is_rebuilt() -> None:
    schema = schema_of(MessagesState)
    state, rebuilt = schema.initial(), schema.initial()
    for one in (ours.HumanMessage("Hi.", id="1"), ours.AIMessage("Hello.", id="2")):
        apply_update(rebuilt, schema.apply(state, {"messages": one}, strict=True))
    branches = [
        schema.apply(state, {"messages": RemoveMessage(id="1")}, strict=True),
        schema.apply(state, {"messages": ours.AIMessage("Bye.", id="3")}, strict=True),
    ]

    apply_update(rebuilt, join_updates(branches))

    assert rebuilt == state
    assert [one.id for one in rebuilt["messages"]] == ["2", "3"]


def test_a_message_changed_in_place_and_given_again_is_kept_as_changed() -> None:
    schema = schema_of(MessagesState)
    state = schema.initial()
    schema.apply(state, {"messages": ours.AIMessage("secret", id="1")})
    message = state["messages"][0]
    message.content = "redacted"

    update = schema.apply(state, {"messages": [message]}, strict=True)

    kept = thaw(update["messages"])
    assert not isinstance(kept, Delta)
    assert [one.content for one in kept] == ["redacted"]


def test_a_key_of_an_abstract_type_begins_empty() -> None:
    class State(TypedDict):
        messages: Annotated[Sequence[Any], add_messages]

    assert schema_of(State).initial() == {"messages": []}
