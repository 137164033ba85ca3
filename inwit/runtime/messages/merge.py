"""`add_messages`: the reducer of a conversation."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Literal, TypedDict, overload
from uuid import uuid4

from inwit.errors import InvalidMessageError
from inwit.runtime.messages.classes import AnyMessage
from inwit.runtime.messages.convert import convert_to_messages
from inwit.runtime.messages.kinds import OURS, Kind, are_whole, kind_of

REMOVE_ALL_MESSAGES = "__remove_all__"
"""The id of a `RemoveMessage` that removes all that stand before it."""

Format = Literal["langchain-openai"]
Merged = tuple[list[Any], list[Any] | None]


@overload
def add_messages(left: Any, right: Any, *, format: Format | None = None) -> list[Any]: ...
@overload
def add_messages(*, format: Format | None = None) -> Callable[[Any, Any], list[Any]]: ...
def add_messages(
    left: Any = None, right: Any = None, *, format: Format | None = None
) -> list[Any] | Callable[[Any, Any], list[Any]]:
    """Append messages to a conversation; one that has the id of an earlier one replaces it.

    Messages may be dicts, (role, text) pairs, texts, or objects, alone or in a list; each gets an
    id where it has none. A `RemoveMessage` takes the one of its id out. With format
    ``langchain-openai`` contents are rewritten to OpenAI's blocks. Without messages it gives the
    reducer of that format: ``Annotated[list, add_messages(format=…)]``.

    Raises:
        InvalidMessageError: Something is no message, or one is removed that is not there.

    Example:
        >>> [message.text for message in add_messages([("user", "Hi.")], {"role": "ai", "content": "Hello."})]
        ['Hi.', 'Hello.']
    """
    if left is None and right is None:
        return partial(add_messages, format=format)
    if left is None or right is None:
        only = "right" if left is None else "left"
        raise InvalidMessageError(
            f"Must specify non-null arguments for both 'left' and 'right'. Only received: '{only}'."
        )
    if format not in (None, "langchain-openai"):
        raise InvalidMessageError(
            f"Unrecognized format={format!r}.", hint="Expected one of 'langchain-openai', None."
        )
    merged, _ = merge(left, right)
    return merged if format is None else _formatted(merged)


def merge(left: Any, right: Any) -> Merged:
    """Merge, and say what was appended; None where it did more than append."""
    before = left if isinstance(left, list) else [left]
    after = right if isinstance(right, list) else [right]
    kind = kind_of(before, after)
    known, given = _of_kind(before, kind), _of_kind(after, kind)
    is_kept = _give_ids(known) == 0 and known is left
    is_new = _give_ids(given) == len(given)
    cleared = [at for at, one in enumerate(given) if _removes_all(one)]
    if cleared:
        return given[cleared[-1] + 1 :], None
    merged, appended = (known + given, given) if is_new else _by_id(known, given)
    return merged, appended if is_kept else None


def _of_kind(messages: list[Any], kind: Kind) -> list[Any]:
    return messages if are_whole(messages, kind) else convert_to_messages(messages, kind)


def _give_ids(messages: list[Any]) -> int:
    """Give an id to each that has none; say how many had none."""
    count = 0
    for message in messages:
        if message.id is None:
            message.id = str(uuid4())
            count += 1
    return count


def _removes_all(message: Any) -> bool:
    return bool(message.type == "remove" and message.id == REMOVE_ALL_MESSAGES)


def _by_id(known: list[Any], given: list[Any]) -> Merged:
    merged, places = known.copy(), {message.id: at for at, message in enumerate(known)}
    removed: set[Any] = set()
    is_appended = True
    for message in given:
        place = places.get(message.id)
        is_appended = is_appended and (place is None or place >= len(known))
        if message.type == "remove":
            if place is None:
                raise InvalidMessageError(
                    f"Attempting to delete a message with an ID that doesn't exist ({message.id!r})"
                )
            removed.add(message.id)
        elif place is None:
            places[message.id] = len(merged)
            merged.append(message)
        else:
            removed.discard(message.id)
            merged[place] = message
    merged = [one for one in merged if one.id not in removed] if removed else merged
    return merged, merged[len(known) :] if is_appended else None


def _formatted(merged: list[Any]) -> list[Any]:
    kind = kind_of(merged)
    if kind is OURS:
        from inwit.runtime.messages.openai_blocks import formatted

        return formatted(merged)
    found: list[Any] = kind.convert_to_messages(kind.convert_to_openai_messages(merged))
    return found


add_messages.merge_appending = merge  # type: ignore[attr-defined] # see `Channel.merge_appending`


class MessagesState(TypedDict):
    """A state that is a conversation."""

    messages: Annotated[list[AnyMessage], add_messages]
