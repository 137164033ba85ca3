"""The message classes, for programs that don't use langchain-core; its classes have the same attributes."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import msgspec

from inwit.errors import InvalidMessageError

Content = str | list[Any]
ToolCallDict = dict[str, Any]
"""``{"name": …, "args": {…}, "id": …, "type": "tool_call"}``"""


class _WithContent(msgspec.Struct):
    content: Content = ""


class BaseMessage(_WithContent, kw_only=True):
    """One message of a conversation.

    `type` says whose it is: human, ai, system, tool, function or remove. `content` is a text or a
    list of content blocks.
    """

    type: str = ""
    id: str | None = None
    name: str | None = None
    additional_kwargs: dict[str, Any] = {}
    response_metadata: dict[str, Any] = {}

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: Any) -> Any:
        """Let pydantic models hold messages, and take what `convert_to_messages` does for them."""
        from inwit.runtime.messages.checked import core_schema_of

        return core_schema_of(cls)

    @property
    def text(self) -> str:
        """The text of the content; blocks of another kind have none."""
        if isinstance(self.content, str):
            return self.content
        blocks = (b if isinstance(b, str) else _block_text(b) for b in self.content)
        return "".join(blocks)

    def pretty_repr(self) -> str:
        """The message for a terminal, below a line that names its kind."""
        lines = [f" {self.type.title()} Message ".center(80, "=")]
        lines += [f"Name: {self.name}"] if self.name else []
        lines += [""] + ([str(self.content)] if self.content else [])
        for call in getattr(self, "tool_calls", ()):
            lines += [f"{call['name']} ({call['id']})"]
            lines += [f"  {name}: {value}" for name, value in call["args"].items()]
        return "\n".join(lines)

    def pretty_print(self) -> None:
        """Print the message."""
        print(self.pretty_repr())  # noqa: T201 - what it is for


def _block_text(block: Any) -> str:
    return str(block.get("text", "")) if block.get("type", "text") == "text" else ""


class HumanMessage(BaseMessage, kw_only=True):
    """What a user says."""

    type: str = "human"


class SystemMessage(BaseMessage, kw_only=True):
    """What the model is told about its part."""

    type: str = "system"


class FunctionMessage(BaseMessage, kw_only=True):
    """What a function returned, in the older form that names it instead of the call."""

    type: str = "function"


class AIMessage(BaseMessage, kw_only=True):
    """What a model says, and the tools it asks for.

    `tool_calls` hold parsed arguments; a call that cannot be parsed is in `invalid_tool_calls`.
    """

    type: str = "ai"
    tool_calls: list[ToolCallDict] = []
    invalid_tool_calls: list[ToolCallDict] = []
    usage_metadata: dict[str, Any] | None = None
    """``input_tokens``, ``output_tokens``, ``total_tokens``, where the model told them."""

    def __post_init__(self) -> None:
        raw = self.additional_kwargs.get("tool_calls")
        if raw and not self.tool_calls and not self.invalid_tool_calls:
            self.tool_calls, self.invalid_tool_calls = parse_tool_calls(raw)
        if self.tool_calls:
            self.tool_calls = [
                {"name": call["name"], "args": call["args"], "id": call.get("id"), "type": "tool_call"}
                for call in self.tool_calls
            ]  # fmt: skip


class AIMessageChunk(AIMessage, kw_only=True):
    """A piece of what a model says; pieces are joined by ``+``."""

    type: str = "AIMessageChunk"

    def __add__(self, other: AIMessageChunk) -> AIMessageChunk:
        return AIMessageChunk(
            content=_joined(self.content, other.content),
            id=self.id or other.id,
            name=self.name or other.name,
            additional_kwargs={**self.additional_kwargs, **other.additional_kwargs},
            response_metadata={**self.response_metadata, **other.response_metadata},
            tool_calls=[*self.tool_calls, *other.tool_calls],
            invalid_tool_calls=[*self.invalid_tool_calls, *other.invalid_tool_calls],
            usage_metadata=_summed(self.usage_metadata, other.usage_metadata),
        )

    def whole(self) -> AIMessage:
        """The message that the pieces make."""
        fields = {name: getattr(self, name) for name in self.__struct_fields__ if name != "type"}
        return AIMessage(**fields)


def _joined(first: Content, second: Content) -> Content:
    if isinstance(first, str) and isinstance(second, str):
        return first + second
    as_lists = [one if isinstance(one, list) else ([one] if one else []) for one in (first, second)]
    return [*as_lists[0], *as_lists[1]]


def _summed(first: dict[str, Any] | None, second: dict[str, Any] | None) -> dict[str, Any] | None:
    if first is None or second is None:
        return first or second
    counts = {key: value for key, value in second.items() if isinstance(value, int)}
    return {**first, **{key: first.get(key, 0) + value for key, value in counts.items()}}


class ToolMessage(BaseMessage, kw_only=True):
    """What a tool returned; `tool_call_id` names the call that it answers.

    `artifact` is what the tool made besides, for the program and not for the model.
    """

    tool_call_id: str
    type: str = "tool"
    artifact: Any = None
    status: str = "success"
    """``success`` or ``error``"""

    def __post_init__(self) -> None:
        content: Any = self.content
        if isinstance(content, tuple):
            content = list(content)
        if isinstance(content, list):
            content = [one if isinstance(one, str | dict) else str(one) for one in content]
        self.content = content if isinstance(content, str | list) else str(content)
        given: Any = self.tool_call_id
        if isinstance(given, UUID | int | float):
            self.tool_call_id = str(given)


class RemoveMessage(BaseMessage, kw_only=True):
    """Takes the message of that id out of a conversation; see `add_messages`.

    ``RemoveMessage(id=REMOVE_ALL_MESSAGES)`` takes all out that were there before.
    """

    type: str = "remove"

    def __post_init__(self) -> None:
        if self.content:
            raise InvalidMessageError(
                f"RemoveMessage was given the content {self.content!r}.", hint="Give its id alone."
            )


AnyMessage = (
    HumanMessage
    | AIMessage
    | SystemMessage
    | ToolMessage
    | FunctionMessage
    | AIMessageChunk
    | RemoveMessage
)
"""What a conversation in the state may hold, and what asks to take something out of it."""


def parse_tool_calls(raw: list[Any]) -> tuple[list[ToolCallDict], list[ToolCallDict]]:
    """Read OpenAI's tool calls: those whose arguments are a JSON object, and the others."""
    calls: list[ToolCallDict] = []
    invalid: list[ToolCallDict] = []
    for one in raw:
        function = one.get("function", one)
        name, given = function.get("name"), function.get("arguments", function.get("args"))
        try:
            args = json.loads(given or "{}", strict=False) if not isinstance(given, dict) else given
        except ValueError as exc:
            args, error = None, str(exc)
        else:
            error = "" if isinstance(args, dict) else "The arguments are no object."
        call = {"name": name, "args": given if error else args, "id": one.get("id")}
        if error:
            invalid.append({**call, "error": error, "type": "invalid_tool_call"})
        else:
            calls.append({**call, "type": "tool_call"})
    return calls, invalid
