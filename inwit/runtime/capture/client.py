"""`ctx.llm`: one call of an OpenAI-compatible server, recorded."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from inwit.errors import ModelCallError, ModelUnreachableError, shorten
from inwit.runtime.capture.dialects import ChatReading, read_error
from inwit.runtime.capture.place import Place
from inwit.runtime.capture.prices import cost_of
from inwit.runtime.capture.recorder import ModelCall
from inwit.runtime.capture.wire import ServerSentEvents, parameters_of

if TYPE_CHECKING:
    import ssl

    import httpx

Messages = str | Sequence[Mapping[str, Any]]

DEFAULT_BASE_URL = "https://api.openai.com/v1"
TIMEOUT_S = 120.0
_PROVIDERS = {
    "api.openai.com": "openai",
    "api.anthropic.com": "anthropic",
    "api.mistral.ai": "mistral",
    "api.deepseek.com": "deepseek",
    "api.groq.com": "groq",
    "api.x.ai": "xai",
    "openrouter.ai": "openrouter",
    "generativelanguage.googleapis.com": "google",
}


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What a model answered. A figure that the server did not give, or that has no price, is None.

    ``str(reply)`` is its text.
    """

    text: str
    model: str
    tool_calls: tuple[dict[str, Any], ...] = ()
    """Each with ``id``, ``name`` and ``arguments`` (a JSON text)."""
    finish_reason: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    cost_usd: float | None = None

    def __str__(self) -> str:
        return self.text


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One call, ready to be sent."""

    url: str
    headers: dict[str, str]
    body: dict[str, Any]
    timeout_s: float

    @property
    def is_streamed(self) -> bool:
        """Whether the answer is asked for piece by piece."""
        return bool(self.body.get("stream"))


def provider_of(url: str) -> str:
    """Name a provider by its host; the host itself where it is not a known one."""
    host = urlsplit(url).hostname or ""
    return _PROVIDERS.get(host) or ("azure" if host.endswith(".openai.azure.com") else host)


def prepare(
    messages: Messages, *, model: str | None, base_url: str | None, api_key: str | None,
    stream: bool, timeout_s: float, parameters: Mapping[str, Any],
) -> Question:  # fmt: skip
    """Make a call of what was asked, filled up from the environment.

    Raises:
        ModelCallError: No model is named, here or by ``OPENAI_MODEL``; or OpenAI is asked without
            a key.
    """
    model = model or os.environ.get("OPENAI_MODEL")
    if not model:
        raise ModelCallError(
            "No model is named.", hint="Give ctx.llm(model=…) or set OPENAI_MODEL."
        )
    base = base_url or os.environ.get("OPENAI_BASE_URL") or DEFAULT_BASE_URL
    key = api_key or os.environ.get("OPENAI_API_KEY")
    if not key and base == DEFAULT_BASE_URL:
        raise ModelCallError(
            f"There is no key to ask {model!r} with at {base}.",
            hint="Set OPENAI_API_KEY, or OPENAI_BASE_URL for another server.",
        )
    listed = [{"role": "user", "content": messages}] if isinstance(messages, str) else messages
    body = {"model": model, "messages": [dict(message) for message in listed], **parameters}
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    headers = {"content-type": "application/json"}
    if key:
        headers["authorization"] = f"Bearer {key}"
    return Question(
        url=f"{base.rstrip('/')}/chat/completions", headers=headers, body=body, timeout_s=timeout_s
    )


def start(place: Place | None, question: Question) -> ModelCall:
    """Begin the record of a call."""
    return ModelCall(
        place, model=question.body["model"], provider=provider_of(question.url),
        messages=question.body["messages"], parameters=parameters_of(question.body),
    )  # fmt: skip


def ask(place: Place | None, question: Question) -> Reply:
    """Send a call and wait for the answer."""
    import httpx

    call, reading = start(place, question), ChatReading()
    with _typed_errors(call, question), httpx.Client(**_options(question)) as client:
        if question.is_streamed:
            _stream(call, reading, question, client)
        else:
            response = client.post(question.url, **_content(question))
            _refuse(question, response)
            reading.whole(response.content)
    return _finish(call, question, reading)


async def aask(place: Place | None, question: Question) -> Reply:
    """Send a call and await the answer."""
    import httpx

    call, reading = start(place, question), ChatReading()
    with _typed_errors(call, question):
        async with httpx.AsyncClient(**_options(question)) as client:
            if question.is_streamed:
                await _astream(call, reading, question, client)
            else:
                response = await client.post(question.url, **_content(question))
                _refuse(question, response)
                reading.whole(response.content)
    return _finish(call, question, reading)


def _stream(
    call: ModelCall, reading: ChatReading, question: Question, client: httpx.Client
) -> None:
    with client.stream("POST", question.url, **_content(question)) as response:
        if response.is_error:
            response.read()
        _refuse(question, response)
        events = ServerSentEvents()
        for chunk in response.iter_bytes():
            _take(call, reading, events.feed(chunk))
        _take(call, reading, events.end())


async def _astream(
    call: ModelCall, reading: ChatReading, question: Question, client: httpx.AsyncClient
) -> None:
    async with client.stream("POST", question.url, **_content(question)) as response:
        if response.is_error:
            await response.aread()
        _refuse(question, response)
        events = ServerSentEvents()
        async for chunk in response.aiter_bytes():
            _take(call, reading, events.feed(chunk))
        _take(call, reading, events.end())


def _options(question: Question) -> dict[str, Any]:
    return {"timeout": question.timeout_s, "verify": _tls()}


def _content(question: Question) -> dict[str, Any]:
    return {"content": msgspec.json.encode(question.body), "headers": question.headers}


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    """Made once: loading the certificates takes longer than a call on the local network."""
    import httpx

    return httpx.create_ssl_context()


def _take(call: ModelCall, reading: ChatReading, events: Iterable[bytes]) -> None:
    for data in events:
        call.speak(reading.piece(data))


def _refuse(question: Question, response: httpx.Response) -> None:
    if response.is_success:
        return
    status = response.status_code
    hints = {
        401: "Check OPENAI_API_KEY.",
        404: "Check OPENAI_BASE_URL and the model's name.",
        429: "The server is busy or the quota is used up.",
    }
    raise ModelCallError(
        f"{provider_of(question.url)} refused the call: "
        f"{read_error(status, response.content).message}",
        status_code=status, hint=hints.get(status, ""),
    )  # fmt: skip


@contextmanager
def _typed_errors(call: ModelCall, question: Question) -> Iterator[None]:
    """Record how the call failed, and raise it as an error of inwit's."""
    import httpx

    try:
        with call.serving():
            yield
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        typed = _typed(exc, question)
        call.fail(typed)
        raise typed from exc
    except BaseException as exc:
        call.fail(exc)
        raise


