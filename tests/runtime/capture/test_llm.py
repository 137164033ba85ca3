from __future__ import annotations

from typing import Any

import anyio
import pytest

from inwit import Context, RetryPolicy
from inwit.errors import ModelCallError, ModelUnreachableError
from inwit.runtime.capture.messages import resolve
from tests.runtime.capture.record import calls, one_node, recorded
from tests.runtime.capture.server import Scripted, chat, chat_stream, events, whole, zipped

AT_ONCE = RetryPolicy(initial_interval=0.0, jitter=False)
ONCE = RetryPolicy(max_attempts=1)


def ask(state: Any, ctx: Context) -> Any:
    return {"text": ctx.llm("Say hello.").text}


def test_a_call_gives_the_reply_and_is_recorded_with_tokens_and_cost(server: Scripted) -> None:
    server.says(whole(chat("Hello.", cached=400)))
    app = one_node(ask)

    result = app.invoke({})

    assert result["text"] == "Hello."
    started, completed = recorded(app, "llm_started", "llm_completed")
    assert started["call_id"] == completed["call_id"]
    assert (started["node"], started["visit"], started["model"]) == ("speak", 1, "gpt-4o-mini")
    assert completed["output"] == {"content": "Hello.", "finish_reason": "stop"}
    assert completed["input_tokens"] == 1000
    assert completed["output_tokens"] == 200
    assert completed["cached_tokens"] == 400
    # 600 fresh tokens at 0.15, 400 cached at 0.075, 200 out at 0.60 dollars a million
    assert completed["cost_usd"] == pytest.approx((600 * 0.15 + 400 * 0.075 + 200 * 0.6) / 1e6)
    assert completed["price_date"]
    assert "error" not in completed


def test_the_call_carries_the_key_and_the_record_does_not(server: Scripted) -> None:
    server.says(whole(chat()))
    app = one_node(ask)

    app.invoke({})

    assert server.keys == ["Bearer sk-very-secret"]
    assert "sk-very-secret" not in str(recorded(app))


def test_parameters_go_to_the_server_and_into_the_record(server: Scripted) -> None:
    server.says(whole(chat()))
    tools = [{"type": "function", "function": {"name": "look_up", "parameters": {}}}]
    app = one_node(lambda state, ctx: {"text": str(ctx.llm("Hi.", temperature=0.5, tools=tools))})

    app.invoke({})

    assert server.asked[0]["temperature"] == 0.5
    assert server.asked[0]["tools"] == tools
    (started,) = recorded(app, "llm_started")
    assert started["parameters"] == {"temperature": 0.5, "tools": ["look_up"]}


async def _ask_async(state: Any, ctx: Context) -> Any:
    reply = await ctx.llm([{"role": "user", "content": "Say hello."}])
    return {"text": reply.text}


@pytest.mark.anyio
async def test_in_an_async_node_the_call_is_awaited(server: Scripted) -> None:
    server.says(whole(chat("Hello.")))
    app = one_node(_ask_async)

    result = await app.ainvoke({})

    assert result["text"] == "Hello."
    assert [call["output"]["content"] for call in calls(app)] == ["Hello."]


def test_a_streamed_call_records_its_text_as_it_comes(server: Scripted) -> None:
    server.says(events(*chat_stream("Hel", "lo", ".")))
    app = one_node(lambda state, ctx: {"text": ctx.llm("Say hello.", stream=True).text})

    result = app.invoke({})

    assert result["text"] == "Hello."
    chunks = recorded(app, "token_chunk")
    assert "".join(chunk["text"] for chunk in chunks) == "Hello."
    assert chunks[0]["text"] == "Hel"
    (call,) = calls(app)
    assert call["streamed"] is True
    assert call["output"] == {"content": "Hello.", "finish_reason": "stop"}
    assert (call["input_tokens"], call["output_tokens"]) == (1000, 200)


@pytest.mark.anyio
async def test_an_async_node_can_stream(server: Scripted) -> None:
    async def node(state: Any, ctx: Context) -> Any:
        return {"text": (await ctx.llm("Say hello.", stream=True)).text}

    server.says(events(*chat_stream("Hel", "lo.")))
    app = one_node(node)

    result = await app.ainvoke({})

    assert result["text"] == "Hello."
    assert "".join(chunk["text"] for chunk in recorded(app, "token_chunk")) == "Hello."


