"""How the answers of models are read: four dialects, each whole or as a stream of events.

OpenAI's chat completions (with its older text completions), responses and embeddings, and Anthropic's
messages. What a server leaves out stays unknown.
"""

from __future__ import annotations

import json
from typing import Any

from inwit.events import Failure
from inwit.runtime.capture.prices import Usage


def read_object(body: bytes) -> dict[str, Any] | None:
    """Read a JSON object; None when it is anything else."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def read_error(status: int, body: bytes) -> Failure:
    """Describe a refusal; the servers agree on ``{"error": {"message", "type", "code"}}``."""
    content = read_object(body) or {}
    detail = content.get("error", content)
    if isinstance(detail, dict):
        message = detail.get("message") or detail.get("detail") or f"HTTP {status}"
        kind = detail.get("type") or detail.get("code") or ""
    else:
        message, kind = detail, ""
    return Failure(type="HTTPStatusError", message=f"{status}: {message}", code=str(kind))


class Reading:
    """What a model has answered so far."""

    def __init__(self) -> None:
        self.model = ""
        self.usage = Usage()
        self.error: Failure | None = None
        self.is_finished = False
        """Whether the server said that this is all."""

    def whole(self, body: bytes) -> None:
        """Read an answer that came in one piece."""
        content = read_object(body)
        if content is None:
            self.error = Failure(type="BrokenAnswer", message="The answer is no JSON object.")
        elif content.get("error"):
            self.error = read_error(200, body)
        else:
            self.is_finished = True
            self.model = str(content.get("model") or "")
            self._answer(content)

    def piece(self, data: bytes) -> str:
        """Read one event of a stream and give the text that it adds."""
        if data == b"[DONE]":
            self.is_finished = True
            return ""
        content = read_object(data)
        if content is None:
            return ""
        if content.get("type") == "error" or (content.get("error") and "type" not in content):
            self.error = read_error(200, data)
            return ""
        self.model = str(content.get("model") or self.model)
        return self._event(content)

    @property
    def output(self) -> Any:
        """The answer, plainly: ``content``, ``tool_calls`` and ``finish_reason`` where given."""
        raise NotImplementedError

    def _answer(self, content: dict[str, Any]) -> None:
        raise NotImplementedError

    def _event(self, content: dict[str, Any]) -> str:  # noqa: ARG002
        """Read one event; a dialect without streams has none."""
        return ""


class _Message:
    """One answer that grows."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.calls: dict[Any, dict[str, Any]] = {}
        self.reason: str | None = None

    def call(self, index: Any, id_: Any, name: Any, arguments: Any) -> None:
        """Add to a tool call; its arguments may come in pieces of JSON."""
        call = self.calls.setdefault(index, {"id": "", "name": "", "arguments": ""})
        call["id"] = call["id"] or id_ or ""
        call["name"] = call["name"] or name or ""
        if isinstance(arguments, str):
            call["arguments"] += arguments
        elif arguments:
            call["arguments"] = json.dumps(arguments)

    def shown(self) -> dict[str, Any]:
        output: dict[str, Any] = {"content": "".join(self.text)}
        if self.calls:
            output["tool_calls"] = list(self.calls.values())
        if self.reason:
            output["finish_reason"] = self.reason
        return output


class ChatReading(Reading):
    """OpenAI's chat completions, and the older text completions."""

    def __init__(self) -> None:
        super().__init__()
        self._choices: dict[int, _Message] = {}

    @property
    def output(self) -> Any:
        shown = [self._choices[index].shown() for index in sorted(self._choices)]
        return shown[0] if len(shown) == 1 else {"content": "", "choices": shown}

    def _answer(self, content: dict[str, Any]) -> None:
        self._usage(content)
        for choice in _dicts(content.get("choices")):
            self._choice(choice, _dict(choice.get("message")))

    def _event(self, content: dict[str, Any]) -> str:
        self._usage(content)
        texts = [
            self._choice(choice, _dict(choice.get("delta")))
            for choice in _dicts(content.get("choices"))
        ]
        return "".join(texts)

    def _choice(self, choice: dict[str, Any], said: dict[str, Any]) -> str:
        message = self._choices.setdefault(int(choice.get("index") or 0), _Message())
        text = _text(said.get("content") or choice.get("text") or said.get("refusal"))
        message.text.append(text)
        for position, call in enumerate(_dicts(said.get("tool_calls"))):
            function = _dict(call.get("function"))
            message.call(
                call.get("index", position), call.get("id"), function.get("name"),
                function.get("arguments"),
            )  # fmt: skip
        if choice.get("finish_reason"):
            message.reason = str(choice["finish_reason"])
        return text

    def _usage(self, content: dict[str, Any]) -> None:
        usage = _dict(content.get("usage"))
        if usage:
            self.usage = _openai_usage(usage)


