from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from inwit.registry.packages import load

USER = [{"role": "user", "content": "Name a river."}]


class Scripted(ThreadingHTTPServer):
    """A server on loopback that speaks the API and keeps what it was sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[tuple[str, str | None, dict[str, Any]]] = []
        self.status, self.reply = 200, b""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Scripted

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.requests.append((self.path, self.headers["Authorization"], body))
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(self.server.reply)))
        self.end_headers()
        self.wfile.write(self.server.reply)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Scripted]:
    with Scripted() as found:
        thread = threading.Thread(target=found.serve_forever, args=(0.01,))
        thread.start()
        yield found
        found.shutdown()
        thread.join()


def says(text: str) -> bytes:
    message = {"role": "assistant", "content": text}
    return json.dumps({"choices": [{"index": 0, "message": message}]}).encode()


def test_the_assistants_message_is_returned(server: Scripted) -> None:
    server.reply = says("The Rhine.")
    tool = {"type": "function", "function": {"name": "look"}}

    with load("inwit/openai-compatible")(
        "tiny", base_url=server.url, api_key="k1", temperature=0
    ) as chat:
        message = chat(USER, [tool])

    assert message == {"role": "assistant", "content": "The Rhine."}
    [(path, authorization, body)] = server.requests
    assert (path, authorization) == ("/v1/chat/completions", "Bearer k1")
    assert body == {"model": "tiny", "messages": USER, "temperature": 0, "tools": [tool]}


@pytest.mark.anyio
async def test_the_async_twin_returns_the_same(server: Scripted, anyio_backend: str) -> None:
    server.reply = says("The Rhone.")

    message = await load("inwit/openai-compatible")("tiny", base_url=server.url).acall(USER)

    assert message["content"] == "The Rhone."


def test_a_streamed_answer_comes_in_pieces(server: Scripted) -> None:
    pieces = [{"choices": [{"delta": {"content": one}}]} for one in ("The ", "Aare.")]
    usage = {"choices": [], "usage": {"total_tokens": 9}}
    lines = [f"data: {json.dumps(one)}\n\n" for one in [*pieces, usage]]
    server.reply = "".join([*lines, "data: [DONE]\n\n"]).encode()

    with load("inwit/openai-compatible")("tiny", base_url=server.url) as chat:
        found = list(chat.stream(USER))

    assert found == ["The ", "Aare."]


@pytest.mark.parametrize("status", [401, 429, 503])
def test_a_refusal_carries_the_status_that_retries_look_at(server: Scripted, status: int) -> None:
    server.status, server.reply = status, b'{"error": {"message": "no"}}'

    with load("inwit/openai-compatible")("tiny", base_url=server.url) as chat:
        with pytest.raises(httpx.HTTPStatusError) as whole:
            chat(USER)
        with pytest.raises(httpx.HTTPStatusError) as streamed:
            list(chat.stream(USER))

    assert whole.value.response.status_code == status
    assert streamed.value.response.status_code == status


@pytest.mark.parametrize("reply", [b"<html>", b"[]", b'{"choices": []}'])
def test_an_answer_of_another_form_is_quoted_in_the_error(server: Scripted, reply: bytes) -> None:
    server.reply = reply

    with (
        load("inwit/openai-compatible")("tiny", base_url=server.url) as chat,
        pytest.raises(httpx.DecodingError, match="no chat completion"),
    ):
        chat(USER)


def test_the_environment_names_the_server(
    server: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.reply = says("The Inn.")
    monkeypatch.setenv("OPENAI_BASE_URL", server.url + "/")
    monkeypatch.setenv("OPENAI_API_KEY", "k2")

    with load("inwit/openai-compatible")("tiny") as chat:
        chat(USER)

    assert server.requests[0][:2] == ("/v1/chat/completions", "Bearer k2")