def test_a_compressed_answer_is_read(server: Scripted) -> None:
    server.says(zipped(chat("Hello.")))
    app = one_node(ask)

    assert app.invoke({})["text"] == "Hello."


def test_a_busy_server_is_asked_again_and_both_calls_are_recorded(server: Scripted) -> None:
    server.says(whole({"error": {"message": "Slow down.", "type": "rate"}}, 429), whole(chat()))
    app = one_node(ask, retry_policy=AT_ONCE)

    result = app.invoke({})

    assert result["text"] == "Hello."
    failed, completed = calls(app)
    assert failed["error"]["code"] == "execution.model_call"
    assert "Slow down." in failed["error"]["message"]
    assert (failed["attempt"], completed["attempt"]) == (1, 2)
    assert len(recorded(app, "retry_scheduled")) == 1


def test_a_refusal_that_will_not_pass_is_raised_at_once(server: Scripted) -> None:
    server.says(whole({"error": {"message": "No such model."}}, 404))
    app = one_node(ask, retry_policy=AT_ONCE)

    with pytest.raises(ModelCallError) as raised:
        app.invoke({})

    assert raised.value.status_code == 404
    assert "No such model." in raised.value.message
    assert "OPENAI_BASE_URL" in raised.value.hint
    assert len(server.asked) == 1


def test_a_failing_server_is_given_up_after_the_last_attempt(server: Scripted) -> None:
    server.says(*[whole({"error": "broken"}, 500)] * 3)
    app = one_node(ask, retry_policy=AT_ONCE)

    with pytest.raises(ModelCallError) as raised:
        app.invoke({})

    assert raised.value.status_code == 500
    assert [call["error"]["type"] for call in calls(app)] == ["ModelCallError"] * 3


def test_an_answer_that_is_no_json_is_an_error_and_not_a_reply(server: Scripted) -> None:
    server.says(whole(b"<html>busy</html>"))
    app = one_node(ask, retry_policy=AT_ONCE)

    with pytest.raises(ModelCallError, match="no usable answer"):
        app.invoke({})

    assert calls(app)[0]["error"]["type"] == "BrokenAnswer"


def test_a_server_that_is_not_there_is_a_connection_error(server: Scripted) -> None:
    app = one_node(
        lambda state, ctx: ctx.llm("Hi.", base_url="http://127.0.0.1:9/v1"), retry_policy=ONCE
    )

    with pytest.raises(ModelUnreachableError) as raised:
        app.invoke({})

    assert isinstance(raised.value, ConnectionError)
    assert calls(app)[0]["error"]["code"] == "execution.model_unreachable"


def test_a_server_that_does_not_answer_in_time_is_unreachable(server: Scripted) -> None:
    server.says(whole(chat(), waits=True))
    app = one_node(lambda state, ctx: ctx.llm("Hi.", timeout_s=0.05), retry_policy=ONCE)

    with pytest.raises(ModelUnreachableError, match="did not answer in time"):
        app.invoke({})


def test_a_stream_that_breaks_off_is_an_error(server: Scripted) -> None:
    server.says(events(*chat_stream("Hel", done=False), breaks=True))
    app = one_node(lambda state, ctx: ctx.llm("Hi.", stream=True), retry_policy=ONCE)

    with pytest.raises(ModelUnreachableError):
        app.invoke({})

    assert calls(app)[0]["error"]["type"] == "ModelUnreachableError"
    assert recorded(app, "token_chunk")[0]["text"] == "Hel"


@pytest.mark.anyio
async def test_a_cancelled_call_is_recorded_as_such(server: Scripted) -> None:
    server.says(whole(chat(), waits=True))
    app = one_node(_ask_async)

    with anyio.move_on_after(0.2):
        await app.ainvoke({})

    (call,) = calls(app)
    assert call["error"]["type"] == "CancelledError"


