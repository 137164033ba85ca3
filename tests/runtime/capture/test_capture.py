from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx
import openai
import pytest

from inwit import RetryPolicy, capture
from inwit.runtime.capture.messages import resolve
from tests.runtime.capture.record import calls, one_node, recorded
from tests.runtime.capture.server import (
    Scripted,
    chat,
    chat_stream,
    events,
    message,
    message_stream,
    whole,
    zipped,
)

ONCE = RetryPolicy(max_attempts=1)
SAID: list[Any] = [{"role": "user", "content": "Say hello."}]
ASKED = {"model": "gpt-4o-mini", "messages": SAID}
CLAUDE: dict[str, Any] = {"model": "claude-sonnet-5-5", "max_tokens": 99, "messages": SAID}


@pytest.fixture(autouse=True)
def capturing() -> Iterator[None]:
    with capture():
        yield


def run(node: Any) -> Any:
    """Run a node once and give the graph."""
    app = one_node(node, retry_policy=ONCE)
    app.invoke({})
    return app


def test_a_call_over_httpx_is_recorded(server: Scripted) -> None:
    server.says(whole(chat("Hello.", cached=100)))

    def node(state: Any) -> Any:
        answer = httpx.post(
            f"{server.url}/chat/completions", json={**ASKED, "temperature": 0.5},
            headers={"authorization": "Bearer sk-very-secret"},
        )  # fmt: skip
        return {"text": answer.json()["choices"][0]["message"]["content"]}

    app = run(node)

    started, completed = recorded(app, "llm_started", "llm_completed")
    assert (started["node"], started["model"]) == ("speak", "gpt-4o-mini")
    assert started["parameters"] == {"temperature": 0.5}
    assert resolve(recorded(app), started["call_id"]) == SAID
    assert completed["output"]["content"] == "Hello."
    assert (completed["input_tokens"], completed["cached_tokens"]) == (1000, 100)
    assert completed["cost_usd"] > 0
    assert "sk-very-secret" not in json.dumps(recorded(app))


@pytest.mark.anyio
async def test_a_call_over_async_httpx_is_recorded(server: Scripted) -> None:
    async def node(state: Any) -> Any:
        async with httpx.AsyncClient() as client:
            await client.post(f"{server.url}/chat/completions", json=ASKED)
        return {}

    server.says(whole(chat("Hello.")))
    app = one_node(node)

    await app.ainvoke({})

    assert [call["output"]["content"] for call in calls(app)] == ["Hello."]


def test_a_stream_reaches_its_reader_as_it_comes_and_is_recorded(server: Scripted) -> None:
    server.says(events(*chat_stream("Hel", "lo.")))
    seen: list[str] = []

    def node(state: Any) -> Any:
        with httpx.stream(
            "POST", f"{server.url}/chat/completions", json={**ASKED, "stream": True}
        ) as answer:
            seen.extend(answer.iter_lines())
        return {}

    app = run(node)

    assert seen[-2] == "data: [DONE]"
    (call,) = calls(app)
    assert (call["streamed"], call["output"]["content"]) == (True, "Hello.")
    assert recorded(app, "token_chunk")[0]["text"] == "Hel"


def test_a_stream_that_is_left_early_says_so(server: Scripted) -> None:
    server.says(events(*chat_stream("Hel", "lo.")))

    def node(state: Any) -> Any:
        with httpx.stream("POST", f"{server.url}/chat/completions", json={**ASKED, "stream": True}):
            return {}

    app = run(node)

    assert calls(app)[0]["error"]["type"] == "StreamClosed"


def test_a_compressed_stream_is_read_along(server: Scripted) -> None:
    server.says(zipped(chat("Hello.")))

    def node(state: Any) -> Any:
        with httpx.stream("POST", f"{server.url}/chat/completions", json=ASKED) as answer:
            answer.read()
            return {"text": answer.json()["choices"][0]["message"]["content"]}

    app = run(node)

    assert calls(app)[0]["output"]["content"] == "Hello."


def test_a_refusal_is_recorded_and_reaches_the_caller_untouched(server: Scripted) -> None:
    server.says(whole({"error": {"message": "Slow down.", "type": "rate_limit"}}, 429))
    statuses: list[int] = []

    def node(state: Any) -> Any:
        statuses.append(httpx.post(f"{server.url}/chat/completions", json=ASKED).status_code)
        return {}

    app = run(node)

    assert statuses == [429]
    (call,) = calls(app)
    assert (call["error"]["code"], call["error"]["message"]) == ("rate_limit", "429: Slow down.")


def test_a_lost_connection_is_recorded_and_raised(server: Scripted) -> None:
    app = one_node(
        lambda state: httpx.post("http://127.0.0.1:9/v1/chat/completions", json=ASKED),
        retry_policy=ONCE,
    )

    with pytest.raises(httpx.ConnectError):
        app.invoke({})

    assert calls(app)[0]["error"]["type"] == "ConnectError"


