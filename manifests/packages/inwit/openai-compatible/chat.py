"""A chat model behind an OpenAI-compatible API."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Self

import httpx

Message = dict[str, Any]

DEFAULT_BASE_URL = "https://api.openai.com/v1"


class Chat:
    """One model of one server. Keeps its connections; `close` or ``with`` ends them."""

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        timeout_s: float = 120.0,
        **parameters: Any,
    ) -> None:
        """Name a model; `parameters` (temperature, max_tokens, …) go with every call."""
        base = base_url or os.environ.get("OPENAI_BASE_URL") or DEFAULT_BASE_URL
        key = api_key or os.environ.get("OPENAI_API_KEY")
        self.model = model
        self._parameters = parameters
        self._url = f"{base.rstrip('/')}/chat/completions"
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._timeout_s = timeout_s
        self._client: httpx.Client | None = None

    def __call__(
        self, messages: Sequence[Message], tools: Sequence[dict[str, Any]] = ()
    ) -> Message:
        """Send the messages and return the assistant's.

        Raises:
            httpx.HTTPStatusError: The server refused.
            httpx.TransportError: It cannot be reached, or is too slow.
        """
        response = self._connected().post(self._url, json=self._body(messages, tools))
        return _message(response)

    async def acall(
        self, messages: Sequence[Message], tools: Sequence[dict[str, Any]] = ()
    ) -> Message:
        """Do the same without holding the event loop."""
        async with httpx.AsyncClient(headers=self._headers, timeout=self._timeout_s) as client:
            return _message(await client.post(self._url, json=self._body(messages, tools)))

    def stream(self, messages: Sequence[Message]) -> Iterator[str]:
        """Give the answer's text piece by piece."""
        body = self._body(messages, ()) | {
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        with self._connected().stream("POST", self._url, json=body) as response:
            if response.is_error:
                response.read()
            response.raise_for_status()
            for line in response.iter_lines():
                if line.startswith("data:") and line[5:].strip() != "[DONE]":
                    yield from _pieces(json.loads(line[5:]))

    def close(self) -> None:
        """End the connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _connected(self) -> httpx.Client:
        if self._client is None:
            self._client = httpx.Client(headers=self._headers, timeout=self._timeout_s)
        return self._client

    def _body(self, messages: Sequence[Message], tools: Sequence[dict[str, Any]]) -> dict[str, Any]:
        body = {"model": self.model, "messages": list(messages), **self._parameters}
        return body | {"tools": list(tools)} if tools else body


def _message(response: httpx.Response) -> Message:
    response.raise_for_status()
    try:
        message = response.json()["choices"][0]["message"]
    except (ValueError, LookupError, TypeError) as exc:
        raise httpx.DecodingError(
            f"This is no chat completion: {response.text[:200]!r}", request=response.request
        ) from exc
    return dict(message)


def _pieces(event: dict[str, Any]) -> Iterator[str]:
    for choice in event.get("choices") or ():
        content = (choice.get("delta") or {}).get("content")
        if content:
            yield content