def _typed(error: Exception, question: Question) -> ModelCallError:
    import httpx

    said = str(error) or type(error).__name__
    if isinstance(error, httpx.UnsupportedProtocol) or not isinstance(error, httpx.TransportError):
        return ModelCallError(
            f"{shorten(question.url)} cannot be called: {said}", hint="Check OPENAI_BASE_URL."
        )
    what = "did not answer in time" if isinstance(error, httpx.TimeoutException) else "failed"
    return ModelUnreachableError(
        f"{question.url} {what}: {said}.", hint="Check OPENAI_BASE_URL and that the server is up."
    )


def _finish(call: ModelCall, question: Question, reading: ChatReading) -> Reply:
    model, usage = reading.model or question.body["model"], reading.usage
    call.complete(reading.output, usage, model=model, error=reading.error)
    if reading.error is not None:
        raise ModelCallError(
            f"{provider_of(question.url)} gave no usable answer: {reading.error.message}"
        )
    output = reading.output
    return Reply(
        text=output["content"], model=model, tool_calls=tuple(output.get("tool_calls", ())),
        finish_reason=output.get("finish_reason"), input_tokens=usage.input,
        output_tokens=usage.output, cached_tokens=usage.cached, cost_usd=cost_of(model, usage).usd,
    )  # fmt: skip