class ResponsesReading(Reading):
    """OpenAI's responses."""

    def __init__(self) -> None:
        super().__init__()
        self._message = _Message()

    @property
    def output(self) -> Any:
        return self._message.shown()

    def _answer(self, content: dict[str, Any]) -> None:
        self._message = _Message()
        self.model = str(content.get("model") or self.model)
        self._message.reason = content.get("status")
        self.usage = _openai_usage(_dict(content.get("usage")))
        for index, item in enumerate(_dicts(content.get("output"))):
            if item.get("type") == "function_call":
                self._message.call(
                    index, item.get("call_id"), item.get("name"), item.get("arguments")
                )
            self._message.text.append(_text(item.get("content")))

    def _event(self, content: dict[str, Any]) -> str:
        kind = str(content.get("type"))
        if kind == "response.output_text.delta":
            self._message.text.append(text := _text(content.get("delta")))
            return text
        if kind in ("response.completed", "response.incomplete", "response.failed"):
            response = _dict(content.get("response"))
            self._answer(response)
            self.is_finished = True
            if response.get("error"):
                self.error = read_error(200, json.dumps(response).encode())
        return ""


class AnthropicReading(Reading):
    """Anthropic's messages."""

    def __init__(self) -> None:
        super().__init__()
        self._message = _Message()
        self._counts: dict[str, Any] = {}

    @property
    def output(self) -> Any:
        return self._message.shown()

    def _answer(self, content: dict[str, Any]) -> None:
        self._count(content)
        self._message.reason = content.get("stop_reason")
        for index, block in enumerate(_dicts(content.get("content"))):
            self._block(index, block)

    def _event(self, content: dict[str, Any]) -> str:
        kind, index = content.get("type"), content.get("index")
        if kind == "message_start":
            message = _dict(content.get("message"))
            self.model = str(message.get("model") or self.model)
            self._count(message)
        elif kind == "content_block_start":
            return self._block(index, _dict(content.get("content_block")))
        elif kind == "content_block_delta":
            return self._delta(index, _dict(content.get("delta")))
        elif kind == "message_delta":
            self._count(content)
            self._message.reason = _dict(content.get("delta")).get("stop_reason")
        elif kind == "message_stop":
            self.is_finished = True
        return ""

    def _block(self, index: Any, block: dict[str, Any]) -> str:
        if block.get("type") == "tool_use":
            self._message.call(index, block.get("id"), block.get("name"), block.get("input"))
        text = _text(block.get("text"))
        self._message.text.append(text)
        return text

    def _delta(self, index: Any, delta: dict[str, Any]) -> str:
        if delta.get("type") == "input_json_delta":
            self._message.call(index, None, None, delta.get("partial_json"))
        text = _text(delta.get("text"))
        self._message.text.append(text)
        return text

    def _count(self, content: dict[str, Any]) -> None:
        counts = _dict(content.get("usage"))
        self._counts.update({key: value for key, value in counts.items() if value is not None})
        read = _count(self._counts, "cache_read_input_tokens")
        written = _count(self._counts, "cache_creation_input_tokens")
        fresh = _count(self._counts, "input_tokens")
        self.usage = Usage(
            input=None if fresh is None else fresh + (read or 0) + (written or 0),
            output=_count(self._counts, "output_tokens"), cached=read, cache_write=written,
        )  # fmt: skip


class EmbeddingsReading(Reading):
    """OpenAI's embeddings: how many and how long; the numbers themselves are not recorded."""

    output: Any = None

    def _answer(self, content: dict[str, Any]) -> None:
        self.usage = _openai_usage(_dict(content.get("usage")))
        vectors = _dicts(content.get("data"))
        self.output = {"embeddings": len(vectors)}
        first = vectors[0].get("embedding") if vectors else None
        if isinstance(first, list):
            self.output["dimensions"] = len(first)


def _openai_usage(usage: dict[str, Any]) -> Usage:
    details = _dict(usage.get("prompt_tokens_details") or usage.get("input_tokens_details"))
    cached = _count(details, "cached_tokens")
    return Usage(
        input=_count(usage, "prompt_tokens", "input_tokens"),
        output=_count(usage, "completion_tokens", "output_tokens"),
        cached=cached if cached is not None else _count(usage, "prompt_cache_hit_tokens"),
        cache_write=_count(details, "cache_write_tokens"),
    )


def _count(counts: dict[str, Any], *names: str) -> int | None:
    return next((counts[name] for name in names if isinstance(counts.get(name), int)), None)


def _text(value: Any) -> str:
    """The text of a content that is a string or a list of parts."""
    if isinstance(value, str):
        return value
    return "".join(_text(part.get("text")) for part in _dicts(value))


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
