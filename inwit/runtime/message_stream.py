"""The stream mode ``messages``: a model's tokens as they come, and the messages that nodes return."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from inwit.runtime.commands import Command

if TYPE_CHECKING:
    from inwit.runtime.context import Context
    from inwit.runtime.engine import Execution
    from inwit.runtime.streaming import Sink


def tell_chunk(ctx: Context, chunk: Any, **metadata: Any) -> None:
    """Put one piece of a message, with where it comes from, to who reads ``messages``."""
    sink = ctx.execution.output
    if sink is not None and sink.wants("messages"):
        identifier = getattr(chunk, "id", None)
        if identifier is not None:
            sink.seen.add(identifier)
        sink.put(sink.within, "messages", (chunk, {**place_of(ctx), **metadata}))


def tell_returned(sink: Sink, execution: Execution, ctx: Context, returned: Any) -> None:
    """Put the messages that a node returned and that did not come as pieces before."""
    for message in _messages(returned.update if isinstance(returned, Command) else returned):
        identifier = getattr(message, "id", None)
        if identifier is not None and identifier in sink.seen:
            continue
        sink.seen.add(identifier)
        sink.put(sink.within, "messages", (message, place_of(ctx)))


def place_of(ctx: Context) -> dict[str, Any]:
    """Where a message comes from, by the names that clients of LangGraph know."""
    config = ctx.full_config
    return dict(config["metadata"]) | {
        "langgraph_checkpoint_ns": config["configurable"]["checkpoint_ns"],
        "checkpoint_ns": config["configurable"]["checkpoint_ns"],
    }


def _messages(returned: Any) -> Iterator[Any]:
    if _is_message(returned):
        yield returned
    elif isinstance(returned, Mapping):
        for value in returned.values():
            yield from _messages_in(value)
    elif isinstance(returned, list | tuple):
        for one in returned:
            yield from _messages(one.update if isinstance(one, Command) else one)


def _messages_in(value: Any) -> Iterator[Any]:
    if _is_message(value):
        yield value
    elif isinstance(value, list | tuple):
        yield from (one for one in value if _is_message(one))


def _is_message(value: Any) -> bool:
    return (
        hasattr(value, "content") and hasattr(value, "type") and hasattr(value, "response_metadata")
    )
