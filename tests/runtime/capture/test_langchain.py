from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from langchain_core.language_models import FakeListLLM, GenericFakeChatModel
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage
from langchain_core.tools import tool

from inwit import RetryPolicy, capture
from inwit.runtime.capture.messages import resolve
from tests.runtime.capture.record import calls, one_node, recorded
from tests.runtime.capture.server import Scripted, chat, whole

ONCE = RetryPolicy(max_attempts=1)


@pytest.fixture(autouse=True)
def capturing(project: Any) -> Iterator[None]:
    with capture():
        yield


def model(*said: Any) -> GenericFakeChatModel:
    return GenericFakeChatModel(messages=iter(said))


@tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def test_a_chat_model_is_recorded_with_messages_tokens_and_cost() -> None:
    answer = AIMessage(
        "Hello.", response_metadata={"model_name": "gpt-4o-mini", "finish_reason": "stop"},
        usage_metadata={"input_tokens": 100, "output_tokens": 20, "total_tokens": 120,
                        "input_token_details": {"cache_read": 40}},
    )  # fmt: skip
    app = one_node(
        lambda state: {
            "text": model(answer).invoke([SystemMessage("Be kind."), HumanMessage("Hi.")]).content
        }
    )

    assert app.invoke({})["text"] == "Hello."
    started, completed = recorded(app, "llm_started", "llm_completed")
    assert started["node"] == "speak"
    assert started["model"] == "GenericFakeChatModel"
    assert resolve(recorded(app), started["call_id"]) == [
        {"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi."},
    ]  # fmt: skip
    assert completed["model"] == "gpt-4o-mini"
    assert completed["output"] == {"content": "Hello.", "finish_reason": "stop"}
    assert (completed["input_tokens"], completed["output_tokens"]) == (100, 20)
    assert completed["cached_tokens"] == 40
    assert completed["cost_usd"] == pytest.approx((60 * 0.15 + 40 * 0.075 + 20 * 0.6) / 1e6)


def test_a_streamed_chat_model_is_recorded_piece_by_piece() -> None:
    app = one_node(
        lambda state: {"text": "".join(str(c.content) for c in model("Hello there.").stream("Hi."))}
    )

    assert app.invoke({})["text"] == "Hello there."
    assert "".join(event["text"] for event in recorded(app, "token_chunk")) == "Hello there."
    assert calls(app)[0]["streamed"] is True


@pytest.mark.anyio
async def test_an_awaited_chat_model_is_recorded() -> None:
    async def node(state: Any) -> Any:
        said = await model("Hello.").ainvoke("Hi.")
        return {"text": said.content}

    app = one_node(node)

    await app.ainvoke({})

    assert [call["output"]["content"] for call in calls(app)] == ["Hello."]


def test_a_completion_model_is_recorded() -> None:
    app = one_node(lambda state: {"text": FakeListLLM(responses=["Hello."]).invoke("Hi.")})

    app.invoke({})

    assert calls(app)[0]["output"] == {"content": "Hello."}


def test_a_model_that_fails_is_recorded() -> None:
    app = one_node(lambda state: {"text": model().invoke("Hi.")}, retry_policy=ONCE)

    with pytest.raises(RuntimeError):
        app.invoke({})

    assert "error" in calls(app)[0]


def test_a_tool_is_recorded_with_what_it_was_given() -> None:
    app = one_node(lambda state: {"more": add.invoke({"a": 1, "b": 2})})

    app.invoke({})

    (started,) = recorded(app, "tool_started")
    (completed,) = recorded(app, "tool_completed")
    assert (started["tool"], started["input"]) == ("add", {"a": 1, "b": 2})
    assert completed["output"] == 3


def test_a_tool_that_fails_is_recorded() -> None:
    @tool
    def fail(a: int) -> int:
        """Fail."""
        raise ValueError(a)

    app = one_node(lambda state: {"more": fail.invoke({"a": 1})}, retry_policy=ONCE)

    with pytest.raises(ValueError, match="1"):
        app.invoke({})

    assert recorded(app, "tool_failed")[0]["error"]["type"] == "ValueError"


def test_a_model_that_asks_over_http_is_recorded_once(server: Scripted) -> None:
    class Served(GenericFakeChatModel):
        def _generate(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
            import httpx

            asked = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi."}]}
            httpx.post(f"{server.url}/chat/completions", json=asked)
            return super()._generate(messages, *args, **kwargs)

    server.says(whole(chat()))
    app = one_node(lambda state: {"text": Served(messages=iter(["Hello."])).invoke("Hi.").content})

    app.invoke({})

    assert len(server.asked) == 1
    assert [call["model"] for call in calls(app)] == ["Served"]


def test_outside_of_a_node_a_model_answers_unrecorded() -> None:
    assert model("Hello.").invoke("Hi.").content == "Hello."