def test_a_broken_answer_is_recorded_as_broken(server: Scripted) -> None:
    server.says(whole(b"not json"))
    app = run(lambda state: {"more": httpx.post(f"{server.url}/chat/completions", json=ASKED).text})

    assert calls(app)[0]["error"]["type"] == "BrokenAnswer"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/other", ASKED),
        ("/v1/responses", {"no": "model"}),
        ("/v1/messages", {"jsonrpc": "2.0"}),
        ("/v1/chat/completions", {"model": "gpt-4o-mini"}),
    ],
)
def test_what_is_no_call_of_a_model_passes_unrecorded(
    server: Scripted, path: str, body: Any
) -> None:
    server.says(whole({}))
    url = server.url.removesuffix("/v1") + path
    app = run(lambda state: {"more": httpx.post(url, json=body).status_code})

    assert recorded(app, "llm_started") == []


def test_a_body_that_is_sent_in_pieces_passes_unrecorded(server: Scripted) -> None:
    server.says(whole(chat()))

    def node(state: Any) -> Any:
        pieces = iter([json.dumps(ASKED).encode()])
        headers = {"content-length": str(len(json.dumps(ASKED)))}
        answer = httpx.post(f"{server.url}/chat/completions", content=pieces, headers=headers)
        return {"more": answer.status_code}

    app = run(node)

    assert recorded(app, "llm_started") == []
    assert len(server.asked) == 1


def test_outside_of_a_node_a_call_passes_unrecorded(server: Scripted) -> None:
    server.says(whole(chat("Hello.")))

    answer = httpx.post(f"{server.url}/chat/completions", json=ASKED)

    assert answer.json()["choices"][0]["message"]["content"] == "Hello."


def test_ctx_llm_is_recorded_once_while_capturing(server: Scripted) -> None:
    server.says(whole(chat()))
    app = one_node(lambda state, ctx: {"text": ctx.llm("Say hello.").text})

    app.invoke({})

    assert len(calls(app)) == 1


def test_capturing_twice_records_once_and_stops_with_the_last(server: Scripted) -> None:
    def node(state: Any) -> Any:
        httpx.post(f"{server.url}/chat/completions", json=ASKED)
        return {}

    server.says(whole(chat()), whole(chat()))
    with capture() as second:
        second.stop()
        second.stop()

        assert len(calls(run(node))) == 1
    assert len(calls(run(node))) == 1


def test_after_the_last_stop_the_clients_are_as_they_were() -> None:
    code = """
import httpx
before = httpx.Client.send, httpx.AsyncClient.send
import inwit
with inwit.capture():
    assert httpx.Client.send is not before[0]
assert (httpx.Client.send, httpx.AsyncClient.send) == before
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_capture_imports_no_client_and_finds_those_that_come_later() -> None:
    code = """
