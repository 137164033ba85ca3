"""What is captured of calls that are unusual: other encodings, other callers, ends in the middle."""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import anyio
import httpx
import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, Generation, LLMResult

from inwit import Command, Context, RetryPolicy, capture, interrupt
from inwit.errors import ModelCallError, UnknownToolError
from inwit.events import Failure
from inwit.runtime.capture import answered, imports
from inwit.runtime.capture.calls import _by_parameter
from inwit.runtime.capture.dialects import ChatReading
from inwit.runtime.capture.http import Watched
from inwit.runtime.capture.langchain import _recorder, _text, plain
from inwit.runtime.capture.langchain_config import _home, _without_questions, hand_down
from inwit.runtime.capture.langchain_tokens import TokenTeller
from inwit.runtime.capture.langchain_tools import ToolTeller
from inwit.runtime.capture.messages import Seen, by_hash, resolve
from inwit.runtime.capture.prices import Usage
from inwit.runtime.capture.recorder import ModelCall, ToolCall
from inwit.runtime.capture.wire import ServerSentEvents, tool_names
from tests.runtime.capture.record import calls, one_node, recorded
from tests.runtime.capture.server import Scripted, chat, chat_stream, events, whole

ONCE = RetryPolicy(max_attempts=1)
ASKED = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hi."}]}


def run(node: Any, **how: Any) -> Any:
    app = one_node(node, retry_policy=ONCE, **how)
    app.invoke({})
    return app


def test_an_answer_in_an_encoding_that_is_not_read_is_told_as_unread(project: Any) -> None:
    async def node(state: Any, ctx: Context) -> Any:
        from inwit.runtime.capture import place

        call = ModelCall(place.here(), model="m", provider="p", messages=[], parameters={})
        watched = Watched(call, ChatReading())
        watched.expect(httpx.Response(200, headers={"content-encoding": " BR "}))
        watched.feed(b"\x00\x01")
        watched.end(is_whole=True)
        watched.end(is_whole=True)
        call.complete({"content": "late"}, Usage())
        return {}

    (told,) = calls(run(node))

    assert told["error"]["type"] == "Unread"
    assert told["error"]["message"] == "The answer is encoded as br."


def test_an_answer_that_breaks_while_it_is_read_is_a_failed_call(server: Scripted) -> None:
    server.says(whole(chat("Hello."), breaks=True))

    def node(state: Any) -> Any:
        with (
            pytest.raises(httpx.RemoteProtocolError),
            httpx.stream("POST", f"{server.url}/chat/completions", json=ASKED) as answer,
        ):
            answer.read()
        return {}

    with capture():
        (told,) = calls(run(node))

    assert told["error"]["type"] == "RemoteProtocolError"


@pytest.mark.anyio
async def test_requests_that_are_not_to_models_pass_an_async_client_untouched(
    server: Scripted,
) -> None:
    server.says(whole({"fine": True}))

    async def node(state: Any) -> Any:
        async with httpx.AsyncClient() as client:
            found = await client.post(f"{server.url}/completions", json={"no": "model"})
        return {"more": found.status_code}

    app = one_node(node, retry_policy=ONCE)
    with capture():
        found = await app.ainvoke({})

    assert found["more"] == 200
    assert calls(app) == []


@pytest.mark.parametrize("is_awaited", [False, True])
def test_a_stream_that_is_refused_says_why(is_awaited: bool, server: Scripted) -> None:
    server.says(whole({"error": {"message": "No such model."}}, status=404))

    async def anode(state: Any, ctx: Context) -> Any:
        await ctx.llm("Hi.", stream=True)

    def node(state: Any, ctx: Context) -> Any:
        ctx.llm("Hi.", stream=True)

    with pytest.raises(ModelCallError) as raised:
        run(anode if is_awaited else node)

    assert raised.value.status_code == 404
    assert "No such model." in str(raised.value)
    assert raised.value.hint == "Check OPENAI_BASE_URL and the model's name."


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/v1", "http://127.0.0.1:port/v1"])
def test_a_place_that_cannot_be_called_is_named(url: str, project: Any) -> None:
    with pytest.raises(ModelCallError, match="cannot be called") as raised:
        run(lambda state, ctx: ctx.llm("Hi.", model="m", base_url=url, api_key="k"))

    assert url.partition("://")[2][:9] in str(raised.value)
    assert raised.value.hint == "Check OPENAI_BASE_URL."