def test_without_a_model_the_error_says_how_to_name_one(
    server: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_MODEL")
    app = one_node(ask)

    with pytest.raises(ModelCallError, match="OPENAI_MODEL"):
        app.invoke({})


def test_openai_is_not_asked_without_a_key(
    server: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL")
    monkeypatch.delenv("OPENAI_API_KEY")

    with pytest.raises(ModelCallError, match="no key to ask 'gpt-4o-mini'") as raised:
        one_node(ask).invoke({})

    assert "OPENAI_API_KEY" in raised.value.hint


def test_a_model_without_a_price_has_no_cost(server: Scripted) -> None:
    server.says(whole(chat(model="home-made-7b")))
    app = one_node(lambda state, ctx: {"more": ctx.llm("Hi.", model="home-made-7b").cost_usd})

    result = app.invoke({})

    assert result["more"] is None
    (call,) = calls(app)
    assert "cost_usd" not in call
    assert call["input_tokens"] == 1000


def test_what_a_server_does_not_count_is_unknown(server: Scripted) -> None:
    server.says(whole({"choices": [{"message": {"content": "Hello."}}]}))
    app = one_node(ask)

    app.invoke({})

    (call,) = calls(app)
    assert not {"input_tokens", "output_tokens", "cached_tokens", "cost_usd"} & call.keys()


def test_a_conversation_is_recorded_once_however_often_it_is_sent(server: Scripted) -> None:
    def node(state: Any, ctx: Context) -> Any:
        said = [{"role": "user", "content": "One."}]
        ctx.llm(said)
        said += [{"role": "assistant", "content": "Hello."}, {"role": "user", "content": "Two."}]
        ctx.llm(said)
        return {}

    server.says(whole(chat()), whole(chat()))
    app = one_node(node)

    app.invoke({})

    first, second = recorded(app, "llm_started")
    assert second["messages"][0] == first["messages"][0]
    assert len(second["messages"]) == 3
    assert len(second["new_messages"]) == 2
    read_back = resolve(recorded(app), second["call_id"])
    assert [message["content"] for message in read_back] == ["One.", "Hello.", "Two."]


def test_a_long_message_is_read_back_whole(server: Scripted) -> None:
    long = "word " * 20_000
    server.says(whole(chat()))
    app = one_node(lambda state, ctx: {"text": ctx.llm(long).text})

    app.invoke({})

    (started,) = recorded(app, "llm_started")
    assert resolve(recorded(app), started["call_id"]) == [{"role": "user", "content": long}]


def test_tool_calls_that_a_model_asks_for_are_in_the_reply_and_the_record(
    server: Scripted,
) -> None:
    answer = chat("")
    answer["choices"][0]["message"]["tool_calls"] = [
        {"id": "t1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
    ]
    server.says(whole(answer))
    app = one_node(lambda state, ctx: {"more": list(ctx.llm("Add.").tool_calls)})

    result = app.invoke({})

    wanted = [{"id": "t1", "name": "add", "arguments": '{"a": 1}'}]
    assert result["more"] == wanted
    assert calls(app)[0]["output"]["tool_calls"] == wanted


@pytest.mark.anyio
async def test_parallel_nodes_record_their_own_calls(server: Scripted) -> None:
    from inwit import END, START, StateGraph
    from tests.runtime.capture.record import State

    async def left(state: Any, ctx: Context) -> Any:
        return {"text": (await ctx.llm("Left?")).text}

    def right(state: Any, ctx: Context) -> Any:
        return {"more": ctx.llm("Right?").text}

    graph = StateGraph(State)
    graph.add_node("left", left)
    graph.add_node("right", right)
    for name in ("left", "right"):
        graph.add_edge(START, name)
        graph.add_edge(name, END)
    app = graph.compile(name="both")
    server.says(whole(chat()), whole(chat()))

    await app.ainvoke({})

    asked = {
        started["node"]: resolve(recorded(app), started["call_id"])[0]["content"]
        for started in recorded(app, "llm_started")
    }
    assert asked == {"left": "Left?", "right": "Right?"}
    assert sorted(call["node"] for call in calls(app)) == ["left", "right"]


def test_without_a_record_calls_go_through_all_the_same(server: Scripted) -> None:
    server.says(whole(chat("Hello.")))
    app = one_node(ask).without_introspection()

    assert app.invoke({})["text"] == "Hello."
