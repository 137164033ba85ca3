from __future__ import annotations

from typing import Any, TypedDict

import pytest
from langchain_core.messages import AIMessage as TheirAIMessage
from langgraph.graph import START as THEIR_START
from langgraph.graph import MessagesState as TheirState
from langgraph.graph import StateGraph as TheirGraph
from langgraph.graph.message import push_message as langgraph_push

from inwit import START, AIMessage, MessagesState, StateGraph, push_message
from inwit.errors import InvalidMessageError, InvalidStateError


def a_graph(of: Any, state: Any, start: str, push: Any, message: Any) -> Any:
    def chat(state: Any) -> Any:
        assert push(message("one", id="1")).id == "1"
        push(message("aside", id="2"), state_key=None)
        return {"messages": [message("last", id="3")]}

    return of(state).add_node("chat", chat).add_edge(start, "chat").compile()


def ours(message: Any = TheirAIMessage) -> Any:
    return a_graph(StateGraph, MessagesState, START, push_message, message)


def theirs() -> Any:
    return a_graph(TheirGraph, TheirState, THEIR_START, langgraph_push, TheirAIMessage)


def test_a_pushed_message_is_streamed_and_kept_as_by_langgraph(project: Any) -> None:
    def told(app: Any) -> tuple[list[str], list[str]]:
        streamed = [
            chunk.content for chunk, _ in app.stream({"messages": []}, stream_mode="messages")
        ]
        return streamed, [one.content for one in app.invoke({"messages": []})["messages"]]

    assert told(ours()) == told(theirs()) == (["one", "aside", "last"], ["one", "last"])


def test_messages_of_our_own_are_pushed_as_they_are(project: Any) -> None:
    result = ours(AIMessage).invoke({"messages": []})

    assert result["messages"] == [AIMessage("one", id="1"), AIMessage("last", id="3")]


def test_branches_push_in_the_plans_order(project: Any) -> None:
    def speaker(name: str) -> Any:
        def speak(state: Any) -> None:
            push_message(AIMessage(name, id=name))

        return speak

    graph = StateGraph(MessagesState)
    for name in ("b", "a"):
        graph.add_node(name, speaker(name)).add_edge(START, name)

    result = graph.compile(name="choir").invoke({"messages": []})

    assert [one.content for one in result["messages"]] == ["a", "b"]


def test_a_message_without_an_id_is_refused() -> None:
    with pytest.raises(InvalidMessageError, match="Message ID is required"):
        push_message(AIMessage("?"))


def test_a_key_without_a_reducer_takes_no_pushed_message(project: Any) -> None:
    class Plain(TypedDict, total=False):
        messages: list[Any]

    def speak(state: Any) -> None:
        push_message(AIMessage("x", id="1"))

    app = StateGraph(Plain).add_node("speak", speak).add_edge(START, "speak").compile(name="p")

    with pytest.raises(InvalidStateError, match="has no reducer"):
        app.invoke({})
