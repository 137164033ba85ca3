"""The stream mode `messages`: tokens as they come, from every way to call a model."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage as LangChainAIMessage

from inwit import (
    START,
    AIMessage,
    AIMessageChunk,
    CompiledGraph,
    Context,
    HumanMessage,
    MessagesState,
    StateGraph,
    capture,
    entrypoint,
    task,
)
from inwit.runtime.streaming import StreamMode
from tests.runtime.capture.server import Scripted, chat_stream, events, serving


@pytest.fixture
def server(project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    with serving() as scripted:
        monkeypatch.setenv("OPENAI_BASE_URL", scripted.url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        monkeypatch.setenv("OPENAI_MODEL", "gpt-4o-mini")
        yield scripted


def speaker(node: Any, **how: Any) -> CompiledGraph[Any]:
    graph = StateGraph(MessagesState).add_node("speak", node, **how)
    return graph.add_edge(START, "speak").compile(name="speaker")


def texts(chunks: Any) -> list[str]:
    return [one.content for one, _ in chunks]


def speak(state: MessagesState, ctx: Context) -> Any:
    reply = ctx.llm("Say hello.", stream=True)
    return {"messages": [AIMessage(content=reply.text)]}


async def aspeak(state: MessagesState, ctx: Context) -> Any:
    reply = await ctx.llm("Say hello.", stream=True)
    return {"messages": [AIMessage(content=reply.text)]}


def test_tokens_of_ctx_llm_come_with_their_place_and_not_again_as_a_message(
    server: Scripted,
) -> None:
    server.says(events(*chat_stream("Hel", "lo", ".")))

    chunks = list(
        speaker(speak).stream(
            {"messages": "hi"}, {"metadata": {"who": "ada"}}, thread_id="t", stream_mode="messages"
        )
    )

    assert texts(chunks) == ["Hel", "lo", "."]
    assert all(isinstance(one, AIMessageChunk) for one, _ in chunks)
    assert len({one.id for one, _ in chunks}) == 1
    place = chunks[0][1]
    assert (place["langgraph_node"], place["langgraph_step"]) == ("speak", 1)
    assert place["langgraph_triggers"] == ("branch:to:speak",)
    assert place["langgraph_path"] == ("__pregel_pull", "speak")
    assert place["langgraph_checkpoint_ns"].startswith("speak:")
    assert (place["thread_id"], place["who"]) == ("t", "ada")


def test_tokens_arrive_while_the_model_still_speaks(project: Path) -> None:
    go_on = threading.Event()

    class Slow(GenericFakeChatModel):
        def _stream(self, *args: Any, **kwargs: Any) -> Any:
            for number, chunk in enumerate(super()._stream(*args, **kwargs)):
                assert number == 0 or go_on.wait(30)
                yield chunk

    model = Slow(messages=iter(["hello world"]))
    app = speaker(lambda state: {"messages": [model.invoke(state["messages"])]})
    stream = app.stream({"messages": "hi"}, stream_mode="messages")

    first = next(stream)
    go_on.set()

    assert [first[0].content, *texts(stream)] == ["hello", " ", "world"]


@pytest.mark.anyio
async def test_tokens_of_an_async_node_are_streamed(server: Scripted) -> None:
    server.says(events(*chat_stream("Hel", "lo")))

    with anyio.fail_after(30):
        stream = speaker(aspeak).astream({"messages": "hi"}, stream_mode="messages")
        chunks = [one async for one in stream]

    assert texts(chunks) == ["Hel", "lo"]


def test_tokens_stand_before_the_update_among_several_modes(server: Scripted) -> None:
    server.says(events(*chat_stream("Hel", "lo")))

    modes: list[StreamMode] = ["messages", "updates", "custom"]
    seen = [mode for mode, _ in speaker(speak).stream({"messages": "hi"}, stream_mode=modes)]

    assert seen == ["messages", "messages", "updates"]


def test_tokens_of_a_captured_client_are_streamed(server: Scripted) -> None:
    server.says(events(*chat_stream("Hel", "lo")))

    def node(state: MessagesState) -> Any:
        body = {
            "model": "gpt-4o-mini",
            "stream": True,
            "messages": [{"role": "user", "content": "x"}],
        }
        with httpx.Client() as client:
            url = f"{server.url}/chat/completions"
            with client.stream("POST", url, json=body) as response:
                lines = [line[6:] for line in response.iter_lines() if line.startswith("data: {")]
        said = [json.loads(line)["choices"] for line in lines]
        return {"messages": [AIMessage(content="".join(
            one[0]["delta"].get("content", "") for one in said if one))]}  # fmt: skip

    with capture():
        chunks = list(speaker(node).stream({"messages": "hi"}, stream_mode="messages"))

    assert texts(chunks) == ["Hel", "lo"]


def fake(*said: str) -> Any:
    return GenericFakeChatModel(messages=iter(said))


def test_tokens_of_a_langchain_model_are_streamed_though_it_was_only_invoked(
    project: Path,
) -> None:
    model = fake("hello big world")
    app = speaker(lambda state: {"messages": [model.invoke(state["messages"])]})

    chunks = list(app.stream({"messages": "hi"}, stream_mode="messages"))

    assert texts(chunks) == ["hello", " ", "big", " ", "world"]


def test_a_langchain_model_speaks_once_while_its_calls_are_captured(server: Scripted) -> None:
    model = fake("hello world")
    app = speaker(lambda state: {"messages": [model.invoke(state["messages"])]})

    with capture():
        chunks = list(app.stream({"messages": "hi"}, stream_mode="messages"))

    assert texts(chunks) == ["hello", " ", "world"]


def test_a_langchain_model_that_nobody_listens_to_does_not_stream(project: Path) -> None:
    streamed: list[str] = []

    class Watched(GenericFakeChatModel):
        def _stream(self, *args: Any, **kwargs: Any) -> Any:
            streamed.append("streamed")
            return super()._stream(*args, **kwargs)

    model = Watched(messages=iter(["one", "two"]))
    app = speaker(lambda state: {"messages": [model.invoke(state["messages"])]})

    list(app.stream({"messages": "hi"}, stream_mode="messages"))
    app.invoke({"messages": "hi"})

    assert streamed == ["streamed"]


@pytest.mark.parametrize("place", ["model", "config"])
def test_nostream_keeps_tokens_back(server: Scripted, place: str) -> None:
    server.says(events(*chat_stream("Hel", "lo")))
    model = fake("hello world").with_config(tags=["nostream"])
    own = speaker(lambda state: {"messages": [model.invoke(state["messages"])]})
    config = {"tags": ["nostream"]}

    if place == "model":
        chunks = list(own.stream({"messages": "hi"}, stream_mode="messages"))
        assert texts(chunks) == ["hello world"]
    else:
        chunks = list(speaker(speak).stream({"messages": "hi"}, config, stream_mode="messages"))
        assert texts(chunks) == ["Hello"]


def test_messages_that_a_node_made_come_whole_and_once(project: Path) -> None:
    made = [AIMessage(content="made", id="1"), HumanMessage(content="too", id="2")]
    graph = StateGraph(MessagesState)
    graph.add_sequence(
        [("one", lambda s: {"messages": made}), ("two", lambda s: {"messages": made})]
    )
    app = graph.add_edge(START, "one").compile(name="made")

    chunks = list(app.stream({"messages": "hi"}, stream_mode="messages"))

    assert [(one.content, place["langgraph_node"]) for one, place in chunks] == [
        ("made", "one"),
        ("too", "one"),
    ]


def test_what_a_node_was_given_is_nothing_new(project: Path) -> None:
    app = speaker(lambda state: {"messages": [*state["messages"], LangChainAIMessage("new")]})

    chunks = list(app.stream({"messages": [HumanMessage("hi", id="1")]}, stream_mode="messages"))

    assert texts(chunks) == ["new"]


def test_tokens_of_a_subgraph_come_with_its_place(project: Path) -> None:
    model = fake("hello world")
    child = speaker(lambda state: {"messages": [model.invoke(state["messages"])]})
    graph = StateGraph(MessagesState).add_node("child", child).add_edge(START, "child")
    app = graph.compile(name="around")

    chunks = list(app.stream({"messages": "hi"}, stream_mode="messages", subgraphs=True))

    assert [one.content for _, (one, _) in chunks] == ["hello", " ", "world"]
    assert {place[0].partition(":")[0] for place, _ in chunks} == {"child"}


def test_tokens_of_tasks_are_streamed(project: Path) -> None:
    model = fake("hello world")

    @task
    def say(text: str) -> str:
        return str(model.invoke(text).content)

    @entrypoint()
    def flow(text: str) -> str:
        return str(say(text).result())

    chunks = list(flow.stream("hi", stream_mode="messages"))

    assert texts(chunks) == ["hello", " ", "world"]
    assert {place["langgraph_node"] for _, place in chunks} == {"say"}


@pytest.mark.anyio
async def test_tokens_of_parallel_nodes_keep_their_own_places(project: Path) -> None:
    async def talk(model: Any, state: MessagesState) -> Any:
        return {"messages": [await model.ainvoke(state["messages"])]}

    async def left(state: MessagesState) -> Any:
        return await talk(fake("l l l"), state)

    async def right(state: MessagesState) -> Any:
        return await talk(fake("r r r"), state)

    graph = StateGraph(MessagesState).add_node(left).add_node(right)
    app = graph.add_edge(START, "left").add_edge(START, "right").compile(name="both")

    chunks = [one async for one in app.astream({"messages": "hi"}, stream_mode="messages")]

    by_node: dict[str, str] = {}
    for one, place in chunks:
        node = place["langgraph_node"]
        by_node[node] = by_node.get(node, "") + one.content
    assert by_node == {"left": "l l l", "right": "r r r"}


@pytest.mark.parametrize("how", ["invoke", "stream", "thread"])
def test_a_callers_callbacks_hear_the_models_of_nodes_and_tasks(project: Path, how: str) -> None:
    heard: list[str] = []

    class Listener(BaseCallbackHandler):
        def on_llm_end(self, response: Any, **about: Any) -> None:
            heard.append(response.generations[0][0].text)

    @task
    def say(text: str) -> str:
        return str(fake("in a task").invoke(text).content)

    def node(state: MessagesState) -> Any:
        return {"messages": [fake("in a node").invoke(say("x").result())]}

    app, config = speaker(node), {"callbacks": [Listener()]}
    if how == "stream":
        list(app.stream({"messages": "hi"}, config, stream_mode="messages"))
    else:
        app.invoke({"messages": "hi"}, config, thread_id="t" if how == "thread" else None)

    assert heard == ["in a task", "in a node"]
