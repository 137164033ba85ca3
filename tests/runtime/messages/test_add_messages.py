from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from langchain_core import messages as theirs
from langgraph.graph import message as langgraph

from inwit.errors import InvalidMessageError
from inwit.runtime import messages as ours
from inwit.runtime.messages import REMOVE_ALL_MESSAGES, add_messages
from inwit.runtime.messages.kinds import OURS
from inwit.runtime.messages.merge import merge

langgraph_add: Any = langgraph.add_messages
CALL: Any = {"name": "look", "args": {"at": 1}, "id": "c1", "type": "tool_call"}
OPENAI_CALL = {
    "id": "c1",
    "type": "function",
    "function": {"name": "look", "arguments": '{"at": 1}'},
}


def conversation(kind: Any) -> list[Any]:
    return [kind.HumanMessage("Hi.", id="1"), kind.AIMessage("Hello.", id="2")]


def shown(messages: Any) -> list[dict[str, Any]]:
    """Messages of either kind as plain values, without what only one of the kinds has."""
    found = []
    for message in messages:
        values = message.model_dump() if hasattr(message, "model_dump") else as_dict(message)
        found.append({key: value for key, value in values.items() if key != "example"})
    return found


def as_dict(message: Any) -> dict[str, Any]:
    return {name: getattr(message, name) for name in message.__struct_fields__}


MERGES = {
    "one is appended": ("2s", lambda k: k.AIMessage("Yes?", id="3")),
    "several are appended": (
        "2s",
        lambda k: [k.SystemMessage("Be kind.", id="3"), k.HumanMessage("!", id="4")],
    ),
    "an id that is known is replaced": ("2s", lambda k: [k.HumanMessage("Hey.", id="1")]),
    "one of two with one id counts": (
        "0s",
        lambda k: [k.AIMessage("a", id="7"), k.AIMessage("b", id="7")],
    ),
    "one is removed": ("2s", lambda k: k.RemoveMessage(id="2")),
    "one is removed twice": ("2s", lambda k: [k.RemoveMessage(id="2"), k.RemoveMessage(id="2")]),
    "one is removed and comes again": (
        "2s",
        lambda k: [k.RemoveMessage(id="1"), k.HumanMessage("Again.", id="1")],
    ),
    "one is replaced, one removed, one new": (
        "2s",
        lambda k: [
            k.HumanMessage("Hey.", id="1"),
            k.RemoveMessage(id="2"),
            k.SystemMessage("New.", id="3"),
        ],
    ),
    "one that is new is removed": (
        "2s",
        lambda k: [k.HumanMessage("No.", id="3"), k.RemoveMessage(id="3")],
    ),
    "all are removed": (
        "2s",
        lambda k: [
            k.HumanMessage("lost", id="3"),
            k.RemoveMessage(id=REMOVE_ALL_MESSAGES),
            k.HumanMessage("kept", id="4"),
        ],
    ),
    "nothing": ("2s", lambda k: []),
    "a tool's answer": (
        "2s",
        lambda k: [
            k.AIMessage("", tool_calls=[CALL], id="3"),
            k.ToolMessage(("a", 1), tool_call_id="c1", name="look", id="4"),
        ],
    ),
    "a chunk becomes a message": ("2s", lambda k: k.AIMessageChunk(content="Hel", id="3")),
}


@pytest.mark.parametrize("case", MERGES)
@pytest.mark.parametrize("kind", [ours, theirs], ids=["ours", "theirs"])
def test_a_merge_gives_what_langgraph_gives(case: str, kind: Any) -> None:
    size, given = MERGES[case]
    count = int(size[0])

    result = add_messages(conversation(kind)[:count], given(kind))

    expected = langgraph_add(conversation(theirs)[:count], given(theirs))
    assert shown(result) == shown(expected)
    assert {type(message).__module__.split(".")[0] for message in result} <= {
        kind.__name__.split(".")[0]
    }


WRITTEN = {
    "a text": "Hi.",
    "a pair": ("user", "Hi."),
    "a pair of the system": ("system", "Be kind."),
    "a dict with a role": {"role": "assistant", "content": "Hello.", "id": "1", "name": "ada"},
    "a dict with a type": {"type": "human", "content": "Hi."},
    "no content": {"role": "assistant", "content": None},
    "OpenAI's tool call": {"role": "assistant", "content": "", "tool_calls": [OPENAI_CALL]},
    "a tool call": {"role": "ai", "content": "", "tool_calls": [CALL]},
    "a tool's answer": {
        "role": "tool", "content": "2", "tool_call_id": "c1", "status": "error", "artifact": [1],
    },
    "a developer": {"role": "developer", "content": "Be kind."},
    "more than a message has": {"role": "user", "content": "Hi.", "mood": "good"},
    "blocks": {"role": "user", "content": [{"type": "text", "text": "Hi."}]},
}  # fmt: skip


@pytest.mark.parametrize("case", WRITTEN)
def test_what_people_write_becomes_what_langgraph_makes_of_it(case: str) -> None:
    written = WRITTEN[case]

    (ours_,) = ours.convert_to_messages([written], kind=OURS)
    (result,) = add_messages([], [written])

    (expected,) = langgraph_add([], [written])
    expected.id = ours_.id = result.id = None
    assert shown([ours_]) == shown([expected])
    assert result == expected


