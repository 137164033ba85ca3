"""The stream mode ``messages``: a model's tokens as they come, and the messages that nodes return."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from inwit.runtime.commands import Command
from inwit.runtime.context import current

if TYPE_CHECKING:
    from inwit.runtime.context import Context
    from inwit.runtime.sink import Sink

NO_STREAM = "nostream"
"""The tag of models whose tokens are not to be streamed."""


def listen() -> None:
    """Hear of the tokens of langchain-core's models, now or once that is imported."""
    from inwit.runtime.capture.imports import when_imported

    def install(_: Any) -> None:
        from inwit.runtime.capture.langchain_tokens import install

        install()

    when_imported("langchain_core.tracers.context", install)


def is_heard(ctx: Context | None) -> bool:
    """Whether anybody reads the messages of what runs in a context."""
    sink = None if ctx is None else ctx.execution.output
    return sink is not None and sink.wants("messages")


def tell_token(ctx: Context | None, text: str, message_id: str) -> bool:
    """Put a piece of a model's answer, where that is wanted; say whether it was."""
    if not text or ctx is None or ctx.is_closed or not is_heard(ctx):
        return False
    if NO_STREAM in (ctx.config.get("tags") or ()):
        return False
    from inwit.runtime.messages import AIMessageChunk

    tell_chunk(ctx, AIMessageChunk(content=text, id=message_id))
    return True


def tell_spoken(ctx: Context | None, text: str) -> None:
    """Note a whole answer that came in pieces: the node may return it as a message of its own."""
    if ctx is not None and is_heard(ctx):
        ctx.spoken = (*ctx.spoken, text)


def tell_chunk(ctx: Context, chunk: Any, **metadata: Any) -> None:
    """Put one piece of a message, with where it comes from, to who reads ``messages``."""
    sink = ctx.execution.output
    if sink is not None and sink.wants("messages"):
        identifier = getattr(chunk, "id", None)
        if identifier is not None:
            sink.seen.add(identifier)
        sink.put("messages", (chunk, {**place_of(ctx), **metadata}))


def note_given(sink: Sink, given: Any) -> None:
    """Note the messages that a node is given: they are nothing new when it returns them."""
    for message in _messages(
        given if isinstance(given, Mapping) else getattr(given, "__dict__", {})
    ):
        identifier = getattr(message, "id", None)
        if identifier is not None:
            sink.seen.add(identifier)


def tell_returned(sink: Sink, ctx: Context, returned: Any) -> None:
    """Put the messages that a node returned and that did not come as pieces before."""
    spoken, ctx.spoken = ctx.spoken, ()
    for message in _messages(returned.update if isinstance(returned, Command) else returned):
        identifier = getattr(message, "id", None)
        if identifier is None and message.type == "ai" and message.content in spoken:
            continue
        if identifier is not None and identifier in sink.seen:
            continue
        sink.seen.add(identifier)
        sink.put("messages", (message, place_of(ctx)))


def place_of(ctx: Context) -> dict[str, Any]:
    """Where a message comes from, by the names that clients of LangGraph know."""
    config = ctx.full_config
    place = dict(config["metadata"])
    place["checkpoint_ns"] = place["langgraph_checkpoint_ns"]
    if config.get("tags"):
        place.setdefault("tags", list(config["tags"]))
    return place


def here() -> Context | None:
    """The context whose messages are read, where the code that runs here has one."""
    ctx = current()
    return ctx if is_heard(ctx) else None


def _messages(returned: Any) -> Iterator[Any]:
    if _is_message(returned):
        yield returned
    elif isinstance(returned, Mapping):
        for value in returned.values():
            yield from _messages_in(value)
    elif isinstance(returned, list | tuple):
        for one in returned:
            yield from _messages(one.update if isinstance(one, Command) else one)
    elif hasattr(returned, "__dict__") and not isinstance(returned, type):
        for value in vars(returned).values():
            yield from _messages_in(value)


def _messages_in(value: Any) -> Iterator[Any]:
    if _is_message(value):
        yield value
    elif isinstance(value, list | tuple):
        yield from (one for one in value if _is_message(one))


def _is_message(value: Any) -> bool:
    return (
        hasattr(value, "content") and hasattr(value, "type") and hasattr(value, "response_metadata")
    )
