"""Making messages of what people write: dicts, (role, text) pairs, texts; and OpenAI's form of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from inwit.errors import InvalidMessageError, shorten
from inwit.runtime.messages import classes
from inwit.runtime.messages.kinds import OURS, Kind, is_langchain, kind_of

CLASSES: dict[str, type[classes.BaseMessage]] = {
    "human": classes.HumanMessage,
    "user": classes.HumanMessage,
    "ai": classes.AIMessage,
    "assistant": classes.AIMessage,
    "system": classes.SystemMessage,
    "developer": classes.SystemMessage,
    "tool": classes.ToolMessage,
    "function": classes.FunctionMessage,
    "remove": classes.RemoveMessage,
}
_ROLES = {"human": "user", "ai": "assistant", "AIMessageChunk": "assistant"}
_DEVELOPER = "__openai_role__"


def convert_to_messages(messages: Iterable[Any], kind: Kind | None = None) -> list[Any]:
    """Make message objects of one kind: langchain-core's or ours, as `kind_of` finds by default.

    Raises:
        InvalidMessageError: One of them is no message.
    """
    listed = list(messages)
    kind = kind or kind_of(listed)
    if kind is OURS:
        return [_ours(one) for one in listed]
    given = [_theirs(one, kind) for one in listed]
    return [kind.message_chunk_to_message(one) for one in kind.convert_to_messages(given)]


def _theirs(given: Any, kind: Kind) -> Any:
    if not isinstance(given, classes.BaseMessage):
        return given
    whole = given.whole() if isinstance(given, classes.AIMessageChunk) else given
    fields = {name: getattr(whole, name) for name in whole.__struct_fields__ if name != "type"}
    if whole.type == "remove":
        return kind.RemoveMessage(id=whole.id)
    return getattr(kind, CLASSES[whole.type].__name__)(**fields)


def _ours(given: Any) -> classes.BaseMessage:
    if isinstance(given, classes.AIMessageChunk):
        return given.whole()
    if isinstance(given, classes.BaseMessage):
        return given
    if isinstance(given, str):
        return classes.HumanMessage(given)
    if is_langchain(given):
        return _taken_over(given)
    if isinstance(given, Mapping):
        return _from_dict(given)
    if isinstance(given, Sequence) and len(given) == 2:
        return _make(given[0], given[1], {})
    raise InvalidMessageError(
        f"{shorten(given)} is no message.", hint="Give a dict with role and content, or a text."
    )


def _taken_over(given: Any) -> classes.BaseMessage:
    """Make a message of ours of one of langchain-core's."""
    cls = CLASSES["ai" if given.type == "AIMessageChunk" else given.type]
    names = [name for name in cls.__struct_fields__ if name != "type" and hasattr(given, name)]
    return cls(**{name: getattr(given, name) for name in names})


def _from_dict(given: Mapping[str, Any]) -> classes.BaseMessage:
    fields = dict(given)
    role = fields.pop("role", None) or fields.pop("type", None)
    if role is None or "content" not in fields:
        raise InvalidMessageError(
            f"Message dict must contain 'role' and 'content' keys, got {shorten(given)}."
        )
    return _make(role, fields.pop("content"), fields)


def _make(role: Any, content: Any, fields: dict[str, Any]) -> classes.BaseMessage:
    cls = CLASSES.get(role) if isinstance(role, str) else None
    if cls is None:
        raise InvalidMessageError(
            f"Unexpected message type: {role!r}.", hint=f"Use one of {', '.join(CLASSES)}."
        )
    known, extra = _sorted(cls, fields)
    if role == "developer":
        extra[_DEVELOPER] = "developer"
    if "tool_calls" in known:
        known["tool_calls"], invalid = classes.parse_tool_calls(known["tool_calls"] or [])
        known["invalid_tool_calls"] = [*known.get("invalid_tool_calls", ()), *invalid]
    try:
        return cls(content=content or "", additional_kwargs=extra, **known)
    except TypeError as exc:
        raise InvalidMessageError(f"A message of {role!r} cannot be made: {exc}.") from exc


def _sorted(
    cls: type[classes.BaseMessage], fields: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Tell the class's fields from what is kept beside them."""
    known = {name: fields[name] for name in cls.__struct_fields__ if name in fields}
    known.pop("type", None)
    extra = {name: value for name, value in fields.items() if name not in cls.__struct_fields__}
    return known, {**extra, **(known.pop("additional_kwargs", None) or {})}


def to_openai(message: Any) -> dict[str, Any]:
    """Write a message object of either kind, or a dict, as OpenAI's chat API takes it."""
    if isinstance(message, Mapping):
        return dict(message)
    if is_langchain(message):
        from langchain_core.messages import convert_to_openai_messages

        found: Any = convert_to_openai_messages(message)
        return dict(found)
    role = message.additional_kwargs.get(_DEVELOPER) or _ROLES.get(message.type, message.type)
    written: dict[str, Any] = {"role": role, "content": message.content}
    if message.name:
        written["name"] = message.name
    if isinstance(message, classes.ToolMessage):
        written["tool_call_id"] = message.tool_call_id
    if isinstance(message, classes.AIMessage) and message.tool_calls:
        written["tool_calls"] = [openai_tool_call(call) for call in message.tool_calls]
    return written


def openai_tool_call(call: Mapping[str, Any]) -> dict[str, Any]:
    """Write a tool call as OpenAI does."""
    arguments = json.dumps(call["args"], ensure_ascii=False)
    return {
        "type": "function",
        "id": call["id"],
        "function": {"name": call["name"], "arguments": arguments},
    }
