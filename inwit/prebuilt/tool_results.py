"""What tools gave, checked and put together into a node's update."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, Literal

from inwit.errors import InvalidToolResultError, shorten
from inwit.prebuilt.tools import _BLOCKS
from inwit.runtime.commands import Command, Send
from inwit.runtime.messages.convert import convert_to_messages
from inwit.runtime.messages.kinds import has_type
from inwit.runtime.messages.merge import REMOVE_ALL_MESSAGES

InputType = Literal["list", "dict", "tool_calls"]
Call = Mapping[str, Any]


def content_of(output: Any) -> str | list[Any]:
    """A tool's output as a message's content: a text, a list of blocks, or JSON."""
    if isinstance(output, str) or (
        isinstance(output, list)
        and all(isinstance(one, dict) and one.get("type") in _BLOCKS for one in output)
    ):
        return output
    try:
        return json.dumps(output, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return str(output)


def checked(response: Any, call: Call, input_type: InputType, messages_key: str) -> Any:
    """Check what one tool gave: a `ToolMessage`, a `Command`, or a list of them.

    Raises:
        InvalidToolResultError: It gave something else, or leaves the model's call unanswered.
    """
    if isinstance(response, Command):
        return _checked_command(response, call, input_type, messages_key)
    if has_type(response, "tool"):
        response.content = content_of(response.content)
        return response
    if isinstance(response, list) and all(
        isinstance(one, Command) or has_type(one, "tool") for one in response
    ):
        return _checked_list(response, call, input_type, messages_key)
    raise InvalidToolResultError(
        f"The tool {call['name']!r} gave a {type(response).__name__}.",
        hint="Give a ToolMessage, a Command or a list of them.",
    )


def _checked_list(
    response: list[Any], call: Call, input_type: InputType, messages_key: str
) -> list[Any]:
    answers = 0
    for one in response:
        update = getattr(one, "update", None)
        said = update.get(messages_key, []) if isinstance(update, dict) else [one]
        answers += sum(_answers(message, call) for message in said)
    if answers != 1:
        raise InvalidToolResultError(
            f"The tool {call['name']!r} gave a list with {answers} messages bound to tool_call_id "
            f"{call['id']!r}.",
            hint="Give exactly one ToolMessage with its tool_call_id.",
        )
    return [
        _checked_command(one, call, input_type, messages_key, must_answer=False)
        if isinstance(one, Command)
        else checked(one, call, input_type, messages_key)
        for one in response
    ]


def _answers(message: Any, call: Call) -> bool:
    return has_type(message, "tool") and message.tool_call_id == call["id"]


def _checked_command(
    command: Command[Any],
    call: Call,
    input_type: InputType,
    messages_key: str,
    *,
    must_answer: bool = True,
) -> Command[Any]:
    if not isinstance(command.update, dict | list):
        return command
    _refuse_other_shape(command, call, input_type, messages_key)
    copied = deepcopy(command)
    update = copied.update
    messages = convert_to_messages(
        update.get(messages_key, []) if isinstance(update, dict) else update
    )
    if len(messages) == 1 and messages[0].id == REMOVE_ALL_MESSAGES:
        return copied
    answering = [message for message in messages if _answers(message, call)]
    for message in answering:
        message.name = call["name"]
    if must_answer and copied.graph is None and not answering:
        raise InvalidToolResultError(
            f"Expected to have a matching ToolMessage in Command.update for tool {call['name']!r}, "
            f"got: {shorten(messages)}.",
            hint="Every call of a model must be answered: put a ToolMessage with its tool_call_id "
            "into the update.",
        )
    return copied


def _refuse_other_shape(
    command: Command[Any], call: Call, input_type: InputType, messages_key: str
) -> None:
    is_dict = isinstance(command.update, dict)
    if is_dict == (input_type != "list"):
        return
    given, wanted = (
        ("dict", "a list of messages") if is_dict else ("list", f"a dict with {messages_key!r}")
    )
    raise InvalidToolResultError(
        f"The tool {call['name']!r} gave a Command with a {given} as its update, and the node was "
        f"given {'a list' if is_dict else 'a dict'}.",
        hint=f"Give {wanted}.",
    )


def combined(outputs: Sequence[Any], input_type: InputType, messages_key: str) -> Any:
    """Put the outputs of several calls together; sends to the parent become one command."""
    flat = [one for out in outputs for one in (out if isinstance(out, list) else (out,))]
    if not any(isinstance(one, Command) for one in flat):
        return flat if input_type == "list" else {messages_key: flat}
    found: list[Any] = []
    sends: list[Send] = []
    for one in flat:
        if not isinstance(one, Command):
            found.append([one] if input_type == "list" else {messages_key: [one]})
        elif _only_sends_up(one):
            sends += one.targets()  # type: ignore[arg-type]
        else:
            found.append(one)
    return [*found, Command(graph=Command.PARENT, goto=sends)] if sends else found


def _only_sends_up(command: Command[Any]) -> bool:
    return (
        command.graph == Command.PARENT
        and isinstance(command.goto, list)
        and all(isinstance(one, Send) for one in command.goto)
    )