def test_a_sync_tool_that_gives_something_to_await_is_recorded_when_that_is_done(
    project: Any,
) -> None:
    async def later(number: int) -> int:
        await anyio.lowlevel.checkpoint()
        return number + 1

    async def node(state: Any, ctx: Context) -> Any:
        return {"more": await ctx.tool(functools.partial(later), 1)}

    app = run(node)

    (told,) = recorded(app, "tool_completed")
    assert told["output"] == 2


def test_a_tool_that_is_recorded_answers_replays_also_by_await(project: Any) -> None:
    asked: list[str] = []

    async def look(what: str) -> str:
        asked.append(what)
        return f"found {what}"

    async def node(state: Any, ctx: Context) -> Any:
        return {"text": await ctx.tool(look, "it")}

    app = run(node)

    replay = app.replay(app.last_execution_id, run=["speak"])

    assert (replay.divergence, replay.state["text"], asked) == (None, "found it", ["it"])


def test_a_model_that_is_recorded_answers_replays_also_by_await(server: Scripted) -> None:
    server.says(whole(chat("Hello.")))

    async def node(state: Any, ctx: Context) -> Any:
        reply = await ctx.llm("Hi.")
        return {"more": [reply.text, reply.model, reply.input_tokens, reply.output_tokens]}

    app = run(node)
    replay = app.replay(app.last_execution_id, run=["speak"])

    assert replay.divergence is None, replay.error
    assert replay.state["more"] == ["Hello.", "gpt-4o-mini-2024-07-18", 1000, 200]
    assert len(server.asked) == 1


def test_a_tool_is_named_by_its_name_or_its_kind_and_unknown_names_are_refused(
    project: Any,
) -> None:
    class Adder:
        def __call__(self, a: int) -> int:
            return a + 1

    def node(state: Any, ctx: Context) -> Any:
        ctx.tool(Adder(), 1)
        ctx.tool("add", 2)
        with pytest.raises(UnknownToolError, match="'ad'"):
            ctx.tool("ad")
        return {}

    app = one_node(node, retry_policy=ONCE)
    app.invoke({}, {"configurable": {"tools": {"add": Adder()}}})

    assert [one["tool"] for one in recorded(app, "tool_started")] == ["Adder", "add"]


@pytest.mark.parametrize(
    ("args", "kwargs", "told"),
    [
        ((1,), {"b": 2}, {"a": 1, "b": 2}),
        ((1, 2, 3), {}, {"args": [1, 2, 3]}),
        ((1, 2, 3), {"d": 4}, {"args": [1, 2, 3], "d": 4}),
        ((), {"d": 4}, {"d": 4}),
    ],
)
def test_arguments_are_told_by_their_parameters_where_they_fit(
    args: Any, kwargs: Any, told: Any
) -> None:
    assert _by_parameter(lambda a, b: None, args, kwargs) == told


def test_messages_of_long_executions_are_told_again_and_no_more() -> None:
    seen = Seen()
    many = {str(number): number for number in range(10_001)}

    assert seen.only_new("one", many) == many
    assert seen.only_new("one", {"0": 0, "x": 1}) == {"x": 1}
    assert seen.only_new("one", {"0": 0}) == {"0": 0}
    for number in range(256):
        seen.only_new(f"other {number}", {"a": 1})
    assert seen.only_new("one", {"0": 0}) == {"0": 0}
    assert seen.only_new("other 255", {"a": 1, "b": 2}) == {"b": 2}


def test_a_message_that_no_json_holds_is_told_by_its_text() -> None:
    message = {("a", "b"): 1}

    (name,), contents = by_hash([message])

    assert contents[name] == repr(message)
    started = {"type": "llm_started", "call_id": "c", "messages": [name, "gone"]}
    assert resolve([{"type": "other"}, {**started, "new_messages": contents}], "c") == [
        repr(message), None,
    ]  # fmt: skip
    assert resolve([started], "another") == []