import sys, inwit
running = inwit.capture()
assert not {"httpx", "httpx2", "openai", "anthropic", "langchain_core"} & set(sys.modules)
import httpx, openai, langchain_core.language_models
import httpx2
assert "capture" in httpx.Client.send.__code__.co_filename
assert "capture" in httpx2.AsyncClient.send.__code__.co_filename
running.stop()
assert "capture" not in httpx.Client.send.__code__.co_filename
"""
    subprocess.run([sys.executable, "-c", code], check=True)


# openai and anthropic


def test_openai_is_recorded_whole_and_streamed(server: Scripted) -> None:
    server.says(whole(chat("One.")), events(*chat_stream("Tw", "o.")))

    def node(state: Any) -> Any:
        with openai.OpenAI(max_retries=0) as client:
            one = client.chat.completions.create(model="gpt-4o-mini", messages=SAID)
            two: Any = client.chat.completions.create(
                model="gpt-4o-mini", messages=SAID, stream=True
            )
            said = "".join(chunk.choices[0].delta.content or "" for chunk in two if chunk.choices)
            return {"text": f"{one.choices[0].message.content} {said}"}

    app = one_node(node)

    assert app.invoke({})["text"] == "One. Two."
    assert [call["output"]["content"] for call in calls(app)] == ["One.", "Two."]
    assert ["streamed" in call for call in calls(app)] == [False, True]
    assert [call["input_tokens"] for call in calls(app)] == [1000, 1000]


@pytest.mark.anyio
async def test_async_openai_is_recorded_whole_and_streamed(server: Scripted) -> None:
    async def node(state: Any) -> Any:
        async with openai.AsyncOpenAI(max_retries=0) as client:
            await client.chat.completions.create(model="gpt-4o-mini", messages=SAID)
            stream: Any = await client.chat.completions.create(
                model="gpt-4o-mini", messages=SAID, stream=True
            )
            async for _ in stream:
                pass
        return {}

    server.says(whole(chat("One.")), events(*chat_stream("Tw", "o.")))
    app = one_node(node)

    await app.ainvoke({})

    assert [call["output"]["content"] for call in calls(app)] == ["One.", "Two."]


def test_each_try_of_a_client_that_tries_again_is_a_call(server: Scripted) -> None:
    refusal = whole({"error": {"message": "Slow down."}}, 429)
    server.says(refusal, whole(chat("Hello.")))

    def node(state: Any) -> Any:
        with openai.OpenAI(max_retries=1) as client:
            said = client.chat.completions.create(model="gpt-4o-mini", messages=SAID)
        return {"text": said.choices[0].message.content}

    app = run(node)

    failed, completed = calls(app)
    assert failed["error"]["message"] == "429: Slow down."
    assert completed["output"]["content"] == "Hello."


def test_openai_responses_are_recorded_whole_and_streamed(server: Scripted) -> None:
    response = {
        "id": "r1", "object": "response", "created_at": 1, "model": "gpt-5-mini",
        "status": "completed", "parallel_tool_calls": True, "tool_choice": "auto", "tools": [],
        "output": [{"type": "message", "id": "m1", "role": "assistant", "status": "completed",
                    "content": [{"type": "output_text", "text": "Hello.", "annotations": []}]}],
        "usage": {"input_tokens": 100, "output_tokens": 20, "total_tokens": 120,
                  "input_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 0},
                  "output_tokens_details": {"reasoning_tokens": 0}},
    }  # fmt: skip
    stream = [
        {"type": "response.output_text.delta", "delta": "Hello.", "item_id": "m1",
         "output_index": 0, "content_index": 0, "sequence_number": 1, "logprobs": []},
        {"type": "response.completed", "response": response, "sequence_number": 2},
    ]  # fmt: skip
    server.says(whole(response), events(*stream, named=True))

    def node(state: Any) -> Any:
        with openai.OpenAI(max_retries=0) as client:
            client.responses.create(model="gpt-5-mini", input="Hi.", instructions="Be kind.")
            list(client.responses.create(model="gpt-5-mini", input="Hi.", stream=True))
        return {}

    app = run(node)

    assert [call["output"]["content"] for call in calls(app)] == ["Hello.", "Hello."]
    assert [call["cached_tokens"] for call in calls(app)] == [40, 40]
    first = recorded(app, "llm_started")[0]
    assert resolve(recorded(app), first["call_id"]) == [
        {"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi."},
    ]  # fmt: skip


def test_openai_embeddings_are_recorded_without_their_numbers(server: Scripted) -> None:
    server.says(whole({
        "object": "list", "model": "text-embedding-3-small",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.1, 0.2]}],
        "usage": {"prompt_tokens": 8, "total_tokens": 8},
    }))  # fmt: skip

    def node(state: Any) -> Any:
        with openai.OpenAI(max_retries=0) as client:
            client.embeddings.create(
                model="text-embedding-3-small", input="Hi.", encoding_format="float"
            )
        return {}

    app = run(node)

    (call,) = calls(app)
    assert call["output"] == {"embeddings": 1, "dimensions": 2}
    assert call["cost_usd"] == pytest.approx(8 * 0.02 / 1e6)


def test_anthropic_is_recorded_whole_and_streamed(server: Scripted) -> None:
    server.says(whole(message("One.")), events(*message_stream("Tw", "o."), named=True))

    def node(state: Any) -> Any:
        with anthropic.Anthropic(
            api_key="sk-very-secret", base_url=server.url.removesuffix("/v1"), max_retries=0
        ) as client:
            client.messages.create(system="Be kind.", **CLAUDE)
            with client.messages.stream(**CLAUDE) as stream:
                return {"text": stream.get_final_text()}

    app = run(node)

    one, two = calls(app)
    assert (one["output"]["content"], two["output"]["content"]) == ("One.", "Two.")
    assert one["input_tokens"] == two["input_tokens"] == 1000
    assert one["cached_tokens"] == two["cached_tokens"] == 900
    assert one["output_tokens"] == two["output_tokens"] == 50
    assert "sk-very-secret" not in json.dumps(recorded(app))
    first = recorded(app, "llm_started")[0]
    assert resolve(recorded(app), first["call_id"])[0] == {"role": "system", "content": "Be kind."}


@pytest.mark.anyio
async def test_async_anthropic_records_the_tools_that_a_model_asks_for(server: Scripted) -> None:
    answer = message("")
    answer["content"] = [{"type": "tool_use", "id": "t1", "name": "add", "input": {"a": 1}}]

    async def node(state: Any) -> Any:
        async with anthropic.AsyncAnthropic(
            api_key="k", base_url=server.url.removesuffix("/v1"), max_retries=0
        ) as client:
            await client.messages.create(**CLAUDE)
        return {}

    server.says(whole(answer))
    app = one_node(node)

    await app.ainvoke({})

    wanted = [{"id": "t1", "name": "add", "arguments": '{"a": 1}'}]
    assert calls(app)[0]["output"]["tool_calls"] == wanted


def test_a_fault_in_recording_does_not_reach_the_caller(
    server: Scripted, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from inwit.runtime.capture.place import Place

    def fail(*_: Any) -> None:
        raise RuntimeError("no record today")

    server.says(whole(chat("Hello.")))
    monkeypatch.setattr(Place, "emit", fail)
    app = one_node(
        lambda state: {
            "text": httpx.post(f"{server.url}/chat/completions", json=ASKED).json()["model"]
        }
    )

    assert app.invoke({})["text"] == "gpt-4o-mini-2024-07-18"
    assert "could not be recorded" in caplog.text