@pytest.mark.parametrize(
    "written",
    [{"role": "user"}, {"content": "Hi."}, ("nobody", "Hi."), 7, ("a", "b", "c")],
    ids=str,
)
def test_what_is_no_message_is_refused(written: Any) -> None:
    with pytest.raises(InvalidMessageError):
        ours.convert_to_messages([written], kind=OURS)
    with pytest.raises((ValueError, NotImplementedError)):
        langgraph_add([], [written])


def test_a_message_without_an_id_gets_one_and_keeps_it() -> None:
    first = add_messages([], [ours.HumanMessage("Hi.")])
    second = add_messages(first, ours.AIMessage("Hello."))

    assert second[0].id == first[0].id
    assert len({message.id for message in second} - {None}) == 2


def test_removing_what_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="ID that doesn't exist") as raised:
        add_messages(conversation(ours), ours.RemoveMessage(id="9"))

    assert isinstance(raised.value, InvalidMessageError)


def test_one_list_alone_is_refused() -> None:
    with pytest.raises(ValueError, match="Only received: 'left'"):
        add_messages([], None)


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(ValueError, match="Unrecognized format='xml'"):
        add_messages([], [], format="xml")  # type: ignore[call-overload]


def test_langchain_messages_lead_and_ours_follow_them() -> None:
    result = add_messages(
        [ours.HumanMessage("Hi.", id="1"), ours.AIMessage("", tool_calls=[CALL], id="2")],
        [theirs.ToolMessage("2", tool_call_id="c1", id="3")],
    )

    assert result == [
        theirs.HumanMessage("Hi.", id="1"),
        theirs.AIMessage("", tool_calls=[CALL], id="2"),
        theirs.ToolMessage("2", tool_call_id="c1", id="3"),
    ]


BLOCKS: dict[str, Any] = {
    "a text beside an image": lambda k: k.HumanMessage(
        [
            {"type": "text", "text": "See:", "cache_control": {"type": "ephemeral"}},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "x"}},
        ]
    ),
    "texts alone": lambda k: k.HumanMessage(["a", {"type": "text", "text": "b"}]),
    "a tool is used": lambda k: k.AIMessage(
        [{"type": "tool_use", "name": "look", "input": {"at": 1}, "id": "c1"}]
    ),
    "a tool's result": lambda k: k.HumanMessage(
        [
            {
                "type": "tool_result",
                "tool_use_id": "c1",
                "is_error": False,
                "content": [{"type": "text", "text": "2"}],
            }
        ]
    ),
    "an image by its place": lambda k: k.HumanMessage(
        [{"type": "image_url", "image_url": {"url": "https://x/y.png"}}]
    ),
    "JSON": lambda k: k.HumanMessage([{"type": "json", "json": {"a": 1}}]),
    "bytes of an image": lambda k: k.HumanMessage(
        [{"type": "image", "image": {"source": {"bytes": b"\x00\x01"}, "format": "png"}}]
    ),
}


@pytest.mark.parametrize("case", BLOCKS)
@pytest.mark.parametrize("kind", [ours, theirs], ids=["ours", "theirs"])
def test_contents_are_rewritten_as_langgraph_does(case: str, kind: Any) -> None:
    reducer = add_messages(format="langchain-openai")

    result = reducer(conversation(kind), BLOCKS[case](kind))

    expected: Any = langgraph_add(
        conversation(theirs), BLOCKS[case](theirs), format="langchain-openai"
    )
    for message in [*result, *expected]:
        message.id = None
    assert shown(result) == shown(expected)


def test_a_merge_says_what_it_appended_and_whether_it_did_more() -> None:
    before = conversation(ours)

    merged, appended = merge(before, ours.HumanMessage("!", id="3"))
    _, replaced = merge(before, ours.HumanMessage("!", id="1"))
    _, removed = merge(before, ours.RemoveMessage(id="1"))
    _, named = merge([ours.HumanMessage("Hi.")], [])

    assert merged[:2] == before and appended == merged[2:]
    assert (replaced, removed, named) == (None, None, None)


def test_langchain_is_not_imported_where_nobody_uses_it() -> None:
    program = """
import sys
from typing import Annotated, TypedDict
from inwit.runtime.graph import StateGraph
from inwit.runtime.messages import AIMessage, MessagesState
graph = StateGraph(MessagesState)
graph.add_node("say", lambda state: {"messages": [("ai", state["messages"][0].text + "!")]})
graph.set_entry_point("say"); graph.set_finish_point("say")
said = graph.compile(name="says").invoke({"messages": "Hi"})["messages"]
assert [type(m) for m in said][1] is AIMessage and said[1].text == "Hi!", said
assert not [name for name in sys.modules if name.startswith("langchain")]
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr


def test_chunks_add_up_to_a_message() -> None:
    pieces = [
        ours.AIMessageChunk("Hel", id="1"),
        ours.AIMessageChunk("lo.", usage_metadata={"input_tokens": 2, "output_tokens": 1}),
        ours.AIMessageChunk("", usage_metadata={"input_tokens": 0, "output_tokens": 3}),
    ]

    whole = (pieces[0] + pieces[1] + pieces[2]).whole()

    assert whole == ours.AIMessage(
        "Hello.", id="1", usage_metadata={"input_tokens": 2, "output_tokens": 4}
    )


def test_a_tool_call_that_cannot_be_parsed_is_kept_apart() -> None:
    broken = {"id": "c2", "function": {"name": "look", "arguments": "{at"}}

    message = ours.AIMessage("", additional_kwargs={"tool_calls": [OPENAI_CALL, broken]})

    assert message.tool_calls == [CALL]
    assert [call["id"] for call in message.invalid_tool_calls] == ["c2"]
