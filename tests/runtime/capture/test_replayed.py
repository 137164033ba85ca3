"""Client libraries in replayed nodes are answered from the record: nothing is asked twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, TypedDict

import anthropic
import openai
import pytest
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage

from inwit import START, Context, StateGraph, capture
from inwit.errors import UnrecordedCallError
from tests.runtime.capture.record import one_node
from tests.runtime.capture.server import (
    Scripted,
    chat,
    chat_stream,
    events,
    message,
    message_stream,
    whole,
)

ASKED = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi."}]}
CALL = {"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}


_clients = ExitStack()
"""What the clients of a test hold, which it closes at its end."""


@pytest.fixture(autouse=True)
def capturing(project: Any) -> Iterator[None]:
    with capture(), _clients:
        yield


def client(max_retries: int = 2) -> openai.OpenAI:
    return _clients.enter_context(openai.OpenAI(max_retries=max_retries))


def claude(server: Scripted) -> anthropic.Anthropic:
    url = server.url.removesuffix("/v1")
    return _clients.enter_context(anthropic.Anthropic(base_url=url, api_key="sk", max_retries=2))


def with_calls() -> Any:
    said = chat("")
    said["choices"][0]["message"] |= {"content": None, "tool_calls": [CALL]}
    said["choices"][0]["finish_reason"] = "tool_calls"
    return said


def response() -> Any:
    part = {"type": "output_text", "text": "Hello.", "annotations": []}
    return {
        "id": "r1", "object": "response", "created_at": 1, "model": "gpt-4o-mini",
        "status": "completed", "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
        "output": [
            {"type": "message", "id": "m", "role": "assistant", "status": "completed",
             "content": [part]},
            {"type": "function_call", "id": "f", "call_id": "c1", "name": "add",
             "arguments": '{"a": 1}', "status": "completed"},
        ],
        "usage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15,
                  "input_tokens_details": {"cached_tokens": 0},
                  "output_tokens_details": {"reasoning_tokens": 0}},
    }  # fmt: skip


def says_chat(_: Scripted) -> Any:
    found = client().chat.completions.create(**ASKED)  # type: ignore[call-overload]
    return [found.choices[0].message.content, found.usage.prompt_tokens, found.model]


def says_stream(_: Scripted) -> Any:
    found = client().chat.completions.create(**ASKED, stream=True)  # type: ignore[call-overload]
    return "".join(one.choices[0].delta.content or "" for one in found if one.choices)


def says_calls(_: Scripted) -> Any:
    found = client().chat.completions.create(**ASKED)  # type: ignore[call-overload]
    (called,) = found.choices[0].message.tool_calls
    return [
        called.id,
        called.function.name,
        called.function.arguments,
        found.choices[0].finish_reason,
    ]


def says_response(_: Scripted) -> Any:
    found = client().responses.create(model="gpt-4o-mini", input="Hi.")
    calls = [one.name for one in found.output if one.type == "function_call"]
    return [found.output_text, calls, found.usage and found.usage.input_tokens]


def says_claude(server: Scripted) -> Any:
    found = claude(server).messages.create(
        model="claude-sonnet-5-5", max_tokens=9, messages=[{"role": "user", "content": "Hi."}]
    )
    return [found.content[0].text, found.stop_reason, found.usage.input_tokens]  # type: ignore[union-attr]


def says_claude_stream(server: Scripted) -> Any:
    with claude(server).messages.stream(
        model="claude-sonnet-5-5", max_tokens=9, messages=[{"role": "user", "content": "Hi."}]
    ) as found:
        return "".join(found.text_stream)


CASES: list[tuple[Callable[[Scripted], Any], Any]] = [
    (says_chat, whole(chat("Hello."))),
    (says_stream, events(*chat_stream("Hel", "lo."))),
    (says_calls, whole(with_calls())),
    (says_response, whole(response())),
    (says_claude, whole(message("Hello."))),
    (says_claude_stream, events(*message_stream("Hel", "lo."), named=True)),
]


@pytest.mark.parametrize(("says", "script"), CASES, ids=[case[0].__name__ for case in CASES])
def test_a_node_that_is_run_again_is_answered_as_then(
    says: Callable[[Scripted], Any], script: Any, server: Scripted
) -> None:
    app = one_node(lambda state: {"more": says(server)})
    server.says(script)
    told = app.invoke({})["more"]

    replay = app.replay(str(app.last_execution_id), run=["speak"])

    assert replay.divergence is None, replay.error
    assert json.loads(json.dumps(replay.state["more"])) == told
    assert len(server.asked) == 1


@pytest.mark.anyio
async def test_an_awaited_client_is_answered_too(server: Scripted) -> None:
    async def node(state: Any) -> Any:
        async with openai.AsyncOpenAI(max_retries=0) as asking:
            found = await asking.chat.completions.create(**ASKED)  # type: ignore[call-overload]
        return {"text": found.choices[0].message.content}

    app = one_node(node)
    server.says(whole(chat("Hello.")))
    await app.ainvoke({})

    replay = await app.areplay(str(app.last_execution_id), run=["speak"])

    assert (replay.divergence, len(server.asked)) == (None, 1)


def test_what_was_not_asked_then_is_refused_at_once_or_really_asked_where_it_may_be(
    server: Scripted,
) -> None:
    word = ["Hi."]

    def node(state: Any) -> Any:
        asked: dict[str, Any] = {**ASKED, "messages": [{"role": "user", "content": word[0]}]}
        return {"text": client().chat.completions.create(**asked).choices[0].message.content}

    app = one_node(node)
    server.says(whole(chat("Hello.")), whole(chat("Bye.")))
    app.invoke({})
    word[0] = "Go."

    refused = app.replay(str(app.last_execution_id), run=["speak"])
    asked = len(server.asked)
    live = app.replay(str(app.last_execution_id), run=["speak"], live=True)

    assert isinstance(refused.error, UnrecordedCallError)
    assert asked == 1
    assert live.state["text"] == "Bye."


def test_a_refusal_of_then_is_one_now_with_its_status(server: Scripted) -> None:
    def node(state: Any) -> Any:
        try:
            client(max_retries=0).chat.completions.create(**ASKED)  # type: ignore[call-overload]
        except openai.RateLimitError as exc:
            return {"text": str(exc.status_code)}
        return {"text": "none"}

    app = one_node(node)
    server.says(whole({"error": {"message": "Slow down.", "type": "busy"}}, status=429))
    app.invoke({})

    assert app.replay(str(app.last_execution_id), run=["speak"]).divergence is None
    assert len(server.asked) == 1


ANSWER = AIMessage(
    "Hello.", tool_calls=[{"name": "add", "args": {"a": 1}, "id": "c1"}],
    usage_metadata={"input_tokens": 100, "output_tokens": 20, "total_tokens": 120},
    response_metadata={"model_name": "gpt-4o-mini", "finish_reason": "stop"},
)  # fmt: skip


@pytest.mark.parametrize("way", ["invoke", "stream"])
def test_a_model_of_langchain_gives_what_it_gave_id_and_all(way: str, project: Any) -> None:
    asked: list[int] = []

    def node(state: Any) -> Any:
        asked.append(1)
        model = GenericFakeChatModel(messages=iter([ANSWER] if len(asked) == 1 else []))
        if way == "invoke":
            return {"more": [model.invoke("Hi.")]}
        return {"text": "".join(str(one.content) for one in model.stream("Hi."))}

    app = one_node(node)
    app.invoke({})

    replay = app.replay(str(app.last_execution_id), run=["speak"])

    assert replay.divergence is None, replay.error
    assert len(asked) == 2


class Outer(TypedDict, total=False):
    text: str


def test_a_graph_within_that_is_run_again_asks_nothing_that_its_record_may_hold(
    server: Scripted,
) -> None:
    def node(state: Outer, ctx: Context) -> Any:
        return {"text": str(ctx.llm("Hi."))}

    inner = StateGraph(Outer).add_node("speak", node).add_edge(START, "speak").compile(name="inner")
    outer = StateGraph(Outer).add_node("within", inner).add_edge(START, "within")
    app = outer.compile(name="outer")
    server.says(whole(chat("Hello.")))
    app.invoke({})

    given = app.replay(str(app.last_execution_id))
    again = app.replay(str(app.last_execution_id), run=["within"])

    assert given.divergence is None
    assert isinstance(again.error, UnrecordedCallError)
    assert len(server.asked) == 1