def test_the_data_of_events_is_read_however_it_is_cut() -> None:
    reading = ServerSentEvents()

    assert list(reading.feed(b": note\r\ndata: one\r\n")) == []
    assert list(reading.feed(b"data: two\r\n\r\n\r\ndata: th")) == [b"one\ntwo"]
    assert list(reading.feed(b"ree")) == []
    assert list(reading.end()) == [b"three"]
    assert list(reading.end()) == []


def test_tools_are_named_in_every_dialect() -> None:
    offered = [{"name": "a"}, {"function": {"name": "b"}}, {"type": "search"}, {}, "x"]

    assert tool_names(offered) == ["a", "b", "search", "?", "?"]


def test_a_module_is_told_of_when_it_is_imported_and_not_when_called_off(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("told_of", "called_off"):
        (tmp_path / f"{name}.py").write_text("value = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    told: list[Any] = []
    imports.when_imported("told_of", told.append)
    off = imports.when_imported("called_off", told.append)
    missing = imports.when_imported("there_is_no_such_module", told.append)

    off()
    off()
    with pytest.raises(ModuleNotFoundError):
        __import__("there_is_no_such_module")
    missing()
    __import__("called_off")
    found = __import__("told_of")
    for name in ("told_of", "called_off"):
        monkeypatch.delitem(sys.modules, name)

    assert told == [found]


def test_two_replays_share_what_answers_and_the_last_takes_it_away() -> None:
    plain_send = httpx.Client.send

    with answered.answering():
        first = httpx.Client.send
        with answered.answering():
            assert httpx.Client.send is first
        assert httpx.Client.send is first

    assert (first is plain_send, httpx.Client.send is plain_send) == (False, True)


@pytest.mark.parametrize("kind", [answered.answering, capture])
def test_what_another_library_put_on_top_stays(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(httpx.Client, "send", httpx.Client.send)
    monkeypatch.setattr(httpx.AsyncClient, "send", httpx.AsyncClient.send)

    def on_top(self: Any, request: Any, **kwargs: Any) -> Any:
        return httpx.Response(204, request=request)

    with kind():
        httpx.Client.send = httpx.AsyncClient.send = on_top  # type: ignore[method-assign]

    assert (httpx.Client.send, httpx.AsyncClient.send) == (on_top, on_top)


def test_requests_outside_of_models_pass_a_replay(project: Any) -> None:
    def body() -> Iterator[bytes]:
        yield b"in pieces"

    def answers(request: httpx.Request) -> httpx.Response:
        return httpx.Response(201)

    def node(state: Any) -> Any:
        with httpx.Client(transport=httpx.MockTransport(answers)) as client:
            found = [
                client.get("http://model/v1/models").status_code,
                client.post("http://model/v1/other", json={}).status_code,
                client.post("http://model/v1/chat/completions", content=body()).status_code,
            ]
        return {"more": found}

    app = run(node)

    replay = app.replay(app.last_execution_id, run=["speak"])

    assert (replay.divergence, replay.state["more"]) == (None, [201, 201, 201])


def test_a_stream_whose_answer_was_not_kept_whole_is_refused_in_a_replay(
    server: Scripted,
) -> None:
    server.says(whole({"data": [{"embedding": [1.0], "index": 0}], "model": "e", "usage": {}}))

    def node(state: Any) -> Any:
        found = httpx.post(f"{server.url}/embeddings", json={"model": "e", "input": "Hi."})
        return {"more": found.status_code}

    with capture():
        app = run(node)

        replay = app.replay(app.last_execution_id, run=["speak"])

    assert replay.state["more"] == 400
    assert replay.divergence is not None
    assert len(server.asked) == 1


def test_a_graph_in_a_chain_is_streamed_through_it(project: Any) -> None:
    app = one_node(lambda state: {"text": state["text"] + "!"})
    runnable = app.as_runnable()

    assert [
        one["speak"]["text"] for one in runnable.transform(iter([{"text": "a"}, {"text": "b"}]))
    ] == ["a!", "b!"]


@pytest.mark.anyio
async def test_a_graph_in_a_chain_is_streamed_through_it_by_await(project: Any) -> None:
    app = one_node(lambda state: {"text": state["text"] + "!"})

    async def given() -> AsyncIterator[Any]:
        yield {"text": "a"}
        yield {"text": "b"}

    found = [one async for one in app.as_runnable().atransform(given())]

    assert [one["speak"]["text"] for one in found] == ["a!", "b!"]


def test_a_result_without_keys_has_no_questions_to_leave_out() -> None:
    assert _without_questions([1]) == [1]
    assert _without_questions({"a": 1, "__interrupt__": ()}) == {"a": 1}


def test_without_langchain_nothing_is_handed_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "langchain_core.runnables.config", raising=False)
    found = _home()
    assert found is not None and found.__name__ == "langchain_core.runnables.config"

    for name in [name for name in sys.modules if name.partition(".")[0] == "langchain_core"]:
        monkeypatch.delitem(sys.modules, name)
    execution: Any = SimpleNamespace(run=1)
    hand_down(execution)

    assert execution.run == 1


def test_a_trace_policy_that_fails_tells_tracers_of_it_all(caplog: Any) -> None:
    from inwit.runtime.capture.langchain_traced import _processed

    def fails(value: Any) -> Any:
        raise ValueError("no")

    assert _processed({"a": 1}, fails) == {"a": 1}
    assert _processed({"a": 1}, None) == {"a": 1}
    assert _processed({"a": 1}, len) == 1
    assert [one.getMessage() for one in caplog.records] == [
        "inwit: a trace_policy failed; tracers are told of it all."
    ]


def test_calls_that_nobody_saw_begin_do_not_end() -> None:
    run_id = uuid4()
    ended = LLMResult(generations=[[Generation(text="x")]])

    _recorder.on_llm_new_token("x", run_id=run_id)
    _recorder.on_stream_event({"event": "content-block-delta"}, run_id=run_id)
    _recorder.on_llm_end(ended, run_id=run_id)
    _recorder.on_llm_error(ValueError(), run_id=run_id)
    _recorder.on_tool_start({}, "x", run_id=run_id)
    _recorder.on_tool_end("x", run_id=run_id)
    _recorder.on_tool_error(ValueError(), run_id=run_id)


def test_a_model_s_stream_of_events_is_recorded_by_its_pieces(project: Any) -> None:
    def node(state: Any) -> Any:
        run_id = uuid4()
        with capture():
            _recorder.on_chat_model_start({"name": "M"}, [[HumanMessage("Hi.")]], run_id=run_id)
            for event in (
                {"event": "content-block-delta", "delta": {"text": "Hel"}},
                {"event": "content-block-delta", "content_block": {"text": "lo."}},
                {"event": "content-block-delta"},
                {"event": "message-start", "delta": {"text": "not this"}},
            ):
                _recorder.on_stream_event(event, run_id=run_id)
            message = AIMessage("Hello.")
            ended = LLMResult(generations=[[], [ChatGeneration(message=message)]])
            _recorder.on_llm_end(ended, run_id=run_id)
        return {}

    app = run(node)

    assert "".join(one["text"] for one in recorded(app, "token_chunk")) == "Hello."
    assert [(one["model"], one["output"]) for one in calls(app)] == [("M", {"content": "Hello."})]


@pytest.mark.parametrize(
    ("token", "text"),
    [("a", "a"), (["a", {"text": "b"}, {"type": "x"}], "ab"), (None, ""), ({"text": "a"}, "")],
)
def test_a_token_s_text_is_found_in_its_blocks(token: Any, text: str) -> None:
    assert _text(token) == text


def test_messages_within_values_are_shown_plainly() -> None:
    said = {"role": "assistant", "content": "a"}

    assert plain({"x": [AIMessage("a")], "y": (AIMessage("a"), 1)}) == {"x": [said], "y": [said, 1]}


def test_tellers_pass_streams_on_and_forget_calls_that_fail() -> None:
    tokens, tools, run_id = TokenTeller(), ToolTeller(), uuid4()
    given: Any = iter("ab")
    ways: list[Any] = [tokens.tap_output_iter, tokens.tap_output_aiter]

    assert [way(run_id, given) is given for way in ways] == [True, True]
    tokens.on_chat_model_start({}, [], run_id=run_id)
    tokens.on_llm_error(ValueError(), run_id=run_id)
    tools.on_tool_start({}, "", run_id=run_id)
    tools.on_tool_end("x", run_id=run_id)
    assert (tokens._calls, tools._calls) == ({}, {})


def test_a_token_without_an_id_is_given_one_and_failed_models_are_forgotten(project: Any) -> None:
    teller = TokenTeller()

    def node(state: Any) -> Any:
        first, second = uuid4(), uuid4()
        teller.on_chat_model_start({}, [], run_id=first, tags=["seq:step:1", "mine"])
        teller.on_chat_model_start({}, [], run_id=second, tags=["nostream"])
        piece = ChatGenerationChunk(message=AIMessageChunk(content="Hel"))
        piece.message.id = None
        teller.on_llm_new_token("Hel", chunk=piece, run_id=first)
        teller.on_llm_new_token("lo", chunk=None, run_id=first)
        teller.on_llm_new_token("lo", chunk=piece, run_id=second)
        teller.on_llm_error(ValueError(), run_id=first)
        teller.on_llm_new_token("lo", chunk=piece, run_id=first)
        return {}

    told: Any = list(one_node(node).stream({}, stream_mode="messages"))

    ((message, about),) = told
    assert (message.content, about["tags"]) == ("Hel", ["mine"])
    assert message.id
    assert teller._calls == {}


def test_a_tool_that_waits_ends_in_the_stream_when_it_is_called_again(project: Any) -> None:
    from langchain_core.tools import tool

    @tool
    def ask(what: str) -> str:
        """Ask a person."""
        return str(interrupt(what))

    @tool
    def fail() -> str:
        """Fail."""
        raise ValueError("broken")

    def node(state: Any) -> Any:
        said = ask.invoke({"what": "which?"})
        with pytest.raises(ValueError, match="broken"):
            fail.invoke({})
        return {"text": said}

    app = one_node(node, retry_policy=ONCE)
    first = [one["event"] for one in app.stream({}, stream_mode="tools", thread_id="t")]
    again: Any = app.stream(Command(resume="this"), stream_mode="tools", thread_id="t")

    assert first == ["tool-started"]
    assert [one["event"] for one in again] == [
        "tool-started", "tool-finished", "tool-started", "tool-error",
    ]  # fmt: skip


def test_what_a_call_ends_with_first_counts(project: Any) -> None:
    def node(state: Any) -> Any:
        from inwit.runtime.capture import place

        for end in (
            lambda call: (call.complete(1), call.complete(2), call.fail(ValueError("late"))),
            lambda call: (call.fail(Failure(type="A", message="b")), call.complete(2)),
        ):
            end(ToolCall(place.here(), tool="t", given=None))
        return {}

    app = run(node)

    assert [one["output"] for one in recorded(app, "tool_completed")] == [1]
    assert [one["error"]["type"] for one in recorded(app, "tool_failed")] == ["A"]


def test_nothing_follows_the_end_of_an_execution(project: Any) -> None:
    kept: list[ToolCall] = []
    done = threading.Event()

    def node(state: Any) -> Any:
        from inwit.runtime.capture import place

        kept.append(ToolCall(place.here(), tool="t", given=None))
        return {}

    app = run(node)
    kept[0].complete(1)
    done.set()

    assert recorded(app, "tool_completed") == []


@pytest.mark.parametrize("is_awaited", [False, True])
def test_what_else_a_stream_has_is_there_for_its_reader(is_awaited: bool, server: Scripted) -> None:
    server.says(events(*chat_stream("Hel", "lo.")))
    found: list[str] = []

    def node(state: Any) -> Any:
        with (
            httpx.Client() as client,
            client.stream("POST", f"{server.url}/chat/completions", json=ASKED) as answer,
        ):
            stream: Any = answer.stream
            found.append(type(stream._stream).__name__)
            with pytest.raises(AttributeError):
                stream.there_is_no_such_name  # noqa: B018
        return {}

    async def anode(state: Any) -> Any:
        async with (
            httpx.AsyncClient() as client,
            client.stream("POST", f"{server.url}/chat/completions", json=ASKED) as answer,
        ):
            stream: Any = answer.stream
            found.append(type(stream._stream).__name__)
            with pytest.raises(AttributeError):
                stream.there_is_no_such_name  # noqa: B018
        return {}

    with capture():
        (told,) = calls(run(anode if is_awaited else node))

    assert told["error"]["type"] == "StreamClosed"
    assert told["error"]["message"] == "The caller read no further than this."
    assert found
