"""The requests that clients send to models, and the streams that come back, as bytes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from inwit.runtime.capture.dialects import (
    AnthropicReading,
    ChatReading,
    EmbeddingsReading,
    Reading,
    ResponsesReading,
    read_object,
)

_DIALECTS: tuple[tuple[str, type[Reading]], ...] = (
    ("/completions", ChatReading),
    ("/responses", ResponsesReading),
    ("/messages", AnthropicReading),
    ("/embeddings", EmbeddingsReading),
)
_NOT_PARAMETERS = frozenset({"model", "messages", "input", "prompt", "system", "instructions"})


class Asked(NamedTuple):
    """A request to a model."""

    reading: type[Reading]
    model: str
    messages: list[Any]
    parameters: dict[str, Any]


def read_request(path: str, body: bytes) -> Asked | None:
    """Read a request by the end of its path; None when it is none to a model."""
    path = path.rstrip("/")
    reading = next((found for end, found in _DIALECTS if path.endswith(end)), None)
    content = read_object(body) if reading is not None else None
    if reading is None or content is None:
        return None
    model = content.get("model") or _deployment(path)
    messages = _messages(content)
    if not isinstance(model, str) or messages is None:
        return None
    return Asked(reading, model, messages, parameters_of(content))


def _messages(content: dict[str, Any]) -> list[Any] | None:
    given = next((content[key] for key in ("messages", "input", "prompt") if key in content), None)
    if given is None:
        return None
    listed = list(given) if isinstance(given, list) else [{"role": "user", "content": given}]
    before = content.get("system") or content.get("instructions")
    return [{"role": "system", "content": before}, *listed] if before else listed


def parameters_of(content: dict[str, Any]) -> dict[str, Any]:
    """All that steers the model; tools by their names, being long and always the same."""
    kept = {key: value for key, value in content.items() if key not in _NOT_PARAMETERS}
    if isinstance(kept.get("tools"), list):
        kept["tools"] = tool_names(kept["tools"])
    return kept


def tool_names(tools: list[Any]) -> list[str]:
    """Name the tools that are offered to a model."""
    return [_tool_name(tool) for tool in tools]


def _tool_name(tool: Any) -> str:
    tool = tool if isinstance(tool, dict) else {}
    inner = tool.get("function") if isinstance(tool.get("function"), dict) else {}
    return str(tool.get("name") or inner.get("name") or tool.get("type") or "?")


def _deployment(path: str) -> str | None:
    """Azure names the model in the path only."""
    parts = path.split("/")
    return parts[parts.index("deployments") + 1] if "deployments" in parts[:-1] else None


class ServerSentEvents:
    """The data of server-sent events, from bytes as they come in."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Give the data of each event that `chunk` completes."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for raw in lines:
            line = raw.rstrip(b"\r")
            if line.startswith(b"data:"):
                self._data.append(line[5:].strip())
            elif not line and self._data:
                yield from self._take()

    def end(self) -> Iterator[bytes]:
        """Give what a server left unfinished."""
        yield from self.feed(b"\n")
        if self._data:
            yield from self._take()

    def _take(self) -> Iterator[bytes]:
        data, self._data = b"\n".join(self._data), []
        yield data
